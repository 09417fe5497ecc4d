//! A verification goes on where the one before it ended, or begins later: what it then takes for
//! granted it says, and what is behind that it finds.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use auditlake_model::columns::at;
use serde_json::Value;

use crate::stored::{adopt, commits, read, row_of, with_text, write};
use crate::{Lake, ROUND, id};

/// Changes an event, and makes the manifest fit.
fn tamper(lake: &Lake, round: usize, number: u64) {
    let path = lake.segment(round);
    let events = read(&path);
    let row = row_of(&events, &id("acme", number));
    write(&path, &with_text(&events, at::DATA, row, r#"{"n":-1}"#));
    adopt(lake.path(), &path, |_| {});
}

fn state(lake: &Lake) -> Value {
    let bytes = std::fs::read(lake.site.folder().join("state.json")).expect("the state");
    serde_json::from_slice(&bytes).expect("the state is JSON")
}

#[test]
fn a_second_run_reads_only_what_is_new() {
    let mut lake = Lake::filled(2);
    let flags = ["--state", "state.json", "--json"];
    let first = lake.verify(&flags).ok().json();
    assert_eq!(first["events"], 4 * ROUND, "{first}");
    let noted = state(&lake);
    let again = lake.verify(&flags).ok().json();
    assert_eq!(again["events"], 0, "{again}");
    assert_eq!(state(&lake), noted, "nothing is new");
    lake.add();
    let next = lake.verify(&flags).ok().json();
    assert_eq!(next["events"], 2 * ROUND, "{next}");
    assert_ne!(state(&lake), noted, "it went on");
    assert_eq!(next["tenants"], lake.verify(&["--json"]).ok().json()["tenants"]);
}

#[test]
fn what_is_tampered_with_behind_the_state_is_found_and_before_it_by_the_chain() {
    let mut lake = Lake::filled(2);
    let _ = lake.verify(&["--state", "state.json"]).ok();
    lake.add();
    tamper(&lake, 2, 2 * ROUND + 1);
    lake.found(&["--state", "state.json"]).names_place("acme", 2 * ROUND + 1, ROUND);

    // A commit that was verified once and is another one now does not fit what was noted.
    let mut lake = Lake::filled(2);
    let _ = lake.verify(&["--state", "state.json"]).ok();
    lake.add();
    tamper(&lake, 0, 3);
    let _ = lake.found(&["--state", "state.json"]);
}

#[test]
fn a_run_that_is_killed_harms_nothing() {
    let lake = Lake::filled(3);
    let path = lake.path().to_str().expect("a path that is text");
    for _ in 0..3 {
        let mut command = lake.site.command(["verify", path, "--state", "state.json"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        std::thread::sleep(Duration::from_millis(30));
        child.kill().expect("a child can be killed, also one that has ended");
        child.wait().expect("its end");
    }
    let _ = lake.verify(&["--state", "state.json"]).ok();
    let whole = lake.verify(&["--json"]).ok().json();
    let resumed = lake.verify(&["--state", "state.json", "--json"]).ok().json();
    assert_eq!(resumed["events"], 0, "{resumed}");
    assert_eq!(resumed["tenants"], whole["tenants"]);
}

#[test]
fn a_run_may_begin_later_and_says_what_it_took_for_granted() {
    let lake = Lake::filled(3);
    tamper(&lake, 0, 5);
    lake.found(&[]).names_place("acme", 5, ROUND);
    // Up to the commit before the last round everything is believed.
    let all = commits(lake.path());
    let adds =
        |path: &PathBuf| std::fs::read_to_string(path).expect("a commit").contains("\"add\":[{");
    let last = all.iter().rposition(adds).expect("a commit that added events");
    let number = all[last].file_stem().and_then(|stem| stem.to_str()).expect("a number");
    let number = number.trim_start_matches('0');
    let report = lake.verify(&["--since", number, "--json"]).ok().json();
    assert_eq!(report["events"], 2 * ROUND, "{report}");
    let notes = report["notes"].as_array().expect("notes");
    assert!(!notes.is_empty(), "it says what it did not check: {report}");
    tamper(&lake, 2, 2 * ROUND + 9);
    lake.found(&["--since", number]).names_place("acme", 2 * ROUND + 9, ROUND);
}
