//! What tests of export jobs have in common: making them, waiting for them, and their files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlake_model::env::Environment;
use auditlake_query::{Engine, EngineConfig};
use auditlake_server::{AppState, Keys, ServerConfig, background};
use axum::http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Server, event_with};

/// Small files, and servers that notice soon when another one is gone.
pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        rows_per_file: 10,
        rows_per_part: 30,
        job_lease: Duration::from_millis(900),
        refresh_interval: Duration::from_millis(50),
        ..ServerConfig::default()
    }
}

/// Events `n0000`, `n0001`, … over three days and two tenants, many at the same time.
pub(crate) fn numbered(count: usize) -> Vec<Value> {
    let event = |number: usize| {
        let (day, minute) = (number % 3 + 1, number % 40);
        let tenant = if number.is_multiple_of(2) { "acme" } else { "zeta" };
        let at = format!("2026-03-0{day}T10:{minute:02}:00Z");
        event_with(&format!("n{number:04}"), json!({ "occurred_at": at, "tenant_id": tenant }))
    };
    (0..count).map(event).collect()
}

/// A filter that no event of the log about exports meets.
pub(crate) fn signed_in() -> Value {
    json!({ "type": "user.signed_in" })
}

/// A server with so many events over three days, half of them sealed; jobs run.
pub(crate) async fn running(count: usize, config: ServerConfig) -> Server {
    let server = waiting(count, config).await;
    background(&server.state);
    server
}

/// The same, but jobs wait until somebody runs them.
pub(crate) async fn waiting(count: usize, config: ServerConfig) -> Server {
    let server = Server::with(config).await;
    let events = numbered(count);
    let (sealed, hot) = events.split_at(count / 2);
    for (part, is_sealed) in [(sealed, true), (hot, false)] {
        if !part.is_empty() {
            server.take(part).await;
        }
        if is_sealed {
            server.lake.flush().await.unwrap();
        }
    }
    server
}

/// Another server on the same lake.
pub(crate) async fn beside(server: &Server, config: ServerConfig) -> AppState {
    let keys = Keys::load(server.lake.documents()).await.unwrap();
    let engine = Engine::new(EngineConfig::default()).unwrap();
    AppState::new(Arc::clone(&server.lake), engine, Environment::system(), keys, config)
}

/// Makes a job as the operator; answers its id.
pub(crate) async fn make(server: &Server, body: Value) -> String {
    let answer = server.post("/v1/exports", body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Waits until a job is in one of these states.
pub(crate) async fn until(server: &Server, id: &str, states: &[&str]) -> Value {
    let started = Instant::now();
    loop {
        let answer = server.get(&format!("/v1/exports/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let job = answer.json();
        if states.iter().any(|state| job["state"] == *state) {
            return job;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "not {states:?}: {job}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until a job is over, and expects that it is ready.
pub(crate) async fn finished(server: &Server, id: &str) -> Value {
    let job = until(server, id, &["ready", "failed", "canceled", "expired"]).await;
    assert_eq!(job["state"], "ready", "{job}");
    job
}

pub(crate) async fn cancel(server: &Server, id: &str) -> Value {
    let request = server.request(Method::DELETE, &format!("/v1/exports/{id}"));
    let answer = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The bytes of a file that a job describes.
pub(crate) async fn file(server: &Server, described: &Value) -> Vec<u8> {
    let answer = server.get(described["url"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body.to_vec()
}

/// The events of a type in the log, the newest first.
pub(crate) async fn deeds(server: &Server, kind: &str) -> Vec<Value> {
    let answer = server.get(&format!("/v1/events?type={kind}&limit=1000")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["events"].as_array().unwrap().clone()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The digests of a job's files, in their order.
pub(crate) fn digests_of(job: &Value) -> Vec<String> {
    let files = job["files"].as_array().unwrap().iter();
    files.map(|file| file["sha256"].as_str().unwrap().to_owned()).collect()
}
