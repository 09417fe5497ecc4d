//! The runbook operator: small exports at once, large ones as a job with a download.

use std::time::Duration;

use auditlake_server::{ServerConfig, background};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{exported, filled, keys, names, started};
use crate::harness::{Answer, Server, event_with};

const EXPORT: &str = "/compat/runbook/api/v1/audit/export";
/// Behind it lies what the server recorded itself.
const END: &str = "to=2026-03-18";

/// The ids of the records of an envelope.
fn records(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let records = json["records"].as_array().unwrap();
    assert_eq!(json["metadata"]["totalRecords"], records.len());
    records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_comes_in_the_documented_envelope() {
    let server = filled().await;
    let answer = server.get(&format!("{EXPORT}?from=2026-03-01T00:00:00Z&action=tool.run")).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let disposition = "attachment; filename=\"audit-export-20260319.json\"";
    assert_eq!(answer.header("content-disposition"), disposition);
    assert_eq!(records(&answer), ["e03", "canary", "e06", "e09", "e12"]);
    let mut json = answer.json();
    let checksum = json["records"][0]["checksum"].take();
    assert!(checksum.as_str().is_some_and(|text| text.starts_with("sha256:")), "{checksum}");
    assert_eq!(
        json["records"][0],
        json!({
            "id": "e03", "timestamp": "2026-03-03T12:00:00Z", "action": "tool.run",
            "user": "u1@acme.test", "role": "admin", "resource": "r3",
            "resourceType": "Runbook", "namespace": "staging", "sourceIP": "10.0.0.3",
            "checksum": null,
        })
    );
    json["records"].take();
    assert_eq!(
        json,
        json!({
            "apiVersion": "v1",
            "kind": "AuditExport",
            "metadata": {
                "exportedAt": "2026-03-19T16:00:00Z",
                "from": "2026-03-01T00:00:00Z",
                "to": "2026-03-19T16:00:00Z",
                "totalRecords": 5,
                "format": "json",
            },
            "records": null,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_without_bounds_goes_from_the_oldest_record_to_now() {
    let server = filled().await;
    let range = |answer: Answer| {
        let metadata = answer.json()["metadata"].take();
        (metadata["from"].clone(), metadata["to"].clone())
    };
    let now = || json!("2026-03-19T16:00:00Z");
    let all = server.get(&format!("{EXPORT}?namespace=production")).await;
    assert_eq!(range(all), (json!("2026-03-02T12:00:00Z"), now()));
    let none = server.get(&format!("{EXPORT}?action=nothing")).await;
    assert_eq!(none.json()["records"], json!([]));
    assert_eq!(range(none), (now(), now()));
    let day = server.get(&format!("{EXPORT}?to=2026-03-02")).await;
    assert_eq!(range(day), (json!("2026-03-01T12:00:00Z"), json!("2026-03-02T23:59:59Z")));
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_the_documented_header_and_checksums_of_the_canonical_lines() {
    let server = filled().await;
    let csv = server.get(&format!("{EXPORT}?format=csv&{END}&namespace=production")).await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    let disposition = "attachment; filename=\"audit-export-20260319.csv\"";
    assert_eq!(csv.header("content-disposition"), disposition);
    assert_eq!(exported(&csv), names((1..=6).map(|half| 2 * half)));
    let text = csv.text();
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("id,timestamp,action,user,role,resource,resourceType,namespace,sourceIP,checksum")
    );
    let canonical = server.get("/v1/events/export?id=e02").await;
    let digest = Sha256::digest(canonical.text().trim_end().as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = format!(
        "e02,2026-03-02T12:00:00Z,user.signed_in,u1@acme.test,admin,r2,Runbook,production,\
         10.0.0.2,sha256:{digest}"
    );
    assert_eq!(lines.next(), Some(wanted.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_their_aliases_select() {
    let server = filled().await;
    for (parameters, wanted) in [
        ("from=2026-03-11&to=2026-03-18", vec![11, 12]),
        ("startDate=2026-03-11&endDate=2026-03-18", vec![11, 12]),
        ("start=2026-03-11&end=2026-03-11", vec![11]),
        ("start=2026-03-01T12:00:00Z&to=2026-03-02T12:00:00Z", vec![1, 2]),
        ("action=tool.run&user=u2&to=2026-03-18", vec![9, 12]),
        // Who has an address is shown, and found, by it.
        ("user=u1%40acme.test&to=2026-03-04", vec![1, 2, 3, 4]),
        ("user=u1&to=2026-03-18", vec![]),
        ("user=o%27hara&to=2026-03-18", vec![]),
        ("namespace=staging&to=2026-03-03", vec![1, 3]),
        ("namespace=stag%2A&to=2026-03-03", vec![]),
    ] {
        let answer = server.get(&format!("{EXPORT}?{parameters}")).await;
        assert_eq!(records(&answer), names(wanted), "{parameters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_stand_without_a_scheme() {
    let server = filled().await;
    let request = Request::builder().uri(EXPORT).header("authorization", &server.key);
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = Request::builder().uri(EXPORT).header("authorization", "alk_nobody");
    assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_allowed() {
    let server = started(ServerConfig::default()).await;
    for (parameters, words) in [
        ("format=ndjson", &["format", "csv, json"][..]),
        ("from=soon", &["parameter from", "\"soon\""]),
        ("startDate=soon", &["parameter startDate", "\"soon\""]),
        ("start=2026-03-01&from=2026-03-01", &["parameter start", "the same as from"]),
        ("to=2026-03-01&end=2026-03-01", &["parameter end", "the same as to"]),
        ("from=2026-03-02&to=2026-03-01", &["parameter to", "before it begins"]),
        ("from=2026-03-20", &["parameter from", "in the future"]),
        ("user=", &["parameter user", "empty"]),
        ("action=", &["parameter action", "empty"]),
        ("limit=5", &["parameter limit", "namespace"]),
    ] {
        server.get(&format!("{EXPORT}?{parameters}")).await.problem(400, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_export_and_only_their_own() {
    let server = filled().await;
    let keys = keys(&server).await;
    for (key, sees) in [
        (&keys.enterprise_admin, names(1..=12)),
        (&keys.auditor, names(1..=12)),
        (&keys.org_admin, names((1..=6).map(|half| 2 * half))),
    ] {
        assert_eq!(records(&server.as_key(key).get(&format!("{EXPORT}?{END}")).await), sees);
    }
    for key in [&keys.team_lead, &keys.user, &keys.ingester] {
        let caller = server.as_key(key);
        caller.get(EXPORT).await.problem(403, &["audit:export"]);
        caller.get(&format!("{EXPORT}/download/x")).await.problem(403, &["audit:export"]);
    }
}

/// A server with so many events of acme, a second apart.
async fn crowded(count: usize, config: ServerConfig) -> Server {
    let server = started(config).await;
    let events: Vec<Value> = (0..count)
        .map(|n| {
            let (hour, minute, second) = (n / 3600, n / 60 % 60, n % 60);
            let at = format!("2026-03-01T{hour:02}:{minute:02}:{second:02}Z");
            event_with(&format!("e{n:05}"), json!({"occurred_at": at}))
        })
        .collect();
    server.take(&events).await;
    server
}

/// Asks for a download until it is there.
async fn fetched(server: &Server, url: &str) -> Answer {
    for _ in 0..600 {
        let answer = server.get(url).await;
        if answer.status != 202 {
            return answer;
        }
        assert_eq!(answer.json()["kind"], "AuditExportJob");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{url} is still not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_records_come_at_once_and_more_as_a_job() {
    let server = crowded(10_001, ServerConfig::default()).await;
    let at_once = server.get(&format!("{EXPORT}?from=2026-03-01T00:00:01Z&{END}")).await;
    assert_eq!(records(&at_once).len(), 10_000);

    let job = server.get(&format!("{EXPORT}?{END}")).await;
    assert_eq!(job.status, 202, "{}", job.text());
    let body = job.json();
    let id = body["metadata"]["jobId"].as_str().unwrap();
    let url = format!("{EXPORT}/download/{id}");
    assert_eq!(
        body,
        json!({
            "apiVersion": "v1",
            "kind": "AuditExportJob",
            "metadata": {"jobId": id},
            "status": {
                "state": "processing",
                "estimatedRecords": 10_001,
                "downloadUrl": url,
                "expiresAt": "2026-03-26T16:00:00Z",
            },
        })
    );
    assert_eq!(job.header("location"), url);
    // Nothing runs it yet.
    let waits = server.get(&url).await;
    assert_eq!((waits.status, waits.header("location")), (202, url.as_str()));

    background(&server.state);
    let file = fetched(&server, &url).await;
    assert_eq!(records(&file), (0..10_001).map(|n| format!("e{n:05}")).collect::<Vec<_>>());
    let disposition = "attachment; filename=\"audit-export-20260319.json\"";
    assert_eq!(file.header("content-disposition"), disposition);
    let metadata = &file.json()["metadata"];
    assert_eq!(metadata["exportedAt"], "2026-03-19T16:00:00Z");
    assert_eq!(metadata["from"], "2026-03-01T00:00:00Z");
    assert_eq!(metadata["to"], "2026-03-18T23:59:59Z");

    let job = server.get(&format!("{EXPORT}?{END}&format=csv")).await.json();
    let csv = fetched(&server, job["status"]["downloadUrl"].as_str().unwrap()).await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert_eq!(exported(&csv).len(), 10_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_only_for_who_asked_and_only_while_it_is_kept() {
    let config = ServerConfig { rows_per_file: 1000, ..ServerConfig::default() };
    let server = crowded(10_001, config).await;
    background(&server.state);
    let admin = server.key_for("enterprise_admin", json!({"tenant_id": "acme"})).await;
    let admin = server.as_key(&admin);
    let job = admin.get(&format!("{EXPORT}?{END}")).await.json();
    let url = job["status"]["downloadUrl"].as_str().unwrap();
    let id = job["metadata"]["jobId"].as_str().unwrap();
    // One file, whatever the size of the files of other exports.
    assert_eq!(records(&fetched(&server, url).await).len(), 10_001);
    let head = admin.send(Method::HEAD, url, "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let told = server.get("/v1/events?type=audit.export_downloaded&total=true").await.json();
    assert_eq!(told["total"], 1, "a look is no download");

    let foreign = server.key_for("enterprise_admin", json!({"tenant_id": "zeta"})).await;
    server.as_key(&foreign).get(url).await.problem(404, &[id]);
    admin.get(&format!("{EXPORT}/download/exp_none")).await.problem(404, &["exp_none"]);
    // A job of another kind has no place here.
    let canonical = admin.post("/v1/exports", json!({"format": "csv"}).to_string()).await;
    assert_eq!(canonical.status, 202, "{}", canonical.text());
    let other = canonical.json()["id"].as_str().unwrap().to_owned();
    admin.get(&format!("{EXPORT}/download/{other}")).await.problem(404, &[other.as_str()]);

    let deleted = admin.send(Method::DELETE, &format!("/v1/exports/{id}"), "").await;
    assert!(deleted.status < 300, "{}", deleted.text());
    admin.get(url).await.problem(410, &["gone"]);
}
