//! OpenClaw Enterprise: pages with totals, and the export for admins.

use auditlake_server::ServerConfig;
use serde_json::{Value, json};

use super::{exported, filled, ids, keys, names, sorted, started};
use crate::harness::{Server, event_with};

const LIST: &str = "/compat/openclaw/api/v1/audit";
const EXPORT: &str = "/compat/openclaw/api/v1/audit/export";
/// Behind it lies what the server recorded itself.
const END: &str = "endDate=2026-03-18";

/// The entry of the document, as the event it comes from.
fn documented() -> Value {
    json!({
        "id": "audit-a1b2c3",
        "type": "data_access",
        "occurred_at": "2026-03-13T14:30:00.000Z",
        "tenant_id": "acme-corp",
        "actor": {"kind": "user", "id": "user-123"},
        "outcome": "success",
        "classification": "internal",
        "policy": {
            "name": "connector-read-write-policy", "result": "allow",
            "reason": "Connector access allowed",
        },
        "context": {"request_id": "req-789"},
        "data": {
            "actionDetail": {
                "tool": "email_read", "params": {"messageId": "msg-456"}, "itemCount": 1,
            },
            "dataAccessed": [{
                "source": "gmail:msg-456", "classification": "internal",
                "purpose": "connector_read",
            }],
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_the_documented_one() {
    let server = started(ServerConfig::default()).await;
    server.take(&[documented()]).await;
    let answer = server.get(&format!("{LIST}?userId=user-123&pageSize=10")).await;
    assert_eq!(
        answer.json(),
        json!({
            "entries": [{
                "id": "audit-a1b2c3",
                "tenantId": "acme-corp",
                "userId": "user-123",
                "timestamp": "2026-03-13T14:30:00.000Z",
                "actionType": "data_access",
                "actionDetail": {
                    "tool": "email_read", "params": {"messageId": "msg-456"}, "itemCount": 1,
                },
                "dataAccessed": [{
                    "source": "gmail:msg-456", "classification": "internal",
                    "purpose": "connector_read",
                }],
                "modelUsed": null,
                "modelTokens": null,
                "dataClassification": "internal",
                "policyApplied": "connector-read-write-policy",
                "policyResult": "allow",
                "policyReason": "Connector access allowed",
                "outcome": "success",
                "requestId": "req-789",
            }],
            "pagination": {"page": 1, "pageSize": 10, "totalEntries": 1, "totalPages": 1},
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_other_systems_have_all_the_fields_too() {
    let server = started(ServerConfig::default()).await;
    let model = json!({
        "type": "model_call", "tool": "chat", "outcome": "pending",
        "data": {
            "modelUsed": "m-1", "modelTokens": {"input": 3, "output": 5}, "temperature": 0.50,
        },
    });
    server.take(&[event_with("model", model)]).await;
    let entry = &server.get(&format!("{LIST}?actionType=model_call")).await.json()["entries"][0];
    assert_eq!(entry["actionDetail"], json!({"tool": "chat", "temperature": 0.50}));
    assert_eq!(entry["modelUsed"], "m-1");
    assert_eq!(entry["modelTokens"], json!({"input": 3, "output": 5}));
    assert_eq!(entry["dataAccessed"], json!([]));
    assert_eq!(entry["outcome"], "pending_approval");
    assert_eq!(entry["policyApplied"], Value::Null);
    let csv = server.get(&format!("{EXPORT}?format=csv&actionType=model_call")).await;
    assert_eq!(
        csv.text(),
        "id,tenantId,userId,timestamp,actionType,actionDetail,dataAccessed,modelUsed,\
         modelTokens,dataClassification,policyApplied,policyResult,policyReason,outcome,\
         requestId\n\
         model,acme,u_17,2026-03-01T12:00:00.000Z,model_call,\
         \"{\"\"tool\"\":\"\"chat\"\",\"\"temperature\"\":0.5}\",[],m-1,\
         \"{\"\"input\"\":3,\"\"output\"\":5}\",,,,,pending_approval,\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_number_hold_every_entry_once() {
    let server = filled().await;
    let all = server.get(&format!("{LIST}?{END}&userId=u2")).await;
    assert_eq!(
        all.json()["pagination"],
        json!({"page": 1, "pageSize": 100, "totalEntries": 6, "totalPages": 1})
    );
    let mut walked = Vec::new();
    for page in 1..=3 {
        let answer = server.get(&format!("{LIST}?{END}&userId=u2&pageSize=4&page={page}")).await;
        walked.extend(ids(&answer, "entries"));
        assert_eq!(
            answer.json()["pagination"],
            json!({"page": page, "pageSize": 4, "totalEntries": 6, "totalPages": 2})
        );
    }
    assert_eq!(walked, names((7..=12).rev()));
    let far = server.get(&format!("{LIST}?{END}&page={}&pageSize=1000", usize::MAX)).await;
    assert!(ids(&far, "entries").is_empty());
    let none = server.get(&format!("{LIST}?userId=nobody")).await;
    assert_eq!(none.json()["pagination"]["totalPages"], 0);
}

/// An event for each value that a parameter may have.
async fn varied() -> Server {
    let server = started(ServerConfig::default()).await;
    let types = [
        "tool_invocation",
        "data_access",
        "model_call",
        "policy_decision",
        "agent_exchange",
        "policy_change",
    ];
    let (results, outcomes) = (
        ["allow", "deny", "require_approval"],
        ["success", "denied", "error", "failure", "partial", "pending"],
    );
    let classes = ["public", "internal", "confidential", "restricted"];
    let events: Vec<Value> = (0..12)
        .map(|n| {
            event_with(
                &format!("v{n:02}"),
                json!({
                    "type": types[n % 6], "policy": {"result": results[n % 3]},
                    "outcome": outcomes[n % 6], "classification": classes[n % 4],
                    "context": {"request_id": format!("req-{n}")},
                    "occurred_at": format!("2026-03-01T12:00:{n:02}Z"),
                }),
            )
        })
        .collect();
    server.take(&events).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_alike_in_list_and_export() {
    let server = varied().await;
    for (filter, wanted) in [
        ("userId=u_17", (0..12).collect::<Vec<usize>>()),
        ("actionType=model_call", vec![2, 8]),
        ("policyResult=deny", vec![1, 4, 7, 10]),
        ("policyResult=require_approval&actionType=policy_change", vec![5, 11]),
        ("outcome=success", vec![0, 6]),
        ("outcome=denied", vec![1, 7]),
        ("outcome=error", vec![2, 3, 4, 8, 9, 10]),
        ("outcome=pending_approval", vec![5, 11]),
        ("dataClassification=restricted", vec![3, 7, 11]),
        ("startDate=2026-03-01T12:00:10Z", vec![10, 11]),
        ("startDate=2026-03-01T12:00:03Z&endDate=2026-03-01T12:00:04Z", vec![3, 4]),
        ("requestId=req-1", vec![1]),
        ("requestId=req-%2A", vec![]),
    ] {
        let wanted: Vec<String> = wanted.into_iter().map(|n| format!("v{n:02}")).collect();
        // Exports and keys are events as well, of whoever made them.
        let parameters = format!("{filter}&endDate=2026-03-18");
        let parameters = if filter.contains("endDate") { filter } else { parameters.as_str() };
        let list = server.get(&format!("{LIST}?{parameters}")).await;
        assert_eq!(sorted(ids(&list, "entries")), wanted, "{filter}");
        let export = server.get(&format!("{EXPORT}?{parameters}&format=jsonl")).await;
        assert_eq!(sorted(exported(&export)), wanted, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_the_documented_formats() {
    let server = filled().await;
    let uri = format!("{EXPORT}?{END}&userId=u1");
    let json = server.get(&uri).await;
    assert_eq!(json.header("content-type"), "application/json");
    let disposition = "attachment; filename=\"openclaw-audit-20260319.json\"";
    assert_eq!(json.header("content-disposition"), disposition);
    assert_eq!(json.json().as_array().unwrap().len(), 7, "six of acme and the one of zeta");
    assert_eq!(server.get(&format!("{uri}&format=json")).await.body, json.body);

    let jsonl = server.get(&format!("{uri}&format=jsonl")).await;
    assert_eq!(jsonl.header("content-type"), "application/x-ndjson");
    assert!(jsonl.header("content-disposition").ends_with(".jsonl\""));
    let lines: Vec<Value> =
        jsonl.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::Array(lines), json.json());

    let csv = server.get(&format!("{uri}&format=csv")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(exported(&csv).len(), 7);
    let none = server.get(&format!("{EXPORT}?userId=nobody")).await;
    assert_eq!(none.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_allowed() {
    let server = started(ServerConfig::default()).await;
    for (path, parameters, words) in [
        (LIST, "page=0", &["parameter page", "at least 1"][..]),
        (LIST, "pageSize=0", &["pageSize", "1 to 1000"]),
        (LIST, "pageSize=1001", &["pageSize", "1 to 1000"]),
        (LIST, "actionType=login", &["actionType", "tool_invocation, data_access, model_call"]),
        (LIST, "policyResult=maybe", &["policyResult", "allow, deny, require_approval"]),
        (LIST, "outcome=failure", &["outcome", "success, denied, error, pending_approval"]),
        (LIST, "dataClassification=secret", &["dataClassification", "public, internal"]),
        (LIST, "startDate=soon", &["parameter startDate", "\"soon\""]),
        (LIST, "tenantId=acme", &["parameter tenantId", "userId"]),
        (EXPORT, "page=1", &["parameter page", "format"]),
        (EXPORT, "pageSize=1", &["parameter pageSize", "format"]),
        (EXPORT, "format=ndjson", &["format", "json, csv, jsonl"]),
    ] {
        server.get(&format!("{path}?{parameters}")).await.problem(400, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_see_what_the_document_says_and_two_of_them_export() {
    let server = filled().await;
    let keys = keys(&server).await;
    let even = names((1..=6).map(|half| 2 * half));
    for (key, role, sees, exports) in [
        (&keys.enterprise_admin, "enterprise_admin", names(1..=12), true),
        (&keys.org_admin, "org_admin", even, true),
        (&keys.team_lead, "team_lead", names(1..=4), false),
        (&keys.user, "user", names(1..=6), false),
        (&keys.auditor, "auditor", names(1..=12), false),
    ] {
        let caller = server.as_key(key);
        let list = caller.get(&format!("{LIST}?{END}")).await;
        assert_eq!(sorted(ids(&list, "entries")), sees, "{role}");
        assert_eq!(list.json()["pagination"]["totalEntries"], sees.len(), "{role}");
        let export = caller.get(&format!("{EXPORT}?{END}&format=jsonl")).await;
        if exports {
            assert_eq!(sorted(exported(&export)), sees, "{role}");
        } else {
            let words = ["enterprise_admin or org_admin role", role];
            let problem = export.problem(403, &words);
            assert_eq!(problem["role"], role);
        }
    }
    let ingester = server.as_key(&keys.ingester);
    ingester.get(LIST).await.problem(403, &["audit:read"]);
    ingester.get(EXPORT).await.problem(403, &["ingester"]);
}
