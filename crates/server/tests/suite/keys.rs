//! `/v1/keys`: making, listing, expiring and revoking keys; who may, and what other servers
//! learn of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::env::{Clock, Environment, SystemEntropy};
use auditlake_model::id::FreshIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::time::{DAY_US, format_rfc3339};
use auditlake_query::{Engine, EngineConfig};
use auditlake_server::{AppState, Keys, Role, ServerConfig, app, background};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Answer, Caller, Server, event};

/// 2026-03-01T12:00:00Z
pub(crate) const NOON_US: i64 = 1_772_366_400_000_000;

/// A clock that the test moves.
#[derive(Debug)]
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Hands {
    pub(crate) fn go_on(&self, by_us: i64) {
        self.0.fetch_add(by_us, Ordering::SeqCst);
    }
}

pub(crate) async fn at_noon() -> (Server, Arc<Hands>) {
    let hands = Arc::new(Hands(AtomicI64::new(NOON_US)));
    let clock: Arc<dyn Clock> = hands.clone();
    let environment = Environment { clock, entropy: Arc::new(SystemEntropy) };
    (Server::with_environment(ServerConfig::default(), environment).await, hands)
}

async fn delete(caller: &Caller<'_>, id: &str) -> Answer {
    caller.send(Method::DELETE, &format!("/v1/keys/{id}"), Body::empty()).await
}

/// The id in the text of a key.
fn id_of(key: &str) -> &str {
    &key[4..16]
}

fn names(list: &Value) -> Vec<&str> {
    list["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_opens_until_it_is_revoked() {
    let server = Server::start().await;
    let operator = server.as_key(&server.key);
    let wanted = json!({"name": "quarterly", "role": "auditor", "tenant_id": "acme"});
    let answer = operator.post("/v1/keys", wanted.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(id, id_of(&key));
    assert_eq!(answer.header("location"), format!("/v1/keys/{id}"));
    assert_eq!((&made["role"], &made["tenant_id"]), (&json!("auditor"), &json!("acme")));
    assert_eq!(made["created_by"], id_of(&server.key));
    assert_eq!((&made["expires_at"], &made["revoked_at"]), (&Value::Null, &Value::Null));
    let auditor = server.as_key(&key);
    assert_eq!(auditor.get("/v1/events").await.status, 200);
    // Nothing else ever shows it, or its hash.
    for uri in ["/v1/keys".to_owned(), format!("/v1/keys/{id}")] {
        let text = operator.get(&uri).await.text();
        assert!(text.contains("quarterly"), "{text}");
        assert!(!text.contains(&key[17..]) && !text.contains("sha256"), "{text}");
    }
    let shown = operator.get(&format!("/v1/keys/{id}")).await.json();
    assert!(shown["last_used_at"].is_string(), "{shown}");
    let revoked = delete(&operator, &id).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert!(revoked.json()["revoked_at"].is_string());
    auditor.get("/v1/events").await.problem(401, &[]);
    // Once more changes nothing.
    let again = delete(&operator, &id).await;
    assert_eq!((again.status, again.json()), (200, revoked.json()));
    // Both stand in the tenant's log, without the key.
    let events = operator.get("/v1/events?type=key.*&order=asc").await;
    let text = events.text();
    assert!(!text.contains(&key[17..]), "{text}");
    let events = events.json()["events"].clone();
    let types: Vec<_> = events.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["key.created", "key.revoked"]);
    assert_eq!(events[0]["tenant_id"], "acme");
    assert_eq!(events[0]["actor"]["id"], id_of(&server.key));
    assert_eq!(events[0]["target"], json!({"kind": "api_key", "id": id}));
    assert_eq!(events[0]["data"]["name"], "quarterly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_until_it_expires() {
    let (server, hands) = at_noon().await;
    let wanted = json!({
        "name": "for a while", "role": "auditor", "tenant_id": "acme",
        "expires_at": "2026-03-01T13:30:00+01:00",
    });
    let made = server.post("/v1/keys", wanted.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["expires_at"], "2026-03-01T12:30:00.000000Z");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let caller = server.as_key(&key);
    hands.go_on(30 * 60_000_000 - 1);
    assert_eq!(caller.get("/v1/events").await.status, 200);
    hands.go_on(1);
    caller.get("/v1/events").await.problem(401, &[]);
    // It stays in the list, with its end and its last use.
    let shown = server.get(&format!("/v1/keys/{}", id_of(&key))).await.json();
    assert_eq!(shown["last_used_at"], format_rfc3339(NOON_US + 30 * 60_000_000 - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_learns_what_was_made_and_revoked() {
    let refresh_interval = Duration::from_millis(20);
    let config = ServerConfig { refresh_interval, ..ServerConfig::default() };
    let server = Server::with(config).await;
    let now_us = Environment::system().clock.now_us();
    let documents = server.lake.documents();
    let elsewhere = Keys::load(documents).await.unwrap();
    assert!(elsewhere.verify(&server.key, now_us).is_some());
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    assert!(elsewhere.verify(&key, now_us).is_none());
    elsewhere.refresh(documents).await.unwrap();
    let principal = elsewhere.verify(&key, now_us).unwrap();
    assert_eq!((principal.id.as_str(), principal.role), (id_of(&key), Role::Auditor));
    // Revoked there, it opens nothing here after a look.
    elsewhere.revoke(documents, id_of(&key), now_us).await.unwrap();
    assert_eq!(server.as_key(&key).get("/v1/events").await.status, 200);
    background(&server.state);
    let patience = Instant::now();
    while server.as_key(&key).get("/v1/events").await.status == 200 {
        assert!(patience.elapsed() < Duration::from_secs(10), "it was never learned");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.as_key(&key).get("/v1/events").await.problem(401, &[]);
    // Revoked by both at once, it is revoked.
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    elsewhere.refresh(documents).await.unwrap();
    let operator = server.as_key(&server.key);
    let (here, there) = tokio::join!(
        delete(&operator, id_of(&key)),
        elsewhere.revoke(documents, id_of(&key), now_us),
    );
    assert_eq!(here.status, 200, "{}", here.text());
    assert!(there.unwrap().revoked_at.is_some());
    assert!(elsewhere.verify(&key, now_us).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_operator_stays() {
    let server = Server::start().await;
    let operator = server.as_key(&server.key);
    delete(&operator, id_of(&server.key)).await.problem(409, &["last valid key of an operator"]);
    // One that expires counts while it is valid, one that is revoked does not.
    let second = server.key_for("operator", json!({})).await;
    assert_eq!(delete(&operator, id_of(&second)).await.status, 200);
    delete(&operator, id_of(&server.key)).await.problem(409, &[]);
    let third = server.key_for("operator", json!({})).await;
    assert_eq!(delete(&operator, id_of(&server.key)).await.status, 200);
    operator.get("/v1/keys").await.problem(401, &[]);
    let third_caller = server.as_key(&third);
    delete(&third_caller, id_of(&third)).await.problem(409, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_has_the_keys_of_its_tenant() {
    let server = Server::start().await;
    let admin = server.key_for("enterprise_admin", json!({"tenant_id": "acme"})).await;
    let foreign = server.key_for("auditor", json!({"tenant_id": "globex"})).await;
    let admin = server.as_key(&admin);
    // Its own tenant is meant if none is named.
    for wanted in [
        json!({"name": "own", "role": "auditor"}),
        json!({"name": "named", "role": "org_admin", "tenant_id": "acme", "org_id": "emea"}),
        json!({"name": "writer", "role": "ingester"}),
    ] {
        let answer = admin.post("/v1/keys", wanted.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.json()["tenant_id"], "acme");
    }
    for (wanted, key) in [
        (json!({"name": "x", "role": "auditor", "tenant_id": "globex"}), "tenant_id"),
        (json!({"name": "x", "role": "ingester", "tenant_id": "globex"}), "tenant_id"),
        (json!({"name": "x", "role": "operator"}), "role"),
    ] {
        let answer = admin.post("/v1/keys", wanted.to_string()).await;
        assert_eq!(answer.problem(403, &[])["key"], key, "{wanted}");
    }
    let list = admin.get("/v1/keys").await;
    assert_eq!(names(&list.json()), ["test enterprise_admin", "own", "named", "writer"]);
    assert!(!list.text().contains("globex"));
    let uri = format!("/v1/keys/{}", id_of(&foreign));
    admin.get(&uri).await.problem(404, &["there is no key"]);
    delete(&admin, id_of(&foreign)).await.problem(404, &["there is no key"]);
    delete(&admin, id_of(&server.key)).await.problem(404, &["there is no key"]);
    assert_eq!(server.as_key(&foreign).get("/v1/events").await.status, 200);
    assert_eq!(server.get("/v1/keys").await.json()["keys"].as_array().unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_key_can_be_is_refused_by_name() {
    let (server, _) = at_noon().await;
    let good = json!({"name": "x", "role": "auditor", "tenant_id": "acme"});
    for (changes, words) in [
        (json!({"scope": "all"}), &["unknown field `scope`", "tenant_id"][..]),
        (json!({"role": "king"}), &["`king`", "enterprise_admin"]),
        (json!({"role": null}), &["body"]),
        (json!({"name": ""}), &["name", "1 to 256"]),
        (json!({"name": "a\nb"}), &["name", "control"]),
        (json!({"tenant_id": null}), &["needs a tenant_id"]),
        (json!({"tenant_id": "a b"}), &["tenant_id"]),
        (json!({"tenant_id": "../acme"}), &["tenant_id"]),
        (json!({"org_id": "emea"}), &["has no org_id"]),
        (json!({"role": "operator"}), &["has no tenant_id"]),
        (json!({"role": "org_admin"}), &["needs a org_id"]),
        (json!({"expires_at": "2026-03-01T12:00:00Z"}), &["expires_at", "past"]),
        (json!({"expires_at": "tomorrow"}), &["expires_at", "RFC 3339"]),
        (json!({"expires_at": 1_772_366_400}), &["body"]),
    ] {
        let mut wanted = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            wanted[name] = value.clone();
        }
        server.post("/v1/keys", wanted.to_string()).await.problem(400, words);
    }
    server.post("/v1/keys", "").await.problem(400, &["the body"]);
    server.post("/v1/keys", "[1]").await.problem(400, &["the body"]);
    server.post("/v1/keys?force=true", good.to_string()).await.problem(400, &["force"]);
    server.get("/v1/keys?limit=1").await.problem(400, &["limit"]);
    server.get("/v1/keys/%ff").await.problem(400, &["path"]);
    server.get("/v1/keys/..%2fjobs").await.problem(404, &[]);
    server.post("/v1/keys", vec![b' '; 300 << 10]).await.problem(413, &["262144"]);
    let form = server.request(Method::POST, "/v1/keys").header("content-type", "text/plain");
    server.send(form.body(Body::from(good.to_string())).unwrap()).await.problem(415, &["json"]);
    assert_eq!(names(&server.get("/v1/keys").await.json()), ["first operator"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_written_once_a_day() {
    let (server, _) = at_noon().await;
    let documents = server.lake.documents();
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let here = Keys::load(documents).await.unwrap();
    let last_used = async || {
        let other = Keys::load(documents).await.unwrap();
        other.get(id_of(&key)).unwrap().last_used_at
    };
    assert_eq!(last_used().await, None);
    here.verify(&key, NOON_US).unwrap();
    here.refresh(documents).await.unwrap();
    assert_eq!(last_used().await, Some(format_rfc3339(NOON_US)));
    // Later that day it is known here, and not written.
    here.verify(&key, NOON_US + 5).unwrap();
    here.refresh(documents).await.unwrap();
    assert_eq!(here.get(id_of(&key)).unwrap().last_used_at, Some(format_rfc3339(NOON_US + 5)));
    assert_eq!(last_used().await, Some(format_rfc3339(NOON_US)));
    here.verify(&key, NOON_US + DAY_US).unwrap();
    here.refresh(documents).await.unwrap();
    assert_eq!(last_used().await, Some(format_rfc3339(NOON_US + DAY_US)));
}

/// A server over a lake that another writer has taken over: documents can be written, events
/// cannot.
pub(crate) async fn overtaken(folder: &Path) -> (Router, Keys, String) {
    let environment = Environment::system();
    let root = Root::open(folder.to_str().unwrap(), true, []).unwrap();
    let ours = Lake::open(LakeConfig::new(root.clone()), environment.clone()).await.unwrap();
    let config = LakeConfig { wal_dir: folder.join("other-wal"), ..LakeConfig::new(root) };
    let theirs = Lake::open(config, environment.clone()).await.unwrap();
    for (lake, id) in [(&theirs, "theirs"), (&ours, "ours")] {
        let mut options = ParseOptions {
            unknown: UnknownKeys::Refuse,
            tenant: TenantRule::Named,
            partial: false,
            ids: &mut FreshIds(&environment),
        };
        let parsed = parse_events(event(id).to_string().as_bytes(), &mut options).unwrap();
        lake.append(parsed.draft).await.unwrap();
        assert_eq!(lake.flush().await.is_ok(), id == "theirs");
    }
    let keys = Keys::load(ours.documents()).await.unwrap();
    let mut key = String::new();
    let show = |text: &str| {
        text.clone_into(&mut key);
        Ok(())
    };
    keys.first_operator(ours.documents(), &environment, show).await.unwrap();
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let config = ServerConfig::default();
    let state = AppState::new(Arc::new(ours), engine, environment, keys.clone(), config);
    (app(state), keys, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_which_the_log_knows_nothing_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (router, keys, key) = overtaken(folder.path()).await;
    let wanted = json!({"name": "unheard of", "role": "auditor", "tenant_id": "acme"});
    let request = Request::post("/v1/keys").header("authorization", format!("Bearer {key}"));
    let answer = router.oneshot(request.body(Body::from(wanted.to_string())).unwrap()).await;
    assert_eq!(answer.unwrap().status(), 503);
    let left = keys.list().into_iter().find(|key| key.name == "unheard of").unwrap();
    assert!(left.revoked_at.is_some());
}
