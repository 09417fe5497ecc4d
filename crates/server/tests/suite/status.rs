//! `/v1/status`: what the lake holds, and of whom each caller learns it; and
//! `/v1/log/verification`: the verification of all of it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::env::Environment;
use auditlake_model::id::FreshIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_query::{Engine, EngineConfig};
use auditlake_server::{AppState, Keys, ServerConfig, app};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Caller, Server, event_with, lines};

/// Events of a tenant on a day.
fn of(tenant: &str, day: &str, count: usize) -> Vec<Value> {
    let event = |number: usize| {
        let changes = json!({"tenant_id": tenant, "occurred_at": format!("{day}T08:00:00Z")});
        event_with(&format!("{tenant}-{day}-{number}"), changes)
    };
    (0..count).map(event).collect()
}

async fn status(caller: &Caller<'_>) -> Value {
    let answer = caller.get("/v1/status").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Month and events.
fn months(status: &Value) -> Vec<(String, u64)> {
    let of = |one: &Value| {
        let (month, events) = (one["month"].as_str().unwrap(), one["events"].as_u64().unwrap());
        (month.to_owned(), events)
    };
    status["months"].as_array().unwrap().iter().map(of).collect()
}

fn expected(months: &[(&str, u64)]) -> Vec<(String, u64)> {
    months.iter().map(|(month, events)| ((*month).to_owned(), *events)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_learns_what_is_of_its_tenant() {
    let server = Server::start().await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let admin = server.key_for("enterprise_admin", json!({"tenant_id": "zeta"})).await;
    let stranger = server.key_for("auditor", json!({"tenant_id": "nobody"})).await;
    server.take(&of("acme", "2023-01-31", 3)).await;
    server.take(&of("acme", "2023-02-01", 4)).await;
    // A day, and a month, that nobody but zeta has.
    server.take(&of("zeta", "2023-02-01", 6)).await;
    server.take(&of("zeta", "2021-12-24", 2)).await;
    for sealed in [false, true] {
        if sealed {
            server.lake.flush().await.unwrap();
        }
        let own = status(&server.as_key(&auditor)).await;
        let what = format!("sealed: {sealed}: {own}");
        // The keys that were made stand in the logs of their tenants.
        let made = months(&own).pop().unwrap();
        assert_eq!(made.1, 1, "{what}");
        let mut wanted = expected(&[("2023-01", 3), ("2023-02", 4)]);
        wanted.push(made);
        assert_eq!(months(&own), wanted, "{what}");
        assert_eq!((&own["tenant_id"], &own["events"]), (&json!("acme"), &json!(8)), "{what}");
        assert_eq!(own["first_day"], "2023-01-31", "{what}");
        assert_eq!(own["hot_events"], if sealed { 0 } else { 8 }, "{what}");
        assert!(own["newest_recorded_at"].is_string(), "{what}");
        // It counts up with what others do.
        assert_eq!(own["commit"], Value::Null, "{what}");
        for month in own["months"].as_array().unwrap() {
            assert_eq!(month["stored_bytes"].as_u64().unwrap() > 0, sealed, "{what}");
        }

        let other = status(&server.as_key(&admin)).await;
        let mut wanted = expected(&[("2021-12", 2), ("2023-02", 6)]);
        wanted.push(months(&other).pop().unwrap());
        assert_eq!(months(&other), wanted, "{other}");
        assert_eq!((&other["events"], &other["first_day"]), (&json!(9), &json!("2021-12-24")));

        // A tenant of which there is nothing but that its key was made.
        let nobody = status(&server.as_key(&stranger)).await;
        assert_eq!((&nobody["events"], &nobody["tenant_id"]), (&json!(1), &json!("nobody")));

        let all = status(&server.as_key(&server.key)).await;
        assert_eq!((&all["tenant_id"], &all["events"]), (&Value::Null, &json!(18)), "{all}");
        assert_eq!(all["first_day"], "2021-12-24");
        assert!(all["commit"].is_u64(), "{all}");
        assert_eq!(months(&all)[..3], expected(&[("2021-12", 2), ("2023-01", 3), ("2023-02", 10)]));
    }
    let answer = server.as_key(&auditor).get("/v1/status?tenant_id=zeta").await;
    answer.problem(400, &["tenant_id"]);
    let user = server.key_for("user", json!({"tenant_id": "acme", "user_id": "u_1"})).await;
    server.as_key(&user).get("/v1/status").await.problem(403, &["integrity:read", "user"]);
}

/// A server on a lake whose files the test can reach.
async fn on(folder: &Path) -> (Router, Arc<Lake>, String) {
    let environment = Environment::system();
    let root = Root::open(folder.to_str().unwrap(), true, []).unwrap();
    let lake = Lake::open(LakeConfig::new(root), environment.clone()).await.unwrap();
    let keys = Keys::load(lake.documents()).await.unwrap();
    let mut key = String::new();
    let show = |text: &str| {
        text.clone_into(&mut key);
        Ok(())
    };
    keys.first_operator(lake.documents(), &environment, show).await.unwrap();
    let (lake, engine) = (Arc::new(lake), Engine::new(EngineConfig::default()).unwrap());
    let config = ServerConfig { job_lease: Duration::from_secs(10), ..ServerConfig::default() };
    let state = AppState::new(Arc::clone(&lake), engine, environment, keys, config);
    (app(state), lake, key)
}

async fn take(lake: &Lake, events: &[Value]) {
    let environment = Environment::system();
    let mut ids = FreshIds(&environment);
    let mut options = ParseOptions {
        unknown: UnknownKeys::Refuse,
        tenant: TenantRule::Named,
        partial: false,
        ids: &mut ids,
    };
    let draft = parse_events(lines(events).as_bytes(), &mut options).unwrap().draft;
    lake.append(draft).await.unwrap();
}

async fn verification(app: &Router, key: &str, method: Method) -> (u16, Value) {
    let request = Request::builder().method(method).uri("/v1/log/verification");
    let request = request.header("authorization", format!("Bearer {key}"));
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Begins a verification, and waits for its end.
async fn verified(app: &Router, key: &str) -> Value {
    let (status, begun) = verification(app, key, Method::POST).await;
    assert_eq!((status, &begun["state"]), (202, &json!("running")), "{begun}");
    let started = Instant::now();
    loop {
        let (status, now) = verification(app, key, Method::GET).await;
        assert_eq!(status, 200, "{now}");
        if now["state"] != "running" {
            return now;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{now}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_lake_is_found_good_and_a_changed_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (app, lake, key) = on(folder.path()).await;
    let (status, none) = verification(&app, &key, Method::GET).await;
    assert_eq!((status, &none["state"], &none["findings"]), (200, &json!("none"), &json!([])));
    assert_eq!(none["started_at"], Value::Null);
    take(&lake, &of("acme", "2026-02-01", 500)).await;
    take(&lake, &of("zeta", "2026-02-02", 40)).await;
    lake.flush().await.unwrap();
    take(&lake, &of("acme", "2026-02-03", 7)).await;
    let good = verified(&app, &key).await;
    assert_eq!((&good["state"], &good["events"]), (&json!("good"), &json!(540)), "{good}");
    assert_eq!((&good["findings"], &good["segments"]), (&json!([]), &json!(2)), "{good}");
    assert!(good["finished_at"].as_str() >= good["started_at"].as_str(), "{good}");
    assert_eq!(good["asked_by"], json!(&key[4..16]));
    let notes = good["notes"].to_string();
    // The eighth is that it was begun.
    assert!(notes.contains("8 events were in no checkpoint yet"), "{notes}");
    // One bit of a segment.
    let day = folder.path().join("events").join("day=2026-02-01");
    let segment = std::fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let bad = verified(&app, &key).await;
    assert_eq!(bad["state"], "not_good", "{bad}");
    let findings = bad["findings"].as_array().unwrap();
    let is_named = |finding: &Value| {
        let path = finding["path"].as_str().unwrap_or_default();
        path.starts_with("events/day=2026-02-01/")
    };
    assert!(findings.iter().any(is_named), "{bad}");
    assert!(findings.iter().all(|finding| !finding["detail"].as_str().unwrap().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_verification_runs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (app, lake, key) = on(folder.path()).await;
    take(&lake, &of("acme", "2026-02-01", 10)).await;
    // As a server leaves it that dies in the middle.
    let begun = |at_us: i64| {
        json!({
            "state": "running", "asked_by": "ann", "started_at_us": at_us, "heard_at_us": at_us,
            "finished_at_us": null, "events": 3, "expected": 10, "commits": 0, "checkpoints": 0,
            "segments": 0, "findings": [], "findings_left_out": 0, "notes": [],
        })
    };
    let now_us = Environment::system().clock.now_us();
    let documents = lake.documents();
    documents.put("verifications", "lake", 1, &begun(now_us)).await.unwrap();
    let (status, refused) = verification(&app, &key, Method::POST).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("runs already"), "{refused}");
    let (_, running) = verification(&app, &key, Method::GET).await;
    assert_eq!((&running["state"], &running["expected_events"]), (&json!("running"), &json!(10)));
    // Without a sign of life it is taken for lost, and another one may begin.
    documents.put("verifications", "lake", 2, &begun(now_us - 60_000_000)).await.unwrap();
    let (_, lost) = verification(&app, &key, Method::GET).await;
    assert_eq!(lost["state"], "failed", "{lost}");
    assert!(lost["notes"][0].as_str().unwrap().contains("was lost"), "{lost}");
    assert_eq!(verified(&app, &key).await["state"], "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_one_tenant_learns_when_the_lake_was_verified_and_no_more() {
    let server = Server::start().await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let begun = 1_767_225_600_000_000_i64;
    let ended = json!({
        "state": "not_good", "asked_by": "ann", "started_at_us": begun, "heard_at_us": begun,
        "finished_at_us": begun, "events": 3, "expected": 10, "commits": 4, "checkpoints": 5,
        "segments": 6, "findings_left_out": 7, "notes": ["zeta has no witness"],
        "findings": [{"kind": "leaf", "path": "zeta.parquet", "tenant_id": "zeta", "seqs": null,
            "id": null, "detail": "zeta was changed"}],
    });
    server.lake.documents().put("verifications", "lake", 1, &ended).await.unwrap();
    let told = server.as_key(&auditor).get("/v1/log/verification").await;
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json();
    let at = "2026-01-01T00:00:00.000000Z";
    let expected = json!({
        "state": "not_good", "asked_by": null, "started_at": at, "finished_at": at,
        "events": null, "expected_events": null, "commits": null, "checkpoints": null,
        "segments": null, "findings": [], "findings_left_out": null, "notes": [],
    });
    assert_eq!(told, expected);
    let whole = server.get("/v1/log/verification").await.json();
    assert_eq!(whole["findings"][0]["tenant_id"], "zeta", "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_stands_in_the_log() {
    let server = Server::start().await;
    let answer = server.post("/v1/log/verification", "").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let told = server.get("/v1/events?type=log.*").await.json();
    let told = told["events"].as_array().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["type"], "log.verification_started");
    assert_eq!(told[0]["tenant_id"], "_auditlake");
    assert_eq!(told[0]["outcome"], "success");
    assert_eq!(told[0]["target"], json!({"kind": "lake", "id": "lake"}));
    assert_eq!(told[0]["actor"]["id"], json!(&server.key[4..16]));
}
