//! From CloudTrail's log files into the lake and out again in every format: each record is
//! one event, each mapped field agrees with a mapping written down a second time here, the
//! rest stays in `data`, and our own readers and other people's find the same rows.

mod formats;
mod mapping;
mod python;
mod sources;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use auditlake_model::columns::{COLUMNS, Column};
use auditlake_tests::Site;
use serde_json::Value;

/// What is exported: each format, plain and as far as it may be, compressed.
pub(crate) const FILES: [&str; 10] = [
    "events.ndjson",
    "events.csv",
    "events.json",
    "events.parquet",
    "events.ndjson.gz",
    "events.ndjson.zst",
    "events.csv.gz",
    "events.csv.zst",
    "events.json.gz",
    "events.json.zst",
];

#[test]
fn records_of_our_own_making_come_in_and_out() {
    let site = Site::new();
    let folder = site.folder().join("records");
    sources::write_own(&folder);
    comes_in_and_out(&site, &folder);
}

#[test]
fn records_of_a_real_account_come_in_and_out() {
    let Some(folder) = sources::given() else {
        println!("not tested: AUDITLAKE_CLOUDTRAIL names no folder with CloudTrail's log files");
        return;
    };
    comes_in_and_out(&Site::new(), &folder);
}

fn comes_in_and_out(site: &Site, folder: &Path) {
    let records = sources::read(folder);
    let count = records.len();
    let pattern = folder.join("*.json*");
    let pattern = pattern.to_str().expect("a path that is text");
    let import = || site.run(["import", pattern, "--shape", "cloudtrail", "--json"]).ok().json();
    let done = import();
    assert_eq!((&done["accepted"], &done["duplicates"]), (&count.into(), &0.into()), "{done}");
    let again = import();
    assert_eq!((&again["accepted"], &again["duplicates"]), (&0.into(), &count.into()), "{again}");

    let exports = export_all(site, count);
    let lines = std::fs::read(exports.join("events.ndjson")).expect("the export");
    let events = formats::events(&lines);
    assert_eq!(events.len(), count, "lines");
    assert_mapped(&records, &events);
    formats::assert_all(&exports, &lines);

    let summary = python::read_back(&exports);
    assert_eq!(summary["rows"], count, "rows that Python found");
    let ids: Vec<Value> = events.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(summary["ids"], Value::from(ids), "ids in the order that Python found");
}

fn export_all(site: &Site, count: usize) -> PathBuf {
    let folder = site.folder().join("out");
    std::fs::create_dir(&folder).expect("a folder for exports");
    for name in FILES {
        let file = folder.join(name);
        let path = file.to_str().expect("a path that is text");
        let said = site.run(["export", "-o", path, "--json"]).ok().json();
        assert_eq!(said["rows"], count, "{name}: {said}");
        let bytes = file.metadata().expect("the export").len();
        assert_eq!(said["bytes"], bytes, "{name}: {said}");
    }
    folder
}

/// Each record is there under its id, and every column is what the mapping says.
fn assert_mapped(records: &[Value], events: &[Value]) {
    let by_id: HashMap<&str, &Value> =
        events.iter().map(|event| (event["id"].as_str().expect("an id"), event)).collect();
    assert_eq!(by_id.len(), events.len(), "ids are distinct");
    for record in records {
        let id = record["eventID"].as_str().expect("a record has an id");
        let event = by_id.get(id).unwrap_or_else(|| panic!("record {id} is missing"));
        let wanted = mapping::expected(record);
        for column in &COLUMNS {
            match column.name {
                "seq" | "recorded_at" => assert!(cell(event, column).is_some(), "{id}"),
                "data" => assert_eq!(event["data"], wanted.data, "data of {id}"),
                name => {
                    let wanted = wanted.columns.get(name).cloned().flatten();
                    assert_eq!(cell(event, column), wanted, "{name} of {id}");
                }
            }
        }
    }
}

/// The text that an event has in a column, when it has one.
pub(crate) fn cell(event: &Value, column: &Column) -> Option<String> {
    let value = match column.group {
        Some(group) => &event[group][column.key],
        None => &event[column.key],
    };
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
