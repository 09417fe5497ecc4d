//! `auditlake verify` on exports as the binary writes them, and as forgers leave them; and the
//! verifier in Python beside it, which knows nothing of our code.
#![allow(clippy::unwrap_used)]

mod forged;
mod formats;
mod python;

use std::path::PathBuf;

use auditlake_export::proof::Proof;
use auditlake_tests::{Ran, Site};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Done, and nothing is wrong.
pub(crate) const GOOD: i32 = 0;
/// Failed.
pub(crate) const FAILED: i32 = 1;
/// Something is wrong with what was verified.
pub(crate) const NOT_GOOD: i32 = 3;
/// Events of each tenant.
pub(crate) const EVENTS: u64 = 900;

/// A lake with events of two tenants, with texts that formats have trouble with.
pub(crate) fn filled() -> Site {
    let site = Site::new();
    let lines: String = (0..EVENTS)
        .flat_map(|number| ["acme", "globex+eu"].map(|tenant| event(tenant, number)))
        .collect();
    let ran = site.run_with(["import", "-", "--json"], lines.as_bytes()).ok();
    assert_eq!(ran.json()["accepted"], 2 * EVENTS);
    site
}

fn event(tenant: &str, number: u64) -> String {
    let at = format!("2026-03-{:02}T{:02}:00:{:02}Z", 1 + number % 3, number % 24, number % 60);
    let reasons = ["=1+1", "say \"hi\", twice", "two\nlines", "", "'quoted", "plain"];
    let mut event = json!({
        "id": format!("{}-{number}", &tenant[..3]), "type": "user.signed_in", "occurred_at": at,
        "tenant_id": tenant, "actor": {"kind": "user", "id": format!("u{}", number % 11)},
        "outcome": "success", "reason": reasons[(number % 6) as usize],
    });
    if !number.is_multiple_of(4) {
        event["data"] = json!({"number": number, "text": "a \\ and \" é"});
    }
    format!("{event}\n")
}

/// Exports to a file beside the lake.
#[track_caller]
pub(crate) fn exported(site: &Site, name: &str, flags: &[&str]) -> PathBuf {
    let _ = site.run(["export", "-o", name].iter().chain(flags)).ok();
    site.folder().join(name)
}

/// Runs `verify` with a name in the folder beside the lake.
pub(crate) fn verify(site: &Site, name: &str, flags: &[&str]) -> Ran {
    site.run(["verify", name].iter().chain(flags))
}

/// What `verify --json` says of a file in which something is wrong; and a person is told the same.
#[track_caller]
pub(crate) fn told(site: &Site, name: &str, flags: &[&str]) -> Value {
    let ran = verify(site, name, flags);
    assert_eq!(ran.code, NOT_GOOD, "{}{}", ran.text(), ran.stderr);
    assert!(ran.text().starts_with("NOT GOOD: "), "{}", ran.text());
    let ran = verify(site, name, &[flags, &["--json"]].concat());
    assert_eq!(ran.code, NOT_GOOD, "{}", ran.stderr);
    let said = ran.json();
    assert_eq!(said["good"], false);
    said
}

/// The only finding of a kind.
#[track_caller]
pub(crate) fn only<'a>(said: &'a Value, kind: &str) -> &'a Value {
    let findings = said["findings"].as_array().unwrap();
    let all: Vec<&Value> = findings.iter().filter(|finding| finding["kind"] == kind).collect();
    assert_eq!(all.len(), 1, "{kind} in {said:#}");
    all[0]
}

/// A file of lines with its proof, to be changed.
pub(crate) struct Forgery<'a> {
    site: &'a Site,
    path: PathBuf,
    pub(crate) lines: Vec<String>,
    pub(crate) proof: Proof,
}

impl<'a> Forgery<'a> {
    /// Of an export of all events of `acme`.
    pub(crate) fn of(site: &'a Site, claim: &str) -> Self {
        let flags = ["--tenant-id", "acme", "--proof", claim];
        let path = exported(site, "forged.ndjson", &flags);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(str::to_owned).collect();
        let proof = std::fs::read(site.folder().join("forged.ndjson.proof.json")).unwrap();
        Self { site, path, lines, proof: Proof::from_json(&proof).unwrap() }
    }

    /// The line, from 0, with the event at a position of the log.
    pub(crate) fn line_of(&self, seq: u64) -> usize {
        let wanted = format!(",\"seq\":{seq},");
        self.lines.iter().position(|line| line.contains(&wanted)).unwrap()
    }

    /// Writes it with counts and digests as they must be, so that only the proof can tell.
    pub(crate) fn write(mut self) -> &'static str {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        self.proof.files[0].rows = self.lines.len() as u64;
        self.proof.files[0].sha256 = format!("{:x}", Sha256::digest(&text));
        std::fs::write(&self.path, text).unwrap();
        let beside = self.site.folder().join("forged.ndjson.proof.json");
        std::fs::write(beside, self.proof.to_json()).unwrap();
        "forged.ndjson"
    }
}
