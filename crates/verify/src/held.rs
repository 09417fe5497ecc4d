//! Checkpoints that were kept elsewhere. A log that was written anew gives other roots, also for
//! the sizes that it once had; so whoever kept one of these finds out.

use auditlake_tlog::{Checkpoint, Note, Roots, VerifierKey};

use crate::claims::{Log, Logs};
use crate::report::Report;
use crate::signing::{by_one_of, keys_of};
use crate::verdict::{Finding, FindingKind};

/// A checkpoint that was kept, of one of the logs of the proof.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(crate) note: &'a Note,
    pub(crate) checkpoint: Checkpoint,
    /// The place of its log.
    pub(crate) log: usize,
}

/// What a kept checkpoint says of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The log still has all that it had then.
    Same,
    /// It has not.
    Other,
    /// The export does not tell.
    Untold,
}

/// Finds the logs of kept checkpoints; those of other logs, or that nobody signed, are reported.
pub(crate) fn sorted<'a>(
    notes: &'a [Note],
    logs: &Logs<'_>,
    trusted: &[VerifierKey],
    report: &mut Report,
) -> Vec<Held<'a>> {
    let mut held = Vec::new();
    for note in notes {
        let checkpoint = match Checkpoint::parse(&note.text) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                let detail = format!("what was kept elsewhere is no checkpoint: {error}");
                report.findings.add(FindingKind::Signature, detail);
                continue;
            }
        };
        let place = logs.sound.iter().position(|log| log.checkpoint.origin == checkpoint.origin);
        let Some((place, log)) = place.and_then(|at| Some((at, logs.sound.get(at)?))) else {
            report.not_proved.push(format!(
                "Anything about the log {}, of which a checkpoint was kept elsewhere: the export \
                 has nothing of it.",
                checkpoint.origin
            ));
            continue;
        };
        // Keys of the export serve as well: a note that was kept says what it says, and who
        // wrote the export cannot change it.
        let keys = [keys_of(log, trusted), log.keys.clone()].concat();
        if let Err(error) = by_one_of(&keys, note) {
            let detail = format!(
                "the checkpoint of {} events that was kept elsewhere is not signed by the log: \
                 {error}",
                checkpoint.size
            );
            let finding = Finding::new(FindingKind::Signature, detail);
            report.findings.push(finding.of_log(&log.claimed.tenant_id));
            continue;
        }
        held.push(Held { note, checkpoint, log: place });
    }
    held
}

impl Held<'_> {
    /// Holds the log against it, as far as the export tells.
    pub(crate) fn compare(&self, log: &Log<'_>, roots: Option<&Roots>) -> Agreement {
        let Checkpoint { size, root, .. } = &self.checkpoint;
        // The two checkpoints speak of the same log, whatever the rows say.
        if *size == log.checkpoint.size {
            return if *root == log.checkpoint.root { Agreement::Same } else { Agreement::Other };
        }
        let told = roots.and_then(|roots| roots.at.iter().find(|(at, _)| at == size));
        match told {
            Some((_, Some(told))) if told == root => Agreement::Same,
            Some((_, Some(_))) => Agreement::Other,
            _ => Agreement::Untold,
        }
    }

    /// Reports how the log compares, and answers whether it has all that it had then.
    pub(crate) fn report(&self, log: &Log<'_>, roots: Option<&Roots>, report: &mut Report) -> bool {
        let (tenant, size) = (&log.claimed.tenant_id, self.checkpoint.size);
        let agreement = self.compare(log, roots);
        match agreement {
            Agreement::Same => report.proved.push(format!(
                "The log of {tenant} still has, unchanged, the {size} events that it had at the \
                 checkpoint that was kept elsewhere."
            )),
            Agreement::Other => {
                let detail = format!(
                    "the log is not the one of which a checkpoint of {size} events was kept \
                     elsewhere: its history was written anew"
                );
                report.findings.push(Finding::new(FindingKind::Forked, detail).of_log(tenant));
            }
            Agreement::Untold => {
                let now = log.checkpoint.size;
                report.not_proved.push(format!(
                    "That the log of {tenant} still has what it had at the checkpoint of {size} \
                     events that was kept elsewhere: this cannot be told from the export alone. \
                     Ask the lake for a consistency proof between {} and {} events.",
                    size.min(now),
                    size.max(now)
                ));
            }
        }
        agreement == Agreement::Same
    }
}
