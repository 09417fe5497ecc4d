//! The console in a real browser, as people go through it: `tests/console/run.js` drives Debian's
//! Chromium through the journeys, against the real server on a lake of two tenants. Here is what
//! they find there: events, hostile texts among them, and a key for each role.
//!
//! Screenshots of every page and state are left in `target/tmp/console`. To go through some
//! journeys only, put a pattern of their names into `AUDITLAKE_CONSOLE_JOURNEYS`.

mod events;

use std::path::Path;
use std::process::Command;

use auditlake_model::env::Environment;
use auditlake_tests::{Site, Target};
use serde_json::{Value, json};

use crate::events::{CANARY, PERSON, hostile, hostile_texts, ordinary};

/// Checkpoints come soon, and other servers' changes too.
const SETTINGS: &str = "[tuning]\nflush_interval_ms = 1000\nrefresh_interval_ms = 500\n";

/// Who goes on a journey: the name it has there, and the key that is made for it.
fn people() -> Vec<(&'static str, Value)> {
    vec![
        ("admin", json!({"role": "enterprise_admin", "tenant_id": "acme"})),
        ("auditor", json!({"role": "auditor", "tenant_id": "acme"})),
        ("org_admin", json!({"role": "org_admin", "tenant_id": "acme", "org_id": "north"})),
        ("team_lead", json!({"role": "team_lead", "tenant_id": "acme", "team_id": "payments"})),
        ("user", json!({"role": "user", "tenant_id": "acme", "user_id": PERSON})),
        ("ingester", json!({"role": "ingester", "tenant_id": "acme"})),
        ("stranger", json!({"role": "enterprise_admin", "tenant_id": "globex"})),
        ("newcomer", json!({"role": "enterprise_admin", "tenant_id": "initech"})),
    ]
}

async fn post(target: &Target, path: &str, body: &Value) -> Value {
    let answer = target.post(path, body.to_string().into_bytes()).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body);
    assert!((200..300).contains(&answer.status), "{path}: {} {text}", answer.status);
    answer.json()
}

/// A key for each person, by name; the operator's is the one of the first start.
async fn keys(target: &Target) -> Value {
    let mut keys = json!({"operator": target.key});
    for (name, mut wanted) in people() {
        wanted["name"] = format!("{name} of the journeys").into();
        keys[name] = post(target, "/v1/keys", &wanted).await["key"].clone();
    }
    keys
}

/// A lake with everything in it, and the hostile texts.
fn lake() -> (Site, Vec<String>) {
    let site = Site::new();
    site.set(SETTINGS);
    let texts = hostile_texts();
    let now_us = Environment::system().clock.now_us();
    for lines in [ordinary(now_us), hostile(&texts)] {
        let ran = site.run_with(["import", "-", "--json"], lines.as_bytes()).ok();
        assert_eq!(ran.json()["accepted"], lines.lines().count());
    }
    (site, texts)
}

/// What is not an event can have a hostile name too: keys and saved queries.
async fn name_badly(target: &Target, texts: &[String]) {
    for text in &texts[..4] {
        let wanted = json!({"name": text, "role": "auditor", "tenant_id": "acme"});
        post(target, "/v1/keys", &wanted).await;
        let filter = json!({"type": "hostile.*", "q": text});
        let query = json!({"name": text, "filter": filter, "shared": true});
        post(target, "/v1/saved-queries", &query).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_get_done_what_they_came_for() {
    let packages = std::env::var("AUDITLAKE_TEST_NODE").expect(
        "AUDITLAKE_TEST_NODE names a folder with playwright-core; `cargo xtask test` sets it",
    );
    let (site, texts) = lake();
    let server = site.start().await;
    let target = server.target();
    let keys = keys(&target).await;
    // Saved queries belong to the tenant of who saves them.
    let mut administrator = target.clone();
    administrator.key = keys["admin"].as_str().expect("a key").to_owned();
    name_badly(&administrator, &texts).await;
    let sealed = administrator.get("/v1/log/checkpoint?fresh=true").await.expect("an answer");
    assert_eq!(sealed.status, 200, "the log has a checkpoint of everything");

    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    std::fs::create_dir_all(&screenshots).expect("a folder for screenshots");
    let stage = json!({
        "url": target.url, "keys": keys, "hostile": texts, "canary": CANARY, "person": PERSON,
        "packages": packages, "screenshots": screenshots, "downloads": site.folder(),
        "from": "2026-01-01", "to": "2026-04-01",
    });
    let mut command = Command::new("node");
    command.args(["--test-reporter", "spec"]);
    if let Ok(pattern) = std::env::var("AUDITLAKE_CONSOLE_JOURNEYS") {
        command.args(["--test-name-pattern", &pattern]);
    }
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("console/run.js"));
    let output = command.env("AUDITLAKE_STAGE", stage.to_string()).output().expect("node starts");
    let report = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let log = server.last_words();
    assert!(output.status.success(), "{report}\n{complaint}\nthe server's log:\n{log}");
    println!("{report}");
    assert!(server.stop().await.success());
}
