//! What is done to a lake all the time changes no root: compaction, exports, restarts. Checkpoints
//! and bundles from before stay good.

use std::time::Duration;

use auditlake_tests::{Crowd, Site};
use auditlake_tlog::{Checkpoint, Note};

/// The heads that the signed checkpoints state, and the notes themselves.
fn heads(site: &Site) -> (Vec<Checkpoint>, String) {
    let shown = site.run(["log", "checkpoint", "--json"]).ok().json();
    let shown = shown["checkpoints"].as_array().expect("a list").clone();
    let notes = shown.iter().map(|one| one["note"].as_str().expect("a note").to_owned());
    let notes: Vec<String> = notes.collect();
    let head = |note: &String| {
        let note = Note::parse(note).expect("a note");
        Checkpoint::parse(&note.text).expect("a checkpoint")
    };
    (notes.iter().map(head).collect(), notes.join("\n"))
}

fn verify(site: &Site, path: &str) {
    let ran = site.run(["verify", path]);
    assert_eq!(ran.code, 0, "{path}: it said: {}{}", ran.text(), ran.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_root_changes_through_compaction_exports_and_restarts() {
    let site = Site::new();
    site.set("[tuning]\nflush_interval_ms = 30\ncompact_segments = 1000000\n");
    let server = site.start().await;
    let mut crowd = Crowd::new(5, 2);
    let feeding = crowd.feed(&server.target());
    tokio::time::sleep(Duration::from_millis(600)).await;
    feeding.tell_to_stop();
    crowd.gather(feeding).await;
    server.stop().await;

    let (before, notes) = heads(&site);
    assert!(!before.is_empty() && before.iter().all(|head| head.size > 0), "{notes}");
    let kept = site.folder().join("kept.txt");
    let tenant = site.run(["status", "--json"]).ok().json()["tenants"].clone();
    let tenant = tenant.as_object().expect("tenants").keys().next().expect("a tenant").clone();
    let note = site.run(["log", "checkpoint", "--tenant", &tenant]).ok().stdout;
    std::fs::write(&kept, note).expect("a file");
    let export = ["export", "--tenant-id", &tenant, "--proof", "complete", "-o"];
    let _ = site.run(export.iter().chain(&["before.zip"])).ok();

    let done = site.run(["compact", "--json"]).ok().json();
    assert!(done["segments_before"].as_u64() > done["segments_after"].as_u64(), "{done}");
    let (compacted, _) = heads(&site);
    assert_eq!(compacted, before, "compaction");
    let _ = site.run(export.iter().chain(&["after.zip"])).ok();
    for format in ["csv", "ndjson", "json", "parquet"] {
        let name = format!("all.{format}");
        let _ = site.run(["export", "--proof", "inclusion", "-o", &name]).ok();
        verify(&site, &name);
    }
    let (exported, _) = heads(&site);
    assert_eq!(exported, before, "exports");
    let server = site.start().await;
    server.stop().await;
    let (restarted, _) = heads(&site);
    assert_eq!(restarted, before, "a restart");

    verify(&site, "before.zip");
    verify(&site, "after.zip");
    let lake = site.lake().to_str().expect("a path that is text").to_owned();
    verify(&site, &lake);
    let ran = site.run(["verify", &lake, "--against", kept.to_str().expect("text")]);
    assert_eq!(ran.code, 0, "it said: {}{}", ran.text(), ran.stderr);
}
