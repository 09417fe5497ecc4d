//! "Export the audit log" of the console platform, as far as the server answers it: the shape
//! of rows and lines, the queued job, its file, and the event that tells of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Stage, csv_records, json_lines};

const HEADER: &str =
    "id,type,occurred_at,actor_kind,actor_id,target_kind,target_id,outcome,context_ip";
const READY: Duration = Duration::from_secs(60);

fn signed_in() -> Value {
    json!({
        "id": "evt_01HZ", "type": "user.signed_in", "occurred_at": "2026-05-17T08:00:00Z",
        "tenant_id": "acme", "actor": {"kind": "user", "id": "usr_01HZX"},
        "target": {"kind": "session", "id": "ses_01HZY"}, "outcome": "success",
        "context": {"ip": "203.0.113.45"}, "data": {"method": {"kind": "passkey"}},
    })
}

async fn stage() -> (Stage, String) {
    let stage = Stage::start("openclaw").await;
    let mut admin = signed_in();
    admin["id"] = "evt_02".into();
    admin["type"] = "admin.key_made".into();
    stage.take(&[signed_in(), admin]).await;
    let key = stage.key(json!({"role": "auditor", "tenant_id": "acme"})).await;
    (stage, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_lines_have_the_documented_shape() {
    let (stage, key) = stage().await;
    let filter = "type=user.signed_in";
    let path = format!("/v1/events/export?format=csv&columns={HEADER}&{filter}");
    let csv = csv_records(&stage.get(&path, &key).text);
    assert_eq!(csv[0].join(","), HEADER);
    assert_eq!(
        csv[1].join(","),
        "evt_01HZ,user.signed_in,2026-05-17T08:00:00.000000Z,user,usr_01HZX,session,ses_01HZY,\
         success,203.0.113.45"
    );
    let lines = json_lines(&stage.get(&format!("/v1/events/export?{filter}"), &key).text);
    let mut wanted = signed_in();
    wanted["occurred_at"] = "2026-05-17T08:00:00.000000Z".into();
    for (name, value) in wanted.as_object().expect("an object") {
        assert_eq!(&lines[0][name], value, "{name}");
    }
    let all = csv_records(&stage.get(&format!("/v1/events/export?format=csv&{filter}"), &key).text);
    let place = all[0].iter().position(|name| name == "data_json").expect("a column data_json");
    assert_eq!(all[1][place], r#"{"method":{"kind":"passkey"}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_queued_made_fetched_and_told_of() {
    let (stage, key) = stage().await;
    let body = json!({"format": "ndjson", "filter": {"type": "admin.*"}});
    let command = format!(
        "curl -sS -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \
         -d '{body}' {}/v1/exports",
        stage.host()
    );
    let made = stage.bash(&command, &key);
    assert_eq!(made.status, 202, "{}", made.text);
    let id = made.json()["id"].as_str().expect("a job has an id").to_owned();
    let path = format!("/v1/exports/{id}");
    assert_eq!(made.header("location"), path);
    let started = Instant::now();
    let job = loop {
        let job = stage.get(&path, &key).json();
        if job["state"] == "ready" {
            break job;
        }
        assert!(started.elapsed() < READY, "the export is not ready: {job}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let url = job["files"][0]["url"].as_str().expect("one file");
    let file = stage.get(url, &key);
    let ids: Vec<Value> = json_lines(&file.text).iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["evt_02"]);
    let told = stage.get("/v1/events?type=audit.exported", &key).json();
    let told = &told["events"][0];
    assert_eq!(told["target"]["id"], id.as_str());
    assert_eq!(told["data"]["rows"], 1);
    assert!(told["actor"]["id"].is_string() && !told["data"]["filter"].is_null(), "{told}");
}
