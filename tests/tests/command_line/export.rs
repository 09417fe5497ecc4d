//! `export`: the filters of the API as flags, order, columns, limit, and files that bear
//! their name only when they are complete.

use std::path::Path;

use auditlake_tests::Site;
use serde_json::{Value, json};

use crate::{FAILED, USAGE, event, exported, ids, numbered, write};

/// Six events over three days.
fn varied() -> Site {
    let site = Site::new();
    let mut lines = String::new();
    for (id, kind, at, more) in [
        (
            "a",
            "admin.role_granted",
            "2026-03-01T10:00:00Z",
            json!({
                "actor": {"id": "ann", "email": "ann@example.com"}, "outcome": "success",
                "context": {"ip": "10.1.2.3"},
            }),
        ),
        (
            "b",
            "admin.role_revoked",
            "2026-03-01T09:00:00Z",
            json!({
                "actor": {"id": "bo"}, "outcome": "denied", "context": {"ip": "192.0.2.1"},
            }),
        ),
        (
            "c",
            "user.signed_in",
            "2026-03-02T00:00:00Z",
            json!({
                "actor": {"id": "ann"}, "outcome": "failure", "reason": "=wrong password",
            }),
        ),
        (
            "d",
            "user.signed_in",
            "2026-03-02T23:59:59.999999Z",
            json!({
                "tenant_id": "globex", "actor": {"id": "cleo"}, "outcome": "success",
            }),
        ),
        (
            "e",
            "file.read",
            "2026-03-03T00:00:00Z",
            json!({
                "target": {"kind": "file", "id": "f1"}, "outcome": "success",
                "data": {"note": "a needle in it"},
            }),
        ),
        ("f", "file.read", "2026-03-03T01:00:00Z", json!({"outcome": "denied"})),
    ] {
        lines += &event(id, kind, at, &more);
    }
    let ran = site.run_with(["import", "-", "--json"], lines.as_bytes()).ok();
    assert_eq!(ran.json()["accepted"], 6);
    site
}

#[test]
fn takes_every_kind_of_filter_as_a_flag() {
    let site = varied();
    let cases: [(&[&str], &[&str]); 16] = [
        (&[], &["b", "a", "c", "d", "e", "f"]),
        (&["--type", "admin.*"], &["b", "a"]),
        (&["--type", "admin.*,file.read"], &["b", "a", "e", "f"]),
        (&["--type", "user.signed_in", "--type", "file.read"], &["c", "d", "e", "f"]),
        (&["--outcome", "!success"], &["b", "c", "f"]),
        (&["--from", "2026-03-02", "--to", "2026-03-03"], &["c", "d"]),
        (&["--from", "2026-03-03T00:00:00.000001Z"], &["f"]),
        (&["--actor-id", "ann,bo"], &["b", "a", "c"]),
        (&["--actor-email", "ann@example.com"], &["a"]),
        (&["--tenant-id", "globex"], &["d"]),
        (&["--target-kind", "file", "--target-id", "f1"], &["e"]),
        (&["--ip", "10.0.0.0/8"], &["a"]),
        (&["--q", "needle"], &["e"]),
        (&["--id", "a,f"], &["a", "f"]),
        (&["--outcome", "denied", "--type", "file.*"], &["f"]),
        (&["--type", "nothing.*"], &[]),
    ];
    for (flags, wanted) in cases {
        assert_eq!(exported(&site, flags), wanted, "{flags:?}");
    }
    let said = site.run(["export", "--from", "tomorrow"]).failed(FAILED);
    assert!(said.contains("parameter from"), "{said}");
    assert!(site.run(["export", "--colour", "red"]).failed(USAGE).contains("--colour"));
    assert!(site.run(["export", "--format", "xml"]).failed(USAGE).contains("csv"));
}

#[test]
fn orders_limits_and_chooses_columns() {
    let site = varied();
    assert_eq!(exported(&site, &["--order", "asc"]), ["b", "a", "c", "d", "e", "f"]);
    assert_eq!(exported(&site, &["--order", "desc"]), ["f", "e", "d", "c", "a", "b"]);
    assert_eq!(exported(&site, &["--order", "desc", "--limit", "2"]), ["f", "e"]);
    assert_eq!(exported(&site, &["--limit", "0"]), Vec::<String>::new());

    let csv = ["export", "--format", "csv", "--columns", "reason,id,actor_id", "--type", "user.*"];
    let ran = site.run(csv).ok();
    assert_eq!(ran.text(), "reason,id,actor_id\n'=wrong password,c,ann\n,d,cleo\n");
    let ran = site.run(csv.iter().chain(&["--csv-safe", "false"])).ok();
    assert_eq!(ran.text(), "reason,id,actor_id\n=wrong password,c,ann\n,d,cleo\n");
    let said = site.run(["export", "--columns", "id,colour"]).failed(FAILED);
    assert!(said.contains("\"colour\" is no column") && said.contains("occurred_at"), "{said}");
}

#[test]
fn standard_output_holds_the_export_and_nothing_else() {
    let site = varied();
    let ran = site.run(["export", "--json"]).ok();
    assert_eq!(ids(ran.text()).len(), 6);
    let said = ran.stderr.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(said).expect("JSON on standard error");
    assert_eq!(
        said,
        json!({"rows": 6, "bytes": ran.stdout.len(), "copied_bytes": 0, "output": null})
    );
    let ran = site.run(["export", "--format", "json"]).ok();
    assert_eq!(ran.json().as_array().map(Vec::len), Some(6));
}

#[test]
fn the_name_of_the_output_says_what_it_is() {
    let site = varied();
    let ndjson = site.run(["export"]).ok().stdout;
    let said = site.run(["export", "-o", "out.csv", "--json"]).ok().json();
    assert_eq!((&said["rows"], &said["output"]), (&6.into(), &"out.csv".into()));
    let csv = std::fs::read_to_string(site.folder().join("out.csv")).expect("the export");
    assert!(csv.starts_with("id,seq,type,") && csv.lines().count() == 7, "{csv}");
    let _ = site.run(["export", "-o", "out.ndjson.zst"]).ok();
    let packed = std::fs::read(site.folder().join("out.ndjson.zst")).expect("the export");
    assert!(zstd::decode_all(packed.as_slice()).expect("a zstd file") == ndjson);
    let said = site.run(["export", "-o", "out.parquet.gz"]).failed(FAILED);
    assert!(said.contains("parquet"), "{said}");
    assert!(!site.folder().join("out.parquet.gz").exists());
}

#[test]
fn a_failed_export_leaves_no_file_and_spares_the_one_before() {
    let site = Site::new();
    write(&site, "in.ndjson", numbered(2000));
    let _ = site.run(["import", "in.ndjson"]).ok();
    let _ = site.run(["export", "-o", "kept.csv"]).ok();
    let kept = std::fs::read(site.folder().join("kept.csv")).expect("the export");
    damage(&site.lake().join("events"));
    for name in ["kept.csv", "new.ndjson", "new.parquet"] {
        let said = site.run(["export", "-o", name]).failed(FAILED);
        assert!(!said.is_empty(), "{name}: it must say why");
        assert!(!site.folder().join(format!("{name}.partial")).exists(), "{name}: half is left");
    }
    assert!(std::fs::read(site.folder().join("kept.csv")).expect("the one before") == kept);
    assert!(!site.folder().join("new.ndjson").exists());
    assert!(!site.folder().join("new.parquet").exists());
    assert!(!site.run(["export", "-o", "nowhere/x.csv"]).failed(FAILED).is_empty());
}

/// Overwrites the first pages of every segment, and leaves the footers.
fn damage(folder: &Path) {
    let mut damaged = 0;
    for day in std::fs::read_dir(folder).expect("the days of the lake") {
        let day = day.expect("an entry of a folder").path();
        for file in std::fs::read_dir(day).expect("the segments of a day") {
            let file = file.expect("an entry of a folder").path();
            let mut bytes = std::fs::read(&file).expect("a segment");
            bytes[4..200].fill(0xff);
            std::fs::write(&file, bytes).expect("a segment");
            damaged += 1;
        }
    }
    assert!(damaged > 0, "there is no segment to damage");
}
