//! "Audit log export (CSV/JSON) for SIEM integration" of ClawForge: what its acceptance criteria
//! ask of the endpoint. The issue shows a call and no command, so curl calls it.

use serde_json::{Value, json};

use crate::{Stage, csv_records, json_lines};

/// The call of the issue, with the organisation put in.
const CALL: &str = "/api/v1/audit/:orgId/export";

/// More events than an export has rows if nobody asks for more.
const EVENTS: usize = 10_500;

async fn stage() -> (Stage, String) {
    let stage = Stage::start("clawforge").await;
    let events: Vec<Value> = (0..EVENTS)
        .map(|n| {
            let (hour, minute, second) = (n / 3600, n / 60 % 60, n % 60);
            json!({
                "id": format!("e{n}"), "tenant_id": "acme", "org_id": "org-1",
                "type": if n % 100 == 0 { "tool.denied" } else { "tool.called" },
                "occurred_at": format!("2026-03-01T{hour:02}:{minute:02}:{second:02}Z"),
                "actor": {"kind": "user", "id": format!("user-{}", n % 10)},
                "tool": if n % 2 == 0 { "shell" } else { "browser" },
                "outcome": if n % 100 == 0 { "denied" } else { "success" },
                "data": {"command": "=cmd|' /C calc'!A0"},
            })
        })
        .collect();
    stage.take(&events).await;
    let place = json!({"role": "org_admin", "tenant_id": "acme", "org_id": "org-1"});
    let key = stage.key(place).await;
    (stage, key)
}

fn call(query: &str) -> String {
    format!("{}{query}", CALL.replace(":orgId", "org-1"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_formats_respect_filters_and_limits() {
    let (stage, key) = stage().await;
    let json = stage.get(&call("?endDate=2026-03-01"), &key);
    assert_eq!(json.header("content-type"), "application/x-ndjson");
    assert!(json.header("content-disposition").starts_with("attachment; filename="));
    assert_eq!(json_lines(&json.text).len(), 10_000, "the default limit");
    assert_eq!(json.header("x-total-count"), EVENTS.to_string());
    assert_eq!(json.header("x-truncated"), "true");

    let whole = stage.get(&call("?endDate=2026-03-01&limit=100000&format=csv"), &key);
    assert!(whole.header("content-type").starts_with("text/csv"));
    assert_eq!(csv_records(&whole.text).len(), 1 + EVENTS);
    assert_eq!(whole.header("x-truncated"), "false");

    let query = "?format=json&startDate=2026-03-01T00:00:00Z&endDate=2026-03-01T00:59:59Z\
                 &userId=user-0&eventType=tool.denied&toolName=shell&outcome=denied";
    for base in ["", "/compat/clawforge"] {
        let some = stage.get(&format!("{base}{}", call(query)), &key);
        assert_eq!(json_lines(&some.text).len(), 36);
    }
    assert_eq!(stage.get(&call("?limit=100001"), &key).status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_admins_export() {
    let (stage, _) = stage().await;
    for (role, name) in [("user", "user_id"), ("team_lead", "team_id")] {
        let key = stage.key(json!({"role": role, "tenant_id": "acme", name: "user-1"})).await;
        let refused = stage.get(&call(""), &key);
        assert_eq!(refused.status, 403, "{}", refused.text);
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    assert_eq!(stage.get(&call(""), "alk_nobody").status, 401);
}
