//! What follows from the events of one log that were seen in the files: which are missing, whether
//! the rest leads to the root that was signed, and what that proves.

use std::ops::Range;
use std::slice;

use auditlake_export::proof::{Proof, ProofLog};
use auditlake_model::claim::Claim;
use auditlake_model::time::{MAX_US, format_rfc3339};
use auditlake_tlog::{Note, Roots, VerifierKey};

use crate::Trust;
use crate::claims::Log;
use crate::held::Held;
use crate::report::Report;
use crate::rows::Seen;
use crate::signing::{Signer, cosigned, signer};
use crate::verdict::{Finding, FindingKind};

/// What became of one log.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// Who signed the checkpoint.
    pub(crate) signer: Option<Signer>,
    /// Whether the claim holds as far as this log goes.
    pub(crate) is_proved: bool,
}

/// Concludes what there is to say of a log; `is_clean` says that nothing was wrong with any file.
pub(crate) fn conclude(
    log: &Log<'_>,
    seen: Seen,
    held: &[&Held<'_>],
    trust: &Trust,
    is_clean: bool,
    report: &mut Report,
) -> Conclusion {
    let tenant = &log.claimed.tenant_id;
    let before = report.findings.count();
    let sizes: Vec<u64> = held.iter().map(|held| held.checkpoint.size).collect();
    let roots = roots(log, seen, &sizes, report);
    let signer = match signer(log, &trust.keys) {
        Ok(signer) => Some(signer),
        Err(finding) => {
            report.findings.push(finding.of_log(tenant));
            None
        }
    };
    let same: Vec<&&Held<'_>> =
        held.iter().filter(|held| held.report(log, roots.as_ref(), report)).collect();
    for witness in &trust.witnesses {
        let notes = same.iter().map(|held| held.note);
        let notes = std::iter::once(&log.note).chain(notes);
        check_witness(log, witness, notes, roots.is_some(), report);
    }
    let is_faultless = is_clean && report.findings.count() == before;
    let is_proved = is_faultless && roots.is_some() && signer.is_some();
    Conclusion { signer, is_proved }
}

/// The roots that the events lead to, if they are all there and the first one is the one signed.
fn roots(log: &Log<'_>, seen: Seen, sizes: &[u64], report: &mut Report) -> Option<Roots> {
    let tenant = &log.claimed.tenant_id;
    let Seen { mut leaves, denied, is_overfull, suspects } = seen;
    let mut is_doubtful = is_overfull;
    for (seq, leaf) in denied {
        // One of two events at a position is none of the log's.
        is_doubtful |= !leaves.insert(seq, leaf);
    }
    let stretches: Vec<_> = log.expected.stretches.iter().map(|(range, _)| range.clone()).collect();
    let missing = without(&stretches, &leaves.ranges());
    let is_whole = missing.is_empty();
    for range in missing {
        report.findings.add_with(|| absent(range).of_log(tenant));
    }
    let mut finding = None;
    if is_whole {
        for (seq, leaf) in &log.neighbours {
            leaves.insert(*seq, *leaf);
        }
        match log.proof.roots(&leaves, sizes) {
            // The events are right, so the hints are not, and nobody needs them.
            Ok(roots) if roots.root == log.checkpoint.root && !is_doubtful => return Some(roots),
            Ok(roots) if roots.root == log.checkpoint.root => {}
            Ok(_) if suspects.count() > 0 => {}
            Ok(_) => finding = Some(Finding::new(FindingKind::Root, OTHER_ROOT)),
            Err(error) => finding = Some(Finding::new(FindingKind::Proof, error.to_string())),
        }
    }
    report.findings.append(suspects, |suspect| suspect);
    if let Some(finding) = finding {
        report.findings.push(finding.of_log(tenant));
    }
    None
}

const OTHER_ROOT: &str = "events and proof do not lead to the root of the checkpoint: an event was \
                          changed, or the proof was";

/// What is in `ranges` and in none of `others`; both are in order.
fn without(ranges: &[Range<u64>], others: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut others = others.iter().peekable();
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            // Those that end before it cut nothing from here on either.
            while others.next_if(|other| other.end <= start).is_some() {}
            match others.peek() {
                Some(other) if other.start < range.end => {
                    if start < other.start {
                        left.push(start..other.start);
                    }
                    start = other.end;
                }
                _ => {
                    left.push(start..range.end);
                    break;
                }
            }
        }
    }
    left
}

fn absent(range: Range<u64>) -> Finding {
    let count = range.end - range.start;
    let detail = match count {
        1 => "the event at this position is not in the files".to_owned(),
        _ => format!(
            "the {count} events at positions {} to {} are not in the files",
            range.start,
            range.end - 1
        ),
    };
    Finding::new(FindingKind::Missing, detail).at(range.start)
}

fn check_witness<'a>(
    log: &Log<'_>,
    witness: &VerifierKey,
    notes: impl Iterator<Item = &'a Note>,
    agrees: bool,
    report: &mut Report,
) {
    let (tenant, name) = (&log.claimed.tenant_id, &witness.name);
    match cosigned(witness, notes) {
        // What a witness has seen says nothing of events that do not lead to it.
        Ok(_) if !agrees => {}
        Ok(time_s) => {
            let time_us = i64::try_from(time_s).ok().and_then(|time| time.checked_mul(1_000_000));
            let time_us = time_us.filter(|time_us| *time_us <= MAX_US);
            let when = time_us.map_or(format!("second {time_s} since 1970"), format_rfc3339);
            report.proved.push(format!(
                "The witness {name} has seen a checkpoint of the log of {tenant} that agrees with \
                 this export, at {when}."
            ));
        }
        Err(error) => {
            let detail = format!(
                "the witness {name} has cosigned no checkpoint that is known to agree with this \
                 export: {error}"
            );
            report.findings.push(Finding::new(FindingKind::Witness, detail).of_log(tenant));
        }
    }
}

/// The claim in words, as far as it holds for these logs.
pub(crate) fn statements(claim: Claim, logs: &[&Log<'_>]) -> Vec<String> {
    match claim {
        Claim::Complete => logs
            .iter()
            .map(|log| Proof::statement(claim, log.claimed.rows, slice::from_ref(log.claimed)))
            .collect(),
        Claim::Inclusion if logs.is_empty() => Vec::new(),
        Claim::Inclusion => {
            let named = |log: &&Log<'_>| {
                let ProofLog { tenant_id, rows, .. } = log.claimed;
                let (tenant_id, rows) = (tenant_id.clone(), *rows);
                ProofLog::new(tenant_id, String::new(), Vec::new(), rows, &[], &[], &[], None)
            };
            let claimed: Vec<ProofLog> = logs.iter().map(named).collect();
            let rows = claimed.iter().map(|log| log.rows).fold(0, u64::saturating_add);
            vec![Proof::statement(claim, rows, &claimed)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<Range<u64>> {
        pairs.iter().map(|(start, end)| *start..*end).collect()
    }

    #[test]
    fn what_is_left_of_ranges() {
        type Pairs = &'static [(u64, u64)];
        let cases: [(Pairs, Pairs, Pairs); 7] = [
            (&[(0, 10)], &[], &[(0, 10)]),
            (&[(0, 10)], &[(0, 10)], &[]),
            (&[(0, 10)], &[(3, 4), (7, 9)], &[(0, 3), (4, 7), (9, 10)]),
            (&[(0, 4), (6, 9)], &[(2, 7)], &[(0, 2), (7, 9)]),
            (&[(5, 6)], &[(0, 2), (3, 5), (6, 7)], &[(5, 6)]),
            (&[(1, 3), (5, 7), (9, 11)], &[(1, 3), (9, 11)], &[(5, 7)]),
            (&[], &[(1, 3)], &[]),
        ];
        for (whole, others, left) in cases {
            let is = without(&ranges(whole), &ranges(others));
            assert_eq!(is, ranges(left), "{whole:?} without {others:?}");
        }
    }
}
