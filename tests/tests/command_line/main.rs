//! The command line, as a person or a script uses it: what it prints, what it leaves on disk,
//! how it ends, and what it refuses.

mod export;
mod import;
mod keys;
mod lake;
mod proofs;
mod serve;
mod sql;

use std::path::PathBuf;

use auditlake_tests::Site;
use serde_json::{Value, json};

/// Done.
pub(crate) const DONE: i32 = 0;
/// Failed.
pub(crate) const FAILED: i32 = 1;
/// Wrong usage.
pub(crate) const USAGE: i32 = 2;

/// An event of tenant `acme` as a client writes it; `more` adds to it.
pub(crate) fn event(id: &str, kind: &str, occurred_at: &str, more: &Value) -> String {
    let mut event = json!({
        "id": id, "type": kind, "occurred_at": occurred_at, "tenant_id": "acme",
    });
    if let (Value::Object(members), Value::Object(more)) = (&mut event, more) {
        members.extend(more.clone());
    }
    format!("{event}\n")
}

/// So many events, seconds apart, on one day.
pub(crate) fn numbered(count: usize) -> String {
    let one = |number: usize| {
        let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
        let at = format!("2026-03-01T{hour:02}:{minute:02}:{second:02}Z");
        event(&format!("e{number}"), "user.signed_in", &at, &json!({"data": {"n": number}}))
    };
    (0..count).map(one).collect()
}

/// Writes a file beside the lake.
pub(crate) fn write(site: &Site, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = site.folder().join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// How many events the lake has, as `status` says.
pub(crate) fn count(site: &Site) -> u64 {
    let status = site.run(["status", "--json"]).ok().json();
    status["events"].as_u64().expect("status counts events")
}

/// The ids in lines, in their order.
pub(crate) fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        event["id"].as_str().expect("an event has an id").to_owned()
    };
    lines.lines().map(id).collect()
}

/// Which ids an export with these flags gives.
pub(crate) fn exported(site: &Site, flags: &[&str]) -> Vec<String> {
    let ran = site.run(["export"].iter().chain(flags)).ok();
    ids(ran.text())
}
