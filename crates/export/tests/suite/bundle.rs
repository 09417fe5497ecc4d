//! What an evidence bundle has beside data, manifest and proof.

#![allow(clippy::single_range_in_vec_init)] // one range of positions is what is meant

use std::collections::BTreeMap;

use auditlake_export::bundle::{CHECKPOINT, HTML, KEYS, README, VERIFIER, companions, members};
use auditlake_export::manifest::{
    MANIFEST, MANIFEST_VERSION, Manifest, ManifestFile, ManifestProof, Requester, SnapshotPoint,
};
use auditlake_export::proof::{PROOF, PROOF_VERSION, Proof, ProofFile, ProofLog};
use auditlake_model::claim::Claim;
use auditlake_model::columns::COLUMNS;

fn proof(format: &str, tenants: &[&str]) -> Proof {
    let log = |tenant: &&str| {
        let checkpoint = format!("lake/{tenant}\n1\nAAAA\n\n— lake/{tenant} AAAA\n");
        let keys = ["old", "new"].map(|key| format!("lake+{key}")).to_vec();
        ProofLog::new((*tenant).to_owned(), checkpoint, keys, 1, &[0..1], &[], &[0; 4], None)
    };
    let logs: Vec<ProofLog> = tenants.iter().map(log).collect();
    let rows = tenants.len() as u64;
    Proof {
        proof_version: PROOF_VERSION,
        claim: Claim::Inclusion,
        statement: Proof::statement(Claim::Inclusion, rows, &logs),
        format: format.to_owned(),
        compression: "none".to_owned(),
        csv_safe: None,
        files: vec![ProofFile { name: "events".to_owned(), rows, sha256: String::new() }],
        logs,
    }
}

fn manifest(proof: &Proof, files: usize) -> Manifest {
    let text = str::to_owned;
    let file = |number: usize| ManifestFile {
        name: format!("events-{number:04}.{}", proof.format),
        rows: 7,
        bytes: 1,
        sha256: String::new(),
        first: None,
        last: None,
    };
    Manifest {
        manifest_version: MANIFEST_VERSION,
        export_id: text("exp_1"),
        created_at: text("2026-05-17T09:00:00.000000Z"),
        engine: text("auditlake 0.1.0"),
        requested_by: Requester { id: text("key_1"), kind: text("key"), role: text("auditor") },
        filter: vec![],
        filter_text: text("type starts with user."),
        scope: text("tenant acme"),
        snapshot: SnapshotPoint { commit: 7, recorded_before: text("2026-05-17T08:59:59.000000Z") },
        order: text("log"),
        columns: vec![],
        format: proof.format.clone(),
        compression: proof.compression.clone(),
        csv_safe: None,
        rows: 7,
        bytes: 1,
        copied_bytes: 0,
        files: (1..=files).map(file).collect(),
        proof: Some(ManifestProof::from(proof)),
    }
}

fn texts(proof: &Proof, files: usize) -> BTreeMap<String, String> {
    let made = companions(&manifest(proof, files), proof);
    made.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

#[test]
fn has_all_companions() {
    let texts = texts(&proof("csv", &["acme", "globex"]), 1);
    assert_eq!(texts.keys().collect::<Vec<_>>(), [README, CHECKPOINT, KEYS, HTML]);
    let wanted = "lake/acme\n1\nAAAA\n\n— lake/acme AAAA\n\nlake/globex\n1\nAAAA\n\n\
                  — lake/globex AAAA\n";
    assert_eq!(texts[CHECKPOINT], wanted);
    assert_eq!(texts[KEYS], "lake+old\nlake+new\n", "each key once");
}

#[test]
fn the_manifest_and_the_proof_are_members_with_their_companions() {
    let proof = proof("csv", &["acme"]);
    let manifest = manifest(&proof, 1);
    let members = members(&manifest, &proof);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [MANIFEST, PROOF, README, HTML, CHECKPOINT, KEYS]);
    assert_eq!(serde_json::from_slice::<Manifest>(&members[0].1).unwrap(), manifest);
    assert!(members[0].1.starts_with(b"{\n  \"manifest_version\": 1,\n"));
    assert!(members[0].1.ends_with(b"\n}\n"));
    assert_eq!(Proof::from_json(&members[1].1).unwrap(), proof);
}

#[test]
fn the_readme_says_what_is_claimed_and_how_to_check_it() {
    let proof = proof("csv", &["acme"]);
    let text = &texts(&proof, 2)[README];
    let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        proof.statement.as_str(),
        "type starts with user.",
        "events-0002.csv",
        HTML,
        KEYS,
        "auditlake verify bundle.zip --key KEY.txt",
        "examples/verify.py",
    ] {
        assert!(unwrapped.contains(wanted), "{wanted} is missing in:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
    assert!(!text.contains("more files"), "{text}");
    assert!(!text.contains("cannot read the rows"), "{text}");
}

#[test]
fn the_readme_of_many_files_stays_short_and_warns_where_a_browser_is_not_enough() {
    let text = &texts(&proof("parquet", &["acme"]), 300)[README];
    assert!(text.contains("events-0020.parquet") && !text.contains("events-0021"), "{text}");
    assert!(text.contains("and 280 more files of data"), "{text}");
    assert!(text.contains("cannot read the rows"), "{text}");
}

#[test]
fn the_page_is_cut_off_from_any_network_and_shows_no_markup_of_others() {
    let page = &texts(&proof("csv", &["acme"]), 1)[HTML];
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("content=\"default-src 'none'; script-src 'unsafe-inline';"));
    for refused in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "fetch("] {
        assert!(!page.contains(refused), "the page has {refused}");
    }
    for refused in ["src=", "href=", "@import", "url(", "eval("] {
        assert!(!page.contains(refused), "the page has {refused}");
    }
}

#[test]
fn the_page_has_the_checks_inside_of_itself() {
    let page = &texts(&proof("csv", &["acme"]), 1)[HTML];
    assert_eq!(page.matches(VERIFIER).count(), 1);
    assert!(VERIFIER.ends_with("\nexport { verify };\n"), "what a page may use of it");
    // Neither may end the element that holds the script, nor ask for another module.
    for refused in ["</script", "<!--", "import "] {
        assert!(!VERIFIER.contains(refused), "the checks have {refused}");
    }
}

#[test]
fn the_page_knows_the_columns_of_an_event() {
    let page = &texts(&proof("csv", &["acme"]), 1)[HTML];
    let (_, rest) = page.split_once("const COLUMNS = `").unwrap();
    let (table, _) = rest.split_once('`').unwrap();
    let wanted: Vec<String> = COLUMNS.iter().map(|column| column.path()).collect();
    assert_eq!(table.split_whitespace().collect::<Vec<_>>(), wanted);
    let required = COLUMNS.iter().take_while(|column| column.required).count();
    assert!(page.contains(&format!("const REQUIRED = {required};")));
    assert!(COLUMNS[required..].iter().all(|column| !column.required));
}
