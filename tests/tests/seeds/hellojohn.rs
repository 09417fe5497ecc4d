//! "Exporting Audit Logs" of HelloJohn: its commands, its requests, and its nightly script.

use serde_json::{Value, json};

use crate::{Said, Stage, csv_records, json_lines};

const HOST: &str = "https://auth.yourdomain.com";
const TOKEN: &str = "<admin_api_key>";

const EXPORT_JANUARY: &str = r#"curl "https://auth.yourdomain.com/v1/audit-logs/export\
?format=csv\
&from=2024-01-01T00:00:00Z\
&to=2024-01-31T23:59:59Z" \
  -H "Authorization: Bearer <admin_api_key>" \
  -o audit_logs_january.csv"#;

const EXPORT_NDJSON: &str = r#"curl "https://auth.yourdomain.com/v1/audit-logs/export?format=ndjson" \
  -H "Authorization: Bearer <admin_api_key>" \
  -o audit_logs.ndjson"#;

const CSV_REQUEST: &str =
    "GET /v1/audit-logs/export?format=csv&from=2024-01-01T00:00:00Z&to=2024-01-31T23:59:59Z
Authorization: Bearer <admin_api_key>
Accept: text/csv";

const JSON_REQUEST: &str = "GET /v1/audit-logs/export?format=json&from=2024-01-01T00:00:00Z
Authorization: Bearer <admin_api_key>
Accept: application/ndjson";

const CSV_COLUMNS: &str = "id,type,actor_id,actor_email,actor_type,resource_id,resource_type,
tenant_id,organization_id,ip_address,country,result,created_at,metadata";

/// The loop of the nightly script, with its parameters, as a shell has it.
const NIGHTLY: &str = r#"cursor=; : > logs.ndjson
while :; do
  page=$(curl -sS -G "https://auth.yourdomain.com/v1/audit-logs" \
    -H "Authorization: Bearer <admin_api_key>" \
    --data-urlencode "from=2024-01-15T00:00:00.000Z" \
    --data-urlencode "to=2024-01-16T00:00:00.000Z" \
    -d limit=200 ${cursor:+-d cursor=$cursor}) || exit 1
  jq -c '.data[]' <<< "$page" >> logs.ndjson
  jq -e '.meta.has_more == (.meta.cursor != null)' <<< "$page" > /dev/null || exit 2
  cursor=$(jq -r '.meta.cursor // empty' <<< "$page")
  [ -n "$cursor" ] || break
done"#;

/// Logs of January 2024, 450 of them on the fifteenth, and two beside it.
fn seeded() -> Vec<Value> {
    let log = |id: String, at: String| {
        json!({
            "id": id, "type": "user.login", "occurred_at": at, "tenant_id": "tnt_1",
            "org_id": "org_1", "actor": {"kind": "user", "id": "usr_1", "email": "ann@acme.test"},
            "target": {"kind": "session", "id": "ses_1"}, "outcome": "success",
            "context": {"ip": "203.0.113.45", "country": "DE"}, "data": {"method": "passkey"},
        })
    };
    let mut logs: Vec<Value> = (0..450)
        .map(|n| {
            // Many of them at once: pages break between logs of one time.
            let at = format!("2024-01-15T{:02}:00:00Z", n / 100);
            log(format!("n{n}"), at)
        })
        .collect();
    for (id, at) in [
        ("before", "2023-12-31T23:59:59.999999Z"),
        ("first", "2024-01-01T00:00:00Z"),
        ("eve", "2024-01-14T23:59:59.999999Z"),
        ("turn", "2024-01-16T00:00:00Z"),
        ("last", "2024-01-31T23:59:59.500Z"),
        ("after", "2024-02-01T00:00:00Z"),
    ] {
        logs.push(log(id.to_owned(), at.to_owned()));
    }
    logs
}

/// A request as the document writes it, as a command.
fn as_curl(request: &str) -> String {
    let mut lines = request.lines();
    let path = lines.next().and_then(|line| line.strip_prefix("GET ")).expect("a request line");
    let headers: String = lines.map(|line| format!(" -H '{line}'")).collect();
    format!("curl -sS '{HOST}{path}'{headers}")
}

struct Guide {
    stage: Stage,
    token: String,
    base: String,
}

impl Guide {
    fn run(&self, command: &str) -> Said {
        let command = command.replace(HOST, &self.base).replace(TOKEN, &self.token);
        let said = self.stage.bash(&command, &self.token);
        assert_eq!(said.status, 200, "{command}: {}", said.text);
        said
    }
}

async fn guide() -> Guide {
    let stage = Stage::start("hellojohn").await;
    stage.take(&seeded()).await;
    let token = stage.key(json!({"role": "enterprise_admin", "tenant_id": "tnt_1"})).await;
    let base = stage.host();
    Guide { stage, token, base }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_commands_and_both_requests_of_the_document_work() {
    let mut guide = guide().await;
    let root = guide.base.clone();
    for base in [root.clone(), format!("{root}/compat/hellojohn")] {
        guide.base = base;
        let said = guide.run(EXPORT_JANUARY);
        assert!(said.header("content-type").starts_with("text/csv"));
        assert!(said.header("content-disposition").starts_with("attachment; filename="));
        let january = guide.stage.file("audit_logs_january.csv");
        let records = csv_records(&january);
        assert_eq!(records[0].join(","), CSV_COLUMNS.replace('\n', ""));
        let ids: Vec<&str> = records.iter().skip(1).map(|record| record[0].as_str()).collect();
        assert_eq!(ids.len(), 454, "all of January");
        assert!(ids.contains(&"last") && !ids.contains(&"after") && !ids.contains(&"before"));
        assert_eq!(guide.run(&as_curl(CSV_REQUEST)).text, january);

        let json = guide.run(&as_curl(JSON_REQUEST));
        assert_eq!(json.header("content-type"), "application/x-ndjson");
        let logs = json_lines(&json.text);
        assert!(logs.iter().any(|log| log["id"] == "after"));
        assert!(!logs.iter().any(|log| log["id"] == "before"));

        let said = guide.run(EXPORT_NDJSON);
        assert_eq!(said.header("content-type"), "application/x-ndjson");
        let all = json_lines(&guide.stage.file("audit_logs.ndjson"));
        assert_eq!(all.iter().filter(|log| log["type"] == "user.login").count(), 456);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nightly_script_gets_the_day_and_nothing_twice() {
    let guide = guide().await;
    guide.run(NIGHTLY);
    let logs = json_lines(&guide.stage.file("logs.ndjson"));
    assert_eq!(logs.len(), 450);
    let mut ids: Vec<String> = logs.iter().map(|log| log["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 450);
    assert_eq!(
        logs[0],
        json!({
            "id": logs[0]["id"], "type": "user.login", "actor_id": "usr_1",
            "actor_email": "ann@acme.test", "actor_type": "user", "resource_id": "ses_1",
            "resource_type": "session", "tenant_id": "tnt_1", "organization_id": "org_1",
            "ip_address": "203.0.113.45", "country": "DE", "result": "success",
            "created_at": "2024-01-15T04:00:00.000000Z", "metadata": {"method": "passkey"},
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_appended_and_nothing_else() {
    let guide = guide().await;
    for method in ["DELETE", "PUT", "PATCH"] {
        let url = format!("{}/v1/audit-logs", guide.base);
        let command = format!("curl -sS -X {method} -H \"Authorization: Bearer $TOKEN\" {url}");
        assert_eq!(guide.stage.bash(&command, &guide.token).status, 405, "{method}");
    }
}
