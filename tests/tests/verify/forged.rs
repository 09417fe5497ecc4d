//! Exports that somebody changed who also made counts and digests right again.

use auditlake_tlog::{Checkpoint, Note, SigningKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::{EVENTS, Forgery, exported, filled, only, told};

#[test]
fn events_that_were_changed_removed_or_added_are_named() {
    let site = filled();

    let mut forgery = Forgery::of(&site, "complete");
    let line = forgery.line_of(41);
    let event: Value = serde_json::from_str(&forgery.lines[line]).unwrap();
    forgery.lines[line] = forgery.lines[line].replace("success", "failure");
    let said = told(&site, forgery.write(), &[]);
    let finding = only(&said, "changed");
    assert_eq!(finding["file"], "forged.ndjson");
    assert_eq!((&finding["line"], &finding["seq"]), (&(line + 1).into(), &41.into()));
    assert_eq!((&finding["tenant_id"], &finding["id"]), (&event["tenant_id"], &event["id"]));
    assert_eq!(said["findings"].as_array().unwrap().len(), 1, "{said:#}");

    let mut forgery = Forgery::of(&site, "complete");
    let line = forgery.line_of(500);
    forgery.lines.remove(line);
    assert_eq!(only(&told(&site, forgery.write(), &[]), "missing")["seq"], 500);

    let mut forgery = Forgery::of(&site, "complete");
    let double = forgery.lines[3].clone();
    forgery.lines.push(double);
    let said = told(&site, forgery.write(), &[]);
    assert_eq!(only(&said, "duplicate")["line"], EVENTS + 1);

    let mut forgery = Forgery::of(&site, "complete");
    let (one, other) = (forgery.line_of(7), forgery.line_of(8));
    forgery.lines[one] = forgery.lines[one].replace("\"seq\":7,", "\"seq\":8,");
    forgery.lines[other] = forgery.lines[other].replace("\"seq\":8,", "\"seq\":7,");
    let said = told(&site, forgery.write(), &[]);
    let findings = said["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "{said:#}");
    assert!(findings.iter().all(|finding| finding["kind"] == "changed"), "{said:#}");

    let mut forgery = Forgery::of(&site, "complete");
    forgery.lines.truncate(800);
    let said = told(&site, forgery.write(), &[]);
    let missing = said["findings"].as_array().unwrap().iter();
    assert!(missing.filter(|finding| finding["kind"] == "missing").count() > 0, "{said:#}");
}

#[test]
fn a_file_that_was_cut_within_an_event_is_named() {
    let site = filled();
    let path = exported(&site, "e.ndjson", &["--tenant-id", "acme", "--proof", "complete"]);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let said = told(&site, "e.ndjson", &[]);
    assert_eq!(only(&said, "malformed")["line"], EVENTS);
    assert!(said.to_string().contains("it was cut off here"), "{said:#}");
    assert!(said.to_string().contains("SHA-256"), "{said:#}");
}

#[test]
fn proofs_that_were_changed_are_refused() {
    let site = filled();

    let mut forgery = Forgery::of(&site, "inclusion");
    forgery.lines.retain(|line| !line.contains("\"seq\":5,"));
    let log = &mut forgery.proof.logs[0];
    log.rows -= 1;
    log.ranges = vec![(0, 5), (6, EVENTS)];
    log.leaf_hints = String::new();
    // Without the leaf's hash the gap cannot be filled, and with another one the root is another.
    let said = told(&site, forgery.write(), &[]);
    assert_eq!(only(&said, "proof")["tenant_id"], "acme");
    let mut forgery = Forgery::of(&site, "inclusion");
    forgery.lines.retain(|line| !line.contains("\"seq\":5,"));
    let log = &mut forgery.proof.logs[0];
    log.rows -= 1;
    log.ranges = vec![(0, 5), (6, EVENTS)];
    log.leaf_hints = String::new();
    log.nodes = BASE64_STANDARD.encode([7; 32]);
    assert_eq!(only(&told(&site, forgery.write(), &[]), "root")["tenant_id"], "acme");

    for ranges in [vec![(0, u64::MAX)], vec![(0, EVENTS + 1)], vec![(1, EVENTS + 1)], vec![]] {
        let mut forgery = Forgery::of(&site, "inclusion");
        forgery.proof.logs[0].ranges = ranges;
        only(&told(&site, forgery.write(), &[]), "proof");
    }
    // A claim is more than a word.
    let mut forgery = Forgery::of(&site, "inclusion");
    forgery.proof.claim = auditlake_model::claim::Claim::Complete;
    only(&told(&site, forgery.write(), &[]), "proof");
}

#[test]
fn checkpoints_by_others_and_of_others_are_refused() {
    let site = filled();
    let key = site.run(["log", "keys"]).ok().text().trim().to_owned();

    let flags = ["--tenant-id", "globex+eu", "--proof", "complete"];
    exported(&site, "other.ndjson", &flags);
    let other = std::fs::read(site.folder().join("other.ndjson.proof.json")).unwrap();
    let other = auditlake_export::proof::Proof::from_json(&other).unwrap();
    let mut forgery = Forgery::of(&site, "complete");
    forgery.proof.logs[0].checkpoint = other.logs[0].checkpoint.clone();
    let said = told(&site, forgery.write(), &[]);
    assert!(only(&said, "proof")["detail"].to_string().contains("another log"), "{said:#}");

    // All of it made anew, and signed with a key of the forger's own.
    let mut forgery = Forgery::of(&site, "complete");
    let log = &mut forgery.proof.logs[0];
    let text = Note::parse(&log.checkpoint).unwrap().text;
    let origin = Checkpoint::parse(&text).unwrap().origin;
    let forger = SigningKey::from_seed([66; 32]);
    let signatures = vec![forger.sign(&origin, &text).unwrap()];
    log.checkpoint = Note { text, signatures }.to_string();
    log.keys = vec![forger.verifier(&origin).unwrap().to_string()];
    let name = forgery.write();
    let said = told(&site, name, &["--key", &key]);
    assert_eq!(only(&said, "signature")["tenant_id"], "acme");
    let ran = site.run(["verify", name]).ok();
    assert!(ran.text().contains("That the key is the log's own"), "{}", ran.text());
}
