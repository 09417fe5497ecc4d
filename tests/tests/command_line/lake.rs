//! `quickstart`, `status` and `compact`: a lake from nothing, what it holds, and how it is
//! tidied up without a change to any event.

use std::process::Stdio;

use auditlake_tests::{Crowd, Site};

use crate::{DONE, FAILED, numbered, write};

#[test]
fn quickstart_makes_a_lake_and_finds_it_again() {
    let site = Site::new();
    let quickstart = ["quickstart", "--events", "20000", "--no-serve"];
    let said = site.run(quickstart).ok();
    assert!(said.text().contains("20,000 events (0 were there already)"), "{}", said.text());
    let exports = site.lake().join("exports/quickstart");
    let read = |name: &str| std::fs::read(exports.join(name)).expect("an export");
    let ndjson = read("events.ndjson");
    let lines = memchr::memchr_iter(b'\n', &ndjson).count();
    assert_eq!(lines, 20_000);
    assert!(read("events.csv").starts_with(b"id,seq,type,"));
    assert!(read("events.json").starts_with(b"[\n{\"id\":"));
    assert!(read("events.parquet").ends_with(b"PAR1"));
    assert!(said.text().contains("nothing changed, nothing left out"), "{}", said.text());
    let bundle = exports.join("evidence.zip");
    let _ = site.run(["verify", bundle.to_str().expect("a path that is text")]).ok();

    let said = site.run(quickstart).ok();
    assert!(said.text().contains("0 events (20,000 were there already)"), "{}", said.text());
    assert!(read("events.ndjson") == ndjson, "the second run changed the events");
    let status = site.run(["status", "--json"]).ok().json();
    assert_eq!((&status["events"], &status["hot_events"]), (&20_000.into(), &0.into()));
}

#[test]
fn status_tells_what_there_is() {
    let site = Site::new();
    let said = site.run(["status"]).failed(FAILED);
    assert!(said.contains("there is no lake at"), "{said}");
    assert!(!site.lake().exists(), "asking makes no lake");

    write(&site, "in.ndjson", numbered(50));
    let _ = site.run(["import", "in.ndjson"]).ok();
    let status = site.run(["status", "--json"]).ok().json();
    assert_eq!(status["events"], 50);
    assert_eq!(status["segments"], 1);
    assert_eq!(status["days"], serde_json::json!(["2026-03-01", "2026-03-01"]));
    assert_eq!(status["tenants"]["acme"]["size"], 50);
    let root = status["tenants"]["acme"]["root"].as_str().expect("a root");
    assert!(root.len() == 64 && root.bytes().all(|digit| digit.is_ascii_hexdigit()), "{root}");
    let said = site.run(["status"]).ok();
    assert!(said.text().contains(root), "{}", said.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compact_leaves_one_segment_a_day_and_every_event() {
    let site = Site::new();
    let said = site.run(["compact"]).failed(FAILED);
    assert!(said.contains("there is no lake at"), "{said}");
    assert!(!site.lake().exists(), "compacting makes no lake");

    site.set("[tuning]\nflush_interval_ms = 30\ncompact_segments = 1000000\n");
    let server = site.start().await;
    let mut crowd = Crowd::new(5, 2);
    let feeding = crowd.feed(&server.target());
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    feeding.tell_to_stop();
    crowd.gather(feeding).await;
    server.stop().await;

    let before = site.run(["status", "--json"]).ok().json();
    let segments = before["segments"].as_u64().expect("a number");
    assert!(segments > 4, "only {segments} segments for four days");
    let export = site.run(["export"]).ok().stdout;
    let done = site.run(["compact", "--json"]).ok().json();
    assert_eq!(done["segments_before"], segments, "{done}");
    assert_eq!((&done["days"], &done["segments_after"]), (&4.into(), &4.into()), "{done}");
    let after = site.run(["status", "--json"]).ok().json();
    assert_eq!(after["segments"], 4);
    for key in ["events", "tenants", "days"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert!(site.run(["export"]).ok().stdout == export, "compaction changed an event");
    let again = site.run(["compact", "--json"]).ok().json();
    assert_eq!(again["days"], 0, "there is nothing left to do: {again}");
}

#[test]
fn a_reader_who_has_enough_ends_a_command_well() {
    let site = Site::new();
    write(&site, "in.ndjson", numbered(50));
    let _ = site.run(["import", "in.ndjson"]).ok();
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["compact"],
        &["export"],
        &["sql", "SELECT * FROM events"],
        &["import", "in.ndjson", "--json"],
    ] {
        let mut command = site.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert_eq!(ended.status.code(), Some(DONE), "{arguments:?}: {said}");
    }
}

#[test]
fn settings_are_checked_and_flags_win() {
    let site = Site::new();
    site.set("flush_intervall_ms = 50\n");
    let said = site.run(["status"]).failed(FAILED);
    assert!(said.contains("settings.toml"), "{said}");
    assert!(said.contains("flush_intervall_ms"), "{said}");
    site.set("lake = \"elsewhere\"\n");
    write(&site, "in.ndjson", numbered(1));
    assert_eq!(site.run(["import", "in.ndjson"]).code, DONE);
    assert!(site.lake().join("log").is_dir(), "the flag --lake wins");
    assert!(!site.folder().join("elsewhere").exists(), "over the settings file");
}
