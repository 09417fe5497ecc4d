//! ClawForge: list and export of an organisation.

use auditlake_server::ServerConfig;
use serde_json::{Value, json};

use super::{exported, filled, ids, keys, names, started};
use crate::harness::Answer;

const LIST: &str = "/compat/clawforge/api/v1/audit/acme";
const EXPORT: &str = "/compat/clawforge/api/v1/audit/acme/export";
/// Behind it lies what the server recorded itself.
const END: &str = "endDate=2026-03-18";

fn counts(page: &Answer) -> Value {
    let page = page.json();
    json!([page["total"], page["limit"], page["offset"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_pages_by_offset_and_a_total() {
    let server = filled().await;
    let all = server.get(&format!("{LIST}?{END}")).await;
    assert_eq!(ids(&all, "events"), names((1..=12).rev()));
    assert_eq!(counts(&all), json!([12, 100, 0]));
    let page = server.get(&format!("{LIST}?{END}&limit=5&offset=5")).await;
    assert_eq!(ids(&page, "events"), names((3..=7).rev()));
    assert_eq!(counts(&page), json!([12, 5, 5]));
    let beyond = server.get(&format!("{LIST}?{END}&offset=12")).await;
    assert!(ids(&beyond, "events").is_empty());
    assert_eq!(beyond.json()["total"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_has_the_names_of_its_system() {
    let server = filled().await;
    let answer = server.get(&format!("{LIST}?{END}&requestId=x")).await;
    answer.problem(400, &["parameter requestId", "eventType"]);
    let answer = server.get(&format!("{LIST}?endDate=2026-03-03&limit=1")).await;
    assert_eq!(
        answer.json()["events"][0],
        json!({
            "id": "e03", "orgId": "apac", "userId": "u1", "userEmail": "u1@acme.test",
            "eventType": "tool.run", "toolName": "sh", "outcome": "success", "reason": "because",
            "targetType": "Runbook", "targetId": "r3", "ipAddress": "10.0.0.3",
            "sessionId": "s1", "requestId": "req-3", "timestamp": "2026-03-03T12:00:00.000000Z",
            "metadata": {"n": 3},
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_alike_in_list_and_export() {
    let server = filled().await;
    for (filter, wanted) in [
        ("startDate=2026-03-11", vec![11, 12]),
        ("startDate=2026-03-11T12:00:00Z&endDate=2026-03-11T12:00:00Z", vec![11]),
        ("endDate=2026-03-02", vec![1, 2]),
        ("endDate=2026-03-02T11:59:59Z", vec![1]),
        ("endDate=2026-03-02T12:00:00Z", vec![1, 2]),
        ("endDate=2026-03-02T12:00:00.000Z", vec![1, 2]),
        ("userId=u2", (7..=12).collect()),
        ("userId=u*", vec![]),
        ("userId=u1,u2", vec![]),
        ("userId=%21u1", vec![]),
        ("eventType=tool.run", vec![3, 6, 9, 12]),
        ("toolName=sh", vec![3, 6, 9, 12]),
        ("outcome=denied", vec![4, 8, 12]),
        ("outcome=denied&toolName=sh&userId=u2", vec![12]),
    ] {
        let end = if filter.contains("endDate") { "" } else { END };
        let wanted = names(wanted.into_iter().rev());
        let list = server.get(&format!("{LIST}?{filter}&{end}")).await;
        assert_eq!(ids(&list, "events"), wanted, "{filter}");
        assert_eq!(list.json()["total"], wanted.len(), "{filter}");
        let export = server.get(&format!("{EXPORT}?{filter}&{end}")).await;
        assert_eq!(exported(&export), wanted, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_ndjson_or_csv_and_tells_what_its_limit_left_out() {
    let server = filled().await;
    let ndjson = server.get(&format!("{EXPORT}?{END}")).await;
    assert_eq!(ndjson.header("content-type"), "application/x-ndjson");
    let disposition = "attachment; filename=\"clawforge-audit-20260319.ndjson\"";
    assert_eq!(ndjson.header("content-disposition"), disposition);
    assert_eq!((ndjson.header("x-total-count"), ndjson.header("x-truncated")), ("12", "false"));
    assert_eq!(exported(&ndjson), names((1..=12).rev()));
    assert_eq!(server.get(&format!("{EXPORT}?{END}&format=json")).await.body, ndjson.body);

    let csv = server.get(&format!("{EXPORT}?{END}&format=csv&limit=2")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let disposition = "attachment; filename=\"clawforge-audit-20260319.csv\"";
    assert_eq!(csv.header("content-disposition"), disposition);
    assert_eq!((csv.header("x-total-count"), csv.header("x-truncated")), ("12", "true"));
    assert_eq!(
        csv.text(),
        "id,orgId,userId,userEmail,eventType,toolName,outcome,reason,targetType,targetId,\
         ipAddress,sessionId,requestId,timestamp,metadata\n\
         e12,emea,u2,,tool.run,sh,denied,because,Runbook,r12,10.0.0.12,s1,req-12,\
         2026-03-12T12:00:00.000000Z,\"{\"\"n\"\":12}\"\n\
         e11,apac,u2,,user.signed_in,,success,because,Runbook,r11,10.0.0.11,s1,req-11,\
         2026-03-11T12:00:00.000000Z,\"{\"\"n\"\":11}\"\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_an_event_of_the_log() {
    let server = filled().await;
    let admin = keys(&server).await.enterprise_admin;
    let export = server.as_key(&admin).get(&format!("{EXPORT}?{END}&toolName=sh")).await;
    assert_eq!(exported(&export).len(), 4);
    let told = server.as_key(&admin).get("/v1/events?type=audit.exported").await.json();
    let data = &told["events"][0]["data"];
    assert_eq!(data["rows"], 4);
    let filter = data["filter"].as_array().unwrap();
    assert!(filter.contains(&json!({"name": "tool", "value": "sh"})), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_allowed() {
    let server = started(ServerConfig::default()).await;
    for (path, parameters, words) in [
        (LIST, "limit=0", &["limit", "1 to 1000"][..]),
        (LIST, "limit=1001", &["limit", "1 to 1000"]),
        (LIST, "offset=-1", &["offset", "at least 0"]),
        (LIST, "format=csv", &["parameter format", "startDate"]),
        (EXPORT, "limit=100001", &["limit", "1 to 100000"]),
        (EXPORT, "limit=0", &["limit", "1 to 100000"]),
        (EXPORT, "format=ndjson", &["format", "csv, json"]),
        (EXPORT, "format=parquet", &["format", "csv, json"]),
        (EXPORT, "offset=1", &["parameter offset", "limit"]),
        (EXPORT, "startDate=yesterday", &["parameter startDate", "\"yesterday\""]),
        (EXPORT, "endDate=2026-02-30", &["parameter endDate", "\"2026-02-30\""]),
        (EXPORT, "startDate=2026-03-02&endDate=2026-03-01", &["endDate", "before it begins"]),
        (EXPORT, "userId=", &["parameter userId", "empty"]),
        (EXPORT, "userId=a&userId=b", &["parameter userId", "more than once"]),
        (EXPORT, "outcome=fine", &["parameter outcome", "success, failure, denied"]),
    ] {
        server.get(&format!("{path}?{parameters}")).await.problem(400, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_is_the_callers_tenant_or_lies_within_it() {
    let server = filled().await;
    let keys = keys(&server).await;
    let list = |org: &str| format!("/compat/clawforge/api/v1/audit/{org}?{END}");
    let export = |org: &str| format!("/compat/clawforge/api/v1/audit/{org}/export?{END}");
    let even = names((1..=6).map(|half| 2 * half).rev());

    // Who belongs to no tenant names one.
    assert_eq!(ids(&server.get(&list("zeta")).await, "events"), ["canary"]);
    assert!(ids(&server.get(&list("emea")).await, "events").is_empty());

    for key in [&keys.enterprise_admin, &keys.auditor] {
        let caller = server.as_key(key);
        assert_eq!(ids(&caller.get(&list("acme")).await, "events").len(), 12);
        assert_eq!(ids(&caller.get(&list("emea")).await, "events"), even);
        assert_eq!(exported(&caller.get(&export("emea")).await), even);
        // Another tenant's name is that of an organisation which has no events.
        assert!(ids(&caller.get(&list("zeta")).await, "events").is_empty());
    }
    let caller = server.as_key(&keys.org_admin);
    for org in ["emea", "acme"] {
        assert_eq!(ids(&caller.get(&list(org)).await, "events"), even);
        assert_eq!(exported(&caller.get(&export(org)).await), even);
    }
    caller.get(&list("apac")).await.problem(404, &["\"apac\""]);
    caller.get(&export("apac")).await.problem(404, &["\"apac\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_export_and_everybody_sees_its_own() {
    let server = filled().await;
    let keys = keys(&server).await;
    let blue = names((1..=4).rev());
    let own = names((1..=6).rev());
    for (key, sees) in [(&keys.team_lead, blue), (&keys.user, own)] {
        let caller = server.as_key(key);
        let list = caller.get(&format!("{LIST}?{END}")).await;
        assert_eq!(ids(&list, "events"), sees);
        assert_eq!(list.json()["total"], sees.len());
        let refused = caller.get(&format!("{EXPORT}?{END}")).await;
        refused.problem(403, &["audit:export", "enterprise_admin"]);
    }
    let ingester = server.as_key(&keys.ingester);
    ingester.get(LIST).await.problem(403, &["audit:read"]);
    ingester.get(EXPORT).await.problem(403, &["audit:export"]);
}
