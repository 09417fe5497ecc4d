//! Who may do what, and who may see what: every role at every call, and events beyond each
//! caller's scope that must not show in anything a call answers.

use axum::body::Body;
use axum::http::{Method, Request};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Caller, Server, event, event_with};

/// The roles, in the order of the columns below, each with a place of its own.
const ROLES: [&str; 7] =
    ["operator", "enterprise_admin", "auditor", "org_admin", "team_lead", "user", "ingester"];

/// A call, its body, and the status for each role. What needs which permission:
///
/// | permission      | operator | enterprise_admin | auditor | org_admin | team_lead | user | ingester |
/// |-----------------|----------|------------------|---------|-----------|-----------|------|----------|
/// | `audit:read`    | yes      | yes              | yes     | yes       | yes       | yes  |          |
/// | `audit:export`  | yes      | yes              | yes     | yes       |           |      |          |
/// | `audit:write`   | yes      |                  |         |           |           |      | yes      |
/// | `keys:write`    | yes      | yes              |         |           |           |      |          |
/// | `integrity:read`| yes      | yes              | yes     |           |           |      |          |
///
/// A 404 is that of a caller who may ask: there is no such thing, or it is somebody else's.
type Row = (Method, &'static str, &'static str, [u16; 7]);

const READ: [u16; 7] = [200, 200, 200, 200, 200, 200, 403];
const READ_MISSING: [u16; 7] = [404, 404, 404, 404, 404, 404, 403];
const EXPORT: [u16; 7] = [200, 200, 200, 200, 403, 403, 403];
const EXPORT_MISSING: [u16; 7] = [404, 404, 404, 404, 403, 403, 403];
const WRITE: [u16; 7] = [200, 403, 403, 403, 403, 403, 200];
const INTEGRITY: [u16; 7] = [200, 200, 200, 403, 403, 403, 403];
const ANYBODY: [u16; 7] = [200, 200, 200, 200, 200, 200, 200];
const KEYS: [u16; 7] = [200, 200, 403, 403, 403, 403, 403];
const KEYS_MISSING: [u16; 7] = [404, 404, 403, 403, 403, 403, 403];

const EVENT: &str = r#"{"type":"a.b","occurred_at":"2026-03-01T12:00:00Z","tenant_id":"acme"}"#;
const JOB: &str = r#"{"format":"csv","filter":{"type":"a.b"}}"#;
const QUERY: &str = r#"{"name":"mine","filter":{"type":"a.b"}}"#;
const CHANGED: &str = r#"{"name":"mine","filter":{},"shared":false,"version":1}"#;
const KEY: &str = r#"{"name":"x","role":"auditor","tenant_id":"acme"}"#;

fn table() -> Vec<Row> {
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    vec![
        (post.clone(), "/v1/events", EVENT, WRITE),
        (get.clone(), "/v1/events", "", READ),
        (get.clone(), "/v1/events/there_is_none", "", READ_MISSING),
        (get.clone(), "/v1/events/histogram", "", READ),
        (get.clone(), "/v1/events/facets", "", READ),
        (get.clone(), "/v1/events/stream", "", READ),
        (get.clone(), "/v1/events/export?format=csv", "", EXPORT),
        (get.clone(), "/v1/events/export?format=parquet", "", EXPORT),
        (get.clone(), "/v1/events/export?proof=inclusion", "", EXPORT),
        (post.clone(), "/v1/exports/preflight", JOB, EXPORT),
        (post.clone(), "/v1/exports", JOB, [202, 202, 202, 202, 403, 403, 403]),
        (get.clone(), "/v1/exports", "", EXPORT),
        (get.clone(), "/v1/exports/exp_none", "", EXPORT_MISSING),
        (delete.clone(), "/v1/exports/exp_none", "", EXPORT_MISSING),
        (post.clone(), "/v1/exports/exp_none/retry", "", EXPORT_MISSING),
        (get.clone(), "/v1/exports/exp_none/events", "", EXPORT_MISSING),
        (get.clone(), "/v1/exports/exp_none/manifest", "", EXPORT_MISSING),
        (get.clone(), "/v1/exports/exp_none/proof", "", EXPORT_MISSING),
        (get.clone(), "/v1/exports/exp_none/archive.zip", "", EXPORT_MISSING),
        (get.clone(), "/v1/exports/exp_none/files/a.csv", "", EXPORT_MISSING),
        (post.clone(), "/v1/exports/exp_none/links", "{}", EXPORT_MISSING),
        (get.clone(), "/v1/log/checkpoint?fresh=true&tenant_id=acme", "", INTEGRITY),
        (get.clone(), "/v1/log/keys?tenant_id=acme", "", INTEGRITY),
        (get.clone(), "/v1/log/proof?seq=0&tenant_id=acme", "", INTEGRITY),
        (get.clone(), "/v1/log/tiles/tile/0/000.p/1?tenant_id=acme", "", INTEGRITY),
        (get.clone(), "/v1/log/verification", "", INTEGRITY),
        (post.clone(), "/v1/log/verification", "", [202, 403, 403, 403, 403, 403, 403]),
        (get.clone(), "/v1/status", "", INTEGRITY),
        (get.clone(), "/v1/session", "", ANYBODY),
        (delete.clone(), "/v1/session", "", [204, 204, 204, 204, 204, 204, 204]),
        (post.clone(), "/v1/saved-queries", QUERY, [201, 201, 201, 201, 201, 201, 403]),
        (get.clone(), "/v1/saved-queries", "", READ),
        (get.clone(), "/v1/saved-queries/sq_none", "", READ_MISSING),
        (put, "/v1/saved-queries/sq_none", CHANGED, READ_MISSING),
        (delete.clone(), "/v1/saved-queries/sq_none", "", READ_MISSING),
        (post, "/v1/keys", KEY, [201, 201, 403, 403, 403, 403, 403]),
        (get.clone(), "/v1/keys", "", KEYS),
        (get, "/v1/keys/there_is_none", "", KEYS_MISSING),
        (delete, "/v1/keys/there_is_none", "", KEYS_MISSING),
    ]
}

/// A key for each role, all of them in the same tenant, organisation and team.
async fn keys(server: &Server) -> Vec<String> {
    let mut keys = vec![server.key.clone()];
    for role in &ROLES[1..] {
        let place = match *role {
            "org_admin" => json!({"tenant_id": "acme", "org_id": "emea"}),
            "team_lead" => json!({"tenant_id": "acme", "org_id": "emea", "team_id": "red"}),
            "user" => json!({"tenant_id": "acme", "user_id": "u_mine"}),
            _ => json!({"tenant_id": "acme"}),
        };
        keys.push(server.key_for(role, place).await);
    }
    keys
}

/// The status alone: some answers have no end.
async fn status(server: &Server, row: &Row, key: Option<&str>) -> u16 {
    let (method, uri, body, _) = row;
    let mut request = Request::builder().method(method.clone()).uri(*uri);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request.body(Body::from(*body)).unwrap();
    server.app.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_at_every_call() {
    let server = Server::start().await;
    let keys = keys(&server).await;
    for row in table() {
        let mut given = [0; 7];
        for (given, key) in given.iter_mut().zip(&keys) {
            *given = status(&server, &row, Some(key)).await;
        }
        assert_eq!(given, row.3, "{} {} for {ROLES:?}", row.0, row.1);
        assert_eq!(status(&server, &row, None).await, 401, "{} {}", row.0, row.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_permission_and_role() {
    let server = Server::start().await;
    let user = server.key_for("user", json!({"tenant_id": "acme", "user_id": "u_1"})).await;
    let answer = server.as_key(&user).get("/v1/events/export").await;
    let problem = answer.problem(403, &["audit:export", "role user", "auditor, org_admin"]);
    assert_eq!(
        (&problem["permission"], &problem["role"]),
        (&json!("audit:export"), &json!("user"))
    );
}

/// Events that only some may see: the same names everywhere but in the one column that makes
/// each of them foreign to somebody. Their labels do not fit a number, so that an expression
/// that is evaluated on them fails; that of `mine` does.
fn canaries() -> Vec<Value> {
    let canary = |id: &str, changes: Value| {
        let mut canary = event_with(
            id,
            json!({
                "type": "canary.sang",
                "org_id": "emea",
                "team_id": "red",
                "namespace": format!("canary-{id}"),
                "actor": {"kind": "user", "id": "u_mine", "label": format!("canary-{id}")},
                "target": {"kind": format!("canary-{id}"), "id": format!("canary-{id}")},
                "reason": format!("canary-{id}"),
                "tool": format!("canary-{id}"),
                "data": {"word": format!("canary-{id}"), "number": format!("canary-{id}")},
            }),
        );
        for (key, value) in changes.as_object().unwrap() {
            canary[key] = value.clone();
        }
        canary
    };
    let actor = |id: &str, label: &str| json!({"kind": "user", "id": id, "label": label});
    vec![
        canary("tenant", json!({"tenant_id": "globex"})),
        canary("org", json!({"org_id": "apac"})),
        canary("team", json!({"team_id": "blue"})),
        canary("actor", json!({"actor": actor("u_other", "canary-actor")})),
        canary("mine", json!({"actor": actor("u_mine", "7")})),
    ]
}

/// Who sees which of them.
const SCOPES: [(&str, &[&str]); 6] = [
    ("operator", &["actor", "mine", "org", "team", "tenant"]),
    ("enterprise_admin", &["actor", "mine", "org", "team"]),
    ("auditor", &["actor", "mine", "org", "team"]),
    ("org_admin", &["actor", "mine", "team"]),
    ("team_lead", &["actor", "mine"]),
    ("user", &["mine", "org", "team"]),
];

/// Nothing in `text` tells of an event that the caller may not see.
fn is_silent(text: &str, seen: &[&str], what: &str) {
    for canary in canaries() {
        let id = canary["id"].as_str().unwrap();
        if !seen.contains(&id) {
            assert!(!text.contains(&format!("canary-{id}")), "{what}: canary-{id} in {text}");
        }
    }
}

async fn look(caller: &Caller<'_>, seen: &[&str], what: &str) {
    let all = "type=canary.*";
    let count = seen.len();
    for uri in [
        format!("/v1/events?{all}&total=true"),
        "/v1/events?q=canary.sang&total=true".to_owned(),
        "/v1/events?where=type%20LIKE%20%27canary%25%27&total=true".to_owned(),
        format!("/v1/events?{all}&tenant_id=acme,globex&total=true"),
    ] {
        let answer = caller.get(&uri).await;
        assert_eq!(answer.status, 200, "{what} {uri}: {}", answer.text());
        is_silent(&answer.text(), seen, what);
        let mut ids = answer.ids();
        ids.sort();
        assert_eq!(ids, seen, "{what} {uri}");
        assert_eq!(answer.json()["total"], count, "{what} {uri}");
    }
    for canary in canaries() {
        let id = canary["id"].as_str().unwrap();
        let answer = caller.get(&format!("/v1/events/{id}")).await;
        let expected = if seen.contains(&id) { 200 } else { 404 };
        assert_eq!(answer.status, expected, "{what} {id}: {}", answer.text());
        is_silent(&answer.text(), seen, what);
    }
    let columns = "tenant_id,org_id,team_id,namespace,actor_label,target_kind,tool";
    let answer = caller.get(&format!("/v1/events/facets?{all}&columns={columns}&limit=100")).await;
    assert_eq!(answer.json()["total"], count, "{what}: {}", answer.text());
    is_silent(&answer.text(), seen, what);
    let tenants = answer.json()["facets"]["tenant_id"].as_array().unwrap().len();
    assert_eq!(tenants, if seen.contains(&"tenant") { 2 } else { 1 }, "{what}");
    let answer = caller.get(&format!("/v1/events/histogram?{all}&interval=1d")).await;
    assert_eq!(answer.json()["total"], count, "{what}: {}", answer.text());
    // An expression that fails on foreign events must not so much as be tried on them.
    let fails = "/v1/events?where=CAST%28namespace%20AS%20BIGINT%29%20%3D%207";
    is_silent(&caller.get(fails).await.text(), seen, what);
    let label = "/v1/events?where=type%20%3D%20%27canary.sang%27%20AND%20actor_label%20%3D%20%277%27%20\
                 AND%20CAST%28actor_label%20AS%20BIGINT%29%20%3D%207";
    is_silent(&caller.get(label).await.text(), seen, what);
}

async fn export(caller: &Caller<'_>, seen: &[&str], what: &str) {
    for format in ["csv", "ndjson", "json"] {
        let uri = format!("/v1/events/export?type=canary.*&format={format}");
        let answer = caller.get(&uri).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        is_silent(&answer.text(), seen, what);
        for id in seen {
            assert!(answer.text().contains(&format!("canary-{id}")), "{what} {format}: no {id}");
        }
    }
    let answer = caller.get("/v1/events/export?type=canary.*&format=parquet").await;
    assert_eq!(rows(answer.body), seen.len(), "{what}");
}

fn rows(parquet: Bytes) -> usize {
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap().build().unwrap();
    reader.map(|batch| batch.unwrap().num_rows()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_of_others_never_sing() {
    let server = Server::start().await;
    server.take(&canaries()).await;
    let keys = keys(&server).await;
    for sealed in [false, true] {
        if sealed {
            server.lake.flush().await.unwrap();
        }
        for (place, (role, seen)) in SCOPES.iter().enumerate() {
            assert_eq!(ROLES[place], *role);
            let caller = server.as_key(&keys[place]);
            let what = format!("{role}, sealed: {sealed}");
            look(&caller, seen, &what).await;
            if place < 4 {
                export(&caller, seen, &what).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_is_not_evaluated_beyond_the_scope() {
    let server = Server::start().await;
    let number = |id: &str, actor: &str, label: &str| {
        let actor = json!({"kind": "user", "id": actor, "label": label});
        event_with(id, json!({"actor": actor}))
    };
    server.take(&[number("mine", "u_mine", "7"), number("other", "u_other", "seven")]).await;
    let user = server.key_for("user", json!({"tenant_id": "acme", "user_id": "u_mine"})).await;
    let uri = "/v1/events?where=CAST%28actor_label%20AS%20BIGINT%29%20%3D%207&total=true";
    for sealed in [false, true] {
        if sealed {
            server.lake.flush().await.unwrap();
        }
        let answer = server.as_key(&user).get(uri).await;
        assert_eq!(answer.status, 200, "sealed: {sealed}: {}", answer.text());
        assert_eq!(answer.ids(), ["mine"]);
        // Who sees the other one learns that it does not fit, but not what stands there.
        let answer = server.get(uri).await;
        answer.problem(400, &["where"]);
        assert!(!answer.text().contains("seven"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_query_shows_nobody_more_than_the_own_scope() {
    let server = Server::start().await;
    server.take(&canaries()).await;
    let keys = keys(&server).await;
    let (admin, user) = (server.as_key(&keys[1]), server.as_key(&keys[5]));
    let wanted = json!({"name": "all", "filter": {"type": "canary.*"}, "shared": true});
    let saved = admin.post("/v1/saved-queries", wanted.to_string()).await;
    assert_eq!(saved.status, 201, "{}", saved.text());
    let uri = format!("/v1/events?saved_query={}", saved.json()["id"].as_str().unwrap());
    let mut ids = user.get(&uri).await.ids();
    ids.sort();
    assert_eq!(ids, ["mine", "org", "team"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_bound_to_a_tenant_writes_for_it_alone() {
    let server = Server::start().await;
    let bound = server.key_for("ingester", json!({"tenant_id": "acme"})).await;
    let platform = server.key_for("ingester", json!({})).await;
    let (bound, platform) = (server.as_key(&bound), server.as_key(&platform));
    let foreign = event_with("x", json!({"tenant_id": "globex"})).to_string();
    let problem = bound.post("/v1/events", foreign.clone()).await.problem(403, &["tenant_id"]);
    assert_eq!((&problem["line"], &problem["key"]), (&json!(1), &json!("tenant_id")));
    assert_eq!(platform.post("/v1/events", foreign).await.status, 200);
    assert_eq!(bound.post("/v1/events", event("y").to_string()).await.status, 200);
    bound.get("/v1/events").await.problem(403, &["audit:read"]);
}
