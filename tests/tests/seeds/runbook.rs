//! "Export Audit Log" of the runbook operator: its command, its two formats, and its answer to
//! a large export.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Stage, csv_records};

const EXPORT: &str = r"curl --request GET \
--url http://{host}:{port}/{basePath}/audit/export \
--header 'Authorization: <api-key>'";

const CSV: &str = "\
id,timestamp,action,user,role,resource,resourceType,namespace,sourceIP,checksum
audit-20260301-001,2026-03-01T00:05:00Z,runbook.create,admin@empresa.com,admin,runbook-disk-cleanup,Runbook,production,10.0.1.10,sha256:a1b2c3d4...
audit-20260301-002,2026-03-01T01:15:00Z,incident.acknowledge,carlos.silva@empresa.com,operator,INC-20260301-001,Incident,production,10.0.1.50,sha256:e5f6g7h8...";

const READY: Duration = Duration::from_secs(120);

/// The two records of the document, and so many more of the same organisation.
fn seeded(count: usize) -> Vec<Value> {
    let shown = csv_records(CSV);
    let mut events: Vec<Value> = shown[1..].iter().map(|cells| of_record(cells)).collect();
    for number in events.len()..count {
        let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
        let mut event = events[number % 2].clone();
        event["id"] = format!("audit-20260302-{number:05}").into();
        let at = format!("2026-03-02T{hour:02}:{minute:02}:{second:02}Z");
        event["occurred_at"] = at.into();
        events.push(event);
    }
    events
}

/// The event that a record of the document comes from.
fn of_record(cells: &[String]) -> Value {
    json!({
        "id": cells[0], "occurred_at": cells[1], "type": cells[2],
        "tenant_id": "empresa", "org_id": "ops", "namespace": cells[7],
        "actor": {"kind": "user", "id": "u-1", "email": cells[3], "role": cells[4]},
        "target": {"kind": cells[6], "id": cells[5]}, "context": {"ip": cells[8]},
    })
}

/// A lake of so many records, and the key of who may see these and nothing else.
async fn stage(count: usize) -> (Stage, String) {
    let stage = Stage::plain("runbook").await;
    stage.take(&seeded(count)).await;
    let place = json!({"role": "org_admin", "tenant_id": "empresa", "org_id": "ops"});
    let key = stage.key(place).await;
    (stage, key)
}

/// The command of the document, with what goes into its braces; `query` goes behind the URL.
fn command(stage: &Stage, base_path: &str, query: &str, key: &str) -> String {
    let url = format!("{}/{base_path}/audit/export{query}", stage.host());
    EXPORT.replace("http://{host}:{port}/{basePath}/audit/export", &url).replace("<api-key>", key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_gives_the_documented_envelope() {
    let (stage, key) = stage(1250).await;
    let said = stage.bash(&command(&stage, "api/v1", "", &key), "");
    assert_eq!(said.status, 200, "{}", said.text);
    assert_eq!(said.header("content-type"), "application/json");
    let export = said.json();
    assert_eq!((&export["apiVersion"], &export["kind"]), (&json!("v1"), &json!("AuditExport")));
    let metadata = &export["metadata"];
    assert_eq!(metadata["totalRecords"], 1250);
    assert_eq!(metadata["format"], "json");
    assert_eq!(metadata["from"], "2026-03-01T00:05:00Z", "of the oldest record");
    assert_eq!(metadata["to"], metadata["exportedAt"], "now");
    let records = export["records"].as_array().expect("records");
    assert_eq!(records.len(), 1250);
    let mut first = records[0].clone();
    let checksum = first["checksum"].take();
    let digest = checksum.as_str().and_then(|text| text.strip_prefix("sha256:")).expect("a digest");
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(
        first,
        json!({
            "id": "audit-20260301-001", "timestamp": "2026-03-01T00:05:00Z",
            "action": "runbook.create", "user": "admin@empresa.com", "role": "admin",
            "resource": "runbook-disk-cleanup", "resourceType": "Runbook",
            "namespace": "production", "sourceIP": "10.0.1.10", "checksum": null,
        })
    );
    // The same under `/compat`, and with the scheme that the document names further down.
    let range = "?to=2026-03-31T00:00:00Z";
    let wanted = stage.bash(&command(&stage, "api/v1", range, &key), "").json()["records"].take();
    let compat = "compat/runbook/api/v1";
    for key in [key.clone(), format!("Bearer {key}")] {
        let said = stage.bash(&command(&stage, compat, range, &key), "");
        assert_eq!(said.json()["records"], wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_is_the_documented_file() {
    let (stage, key) = stage(2).await;
    let said = stage.bash(&command(&stage, "api/v1", "?format=csv", &key), "");
    assert!(said.header("content-type").starts_with("text/csv"));
    let name = said.header("content-disposition");
    let day = name.strip_prefix("attachment; filename=\"audit-export-");
    let day = day.and_then(|rest| rest.strip_suffix(".csv\"")).expect("the documented name");
    assert!(day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
    let (mut given, mut shown) = (csv_records(&said.text), csv_records(CSV));
    for record in given.iter_mut().chain(&mut shown).filter(|record| record[0] != "id") {
        let checksum = record.pop().expect("a checksum");
        assert!(checksum.starts_with("sha256:"), "{checksum}");
    }
    assert_eq!(given, shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_export_is_a_job_with_a_download() {
    let (stage, key) = stage(45_000).await;
    let said = stage.bash(&command(&stage, "api/v1", "", &key), "");
    assert_eq!(said.status, 202, "{}", said.text);
    let job = said.json();
    let id = job["metadata"]["jobId"].as_str().expect("a job has an id");
    let expires_at = job["status"]["expiresAt"].as_str().expect("a job expires");
    let url = format!("/api/v1/audit/export/download/{id}");
    assert_eq!(
        job,
        json!({
            "apiVersion": "v1",
            "kind": "AuditExportJob",
            "metadata": {"jobId": id},
            "status": {
                "state": "processing", "estimatedRecords": 45_000, "downloadUrl": url,
                "expiresAt": expires_at,
            },
        })
    );
    assert!(expires_at.len() == "2026-03-19T22:00:00Z".len() && expires_at.ends_with('Z'));
    let started = Instant::now();
    let file = loop {
        let said = stage.get(&url, &key);
        if said.status == 200 {
            break said;
        }
        assert_eq!((said.status, &said.json()["kind"]), (202, &json!("AuditExportJob")));
        assert!(started.elapsed() < READY, "the export is not ready: {}", said.text);
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(file.header("content-disposition").contains("filename=\"audit-export-"));
    let export = file.json();
    assert_eq!(export["kind"], "AuditExport");
    assert_eq!(export["metadata"]["totalRecords"], 45_000);
    assert_eq!(export["metadata"]["from"], "2026-03-01T00:05:00Z");
    assert_eq!(export["records"].as_array().map(Vec::len), Some(45_000));
}
