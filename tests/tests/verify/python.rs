//! `examples/verify.py`, which has nothing of ours: it agrees with `auditlake verify`.

use std::path::Path;
use std::process::{Command, Output};

use auditlake_export::proof::Proof;
use auditlake_tests::Site;
use auditlake_tlog::SigningKey;
use serde_json::Value;

use crate::{EVENTS, Forgery, GOOD, NOT_GOOD, event, exported, filled, told};

fn python(site: &Site, name: &str, key: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verify.py");
    let python = std::env::var("AUDITLAKE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.arg(script).arg(name).arg(format!("{name}.proof.json")).arg(key);
    command.current_dir(site.folder()).output().expect("Python starts")
}

/// The public key of the lake, or of the log of a tenant.
fn key(site: &Site, flags: &[&str]) -> String {
    site.run(["log", "keys"].iter().chain(flags)).ok().text().trim().to_owned()
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaint}");
    assert!(complaint.is_empty(), "{complaint}");
    said
}

#[test]
fn good_exports_are_good() {
    let site = filled();
    let of_lake = key(&site, &[]);
    let cases: [(&str, &str, &[&str]); 4] = [
        ("acme", "all.ndjson", &["--proof", "inclusion"]),
        ("globex+eu", "some.ndjson", &["--actor-id", "u3", "--proof", "inclusion"]),
        ("acme", "acme.ndjson", &["--proof", "complete"]),
        ("globex+eu", "part.ndjson", &["--seq-from", "9", "--seq-to", "99", "--proof", "complete"]),
    ];
    for (tenant, name, flags) in cases {
        let tenant = ["--tenant-id", tenant];
        exported(&site, name, &[&tenant[..], flags].concat());
        for key in [&of_lake, &key(&site, &["--tenant", tenant[1]])] {
            let said = said(&python(&site, name, key), GOOD);
            assert!(said.starts_with("GOOD: "), "{said}");
        }
    }
    let told = said(&python(&site, "acme.ndjson", &of_lake), GOOD);
    assert!(told.starts_with("GOOD: 900 events, unchanged, of the log "), "{told}");
    assert!(told.contains("/acme with 900 events, all that it has from seq 0 to before 900"));
    let told = said(&python(&site, "all.ndjson", &of_lake), GOOD);
    assert!(!told.contains("all that it has"), "{told}");
    let told = said(&python(&site, "part.ndjson", &of_lake), GOOD);
    assert!(told.starts_with("GOOD: 90 events") && told.contains("from seq 9 to before 99"));
}

#[test]
fn a_line_that_is_shown_for_a_time_is_one_more_leaf() {
    let site = filled();
    let _ = site.run_with(["import", "-", "--json"], event("acme", EVENTS).as_bytes()).ok();
    let of_acme = ["--tenant-id", "acme", "--proof", "complete"];
    let last = exported(&site, "last.ndjson", &[&of_acme[..], &["--seq-from", "900"]].concat());
    let last: Value = serde_json::from_slice(&std::fs::read(last).unwrap()).unwrap();
    let since = ["--recorded-from", last["recorded_at"].as_str().unwrap()];
    let path = exported(&site, "since.ndjson", &[of_acme.as_slice(), &since].concat());
    let proof = std::fs::read(path.with_file_name("since.ndjson.proof.json")).unwrap();
    let complete = Proof::from_json(&proof).unwrap().logs[0].complete.clone().unwrap();
    assert!(complete.before.is_some(), "{complete:?}");
    let told = said(&python(&site, "since.ndjson", &key(&site, &[])), GOOD);
    assert!(told.contains(" 1 events") && told.contains("from seq 900 to before 901"), "{told}");
}

#[test]
fn forged_exports_are_not() {
    let site = filled();
    let of_lake = key(&site, &[]);
    let refused = |name: &str, reason: &str| {
        let said = said(&python(&site, name, &of_lake), NOT_GOOD);
        assert!(said.starts_with("NOT GOOD: ") && said.contains(reason), "{said}");
        told(&site, name, &[]);
    };
    let changed = "were changed, added or removed";
    let mut forgery = Forgery::of(&site, "complete");
    forgery.lines[100] = forgery.lines[100].replace("success", "failure");
    refused(forgery.write(), changed);
    let mut forgery = Forgery::of(&site, "complete");
    forgery.lines.remove(100);
    refused(forgery.write(), "not all from seq 0 to before 900");
    let mut forgery = Forgery::of(&site, "inclusion");
    forgery.lines.remove(100);
    refused(forgery.write(), changed);
    let mut forgery = Forgery::of(&site, "inclusion");
    let double = forgery.lines[5].clone();
    forgery.lines.push(double);
    refused(forgery.write(), changed);
    let mut forgery = Forgery::of(&site, "inclusion");
    let log = &mut forgery.proof.logs[0];
    log.checkpoint = log.checkpoint.replace("\n900\n", "\n899\n");
    refused(forgery.write(), "not signed");
    let mut forgery = Forgery::of(&site, "inclusion");
    forgery.proof.logs[0].checkpoint.clear();
    refused(forgery.write(), "cannot be read");

    // Behind the end of the log nothing comes to bear on its root.
    let mut forgery = Forgery::of(&site, "inclusion");
    let added = forgery.lines[forgery.line_of(0)].replace("\"seq\":0,", "\"seq\":900,");
    forgery.lines.push(added);
    forgery.proof.logs[0].rows = 901;
    forgery.proof.logs[0].ranges = vec![(0, 901)];
    refused(forgery.write(), changed);
}

#[test]
fn without_the_right_key_nothing_is_proved() {
    let site = filled();
    exported(&site, "e.ndjson", &["--tenant-id", "acme", "--proof", "complete"]);
    let refused = |key: &str, reason: &str| {
        let said = said(&python(&site, "e.ndjson", key), NOT_GOOD);
        assert!(said.starts_with("NOT GOOD: ") && said.contains(reason), "{said}");
    };
    refused(&key(&site, &["--tenant", "globex+eu"]), "KEY is not that of");
    let of_lake = key(&site, &[]);
    let name = of_lake.split('+').next().unwrap();
    let other = SigningKey::from_seed([7; 32]).verifier(name).unwrap().to_string();
    refused(&other, "not signed by KEY");
    let (_, behind) = of_lake.split_once('+').unwrap();
    refused(&format!("{name}x+{behind}"), "no Ed25519 key");
    refused("", "cannot be read");

    // What is about several logs is for the program: this one says so, and not that it is good.
    exported(&site, "e.ndjson", &["--proof", "inclusion"]);
    refused(&of_lake, "not one of a single log");
}
