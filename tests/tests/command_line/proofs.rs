//! `export --proof` and `log`: what a proof needs, what it refuses, and the keys that sign.

use auditlake_tests::Site;
use auditlake_tlog::{Checkpoint, Note, VerifierKey};

use crate::{DONE, FAILED, USAGE, event, numbered, write};

/// A lake with twenty events of `acme` and one of `globex`.
fn filled() -> Site {
    let site = Site::new();
    let more = serde_json::json!({"tenant_id": "globex"});
    let other = event("g", "file.read", "2026-03-01T12:00:00Z", &more);
    write(&site, "in.ndjson", numbered(20) + &other);
    let _ = site.run(["import", "in.ndjson"]).ok();
    site
}

fn keys_of(site: &Site, flags: &[&str]) -> Vec<VerifierKey> {
    let ran = site.run(["log", "keys"].iter().chain(flags)).ok();
    ran.text().lines().map(|line| line.parse().expect("a public key")).collect()
}

#[test]
fn a_file_has_its_proof_beside_it() {
    let site = filled();
    let export = ["export", "--tenant-id", "acme", "--proof", "complete", "-o", "acme.csv"];
    let said = site.run(export).ok();
    assert!(said.text().contains("acme.csv.proof.json"), "{}", said.text());
    assert!(said.text().contains("nothing was left out"), "{}", said.text());
    let proof = std::fs::read(site.folder().join("acme.csv.proof.json")).expect("the proof");
    let proof: serde_json::Value = serde_json::from_slice(&proof).expect("a proof is JSON");
    assert_eq!((&proof["claim"], &proof["format"]), (&"complete".into(), &"csv".into()));
    assert_eq!(proof["files"][0]["name"], "acme.csv");
    assert_eq!(proof["files"][0]["rows"], 20);
    assert!(!site.folder().join("acme.csv.proof.json.partial").exists());
    assert_eq!(site.run(["verify", "acme.csv"]).code, DONE);

    let export = ["export", "--type", "user.*", "--limit", "3", "--proof", "inclusion"];
    let said = site.run(export.iter().chain(&["-o", "few.ndjson", "--json"])).ok().json();
    assert_eq!((&said["rows"], &said["proof"]), (&3.into(), &"few.ndjson.proof.json".into()));
    assert_eq!(site.run(["verify", "few.ndjson"]).code, DONE);
}

#[test]
fn a_bundle_has_everything_that_an_auditor_needs() {
    let site = filled();
    let export = ["export", "--tenant-id", "acme", "--proof", "complete", "--format", "csv"];
    let said = site.run(export.iter().chain(&["-o", "acme.zip", "--json"])).ok().json();
    assert_eq!((&said["rows"], &said["output"]), (&20.into(), &"acme.zip".into()));
    let file = std::fs::File::open(site.folder().join("acme.zip")).expect("the bundle");
    let mut archive = zip::ZipArchive::new(file).expect("a zip archive");
    let names = archive.file_names().map(|name| name.expect("a name").into_owned());
    let names: Vec<String> = names.collect();
    for name in [
        "events.csv",
        "manifest.json",
        "proof.json",
        "checkpoint.txt",
        "public-key.txt",
        "README.txt",
        "verify.html",
    ] {
        assert!(names.iter().any(|has| has == name), "{name} is not in {names:?}");
    }
    let manifest = archive.by_name("manifest.json").expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_reader(manifest).expect("JSON");
    assert_eq!(manifest["requested_by"]["kind"], "command_line");
    assert_eq!(manifest["filter"][0], serde_json::json!({"name": "tenant_id", "value": "acme"}));
    assert_eq!(manifest["proof"]["claim"], "complete");
    let file = &manifest["files"][0];
    assert_eq!((&file["first"]["seq"], &file["last"]["seq"]), (&0.into(), &19.into()));
    assert_eq!(file["last"]["tenant_id"], "acme");
    assert_eq!(site.run(["verify", "acme.zip"]).code, DONE);
}

#[test]
fn what_cannot_be_proven_is_refused_and_leaves_no_file() {
    let site = filled();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--proof", "complete"], USAGE, "--output"),
        (&["--proof", "all", "-o", "a.csv"], USAGE, "inclusion"),
        (&["--proof", "inclusion", "--columns", "id", "-o", "a.csv"], USAGE, "--columns"),
        (&["--proof", "complete", "-o", "a.csv"], FAILED, "tenant"),
        (
            &["--tenant-id", "acme", "--type", "user.*", "--proof", "complete", "-o", "a.csv"],
            FAILED,
            "type",
        ),
        (
            &["--tenant-id", "acme", "--limit", "2", "--proof", "complete", "-o", "a.csv"],
            FAILED,
            "limit",
        ),
        (&["-o", "a.zip"], FAILED, "--proof"),
        (
            &["--server", "http://127.0.0.1:1", "--proof", "inclusion", "-o", "a.csv"],
            FAILED,
            ".zip",
        ),
    ];
    for (flags, code, words) in cases {
        let said = site.run(["export"].iter().chain(flags)).failed(code);
        assert!(said.contains(words), "{flags:?}: {words:?} is not in {said}");
    }
    for name in ["a.csv", "a.csv.proof.json", "a.zip", "a.csv.partial", "a.zip.partial"] {
        assert!(!site.folder().join(name).exists(), "{name} is left");
    }
}

#[test]
fn checkpoints_are_signed_by_the_keys_that_are_shown() {
    let site = filled();
    let shown = site.run(["log", "checkpoint", "--tenant", "acme"]).ok();
    let note = Note::parse(shown.text()).expect("a note");
    let [key] = <[VerifierKey; 1]>::try_from(keys_of(&site, &["--tenant", "acme"])).expect("one");
    key.verify(&note).expect("the checkpoint is signed");
    let head = Checkpoint::parse(&note.text).expect("a checkpoint");
    assert_eq!((head.size, &head.origin), (20, &key.name));
    let status = site.run(["status", "--json"]).ok().json();
    let all = site.run(["log", "checkpoint", "--json"]).ok().json();
    let all = all["checkpoints"].as_array().expect("a list").clone();
    assert_eq!(all.len(), 2);
    for one in all {
        let tenant = one["tenant_id"].as_str().expect("a tenant");
        assert_eq!(one["root"], status["tenants"][tenant]["root"], "{tenant}");
    }
    // Of the lake: the same key under the name that those of the tenants begin with.
    let [lake] = <[VerifierKey; 1]>::try_from(keys_of(&site, &[])).expect("one");
    assert_eq!((format!("{}/acme", lake.name), lake.public), (key.name, key.public));
    let both = site.run(["log", "checkpoint"]).ok();
    assert_eq!(both.text().matches("\n\n").count(), 3, "{}", both.text());
    let said = site.run(["log", "checkpoint", "--tenant", "none"]).failed(FAILED);
    assert!(said.contains("the log of none has no checkpoint yet"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_rotated_when_no_server_runs_and_the_old_one_keeps_verifying() {
    let site = filled();
    let before = keys_of(&site, &[]);
    let bundle = ["export", "--tenant-id", "acme", "--proof", "complete", "-o", "acme.zip"];
    let _ = site.run(bundle).ok();
    let server = site.start().await;
    let said = site.run(["log", "rotate-key"]).failed(FAILED);
    assert!(said.contains("in use"), "{said}");
    assert!(server.stop().await.success());

    let said = site.run(["log", "rotate-key"]).ok();
    let new: VerifierKey = said.text().trim().parse().expect("a public key");
    let after = keys_of(&site, &[]);
    assert_eq!(after, [before[0].clone(), new], "the newest is the last");
    let old = before[0].to_string();
    assert_eq!(site.run(["verify", "acme.zip", "--key", &old]).code, DONE);
    write(&site, "more.ndjson", event("m", "file.read", "2026-03-02T00:00:00Z", &().into()));
    let _ = site.run(["import", "more.ndjson"]).ok();
    let _ = site.run(bundle).ok();
    assert_eq!(site.run(["verify", "acme.zip"]).code, DONE);
    assert_eq!(site.run(["verify", "acme.zip", "--key", &old]).code, 3, "signed with the new key");
    let new = after[1].to_string();
    assert_eq!(site.run(["verify", "acme.zip", "--key", &new]).code, DONE);
    let lake = site.lake().to_str().expect("a path that is text");
    assert_eq!(site.run(["verify", lake]).code, DONE);
}

#[test]
fn the_name_of_a_log_is_given_once() {
    let site = Site::new();
    write(&site, "in.ndjson", numbered(1));
    let named = ["--log-origin", "audit.example.com"];
    let _ = site.run(["import", "in.ndjson"].iter().chain(&named)).ok();
    assert_eq!(keys_of(&site, &[])[0].name, "audit.example.com");
    let said = site.run(["import", "in.ndjson", "--log-origin", "other"]).failed(FAILED);
    assert!(said.contains("audit.example.com"), "{said}");
    let _ = site.run(["import", "in.ndjson"]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_gives_the_same_bundle() {
    let site = filled();
    let server = site.start().await;
    let (url, key) = (server.target().url, site.key());
    let export = ["export", "--server", &url, "--tenant-id", "acme", "--proof", "complete"];
    let ran = site.run_env(
        export.iter().chain(&["--format", "csv", "-o", "remote.zip", "--json"]),
        ("AUDITLAKE_KEY", &key),
    );
    let said = ran.ok().json();
    assert_eq!(said["output"], "remote.zip", "{said}");
    let verified = site.run(["verify", "remote.zip", "--json"]).ok().json();
    assert_eq!(verified["rows"], 20, "{verified}");
    let note = site.run(["log", "checkpoint", "--tenant", "acme"]).ok().stdout;
    let kept = write(&site, "kept.txt", note);
    let kept = kept.to_str().expect("a path that is text");
    assert_eq!(site.run(["verify", "remote.zip", "--against", kept]).code, DONE);
    assert!(server.stop().await.success());
}
