//! A lake on disk that somebody tampers with who knows how it is made, and the real binary that
//! is to notice: each deed is found and named, with exit code 3, and what no look at the lake
//! alone can find is found with a checkpoint that was kept elsewhere.

mod compaction;
mod history;
mod resumed;
mod rows;
mod stored;

use std::path::{Path, PathBuf};

use auditlake_tests::{Ran, Site};
use serde_json::{Value, json};

/// Done, and nothing is wrong.
pub(crate) const GOOD: i32 = 0;
/// Something is wrong with what was verified.
pub(crate) const NOT_GOOD: i32 = 3;
/// Events of each tenant in one round of [`Lake::add`].
pub(crate) const ROUND: u64 = 300;

/// A lake with events of two tenants, `acme` and `globex`.
pub(crate) struct Lake {
    pub(crate) site: Site,
    rounds: u64,
}

impl Lake {
    /// With so many rounds of events.
    pub(crate) fn filled(rounds: u64) -> Self {
        let mut lake = Self { site: Site::new(), rounds: 0 };
        (0..rounds).for_each(|_| lake.add());
        lake
    }

    /// Adds a round: [`ROUND`] events of each tenant, all of one day that no other round has, so
    /// that a round is one commit and one segment.
    pub(crate) fn add(&mut self) {
        let first = self.rounds * ROUND;
        self.rounds += 1;
        let day = self.rounds;
        let lines: String = (first..first + ROUND)
            .flat_map(|number| ["acme", "globex"].map(|tenant| event(tenant, day, number)))
            .collect();
        let ran = self.site.run_with(["import", "-", "--json"], lines.as_bytes()).ok();
        assert_eq!(ran.json()["accepted"], 2 * ROUND);
    }

    pub(crate) fn path(&self) -> &Path {
        self.site.lake()
    }

    /// The segment of a round, counted from 0.
    pub(crate) fn segment(&self, round: usize) -> PathBuf {
        let segments = stored::segments(self.path());
        assert_eq!(segments.len() as u64, self.rounds, "a segment for each round");
        segments[round].clone()
    }

    /// The newest checkpoint of a tenant, kept in a file beside the lake.
    pub(crate) fn keep_checkpoint(&self, tenant: &str, name: &str) -> PathBuf {
        let note = self.site.run(["log", "checkpoint", "--tenant", tenant]).ok();
        let path = self.site.folder().join(name);
        std::fs::write(&path, note.stdout).expect("a file for the checkpoint");
        path
    }

    /// `auditlake verify` of the whole lake.
    pub(crate) fn verify(&self, flags: &[&str]) -> Ran {
        let lake = self.path().to_str().expect("a path that is text");
        self.site.run(["verify", lake].iter().chain(flags))
    }

    /// What is wrong with the lake, as people read it and as scripts do.
    #[track_caller]
    pub(crate) fn found(&self, flags: &[&str]) -> Found {
        let ran = self.verify(flags);
        assert_eq!(ran.code, NOT_GOOD, "it said: {}{}", ran.text(), ran.stderr);
        let said = ran.text().to_owned();
        let json: Vec<&str> = flags.iter().copied().chain(["--json"]).collect();
        let ran = self.verify(&json);
        assert_eq!(ran.code, NOT_GOOD, "it said: {}{}", ran.text(), ran.stderr);
        let report = ran.json();
        let findings = report["findings"].as_array().expect("a list of findings").clone();
        assert!(!findings.is_empty(), "not good without a finding: {report}");
        Found { said, findings }
    }
}

/// What `verify` found.
pub(crate) struct Found {
    /// What it said to people.
    pub(crate) said: String,
    findings: Vec<Value>,
}

impl Found {
    /// Checks that people were told these words.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) -> &Self {
        for words in words {
            assert!(self.said.contains(words), "{words:?} is not in {}", self.said);
        }
        self
    }

    /// Checks that a finding names this file.
    #[track_caller]
    pub(crate) fn names_file(&self, path: &str) -> &Self {
        let named = |finding: &Value| finding["path"].as_str() == Some(path);
        assert!(self.findings.iter().any(named), "{path} is not named: {:?}", self.findings);
        self.says(&[path])
    }

    /// Checks that a finding is about this place of a tenant's log, or a span of at most `widest`
    /// positions that it is in.
    #[track_caller]
    pub(crate) fn names_place(&self, tenant: &str, seq: u64, widest: u64) -> &Self {
        let named = |finding: &Value| {
            let (start, end) = (&finding["seqs"]["start"], &finding["seqs"]["end"]);
            let (start, end) = (start.as_u64().unwrap_or(u64::MAX), end.as_u64().unwrap_or(0));
            finding["tenant_id"] == tenant && (start..end).contains(&seq) && end - start <= widest
        };
        let findings = &self.findings;
        assert!(findings.iter().any(named), "{tenant} {seq} is not named: {findings:?}");
        self.says(&[tenant])
    }

    /// Checks that nothing is said of another tenant.
    #[track_caller]
    pub(crate) fn spares(&self, tenant: &str) -> &Self {
        let named = |finding: &&Value| finding["tenant_id"] == tenant;
        let named: Vec<_> = self.findings.iter().filter(named).collect();
        assert!(named.is_empty(), "nothing is wrong with {tenant}: {named:?}");
        self
    }
}

/// The id of an event.
pub(crate) fn id(tenant: &str, number: u64) -> String {
    format!("{tenant}-{number:05}")
}

fn event(tenant: &str, day: u64, number: u64) -> String {
    let (minute, second) = (number / 60 % 60, number % 60);
    let event = json!({
        "id": id(tenant, number),
        "type": "record.changed",
        "occurred_at": format!("2026-03-{day:02}T10:{minute:02}:{second:02}Z"),
        "tenant_id": tenant,
        "actor": {"kind": "user", "id": format!("u{}", number % 7)},
        "outcome": "success",
        "data": {"n": number},
    });
    format!("{event}\n")
}

#[test]
fn a_lake_that_nobody_touched_is_good() {
    let lake = Lake::filled(3);
    let ran = lake.verify(&[]).ok();
    assert!(ran.text().contains("GOOD"), "{}", ran.text());
    let report = lake.verify(&["--json"]).ok().json();
    assert_eq!(report["findings"], json!([]), "{report}");
    assert_eq!(report["events"], 6 * ROUND, "{report}");
}
