//! `serve`, and the commands beside it: readers see what was acknowledged a moment ago, and
//! nobody else writes.

use std::net::TcpListener;

use auditlake_tests::{Server, Site};
use serde_json::json;

use crate::{FAILED, event, exported, numbered, write};

async fn post(server: &Server, lines: String) {
    let answer = server.target().post_events(lines.into_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_a_server_see_what_was_just_acknowledged() {
    let site = Site::new();
    let server = site.start().await;
    for number in 0..20 {
        let at = format!("2026-03-{:02}T00:00:00Z", 1 + number % 3);
        let id = format!("e{number}");
        post(&server, event(&id, "user.signed_in", &at, &json!({}))).await;
        let found = exported(&site, &["--id", &id]);
        assert_eq!(found, [id.as_str()], "acknowledged, but not in the export");
    }
    let status = site.run(["status", "--json"]).ok().json();
    assert_eq!((&status["events"], &status["hot_events"]), (&20.into(), &20.into()));
    let ran = site.run(["sql", "SELECT count(*) AS n FROM events", "--format", "ndjson"]).ok();
    assert_eq!(ran.json(), json!({"n": 20}));
    assert!(server.stop().await.success());
    let status = site.run(["status", "--json"]).ok().json();
    assert_eq!((&status["events"], &status["hot_events"]), (&20.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_from_the_server_is_the_local_one_byte_for_byte() {
    let site = Site::new();
    write(&site, "in.ndjson", numbered(3000));
    let _ = site.run(["import", "in.ndjson"]).ok();
    let server = site.start().await;
    // Some are sealed, some are hot.
    let late = event("late", "admin.role_granted", "2026-03-02T00:00:00Z", &json!({}));
    post(&server, late + &event("=1+1", "a.b", "2026-03-01T00:00:00Z", &json!({}))).await;
    let (url, key) = (server.target().url, site.key());
    for flags in [
        &["--format", "ndjson"][..],
        &["--format", "csv"],
        &["--format", "csv", "--csv-safe", "false"],
        &["--format", "json"],
        &["--format", "parquet"],
        &["--format", "ndjson", "--compression", "gzip"],
        &["--format", "json", "--compression", "zstd"],
        &["--format", "csv", "--columns", "seq,id", "--order", "desc", "--limit", "500"],
        &["--type", "admin.*,a.b", "--order", "asc"],
    ] {
        let local = site.run(["export"].iter().chain(flags)).ok();
        let remote = ["export", "--server", &url];
        let remote = site.run_env(remote.iter().chain(flags), ("AUDITLAKE_KEY", &key)).ok();
        assert!(!local.stdout.is_empty(), "{flags:?}: nothing was exported");
        let (ours, theirs) = (local.stdout.len(), remote.stdout.len());
        assert!(local.stdout == remote.stdout, "{flags:?}: {ours} and {theirs} bytes differ");
    }
    let remote = ["export", "--server", &url, "-o", "remote.csv"];
    let said = site.run(remote).failed(FAILED);
    assert!(said.contains("AUDITLAKE_KEY"), "{said}");
    let said = site.run_env(remote, ("AUDITLAKE_KEY", "alk_wrong")).failed(FAILED);
    assert!(said.contains("401"), "{said}");
    assert!(!said.contains("alk_wrong"), "an error shows a secret: {said}");
    assert!(!site.folder().join("remote.csv").exists());
    // First the local one: an export from the server is an event itself.
    let local = site.run(["export", "--format", "csv"]).ok().stdout;
    let _ = site.run_env(remote, ("AUDITLAKE_KEY", &key)).ok();
    let csv = std::fs::read(site.folder().join("remote.csv")).expect("the export");
    assert!(csv == local);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_writes_beside_a_server() {
    let site = Site::new();
    let server = site.start().await;
    post(&server, numbered(3)).await;
    write(&site, "in.ndjson", numbered(5));
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["import", "in.ndjson"],
        &["compact"],
        &["quickstart", "--events", "10", "--no-serve"],
    ] {
        let said = site.run(command).failed(FAILED);
        assert!(said.contains("in use by another writer"), "{command:?}: {said}");
        assert!(said.contains("stop it first"), "{command:?}: {said}");
    }
    post(&server, numbered(4)).await;
    assert_eq!(exported(&site, &[]).len(), 4, "the server was not disturbed");
    server.kill();
    let said = site.run(["import", "in.ndjson", "--json"]).ok().json();
    assert_eq!((&said["accepted"], &said["duplicates"]), (&1.into(), &4.into()), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_does_not_use_up_the_key() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let ran = site.run(["serve", "--listen", &address]);
    assert!(!ran.text().contains("alk_"), "a key was shown by a server that never was");
    assert!(ran.failed(FAILED).contains(&address), "it says what is taken");
    // The harness waits for the key.
    let server = site.start().await;
    post(&server, numbered(1)).await;
    let answer = server.target().get("/v1/events/e0").await.expect("an answer");
    assert_eq!(answer.status, 200);
}
