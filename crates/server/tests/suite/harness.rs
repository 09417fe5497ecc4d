//! A server over a lake in a temporary folder, asked without a socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::env::Environment;
use auditlake_query::{Engine, EngineConfig};
use auditlake_server::{AppState, Keys, ServerConfig, app};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, request};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// When the events of [`event`] happened.
pub(crate) const NOON: &str = "2026-03-01T12:00:00Z";

pub(crate) struct Server {
    pub(crate) app: Router,
    pub(crate) state: AppState,
    pub(crate) lake: Arc<Lake>,
    pub(crate) key: String,
    _folder: TempDir,
}

/// The holder of a key.
pub(crate) struct Caller<'a> {
    server: &'a Server,
    key: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        Self::with_environment(config, Environment::system()).await
    }

    pub(crate) async fn with_environment(config: ServerConfig, environment: Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path().to_str().unwrap(), true, []).unwrap();
        let lake = Lake::open(LakeConfig::new(root), environment.clone()).await.unwrap();
        let keys = Keys::load(lake.documents()).await.unwrap();
        let mut key = String::new();
        let show = |text: &str| {
            text.clone_into(&mut key);
            Ok(())
        };
        keys.first_operator(lake.documents(), &environment, show).await.unwrap();
        let lake = Arc::new(lake);
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let state = AppState::new(Arc::clone(&lake), engine, environment, keys, config);
        Self { app: app(state.clone()), state, lake, key, _folder: folder }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn request(&self, method: Method, uri: &str) -> request::Builder {
        let key = format!("Bearer {}", self.key);
        Request::builder().method(method).uri(uri).header("authorization", key)
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(self.request(Method::GET, uri).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, uri: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request(Method::POST, uri).body(body.into()).unwrap()).await
    }

    /// Makes a key of a role; `place` has its `tenant_id` and whatever else the role needs.
    pub(crate) async fn key_for(&self, role: &str, place: Value) -> String {
        let mut wanted = place;
        wanted["role"] = role.into();
        wanted["name"] = format!("test {role}").into();
        let answer = self.post("/v1/keys", wanted.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["key"].as_str().unwrap().to_owned()
    }

    /// The server as the holder of another key sees it.
    pub(crate) fn as_key(&self, key: &str) -> Caller<'_> {
        Caller { server: self, key: key.to_owned() }
    }

    /// Posts `events` as NDJSON, and expects that all of them are taken.
    pub(crate) async fn take(&self, events: &[Value]) -> Value {
        let answer = self.post("/v1/events", lines(events)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The ids that a list with these parameters gives, over all of its pages.
    pub(crate) async fn ids(&self, parameters: &str) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/events?{parameters}{cursor}")).await;
            assert_eq!(page.status, 200, "{}", page.text());
            ids.extend(page.ids());
            match page.json()["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }

    /// Waits until the metrics have this line.
    pub(crate) async fn metric(&self, line: &str, within: Duration) {
        let started = Instant::now();
        loop {
            let metrics = self.get("/metrics").await.text();
            if metrics.lines().any(|given| given == line) {
                return;
            }
            assert!(started.elapsed() < within, "no {line:?} in\n{metrics}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Caller<'_> {
    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(Method::GET, uri, Body::empty()).await
    }

    pub(crate) async fn post(&self, uri: &str, body: impl Into<Body>) -> Answer {
        self.send(Method::POST, uri, body).await
    }

    pub(crate) async fn send(&self, method: Method, uri: &str, body: impl Into<Body>) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        let request =
            Request::builder().method(method).uri(uri).header("authorization", authorization);
        self.server.send(request.body(body.into()).unwrap()).await
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let json = self.json();
        let events = json["events"].as_array().unwrap().iter();
        events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Expects a problem whose detail says all of `words`.
    pub(crate) fn problem(&self, status: u16, words: &[&str]) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert!(!self.header("x-request-id").is_empty());
        let json = self.json();
        assert_eq!(json["status"], status);
        let detail = json["detail"].as_str().unwrap();
        for word in words {
            assert!(detail.contains(word), "{word:?} is not in {detail:?}");
        }
        json
    }
}

/// An event at noon.
pub(crate) fn event(id: &str) -> Value {
    json!({
        "id": id,
        "type": "user.signed_in",
        "occurred_at": NOON,
        "tenant_id": "acme",
        "actor": {"kind": "user", "id": "u_17"},
        "outcome": "success",
        "data": {"method": "passkey"},
    })
}

/// [`event`] with some keys of its own.
pub(crate) fn event_with(id: &str, changes: Value) -> Value {
    let mut event = event(id);
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

/// Events `<prefix>00`, `<prefix>01`, …
pub(crate) fn events(prefix: &str, count: usize) -> Vec<Value> {
    (0..count).map(|number| event(&format!("{prefix}{number:02}"))).collect()
}

pub(crate) fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}
