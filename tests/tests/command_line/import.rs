//! `import`: from files of every kind, with errors that lead to the place.

use std::io::Write;

use auditlake_tests::Site;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::{FAILED, USAGE, count, event, exported, numbered, write};

/// What an import that went well says.
fn imported(site: &Site, arguments: &[&str]) -> (u64, u64) {
    let said = site.run(["import", "--json"].iter().chain(arguments)).ok().json();
    tally(&said)
}

fn tally(said: &Value) -> (u64, u64) {
    let number = |key: &str| said[key].as_u64().unwrap_or_else(|| panic!("{key} in {said}"));
    (number("accepted"), number("duplicates"))
}

#[test]
fn takes_lines_arrays_and_compressed_files_and_knows_them_again() {
    let site = Site::new();
    let lines = numbered(30);
    let ran = site.run_with(["import", "-", "--json"], lines.as_bytes()).ok();
    assert_eq!(tally(&ran.json()), (30, 0), "from standard input");

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(lines.as_bytes()).expect("gzip into memory");
    write(&site, "a.ndjson.gz", gzip.finish().expect("gzip into memory"));
    assert_eq!(imported(&site, &["a.ndjson.gz"]), (0, 30), "gzip");

    let packed = zstd::encode_all(lines.as_bytes(), 3).expect("zstd into memory");
    // Not the name tells of the compression but the first bytes.
    write(&site, "b.ndjson", packed);
    assert_eq!(imported(&site, &["b.ndjson"]), (0, 30), "zstd");

    let joined = lines.trim_end().replace('\n', ",\n ");
    write(&site, "c.json", format!("\n [{joined}]"));
    assert_eq!(imported(&site, &["c.json"]), (0, 30), "an array");

    write(&site, "d1.ndjson", numbered(31));
    write(&site, "d2.ndjson", numbered(33));
    assert_eq!(imported(&site, &["d*.ndjson"]), (3, 61), "a pattern");
    assert_eq!(count(&site), 33);
    let said = site.run(["import", "d1.ndjson"]).ok();
    assert!(said.text().contains("(31 duplicates)"), "{}", said.text());
}

/// The days of the segments that each commit adds, and how many segments all commits remove.
fn commits(site: &Site) -> (Vec<Vec<String>>, usize) {
    let (mut added, mut removed) = (Vec::new(), 0);
    let mut paths: Vec<_> = std::fs::read_dir(site.lake().join("log"))
        .expect("the log of commits")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a commit");
        let line = text.lines().next().expect("a line");
        let commit: Value = serde_json::from_str(line).expect("a commit is JSON");
        let list = |key: &str| commit[key].as_array().cloned().unwrap_or_default();
        let day = |segment: &Value| segment["day"].as_str().expect("a day").to_owned();
        added.push(list("add").iter().map(day).collect());
        removed += list("remove").len();
    }
    added.retain(|days: &Vec<String>| !days.is_empty());
    (added, removed)
}

#[test]
fn encodes_each_day_of_a_file_once() {
    let site = Site::new();
    let days = |id: &str, days: &[u32], events: usize| -> String {
        let one = |day: &u32, number: usize| {
            let at = format!("2026-03-{day:02}T08:{:02}:{:02}Z", number / 60 % 60, number % 60);
            event(&format!("{id}{number}"), "job.ran", &at, &Value::Null)
        };
        days.iter().flat_map(|day| (0..events).map(move |number| one(day, number))).collect()
    };
    // Large days are flushed as they end, small ones together, and a straggler is merged.
    let mut text = days("a", &[1, 2], 20_000) + &days("a", &[3, 4, 5], 50);
    text += &days("late", &[2], 1);
    write(&site, "in.ndjson", &text);
    assert_eq!(imported(&site, &["in.ndjson"]), (40_151, 0));
    let of = |days: &[u32]| -> Vec<String> {
        days.iter().map(|day| format!("2026-03-{day:02}")).collect()
    };
    let flushed = [of(&[1]), of(&[2]), of(&[2, 3, 4, 5])];
    let (added, removed) = commits(&site);
    assert_eq!(added[..3], flushed);
    assert_eq!((&added[3..], removed), (&[of(&[2])][..], 2), "one day was merged");
    assert_eq!(count(&site), 40_151);
    assert_eq!(imported(&site, &["in.ndjson"]), (0, 40_151), "and again");
}

#[test]
fn says_which_file_line_key_and_why_and_keeps_what_came_before() {
    let site = Site::new();
    write(&site, "good.ndjson", numbered(3));
    let no_type = r#"{"id":"x","occurred_at":"2026-03-01T00:00:00Z","tenant_id":"acme"}"#;
    write(&site, "bad.ndjson", numbered(5) + no_type + "\n");
    let said = site.run(["import", "good.ndjson", "bad.ndjson"]).failed(FAILED);
    for wanted in ["bad.ndjson", "line 6", "key type", "is required"] {
        assert!(said.contains(wanted), "no {wanted:?} in {said:?}");
    }
    assert_eq!(count(&site), 3, "the file before the bad one is kept");

    write(&site, "broken.ndjson", "{\"id\": \"x\"\n{\"id\": \"y\"}\n");
    let said = site.run(["import", "broken.ndjson"]).failed(FAILED);
    assert!(said.contains("broken.ndjson: line 1: malformed JSON"), "{said}");

    // Lines come in chunks of some megabytes; the number is that of the file.
    let filler = "x".repeat(1000);
    let mut large = String::new();
    for number in 0..9000 {
        let id = format!("large{number}");
        let at = "2026-03-02T00:00:00Z";
        large += &event(&id, "job.ran", at, &json!({"data": {"filler": filler}}));
    }
    large += &event("late", "job.ran", "yesterday", &Value::Null);
    write(&site, "large.ndjson", large);
    let ran = site.run(["import", "large.ndjson", "--json"]);
    let (accepted, _) = tally(&ran.json());
    let said = ran.failed(FAILED);
    assert!(said.contains("line 9001: key occurred_at"), "{said}");
    assert!((1..9000).contains(&accepted), "the chunks before are kept: {accepted}");
    assert_eq!(count(&site), 3 + accepted);
}

#[test]
fn gives_events_without_ids_the_same_ids_each_time() {
    let site = Site::new();
    let event = r#"{"type":"door.opened","occurred_at":"2026-03-01T08:00:00Z"}"#;
    let other = r#"{"type":"door.closed","occurred_at":"2026-03-01T08:00:00Z"}"#;
    // The same line twice is two events: doors are opened twice in a second.
    let lines = format!("{event}\n{event}\n{other}\n");
    write(&site, "doors.ndjson", &lines);
    assert_eq!(imported(&site, &["doors.ndjson", "--tenant", "acme"]), (3, 0));
    assert_eq!(imported(&site, &["doors.ndjson", "--tenant", "acme"]), (0, 3));
    write(&site, "doors.ndjson", format!("{lines}{other}\n"));
    assert_eq!(imported(&site, &["doors.ndjson", "--tenant", "acme"]), (1, 3), "it grew by one");
    let mut ids = exported(&site, &[]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id.starts_with("evt_")), "{ids:?}");
}

#[test]
fn unknown_keys_and_missing_tenants_are_told() {
    let site = Site::new();
    let line = r#"{"type":"a.b","occurred_at":1772323200,"tenant_id":"acme","color":"red"}"#;
    write(&site, "color.ndjson", line);
    let said = site.run(["import", "color.ndjson"]).failed(FAILED);
    assert!(said.contains("line 1: key color"), "{said}");
    assert_eq!(imported(&site, &["color.ndjson", "--unknown-to-data"]), (1, 0));
    let out = site.run(["export"]).ok();
    let event: Value = serde_json::from_str(out.text()).expect("one line");
    assert_eq!(event["data"], json!({"color": "red"}));
    assert_eq!(event["occurred_at"], "2026-03-01T00:00:00.000000Z");

    write(&site, "none.ndjson", r#"{"type":"a.b","occurred_at":"2026-03-01T00:00:00Z"}"#);
    let said = site.run(["import", "none.ndjson"]).failed(FAILED);
    assert!(said.contains("line 1: key tenant_id"), "{said}");
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let site = Site::new();
    assert!(site.run(["import"]).failed(USAGE).contains("<FILE>"));
    assert!(site.run(["imprt", "x"]).failed(USAGE).contains("import"));
    let said = site.run(["import", "nowhere.ndjson"]).failed(FAILED);
    assert!(said.contains("nowhere.ndjson: there is no such file"), "{said}");
    write(&site, "x.ndjson", numbered(1));
    let said = site.run(["import", "x.ndjson", "--shape", "nonesuch"]).failed(FAILED);
    assert!(said.contains("nonesuch") && said.contains("cloudtrail"), "{said}");
}
