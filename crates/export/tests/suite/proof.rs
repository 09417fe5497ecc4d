//! `proof.json`: the bytes of the file, what is refused, and what is claimed in words.

#![allow(clippy::single_range_in_vec_init)] // one range of positions is what is meant

use std::ops::Range;

use auditlake_export::manifest::ManifestProof;
use auditlake_export::proof::{
    HINT_BYTES, PROOF, PROOF_VERSION, Proof, ProofComplete, ProofFile, ProofLog,
};
use auditlake_model::claim::Claim;
use serde_json::{Value, json};

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const FROM: &str = "2026-01-01T00:00:00.000000Z";
const TO: &str = "2026-04-01T00:00:00.000000Z";

fn log(tenant: &str, exported: &[Range<u64>], complete: Option<ProofComplete>) -> ProofLog {
    let rows: u64 = exported.iter().map(|range| range.end - range.start).sum();
    let hints = vec![0xAB_u8; rows as usize * HINT_BYTES];
    let checkpoint = format!("lake/{tenant}\n9\n\n");
    let keys = vec![format!("lake/{tenant}+00000000+AQ==")];
    let nodes = [[0; 32], [0xFF; 32]];
    ProofLog::new(tenant.to_owned(), checkpoint, keys, rows, exported, &nodes, &hints, complete)
}

fn complete(from: u64, to: u64) -> ProofComplete {
    ProofComplete { from, to, recorded_from: None, recorded_to: None, before: None, after: None }
}

fn proof(claim: Claim, logs: Vec<ProofLog>) -> Proof {
    let rows: u64 = logs.iter().map(|log| log.rows).sum();
    Proof {
        proof_version: PROOF_VERSION,
        claim,
        statement: Proof::statement(claim, rows, &logs),
        format: "csv".to_owned(),
        compression: "gzip".to_owned(),
        csv_safe: Some(true),
        files: vec![ProofFile { name: "a.csv.gz".to_owned(), rows, sha256: SHA256.to_owned() }],
        logs,
    }
}

#[test]
fn a_proof_is_read_as_it_was_written() {
    let stretch = ProofComplete {
        recorded_from: Some(FROM.to_owned()),
        recorded_to: Some(TO.to_owned()),
        before: Some("{\"id\":\"a\"}".to_owned()),
        after: Some("{\"id\":\"ü\"}".to_owned()),
        ..complete(3, 5)
    };
    for proof in [
        proof(Claim::Inclusion, vec![]),
        proof(Claim::Inclusion, vec![log("acme", &[0..1, 4..7], None), log("b", &[2..3], None)]),
        proof(Claim::Complete, vec![log("acme", &[3..5], Some(stretch))]),
        Proof { csv_safe: None, ..proof(Claim::Complete, vec![]) },
    ] {
        assert_eq!(Proof::from_json(&proof.to_json()).unwrap(), proof);
        let shown = ManifestProof::from(&proof);
        assert_eq!((shown.claim, shown.file), (proof.claim.to_string(), PROOF.to_owned()));
        assert_eq!(shown.statement, proof.statement);
    }
}

#[test]
fn members_have_one_order_and_a_line_each() {
    let mut proof = proof(Claim::Complete, vec![log("acme", &[0..2], Some(complete(0, 2)))]);
    proof.statement = "All.".to_owned();
    proof.logs[0].nodes = "AAAA".to_owned();
    let wanted = r#"{
  "proof_version": 1,
  "claim": "complete",
  "statement": "All.",
  "format": "csv",
  "compression": "gzip",
  "csv_safe": true,
  "files": [{
    "name": "a.csv.gz",
    "rows": 2,
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  }],
  "logs": [{
    "tenant_id": "acme",
    "checkpoint": "lake/acme\n9\n\n",
    "keys": ["lake/acme+00000000+AQ=="],
    "rows": 2,
    "ranges": [[0,2]],
    "nodes": "AAAA",
    "leaf_hints": "q6urq6urq6s=",
    "complete": {
      "from": 0,
      "to": 2
    }
  }]
}
"#;
    assert_eq!(String::from_utf8(proof.to_json()).unwrap(), wanted);
}

#[test]
fn other_versions_and_damage_are_refused_and_later_members_are_not() {
    let written = proof(Claim::Inclusion, vec![log("acme", &[0..1], None)]);
    let mut value: Value = serde_json::from_slice(&written.to_json()).unwrap();
    value["later"] = json!({"a": 1});
    value["logs"][0]["later"] = "b".into();
    assert_eq!(Proof::from_json(value.to_string().as_bytes()).unwrap(), written);

    let refused =
        |value: &Value| Proof::from_json(value.to_string().as_bytes()).unwrap_err().to_string();
    value["claim"] = "everything".into();
    assert!(refused(&value).contains("everything"), "{}", refused(&value));
    // A later version may be of another form altogether, and its number is what is told of it.
    let said = refused(&json!({"proof_version": 2, "claim": 7}));
    assert_eq!(said, "proof: its proof_version is 2, and only 1 is known here");
    assert!(refused(&json!({"claim": "inclusion"})).contains("proof_version"));
    let written = written.to_json();
    assert!(Proof::from_json(&written[..written.len() / 2]).is_err());
    assert!(Proof::from_json(b"\xFF").is_err());
}

#[test]
fn hashes_and_hints_come_back() {
    let written = log("acme", &[0..2], None);
    assert_eq!(written.node_hashes().unwrap(), [[0; 32], [0xFF; 32]]);
    assert_eq!(written.hints().unwrap(), [[0xAB; 4]; 2]);
    let none = ProofLog { leaf_hints: String::new(), ..written.clone() };
    assert!(none.hints().unwrap().is_empty());

    let short = ProofLog { nodes: "AAAA".to_owned(), ..written.clone() };
    let said = short.node_hashes().unwrap_err().to_string();
    assert!(said.contains("acme") && said.contains("3 bytes"), "{said}");
    let odd = ProofLog { nodes: "A".to_owned(), ..written.clone() };
    assert!(odd.node_hashes().unwrap_err().to_string().contains("nodes"));
    for leaf_hints in ["AAAA", "AAAAAA=="] {
        let wrong = ProofLog { leaf_hints: leaf_hints.to_owned(), ..written.clone() };
        let said = wrong.hints().unwrap_err().to_string();
        assert!(said.contains("leaf_hints") && said.contains("2 events"), "{said}");
    }
}

#[test]
fn inclusion_is_put_in_words() {
    let cases: [(&[&str], u64, &str); 5] = [
        (&[], 0, "There is no event in these files, and so nothing to prove."),
        (
            &["acme"],
            1,
            "The one event in these files is an event of the tenant log of acme, unchanged, at \
             the position that its seq says.",
        ),
        (
            &["acme"],
            12,
            "Each of the 12 events in these files is an event of the tenant log of acme, \
             unchanged, at the position that its seq says.",
        ),
        (
            &["acme", "globex"],
            3,
            "Each of the 3 events in these files is an event of the log of its tenant (acme, \
             globex), unchanged, at the position that its seq says.",
        ),
        (
            &["a", "b", "c", "d", "e", "f", "g"],
            9,
            "Each of the 9 events in these files is an event of the log of its tenant (a, b, c, \
             d, e and 2 more), unchanged, at the position that its seq says.",
        ),
    ];
    for (tenants, rows, wanted) in cases {
        let logs: Vec<ProofLog> = tenants.iter().map(|tenant| log(tenant, &[], None)).collect();
        let wanted = format!("{wanted} It is not claimed that nothing was left out.");
        assert_eq!(Proof::statement(Claim::Inclusion, rows, &logs), wanted);
    }
}

#[test]
fn completeness_is_put_in_words() {
    let line = |at: &str| Some(format!("{{\"id\":\"x\",\"recorded_at\":\"{at}\"}}"));
    let since = Some(FROM.to_owned());
    let until = Some(TO.to_owned());
    let (early, late) = (line("2025-12-31T23:59:59.000000Z"), line(TO));
    let cases = [
        (
            complete(0, 9),
            "These files have every event of the tenant log of acme at positions 0 to 8, \
             unchanged: 9 events; nothing was left out and nothing added.",
        ),
        (
            complete(4, 5),
            "These files have every event of the tenant log of acme at position 4, unchanged: \
             1 event; nothing was left out and nothing added.",
        ),
        (
            ProofComplete { recorded_to: until.clone(), ..complete(0, 2) },
            "These files have every event of the tenant log of acme that was recorded before \
             2026-04-01T00:00:00.000000Z (positions 0 to 1), unchanged: 2 events; nothing was \
             left out and nothing added.",
        ),
        (
            ProofComplete {
                recorded_from: since.clone(),
                recorded_to: until.clone(),
                before: early.clone(),
                after: late,
                ..complete(3, 5)
            },
            "These files have every event of the tenant log of acme that was recorded from \
             2026-01-01T00:00:00.000000Z on and before 2026-04-01T00:00:00.000000Z (positions 3 \
             to 4; the event before was recorded at 2025-12-31T23:59:59.000000Z; the event after \
             was recorded at 2026-04-01T00:00:00.000000Z), unchanged: 2 events; nothing was left \
             out and nothing added.",
        ),
        (
            ProofComplete { recorded_from: since, before: early, ..complete(3, 3) },
            "The tenant log of acme has no event before position 3 that was recorded from \
             2026-01-01T00:00:00.000000Z on (the event before was recorded at \
             2025-12-31T23:59:59.000000Z), and these files have none.",
        ),
        (
            ProofComplete { recorded_to: until, ..complete(0, 0) },
            "The tenant log of acme has no event that was recorded before \
             2026-04-01T00:00:00.000000Z, and these files have none.",
        ),
        (
            ProofComplete { recorded_to: Some(TO.to_owned()), ..complete(2, 4) },
            "These files have every event of the tenant log of acme from position 2 on that was \
             recorded before 2026-04-01T00:00:00.000000Z (positions 2 to 3), unchanged: 2 events; \
             nothing was left out and nothing added.",
        ),
        (
            ProofComplete { recorded_from: Some(FROM.to_owned()), ..complete(2, 4) },
            "These files have every event of the tenant log of acme before position 4 that was \
             recorded from 2026-01-01T00:00:00.000000Z on (positions 2 to 3), unchanged: 2 \
             events; nothing was left out and nothing added.",
        ),
        (
            complete(7, 7),
            "These files have no event, and no position of the tenant log of acme is claimed: \
             nothing is proved of it.",
        ),
    ];
    for (complete, wanted) in cases {
        let (from, to) = (complete.from, complete.to);
        let exported: Vec<Range<u64>> = (from < to).then_some(from..to).into_iter().collect();
        let logs = [log("acme", &exported, Some(complete))];
        assert_eq!(Proof::statement(Claim::Complete, logs[0].rows, &logs), wanted);
    }
}
