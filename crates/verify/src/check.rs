//! The checks in their order: the proof in itself, the files that it names, their events, and
//! what follows for each log.

use std::io::ErrorKind;

use auditlake_export::proof::{Proof, ProofFile};
use auditlake_export::{Compression, ExportError, Format};
use auditlake_model::claim::Claim;
use auditlake_tlog::{Leaves, VerifierKey, origin_of};

use crate::Trust;
use crate::claims::{Log, Logs};
use crate::conclusion::{Conclusion, conclude, statements};
use crate::held::{self, Held};
use crate::manifest;
use crate::report::{Report, listed};
use crate::rows::{self, FileRead, Layout, Place, Seen, Sink};
use crate::source::Source;
use crate::verdict::{Finding, FindingKind, Verdict, VerifyError};

/// Checks an export.
pub(crate) fn check(
    source: &Source,
    trust: &Trust,
    progress: &dyn Fn(u64),
) -> Result<Verdict, VerifyError> {
    let path = || source.proof_path().to_owned();
    let wrong = |reason: String| VerifyError::Proof { path: path(), reason };
    let proof = Proof::from_json(source.proof()).map_err(|error| wrong(error.to_string()))?;
    let layout = layout(&proof).map_err(wrong)?;
    if let Some(asked) = source.asked()
        && !proof.files.iter().any(|file| file.name == asked)
    {
        return Err(wrong(format!("{asked} is none of the files that it is about")));
    }
    if source.is_one_file() && proof.files.len() != 1 {
        let count = proof.files.len();
        return Err(wrong(format!("it is about {count} files; give the folder that has them all")));
    }
    let mut report = Report::default();
    let manifest = manifest::check(source, &proof, &mut report);
    let logs = Logs::of(&proof, &mut report.findings);
    check_rows(&proof, &mut report);
    let held = held::sorted(&trust.against, &logs, &trust.keys, &mut report);
    let mut seen: Vec<Seen> = (0..logs.sound.len()).map(|place| empty(place, &held)).collect();
    let expected = manifest.map(|manifest| manifest.files.iter().map(|file| file.bytes).collect());
    let files = Files { source, layout, logs: &logs, bytes: expected.unwrap_or_default() };
    let read = files.read(&proof, &mut seen, &mut report, progress);

    let is_clean = report.findings.count() == 0;
    if is_clean {
        report.proved.push(
            "The files are, byte for byte, those that the proof is about (SHA-256).".to_owned(),
        );
    }
    let mut concluded = Vec::with_capacity(seen.len());
    for ((place, log), seen) in (0..).zip(&logs.sound).zip(seen) {
        let held: Vec<&Held<'_>> = held.iter().filter(|held| held.log == place).collect();
        let conclusion = conclude(log, seen, &held, trust, is_clean, &mut report);
        concluded.push((log, conclusion));
    }
    say(&proof, &concluded, &held, &mut report);
    let (findings, findings_left_out) = report.findings.into_parts();
    Ok(Verdict {
        claim: Some(proof.claim),
        rows: read.rows,
        bytes: read.bytes,
        proved: report.proved,
        not_proved: report.not_proved,
        findings,
        findings_left_out,
    })
}

fn layout(proof: &Proof) -> Result<Layout, String> {
    let said = |error: ExportError| error.to_string();
    let format = proof.format.parse::<Format>().map_err(said)?;
    let compression = proof.compression.parse::<Compression>().map_err(said)?;
    Ok(Layout { format, compression, is_safe: proof.csv_safe.unwrap_or(false) })
}

/// Nothing seen of a log yet; what is kept of it will tell the roots at the sizes that were held.
fn empty(place: usize, held: &[Held<'_>]) -> Seen {
    let sizes = held.iter().filter(|held| held.log == place).map(|held| held.checkpoint.size);
    Seen { leaves: Leaves::with_borders(sizes), ..Seen::default() }
}

fn check_rows(proof: &Proof, report: &mut Report) {
    let files = proof.files.iter().map(|file| file.rows).fold(0, u64::saturating_add);
    let logs = proof.logs.iter().map(|log| log.rows).fold(0, u64::saturating_add);
    if files != logs {
        let detail = format!("it has {files} events in its files, and {logs} in its logs");
        report.findings.add(FindingKind::Proof, detail);
    }
}

/// The files to be read.
struct Files<'a> {
    source: &'a Source,
    layout: Layout,
    logs: &'a Logs<'a>,
    /// How long each file is, if a manifest says it.
    bytes: Vec<u64>,
}

/// What was read in all.
#[derive(Default)]
struct Read {
    rows: u64,
    bytes: u64,
}

impl Files<'_> {
    fn read(
        &self,
        proof: &Proof,
        seen: &mut [Seen],
        report: &mut Report,
        progress: &dyn Fn(u64),
    ) -> Read {
        let mut all = Read::default();
        for (place, file) in proof.files.iter().enumerate() {
            let findings = &mut report.findings;
            let mut sink = Sink { seen: &mut *seen, findings, progress };
            let bytes = self.bytes.get(place).copied();
            let file_at = Place { source: self.source, name: &file.name, bytes };
            let read = rows::read(file_at, self.layout, self.logs, &mut sink);
            let findings = match read {
                Ok(read) => {
                    all.rows += read.rows;
                    all.bytes += read.bytes;
                    compare(file, bytes, &read)
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    vec![Finding::new(FindingKind::File, "it is not there")]
                }
                Err(error) => {
                    vec![Finding::new(FindingKind::File, format!("it cannot be read: {error}"))]
                }
            };
            let found = findings.into_iter().map(|finding| finding.in_file(&file.name));
            found.for_each(|finding| report.findings.push(finding));
        }
        all
    }
}

/// Holds a file against what is said of it.
fn compare(file: &ProofFile, bytes: Option<u64>, read: &FileRead) -> Vec<Finding> {
    let mut findings = Vec::new();
    let digest = hex(&read.sha256);
    if digest != file.sha256 {
        let detail = format!(
            "it is not the file that was exported: its SHA-256 is {digest}, and the proof has \
             {}",
            file.sha256
        );
        findings.push(Finding::new(FindingKind::File, detail));
    }
    if let Some(bytes) = bytes.filter(|bytes| *bytes != read.bytes) {
        let detail = format!("it has {} bytes, and the manifest has {bytes}", read.bytes);
        findings.push(Finding::new(FindingKind::File, detail));
    }
    if read.rows != file.rows {
        let detail = format!("it has {} events, and the proof has {}", read.rows, file.rows);
        findings.push(Finding::new(FindingKind::Rows, detail));
    }
    findings
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says what was proved in all, and what was not.
fn say(
    proof: &Proof,
    concluded: &[(&Log<'_>, Conclusion)],
    held: &[Held<'_>],
    report: &mut Report,
) {
    let proved: Vec<&Log<'_>> = concluded
        .iter()
        .filter(|(_, conclusion)| conclusion.is_proved)
        .map(|(log, _)| *log)
        .collect();
    let mut sentences = statements(proof.claim, &proved);
    sentences.append(&mut report.proved);
    report.proved = sentences;
    say_keys(concluded, report);
    let not_proved = &mut report.not_proved;
    if proof.claim == Claim::Inclusion {
        not_proved.push("That nothing was left out: the export claims inclusion only.".to_owned());
    }
    if held.is_empty() {
        not_proved.push(
            "That no log was written anew as a whole, by somebody with its key, before this \
             export: a checkpoint that was kept elsewhere would tell."
                .to_owned(),
        );
    }
    not_proved.push(
        "The order of the events in the files, and what a manifest says beside digests and \
         numbers: who asked for what, and when."
            .to_owned(),
    );
    not_proved.push(
        "That what the events tell is true, and that the clock of the lake was right when it \
         recorded them."
            .to_owned(),
    );
}

/// Says who signed.
fn say_keys(concluded: &[(&Log<'_>, Conclusion)], report: &mut Report) {
    for is_trusted in [true, false] {
        let signed: Vec<(&Log<'_>, &VerifierKey)> = concluded
            .iter()
            .filter_map(|(log, conclusion)| Some((*log, conclusion.signer.as_ref()?)))
            .filter(|(_, signer)| signer.is_trusted == is_trusted)
            .map(|(log, signer)| (log, &signer.key))
            .collect();
        if signed.is_empty() {
            continue;
        }
        let logs: Vec<String> = signed
            .iter()
            .map(|(log, _)| format!("{} ({} events)", log.claimed.tenant_id, log.checkpoint.size))
            .collect();
        let whose = match is_trusted {
            true => "a key that you trust",
            false => "a key that came with the export",
        };
        report.proved.push(format!(
            "The checkpoint of each log, as it was then, is signed by {whose}: {}.",
            listed(logs.iter().map(String::as_str))
        ));
        if !is_trusted {
            let keys = keys(&signed);
            report.not_proved.push(format!(
                "That the key is the log's own: it came with the export. Compare it with the one \
                 that you have from elsewhere: {}",
                listed(keys.iter().map(String::as_str))
            ));
        }
    }
}

/// The keys as text, each once: under the name of the log if there is one log, else of the lake.
fn keys(signed: &[(&Log<'_>, &VerifierKey)]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for (log, key) in signed {
        let lake = key.name.strip_suffix(&origin_of("", &log.claimed.tenant_id));
        let whole = lake.and_then(|lake| VerifierKey::new(lake, key.algorithm, key.public).ok());
        let text = match whole {
            Some(whole) if signed.len() > 1 => whole.to_string(),
            _ => key.to_string(),
        };
        if !keys.contains(&text) {
            keys.push(text);
        }
    }
    keys
}
