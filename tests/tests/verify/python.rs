//! `examples/verify.py`, which has nothing of ours: it agrees with `auditlake verify`.

use std::path::Path;
use std::process::{Command, Output};

use auditlake_tests::Site;

use crate::{Forgery, GOOD, NOT_GOOD, exported, filled, told};

fn python(site: &Site, name: &str, key: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verify.py");
    let python = std::env::var("AUDITLAKE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.arg(script).arg(name).arg(format!("{name}.proof.json")).args(key);
    command.current_dir(site.folder()).output().expect("Python starts")
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
    let key = site.run(["log", "keys"]).ok().text().trim().to_owned();
    let cases: [(&str, &[&str]); 4] = [
        ("all.ndjson", &["--proof", "inclusion"]),
        ("some.ndjson.gz", &["--actor-id", "u3", "--proof", "inclusion"]),
        ("acme.ndjson", &["--tenant-id", "acme", "--proof", "complete"]),
        ("part.ndjson.gz", &["--tenant-id", "acme", "--seq-from", "9", "--proof", "complete"]),
    ];
    for (name, flags) in cases {
        exported(&site, name, flags);
        let keys: [&[&str]; 2] = [&[key.as_str()], &[]];
        for key in keys {
            let said = said(&python(&site, name, key), GOOD);
            assert!(said.starts_with("GOOD: "), "{said}");
        }
    }
    let said = said(&python(&site, "acme.ndjson", &[]), GOOD);
    assert!(said.contains("900 events of acme are in its log of 900 events"), "{said}");
}

#[test]
fn forged_exports_are_not() {
    let site = filled();
    let refused = |name: &str, key: &[&str], reason: &str| {
        let said = said(&python(&site, name, key), NOT_GOOD);
        assert!(said.contains("NOT GOOD: ") && said.contains(reason), "{said}");
        told(&site, name, &[]);
    };
    let mut forgery = Forgery::of(&site, "complete");
    forgery.lines[100] = forgery.lines[100].replace("success", "failure");
    refused(forgery.write(), &[], "was changed");
    let mut forgery = Forgery::of(&site, "complete");
    forgery.lines.remove(100);
    refused(forgery.write(), &[], "missing");
    let mut forgery = Forgery::of(&site, "inclusion");
    let double = forgery.lines[5].clone();
    forgery.lines.push(double);
    refused(forgery.write(), &[], "line 901");
    let mut forgery = Forgery::of(&site, "inclusion");
    let log = &mut forgery.proof.logs[0];
    log.checkpoint = log.checkpoint.replace("\n900\n", "\n899\n");
    refused(forgery.write(), &[], "not signed");
    let mut forgery = Forgery::of(&site, "inclusion");
    forgery.proof.logs[0].checkpoint.clear();
    refused(forgery.write(), &[], "cannot be read");

    // Behind the end of the log nothing comes to bear on its root.
    let mut forgery = Forgery::of(&site, "inclusion");
    let added = forgery.lines[forgery.line_of(0)].replace("\"seq\":0,", "\"seq\":900,");
    forgery.lines.push(added);
    forgery.proof.logs[0].rows = 901;
    forgery.proof.logs[0].ranges = vec![(0, 901)];
    refused(forgery.write(), &[], "has no place for");
    let mut forgery = Forgery::of(&site, "complete");
    let log = &mut forgery.proof.logs[0];
    let done = log.complete.as_mut().unwrap();
    done.recorded_from = Some("2000-01-01T00:00:00-12:00".to_owned());
    refused(forgery.write(), &[], "no time");

    exported(&site, "e.ndjson", &["--tenant-id", "acme", "--proof", "complete"]);
    let of_other = site.run(["log", "keys", "--tenant", "globex+eu"]).ok().text().trim().to_owned();
    let said = said(&python(&site, "e.ndjson", &[&of_other]), NOT_GOOD);
    assert!(said.contains("not signed by the key"), "{said}");
}
