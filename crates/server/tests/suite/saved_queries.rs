//! `/v1/saved-queries`: who sees and changes which, and what they narrow.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Server, event_with};

async fn save(caller: &Caller<'_>, body: Value) -> String {
    let answer = caller.post("/v1/saved-queries", body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/v1/saved-queries/{id}"));
    id
}

async fn put(caller: &Caller<'_>, id: &str, body: Value) -> Answer {
    caller.send(Method::PUT, &format!("/v1/saved-queries/{id}"), body.to_string()).await
}

async fn delete(caller: &Caller<'_>, id: &str) -> Answer {
    caller.send(Method::DELETE, &format!("/v1/saved-queries/{id}"), Body::empty()).await
}

fn query(name: &str, shared: bool) -> Value {
    json!({"name": name, "filter": {"outcome": ["failure", "denied"]}, "shared": shared})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_saved_changed_and_deleted_and_each_of_it_is_recorded() {
    let server = Server::start().await;
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let auditor = server.as_key(&key);
    let id = save(&auditor, query("trouble", false)).await;
    let uri = format!("/v1/saved-queries/{id}");
    let view = auditor.get(&uri).await.json();
    assert_eq!(view["name"], "trouble");
    assert_eq!(view["filter"], json!({"outcome": ["failure", "denied"]}));
    assert_eq!(view["filter_text"], "outcome in (failure, denied)");
    assert_eq!((&view["shared"], &view["version"]), (&json!(false), &json!(1)));
    assert_eq!(view["owner"], key[4..16]);

    let filter = json!({"type": "user.*"});
    let changed = json!({"name": "logins", "filter": filter, "shared": true, "version": 1});
    let answer = put(&auditor, &id, changed.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["version"], 2);
    let late = put(&auditor, &id, changed).await;
    assert_eq!(late.problem(409, &["version 2"])["version"], 2);
    assert_eq!(auditor.get(&uri).await.json()["filter"], json!({"type": ["user.*"]}));

    assert_eq!(delete(&auditor, &id).await.status, 204);
    auditor.get(&uri).await.problem(404, &[&id]);
    delete(&auditor, &id).await.problem(404, &[&id]);
    let again = json!({"name": "x", "filter": {}, "shared": true, "version": 3});
    put(&auditor, &id, again).await.problem(404, &[]);

    let recorded = auditor.get("/v1/events?type=saved_query.*&order=asc").await.json();
    let recorded = recorded["events"].as_array().unwrap().clone();
    let types: Vec<_> = recorded.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["saved_query.created", "saved_query.changed", "saved_query.deleted"]);
    let target = json!({"kind": "saved_query", "id": id});
    assert!(recorded.iter().all(|event| event["target"] == target));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_and_changes_what() {
    let server = Server::start().await;
    let acme = json!({"tenant_id": "acme"});
    let owner = server.key_for("auditor", acme.clone()).await;
    let user = json!({"tenant_id": "acme", "user_id": "u"});
    let keys = [
        ("owner", owner.clone()),
        ("colleague", server.key_for("auditor", acme.clone()).await),
        ("user", server.key_for("user", user).await),
        ("admin", server.key_for("enterprise_admin", acme).await),
        ("stranger", server.key_for("auditor", json!({"tenant_id": "zeta"})).await),
        ("foreign admin", server.key_for("enterprise_admin", json!({"tenant_id": "zeta"})).await),
    ];
    // For the private one and the shared one: get, use, put, delete; and whether it is listed.
    let table = [
        ("owner", [200, 200, 200, 204], true, [200, 200, 200, 204], true),
        ("colleague", [404, 400, 404, 404], false, [200, 200, 403, 403], true),
        ("user", [404, 400, 404, 404], false, [200, 200, 403, 403], true),
        ("admin", [200, 200, 200, 204], false, [200, 200, 200, 204], true),
        ("stranger", [404, 400, 404, 404], false, [404, 400, 404, 404], false),
        ("foreign admin", [404, 400, 404, 404], false, [404, 400, 404, 404], false),
    ];
    for (who, private, lists_private, shared, lists_shared) in table {
        let key = &keys.iter().find(|(name, _)| *name == who).unwrap().1;
        let caller = server.as_key(key);
        for (is_shared, wanted, is_listed) in
            [(false, private, lists_private), (true, shared, lists_shared)]
        {
            let id = save(&server.as_key(&owner), query("q", is_shared)).await;
            let listed = caller.get("/v1/saved-queries").await.json();
            let listed = listed["saved_queries"].as_array().unwrap();
            let is_there = listed.iter().any(|view| view["id"] == *id);
            assert_eq!(is_there, is_listed, "{who} lists, shared: {is_shared}");
            let mut body = query("changed", is_shared);
            body["version"] = 1.into();
            let got = caller.get(&format!("/v1/saved-queries/{id}")).await.status;
            let used = caller.get(&format!("/v1/events?saved_query={id}")).await.status;
            let changed = put(&caller, &id, body).await.status;
            let deleted = delete(&caller, &id).await.status;
            assert_eq!([got, used, changed, deleted], wanted, "{who}, shared: {is_shared}");
            delete(&server.as_key(&owner), &id).await;
        }
    }
    let ingester = server.key_for("ingester", json!({"tenant_id": "acme"})).await;
    let answer = server.as_key(&ingester).get("/v1/saved-queries").await;
    answer.problem(403, &["audit:read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_query_narrows_everything_and_widens_nothing() {
    let server = Server::start().await;
    server
        .take(&[
            event_with("a-good", json!({})),
            event_with("a-bad", json!({"outcome": "failure"})),
            event_with("a-worse", json!({"outcome": "denied"})),
            event_with("z-bad", json!({"outcome": "failure", "tenant_id": "zeta"})),
        ])
        .await;
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let auditor = server.as_key(&key);
    // It asks for another tenant's events; its scope goes before.
    let wide = json!({"tenant_id": ["acme", "zeta"], "outcome": "!success"});
    let id = save(&auditor, json!({"name": "w", "filter": wide})).await;
    let list = auditor.get(&format!("/v1/events?saved_query={id}&order=asc")).await;
    assert_eq!(list.ids(), ["a-bad", "a-worse"]);
    let both = auditor.get(&format!("/v1/events?saved_query={id}&outcome=denied,success")).await;
    assert_eq!(both.ids(), ["a-worse"]);
    let facets = auditor.get(&format!("/v1/events/facets?saved_query={id}")).await.json();
    assert_eq!(facets["total"], 2);
    let histogram = auditor.get(&format!("/v1/events/histogram?saved_query={id}")).await.json();
    assert_eq!(histogram["total"], 2);
    let uri = format!("/v1/events/export?format=csv&columns=id&saved_query={id}");
    let csv = auditor.get(&uri).await;
    assert_eq!(csv.text(), "id\na-bad\na-worse\n");
    let recorded = auditor.get("/v1/events?type=audit.exported").await.json();
    let filter = &recorded["events"][0]["data"]["filter"];
    assert_eq!(*filter, json!([{"name": "saved_query", "value": id}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_what_is_wrong() {
    let server = Server::start().await;
    for (body, words) in [
        (r#"{"name": "x", "filter": {"colour": "red"}}"#, &["colour"][..]),
        (r#"{"name": "x", "filter": {"outcome": "fine"}}"#, &["outcome", "\"fine\""]),
        (r#"{"name": "x", "filter": {"where": "colour = 1"}}"#, &["where", "colour"]),
        (r#"{"name": "x", "filter": {"from": ["2026-03-01", "2026-03-02"]}}"#, &["from", "once"]),
        (r#"{"name": "x", "filter": {"type": []}}"#, &["type", "no value"]),
        (r#"{"name": "x", "filter": {"type": 7}}"#, &["a text or a list of texts"]),
        (r#"{"name": " ", "filter": {}}"#, &["name"]),
        (r#"{"name": "x", "filter": {}, "owner": "me"}"#, &["owner", "shared"]),
        (r#"{"name": "x"}"#, &["filter"]),
        ("", &["body"]),
    ] {
        server.post("/v1/saved-queries", body).await.problem(400, words);
    }
    server.get("/v1/saved-queries?limit=1").await.problem(400, &["limit"]);
    for id in ["sq_none", "..%2Fkeys", "sq_0123456789ABCDEFGHJKMNPQR%2F"] {
        server.get(&format!("/v1/saved-queries/{id}")).await.problem(404, &["no saved query"]);
    }
}
