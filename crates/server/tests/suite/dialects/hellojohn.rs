//! HelloJohn: the list with its cursor, and the export.

use auditlake_server::ServerConfig;
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::{exported, filled, ids, keys, names, sorted, started};
use crate::harness::{Answer, Server, event_with};

const LIST: &str = "/compat/hellojohn/v1/audit-logs";
const EXPORT: &str = "/compat/hellojohn/v1/audit-logs/export";
/// Behind it lies what the server recorded itself.
const END: &str = "to=2026-03-18T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_loop_reads_every_log_once() {
    let server = filled().await;
    let (mut cursor, mut read) = (String::new(), Vec::new());
    loop {
        let page = server.get(&format!("{LIST}?{END}&limit=5&tenant_id=acme{cursor}")).await;
        read.extend(ids(&page, "data"));
        let meta = &page.json()["meta"];
        assert_eq!(meta["has_more"], meta["cursor"].is_string());
        // `while (cursor)`: the last page has none at all.
        let Some(next) = meta["cursor"].as_str() else {
            assert_eq!(*meta, json!({"has_more": false}));
            break;
        };
        cursor = format!("&cursor={next}");
        // What arrives in between belongs to a later list.
        let id = format!("late{}", read.len());
        server.take(&[event_with(&id, json!({"occurred_at": "2026-03-06T00:00:00Z"}))]).await;
    }
    assert_eq!(read, names((1..=12).rev()));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_fifty_logs_and_at_most_two_hundred() {
    let server = started(ServerConfig::default()).await;
    let events: Vec<Value> = (0..230).map(|n| event_with(&format!("e{n}"), json!({}))).collect();
    server.take(&events).await;
    assert_eq!(ids(&server.get(LIST).await, "data").len(), 50);
    assert_eq!(ids(&server.get(&format!("{LIST}?limit=200")).await, "data").len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_has_the_names_of_its_system() {
    let server = filled().await;
    let page = server.get(&format!("{LIST}?to=2026-03-02T00:00:00Z")).await;
    assert_eq!(
        page.json()["data"],
        json!([{
            "id": "e01", "type": "user.signed_in", "actor_id": "u1",
            "actor_email": "u1@acme.test", "actor_type": "user", "resource_id": "r1",
            "resource_type": "Runbook", "tenant_id": "acme", "organization_id": "apac",
            "ip_address": "10.0.0.1", "country": "DE", "result": "success",
            "created_at": "2026-03-01T12:00:00.000000Z", "metadata": {"n": 1},
        }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_alike_in_list_and_export() {
    let server = filled().await;
    for (filter, wanted) in [
        ("from=2026-03-11T00:00:00Z", vec![11, 12]),
        ("type=tool.run", vec![3, 6, 9, 12]),
        ("type=tool.%2A", vec![]),
        ("actor_id=u2", (7..=12).collect()),
        ("actor_email=u1%40acme.test", (1..=6).collect()),
        ("actor_type=user&resource_id=r7", vec![7]),
        ("resource_type=Runbook&organization_id=emea", vec![2, 4, 6, 8, 10, 12]),
        ("ip_address=10.0.0.8", vec![8]),
        ("ip_address=10.0.0.8/31", vec![8, 9]),
        ("result=denied", vec![4, 8, 12]),
    ] {
        let wanted = names(wanted);
        let parameters = format!("{filter}&{END}&tenant_id=acme");
        let list = server.get(&format!("{LIST}?{parameters}")).await;
        assert_eq!(sorted(ids(&list, "data")), wanted, "{filter}");
        let export = server.get(&format!("{EXPORT}?{parameters}")).await;
        assert_eq!(sorted(exported(&export)), wanted, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_a_turn_unless_it_is_a_last_second() {
    let server = started(ServerConfig::default()).await;
    for (id, at) in [
        ("evening", "2024-01-31T23:59:59.900000Z"),
        ("midnight", "2024-02-01T00:00:00Z"),
        ("noon", "2024-02-01T12:00:00Z"),
    ] {
        server.take(&[event_with(id, json!({"occurred_at": at}))]).await;
    }
    for (range, wanted) in [
        // The curl of the document means all of January.
        ("from=2024-01-01T00:00:00Z&to=2024-01-31T23:59:59Z", &["evening"][..]),
        ("from=2024-01-01&to=2024-01-31", &["evening"]),
        // Its nightly script asks from midnight to midnight, and doubles nothing.
        ("from=2024-01-31T00:00:00.000Z&to=2024-02-01T00:00:00.000Z", &["evening"]),
        ("from=2024-02-01T00:00:00.000Z&to=2024-02-02T00:00:00.000Z", &["midnight", "noon"]),
        ("from=2024-02-01T00:00:00Z&to=2024-02-01T12:00:00Z", &["midnight"]),
    ] {
        let list = server.get(&format!("{LIST}?{range}")).await;
        assert_eq!(sorted(ids(&list, "data")), wanted, "{range}");
    }
}

async fn accepting(server: &Server, accept: &str, uri: &str) -> Answer {
    let request = server.request(Method::GET, uri).header("accept", accept);
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_csv_or_ndjson_as_asked() {
    let server = filled().await;
    let uri = format!("{EXPORT}?{END}&tenant_id=acme");
    let ndjson = server.get(&uri).await;
    assert_eq!(ndjson.header("content-type"), "application/x-ndjson");
    let disposition = "attachment; filename=\"audit-logs-20260319.ndjson\"";
    assert_eq!(ndjson.header("content-disposition"), disposition);
    assert_eq!(exported(&ndjson), names(1..=12));
    for format in ["json", "ndjson"] {
        assert_eq!(server.get(&format!("{uri}&format={format}")).await.body, ndjson.body);
    }
    let csv = server.get(&format!("{uri}&format=csv")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        csv.text().lines().take(2).collect::<Vec<_>>(),
        [
            "id,type,actor_id,actor_email,actor_type,resource_id,resource_type,tenant_id,\
             organization_id,ip_address,country,result,created_at,metadata",
            "e01,user.signed_in,u1,u1@acme.test,user,r1,Runbook,acme,apac,10.0.0.1,DE,success,\
             2026-03-01T12:00:00.000000Z,\"{\"\"n\"\":1}\"",
        ]
    );
    assert_eq!(exported(&csv), names(1..=12));

    assert_eq!(accepting(&server, "text/csv", &uri).await.body, csv.body);
    assert_eq!(accepting(&server, "application/ndjson", &uri).await.body, ndjson.body);
    assert_eq!(accepting(&server, "*/*", &uri).await.body, ndjson.body);
    let named = accepting(&server, "text/csv", &format!("{uri}&format=json")).await;
    assert_eq!(named.body, ndjson.body);
    accepting(&server, "image/png", &uri).await.problem(406, &["text/csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_keeps_the_newest_as_a_dashboard_shows_them() {
    let server = filled().await;
    let uri = format!("{EXPORT}?{END}&tenant_id=acme&format=csv&limit=");
    assert_eq!(exported(&server.get(&format!("{uri}3")).await), ["e12", "e11", "e10"]);
    assert_eq!(exported(&server.get(&format!("{uri}100000")).await).len(), 12);
    server.get(&format!("{uri}100001")).await.problem(400, &["limit", "1 to 100000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_allowed() {
    let server = filled().await;
    for (path, parameters, words) in [
        (LIST, "limit=0", &["limit", "1 to 200"][..]),
        (LIST, "limit=201", &["limit", "1 to 200"]),
        (LIST, "cursor=abc", &["cursor", "is no cursor"]),
        (LIST, "format=csv", &["parameter format", "actor_id"]),
        (LIST, "from=yesterday", &["parameter from", "\"yesterday\""]),
        (LIST, "from=2026-03-02&to=2026-03-01T00:00:00Z", &["to", "before it begins"]),
        (EXPORT, "format=xml", &["format", "csv, json, ndjson"]),
        (EXPORT, "cursor=00", &["parameter cursor", "format"]),
        (EXPORT, "ip_address=10.0.0", &["parameter ip_address", "10.0.0.0/8"]),
        (EXPORT, "result=fine", &["parameter result", "success, failure"]),
        (EXPORT, "actor_id=", &["parameter actor_id", "empty"]),
    ] {
        server.get(&format!("{path}?{parameters}")).await.problem(400, words);
    }
    let first = server.get(&format!("{LIST}?limit=2&actor_id=u1")).await.json();
    let cursor = first["meta"]["cursor"].as_str().unwrap();
    let other = server.get(&format!("{LIST}?limit=2&actor_id=u2&cursor={cursor}")).await;
    other.problem(400, &["cursor", "another list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_its_own_and_admins_export() {
    let server = filled().await;
    let keys = keys(&server).await;
    let even = names((1..=6).map(|half| 2 * half));
    for (key, sees, exports) in [
        (&keys.enterprise_admin, names(1..=12), true),
        (&keys.auditor, names(1..=12), true),
        (&keys.org_admin, even, true),
        (&keys.team_lead, names(1..=4), false),
        (&keys.user, names(1..=6), false),
    ] {
        let caller = server.as_key(key);
        // Asking for another tenant shows nothing of it.
        let foreign = caller.get(&format!("{LIST}?tenant_id=zeta")).await;
        assert!(ids(&foreign, "data").is_empty());
        let list = caller.get(&format!("{LIST}?{END}")).await;
        assert_eq!(sorted(ids(&list, "data")), sees);
        let export = caller.get(&format!("{EXPORT}?{END}")).await;
        if exports {
            assert_eq!(sorted(exported(&export)), sees);
        } else {
            export.problem(403, &["audit:export"]);
        }
    }
    server.as_key(&keys.ingester).get(LIST).await.problem(403, &["audit:read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_caller_is_refused() {
    let server = filled().await;
    let keys = keys(&server).await;
    let page = server.as_key(&keys.enterprise_admin).get(&format!("{LIST}?limit=2")).await;
    let json = page.json();
    let cursor = json["meta"]["cursor"].as_str().unwrap();
    let stolen = server.as_key(&keys.user).get(&format!("{LIST}?limit=2&cursor={cursor}")).await;
    stolen.problem(400, &["cursor"]);
}
