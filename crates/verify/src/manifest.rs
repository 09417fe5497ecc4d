//! The files around the proof: the manifest, and what accompanies it in a bundle, say the same as
//! the proof does. None of them proves anything; but people read them.

use std::collections::HashSet;
use std::io::{self, ErrorKind};

use auditlake_export::bundle::{self, CHECKPOINT, HTML, KEYS, README};
use auditlake_export::manifest::{MANIFEST_VERSION, Manifest};
use auditlake_export::proof::{PROOF, Proof};

use crate::report::{Report, listed};
use crate::source::{MANIFEST, Source, is_plain};
use crate::verdict::{Finding, FindingKind};

/// Checks what there is beside the data; answers with the manifest, if there is one.
pub(crate) fn check(source: &Source, proof: &Proof, report: &mut Report) -> Option<Manifest> {
    check_names(source, proof, report);
    check_unread(source, report);
    let manifest = match read(source) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => {
            // Files in a folder may have come one by one; an archive is a bundle.
            if source.is_closed() {
                report.findings.push(wrong("it is not there"));
            }
            return None;
        }
        Err(detail) => {
            report.findings.push(wrong(detail));
            return None;
        }
    };
    compare(&manifest, proof, report);
    for (name, wanted) in bundle::companions(&manifest, proof) {
        // The words of the others may be those of another version.
        if name != CHECKPOINT && name != KEYS {
            continue;
        }
        let detail = match source.small(&name) {
            Ok(Some(is)) if is != wanted => "it does not say what the proof says".to_owned(),
            Ok(_) => continue,
            Err(error) => format!("it cannot be read: {error}"),
        };
        report.findings.push(Finding::new(FindingKind::Manifest, detail).in_file(&name));
    }
    Some(manifest)
}

fn wrong(detail: impl Into<String>) -> Finding {
    Finding::new(FindingKind::Manifest, detail).in_file(MANIFEST)
}

fn read(source: &Source) -> Result<Option<Manifest>, String> {
    let read = source.manifest().map_err(|error| format!("it cannot be read: {error}"))?;
    let Some(bytes) = read else { return Ok(None) };
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| format!("it is no manifest: {error}"))?;
    let version = manifest.manifest_version;
    if version == MANIFEST_VERSION {
        return Ok(Some(manifest));
    }
    Err(format!("its manifest_version is {version}, and only {MANIFEST_VERSION} is known here"))
}

/// Each file is named once, and there are no others.
fn check_names(source: &Source, proof: &Proof, report: &mut Report) {
    let mut named = HashSet::new();
    for file in &proof.files {
        if !is_plain(&file.name) {
            let detail = format!("the proof names {:?}, which is no name of a file", file.name);
            report.findings.add(FindingKind::Proof, detail);
        }
        if !named.insert(file.name.as_str()) {
            let detail = "the proof names this file twice";
            report.findings.push(Finding::new(FindingKind::Proof, detail).in_file(&file.name));
        }
    }
    let known = [MANIFEST, PROOF, README, HTML, CHECKPOINT, KEYS];
    let names = source.names();
    let others: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !named.contains(name) && !known.contains(name))
        .collect();
    if others.is_empty() {
        return;
    }
    if source.is_closed() {
        for name in others {
            let detail = "neither manifest nor proof knows this file: it was added";
            report.findings.push(Finding::new(FindingKind::File, detail).in_file(name));
        }
    } else {
        report.not_proved.push(format!(
            "Anything about other files that lie there: {}.",
            listed(others.into_iter())
        ));
    }
}

/// What is for people is not compared with anything; but in an archive it unpacks to what the
/// archive says, or something else could hide in it.
fn check_unread(source: &Source, report: &mut Report) {
    for name in [README, HTML].into_iter().filter(|_| source.is_closed()) {
        let unpacked = source.with(name, |input| io::copy(input, &mut io::sink())).flatten();
        match unpacked {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let detail = format!("it cannot be read: {error}");
                report.findings.push(Finding::new(FindingKind::File, detail).in_file(name));
            }
        }
    }
}

fn compare(manifest: &Manifest, proof: &Proof, report: &mut Report) {
    let mut differs = |what: &str, is: String, wanted: String| {
        if is != wanted {
            report.findings.push(wrong(format!("its {what} is {is}, and the proof has {wanted}")));
        }
    };
    let claim = manifest.proof.as_ref().map_or("nothing", |proof| proof.claim.as_str());
    differs("claim", claim.to_owned(), proof.claim.to_string());
    differs("format", manifest.format.clone(), proof.format.clone());
    differs("compression", manifest.compression.clone(), proof.compression.clone());
    differs("csv_safe", format!("{:?}", manifest.csv_safe), format!("{:?}", proof.csv_safe));
    let rows = |sum: u64, rows: u64| sum.saturating_add(rows);
    let proved = proof.files.iter().map(|file| file.rows).fold(0, rows);
    differs("number of rows", manifest.rows.to_string(), proved.to_string());
    let files = |count: usize| format!("{count} files");
    differs("number of files", files(manifest.files.len()), files(proof.files.len()));
    let bytes = manifest.files.iter().map(|file| file.bytes).fold(0, rows);
    if bytes != manifest.bytes {
        let is = manifest.bytes;
        report.findings.push(wrong(format!("its bytes are {is}, and its files have {bytes}")));
    }
    for (is, wanted) in manifest.files.iter().zip(&proof.files) {
        let (name, rows, sha256) = (&wanted.name, wanted.rows, &wanted.sha256);
        if (&is.name, is.rows, &is.sha256) != (name, rows, sha256) {
            report.findings.push(wrong(format!(
                "it has {} with {} rows and SHA-256 {}, and the proof has {name} with {rows} rows \
                 and SHA-256 {sha256}",
                is.name, is.rows, is.sha256
            )));
        }
    }
}
