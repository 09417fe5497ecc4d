//! The dialects without a socket: each parameter, alias, default, limit, refusal and role of
//! the four systems, and that their events are the caller's own.

mod clawforge;
mod hellojohn;
mod openclaw;
mod runbook;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use auditlake_model::env::{Clock, Environment, SystemEntropy};
use auditlake_model::time::parse_rfc3339;
use auditlake_server::{Dialect, ServerConfig};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

/// When the servers of these tests are started. What they record themselves happens then; the
/// events of the tests happened before.
const NOW: &str = "2026-03-19T16:00:00.25Z";

/// A clock that goes on by a microsecond whenever somebody looks.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

async fn started(config: ServerConfig) -> Server {
    let clock = Arc::new(Ticking(AtomicI64::new(parse_rfc3339(NOW).unwrap())));
    let environment = Environment { clock, entropy: Arc::new(SystemEntropy) };
    Server::with_environment(config, environment).await
}

/// A server with the events of [`seeded`], half of them sealed.
async fn filled() -> Server {
    let server = started(ServerConfig::default()).await;
    let events = seeded();
    let (sealed, hot) = events.split_at(events.len() / 2);
    server.take(sealed).await;
    server.lake.flush().await.unwrap();
    server.take(hot).await;
    server
}

/// `e01` to `e12` of tenant acme, at noon of the first twelve days of March, and one event of
/// tenant zeta, which no caller of acme may ever see.
fn seeded() -> Vec<Value> {
    let mut events: Vec<Value> = (1..=12).map(acme).collect();
    events.push(json!({
        "id": "canary", "type": "tool.run", "occurred_at": "2026-03-05T12:00:00Z",
        "tenant_id": "zeta", "org_id": "emea", "team_id": "blue",
        "actor": {"kind": "user", "id": "u1", "email": "u1@acme.test"},
    }));
    events
}

fn acme(number: usize) -> Value {
    let is_even = number.is_multiple_of(2);
    json!({
        "id": format!("e{number:02}"),
        "type": if number.is_multiple_of(3) { "tool.run" } else { "user.signed_in" },
        "occurred_at": format!("2026-03-{number:02}T12:00:00Z"),
        "tenant_id": "acme",
        "org_id": if is_even { "emea" } else { "apac" },
        "team_id": if number <= 4 { "blue" } else { "red" },
        "namespace": if is_even { "production" } else { "staging" },
        "actor": {
            "kind": "user",
            "id": if number <= 6 { "u1" } else { "u2" },
            "email": if number <= 6 { Some("u1@acme.test") } else { None },
            "role": "admin",
        },
        "target": {"kind": "Runbook", "id": format!("r{number}")},
        "outcome": if number.is_multiple_of(4) { "denied" } else { "success" },
        "reason": "because",
        "tool": if number.is_multiple_of(3) { Some("sh") } else { None },
        "context": {
            "ip": format!("10.0.0.{number}"), "country": "DE",
            "request_id": format!("req-{number}"), "session_id": "s1",
        },
        "data": {"n": number},
    })
}

/// Keys of every role that reads.
struct Keys {
    enterprise_admin: String,
    auditor: String,
    org_admin: String,
    team_lead: String,
    user: String,
    ingester: String,
}

async fn keys(server: &Server) -> Keys {
    let acme = || json!({"tenant_id": "acme"});
    let with = |name: &str, value: &str| json!({"tenant_id": "acme", name: value});
    Keys {
        enterprise_admin: server.key_for("enterprise_admin", acme()).await,
        auditor: server.key_for("auditor", acme()).await,
        org_admin: server.key_for("org_admin", with("org_id", "emea")).await,
        team_lead: server.key_for("team_lead", with("team_id", "blue")).await,
        user: server.key_for("user", with("user_id", "u1")).await,
        ingester: server.key_for("ingester", acme()).await,
    }
}

/// The ids under a member that holds a list.
fn ids(answer: &Answer, member: &str) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let json = answer.json();
    let list = json[member].as_array().unwrap().iter();
    list.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids in the first column of a CSV, or in the lines of an NDJSON.
fn exported(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    if answer.header("content-type").starts_with("text/csv") {
        let cell = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
        return text.lines().skip(1).map(cell).collect();
    }
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("e{number:02}")).collect()
}

/// The same, in whatever order.
fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialect_may_be_served_at_the_root_as_well() {
    for (dialect, path) in [
        (Dialect::Clawforge, "/api/v1/audit/acme"),
        (Dialect::Runbook, "/api/v1/audit/export"),
        (Dialect::Hellojohn, "/v1/audit-logs"),
        (Dialect::Openclaw, "/api/v1/audit"),
    ] {
        let plain = started(ServerConfig::default()).await;
        assert_eq!(plain.get(path).await.status, 404, "{path}");
        let config = ServerConfig { root_dialect: Some(dialect), ..ServerConfig::default() };
        let server = started(config).await;
        assert_eq!(server.get(path).await.status, 200, "{path}");
        assert_eq!(server.get(&format!("/compat/{dialect}{path}")).await.status, 200, "{path}");
        // The canonical calls stay where they are.
        assert_eq!(server.get("/v1/events").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_other_methods_are_refused() {
    let server = started(ServerConfig::default()).await;
    for path in [
        "/compat/clawforge/api/v1/audit/acme",
        "/compat/clawforge/api/v1/audit/acme/export",
        "/compat/runbook/api/v1/audit/export",
        "/compat/runbook/api/v1/audit/export/download/x",
        "/compat/hellojohn/v1/audit-logs",
        "/compat/hellojohn/v1/audit-logs/export",
        "/compat/openclaw/api/v1/audit",
        "/compat/openclaw/api/v1/audit/export",
    ] {
        let stranger = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(server.send(stranger).await.status, 401, "{path}");
        server.post(path, "").await.problem(405, &[]);
        if path.ends_with("/export") {
            let head = server.request(Method::HEAD, path).body(Body::empty()).unwrap();
            let head = server.send(head).await;
            assert_eq!((head.status, head.header("allow")), (405, "GET"), "{path}");
        }
        let unknown = server.get(&format!("{path}?colour=red")).await;
        let problem = unknown.problem(400, &["parameter colour", "is not known here"]);
        assert_eq!(problem["parameter"], "colour", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_too_long_is_given_up() {
    let config = ServerConfig { query_timeout: Duration::ZERO, ..ServerConfig::default() };
    let server = started(config).await;
    server.take(&seeded()).await;
    for path in [
        "/compat/clawforge/api/v1/audit/acme",
        "/compat/hellojohn/v1/audit-logs",
        "/compat/openclaw/api/v1/audit",
        "/compat/runbook/api/v1/audit/export",
    ] {
        server.get(path).await.problem(504, &["narrow"]);
    }
    // An export has all the time it needs, and does without a count that it cannot have.
    let export = server.get("/compat/clawforge/api/v1/audit/acme/export").await;
    assert_eq!(exported(&export).len(), 12);
    assert_eq!((export.header("x-total-count"), export.header("x-truncated")), ("", ""));
}
