//! "How To: Query the Audit Log" of OpenClaw Enterprise: every command of the guide.

use serde_json::{Value, json};

use crate::{Said, Stage, csv_records, json_lines};

const HOST: &str = "https://<your-openclaw-domain>";

const LIST_ACTIONS: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?userId=user-123&pageSize=10" \
| jq '.'"#;

const FIND_DENIALS: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?policyResult=deny&startDate=2026-03-01T00:00:00Z" \
| jq '.entries[] | {timestamp, userId, action: .actionDetail.tool, reason: .policyReason}'"#;

const FIND_MODEL_CALLS: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?actionType=model_call&dataClassification=confidential" \
| jq '.entries[] | {timestamp, userId, model: .modelUsed, tokens: .modelTokens}'"#;

const FIND_EXCHANGES: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?actionType=agent_exchange" \
| jq '.entries[] | {timestamp, userId, detail: .actionDetail}'"#;

const FIND_IN_RANGE: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?startDate=2026-03-10T00:00:00Z&endDate=2026-03-13T23:59:59Z&pageSize=50" \
| jq '.entries | length'"#;

const TRACE_REQUEST: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?requestId=req-789" \
| jq '.'"#;

const FIND_POLICY_CHANGES: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?actionType=policy_change" \
| jq '.entries[] | {timestamp, userId, detail: .actionDetail}'"#;

const EXPORT_QUARTER: &str = r#"curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit/export?startDate=2026-01-01T00:00:00Z&endDate=2026-03-31T23:59:59Z&format=json" \
-o audit-export-q1-2026.json"#;

const EXPORT_DENIALS: &str = r#"# Export all denied actions for Q1 2026
curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit/export?policyResult=deny&startDate=2026-01-01T00:00:00Z&endDate=2026-03-31T23:59:59Z&format=csv" \
-o denied-actions-q1.csv"#;

const PAGE_1: &str = r#"# Page 1 (default)
curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?pageSize=100&page=1""#;

const PAGE_2: &str = r#"# Page 2
curl -s -H "Authorization: Bearer $TOKEN" \
"https://<your-openclaw-domain>/api/v1/audit?pageSize=100&page=2""#;

/// The fields that the guide explains, in the order of its example.
const FIELDS: [&str; 15] = [
    "id",
    "tenantId",
    "userId",
    "timestamp",
    "actionType",
    "actionDetail",
    "dataAccessed",
    "modelUsed",
    "modelTokens",
    "dataClassification",
    "policyApplied",
    "policyResult",
    "policyReason",
    "outcome",
    "requestId",
];

/// The entry that the guide shows.
fn shown() -> Value {
    json!({
        "id": "audit-a1b2c3",
        "tenantId": "acme-corp",
        "userId": "user-123",
        "timestamp": "2026-03-13T14:30:00.000Z",
        "actionType": "data_access",
        "actionDetail": {
            "tool": "email_read", "params": {"messageId": "msg-456"}, "itemCount": 1,
        },
        "dataAccessed": [{
            "source": "gmail:msg-456", "classification": "internal", "purpose": "connector_read",
        }],
        "modelUsed": null,
        "modelTokens": null,
        "dataClassification": "internal",
        "policyApplied": "connector-read-write-policy",
        "policyResult": "allow",
        "policyReason": "Connector access allowed",
        "outcome": "success",
        "requestId": "req-789",
    })
}

/// An event of acme-corp; `more` goes over what every event has.
fn event(id: &str, kind: &str, at: &str, more: &Value) -> Value {
    let mut event = json!({
        "id": id, "type": kind, "occurred_at": at, "tenant_id": "acme-corp", "org_id": "sales",
        "team_id": "east", "actor": {"kind": "user", "id": "user-200"}, "outcome": "success",
    });
    for (key, value) in more.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event
}

/// What the guide tells of: 247 actions of a user, denials, model calls, exchanges, a change.
fn seeded() -> Vec<Value> {
    let policy = json!({
        "name": "connector-read-write-policy", "result": "allow",
        "reason": "Connector access allowed",
    });
    let own = json!({
        "actor": {"kind": "user", "id": "user-123"}, "classification": "internal",
        "policy": policy, "context": {"request_id": "req-789"},
        "data": {
            "actionDetail": shown()["actionDetail"], "dataAccessed": shown()["dataAccessed"],
        },
    });
    let mut events = vec![event("audit-a1b2c3", "data_access", "2026-03-13T14:30:00.000Z", &own)];
    for number in 1..247 {
        let (day, hour, minute) = (10 + number % 3, number / 60, number % 60);
        let mut more = own.clone();
        more["context"] = json!({"request_id": format!("req-{number}")});
        let at = format!("2026-03-{day}T{hour:02}:{minute:02}:00Z");
        events.push(event(&format!("own-{number}"), "data_access", &at, &more));
    }
    for (number, day) in ["2026-01-10", "2026-02-10", "2026-03-02", "2026-03-31"].iter().enumerate()
    {
        let more = json!({
            "tool": "shell", "outcome": "denied",
            "policy": {"name": "no-shell", "result": "deny", "reason": "No shell for agents"},
        });
        // The last one lies within the last second of the quarter.
        let at = format!("{day}T23:59:59.750Z");
        events.push(event(&format!("deny-{number}"), "policy_decision", &at, &more));
    }
    for (number, class) in ["confidential", "internal"].into_iter().enumerate() {
        let more = json!({
            "classification": class,
            "data": {"modelUsed": "m-large", "modelTokens": {"input": 812, "output": 96}},
        });
        events.push(event(&format!("model-{number}"), "model_call", "2026-02-01T08:00:00Z", &more));
    }
    let more = json!({"data": {"actionDetail": {"peer": "agent-7", "protocol": "OCIP"}}});
    events.push(event("exchange", "agent_exchange", "2026-02-02T08:00:00Z", &more));
    let more = json!({"data": {"actionDetail": {"policy": "no-shell", "version": 2}}});
    events.push(event("change", "policy_change", "2026-02-03T08:00:00Z", &more));
    let more = json!({"tool": "email_read", "context": {"request_id": "req-789"}});
    events.push(event("traced", "tool_invocation", "2026-03-13T14:29:59.900Z", &more));
    // Of another organisation, and of another tenant.
    let more = json!({"org_id": "research", "team_id": "west", "policy": {"result": "deny"}});
    events.push(event("research", "policy_decision", "2026-04-01T00:00:00Z", &more));
    let mut canary = events[0].clone();
    canary["tenant_id"] = "other-corp".into();
    events.push(canary);
    events
}

fn of_acme() -> impl Iterator<Item = Value> {
    seeded().into_iter().filter(|event| event["tenant_id"] == "acme-corp")
}

struct Guide {
    stage: Stage,
    token: String,
    /// What stands for the host: at the root, or under `/compat`.
    base: String,
}

impl Guide {
    /// Runs a command of the guide.
    fn run(&self, command: &str) -> Said {
        let said = self.stage.bash(&command.replace(HOST, &self.base), &self.token);
        assert_eq!(said.status, 200, "{command}: {}", said.text);
        said
    }
}

async fn guide() -> Guide {
    let stage = Stage::start("openclaw").await;
    stage.take(&seeded()).await;
    let token = stage.key(json!({"role": "enterprise_admin", "tenant_id": "acme-corp"})).await;
    let base = stage.host();
    Guide { stage, token, base }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_guide_finds_what_it_says() {
    let mut guide = guide().await;
    let root = guide.base.clone();
    for base in [root.clone(), format!("{root}/compat/openclaw")] {
        guide.base = base;
        queries(&guide);
    }
}

fn queries(guide: &Guide) {
    let page = guide.run(LIST_ACTIONS).json();
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(10));
    assert_eq!(page["entries"][0], shown());
    assert_eq!(
        page["pagination"],
        json!({"page": 1, "pageSize": 10, "totalEntries": 247, "totalPages": 25})
    );

    let denials = guide.run(FIND_DENIALS).values();
    assert_eq!(denials.len(), 3, "two of March and one of another organisation");
    assert_eq!(
        denials[2],
        json!({
            "timestamp": "2026-03-02T23:59:59.750Z", "userId": "user-200", "action": "shell",
            "reason": "No shell for agents",
        })
    );
    assert_eq!(
        guide.run(FIND_MODEL_CALLS).values(),
        [json!({
            "timestamp": "2026-02-01T08:00:00.000Z", "userId": "user-200", "model": "m-large",
            "tokens": {"input": 812, "output": 96},
        })]
    );
    assert_eq!(
        guide.run(FIND_EXCHANGES).values(),
        [json!({
            "timestamp": "2026-02-02T08:00:00.000Z", "userId": "user-200",
            "detail": {"peer": "agent-7", "protocol": "OCIP"},
        })]
    );
    assert_eq!(guide.run(FIND_IN_RANGE).text.trim(), "50");
    let traced = guide.run(TRACE_REQUEST).json();
    let ids: Vec<&Value> = (0..2).map(|place| &traced["entries"][place]["id"]).collect();
    assert_eq!(ids, ["audit-a1b2c3", "traced"]);
    assert_eq!(traced["pagination"]["totalEntries"], 2);
    assert_eq!(guide.run(FIND_POLICY_CHANGES).values()[0]["detail"]["version"], 2);

    let (first, second) = (guide.run(PAGE_1).json(), guide.run(PAGE_2).json());
    let mut ids: Vec<String> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["entries"].as_array().expect("entries"))
        .map(|entry| entry["id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200, "two pages of a hundred, and no entry on both");
    let numbers = [&first, &second].map(|page| page["pagination"]["page"].as_u64());
    assert_eq!(numbers, [Some(1), Some(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_have_the_documented_fields_in_their_order() {
    let guide = guide().await;
    let text = guide.stage.get("/api/v1/audit?userId=user-123&pageSize=1", &guide.token).text;
    let places: Vec<_> = FIELDS.iter().map(|field| text.find(&format!("\"{field}\":"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    let csv = guide.stage.get("/api/v1/audit/export?format=csv&userId=user-123", &guide.token);
    assert_eq!(csv_records(&csv.text)[0], FIELDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_exports_of_the_guide_hold_the_quarter() {
    let guide = guide().await;
    let is_in_quarter = |event: &Value| {
        let at = event["occurred_at"].as_str().expect("a time");
        ("2026-01-01".."2026-04-01").contains(&at)
    };
    let quarter = of_acme().filter(is_in_quarter).count();
    let json = guide.run(EXPORT_QUARTER);
    assert_eq!(json.header("content-type"), "application/json");
    assert!(json.header("content-disposition").starts_with("attachment; filename="));
    let file: Value = serde_json::from_str(&guide.stage.file("audit-export-q1-2026.json"))
        .expect("the file is one JSON array");
    let entries = file.as_array().expect("the file is one JSON array");
    assert_eq!(entries.len(), quarter);
    assert!(entries.contains(&shown()));

    let csv = guide.run(EXPORT_DENIALS);
    assert!(csv.header("content-type").starts_with("text/csv"));
    let records = csv_records(&guide.stage.file("denied-actions-q1.csv"));
    assert_eq!(records.len(), 1 + 4, "a row for each entry, under a header");
    assert_eq!(records[0], FIELDS);

    let path = "/api/v1/audit/export?format=jsonl&endDate=2026-03-31";
    let jsonl = guide.stage.get(path, &guide.token);
    assert_eq!(jsonl.header("content-type"), "application/x-ndjson");
    assert_eq!(json_lines(&jsonl.text).len(), quarter);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_sees_and_exports_what_the_guide_says() {
    let guide = guide().await;
    let stage = &guide.stage;
    let place = |role: &str, name: &str, value: &str| json!({"role": role, "tenant_id": "acme-corp", name: value});
    let count = |wanted: &dyn Fn(&Value) -> bool| of_acme().filter(|event| wanted(event)).count();
    for (wanted, sees, exports) in [
        (place("org_admin", "org_id", "sales"), count(&|event| event["org_id"] == "sales"), true),
        (place("team_lead", "team_id", "west"), count(&|event| event["team_id"] == "west"), false),
        (
            place("user", "user_id", "user-200"),
            count(&|event| event["actor"]["id"] == "user-200"),
            false,
        ),
    ] {
        let key = stage.key(wanted.clone()).await;
        // Until then the lake holds nothing but what was put into it.
        let list = stage.get("/api/v1/audit?endDate=2026-04-30", &key).json();
        assert_eq!(list["pagination"]["totalEntries"], sees, "{wanted}");
        let export = stage.get("/api/v1/audit/export?format=jsonl&endDate=2026-04-30", &key);
        if exports {
            assert_eq!(json_lines(&export.text).len(), sees, "{wanted}");
        } else {
            assert_eq!(export.status, 403, "{wanted}");
            let detail = export.json()["detail"].to_string();
            assert!(detail.contains("enterprise_admin or org_admin role"), "{detail}");
        }
    }
}
