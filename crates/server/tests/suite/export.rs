//! `GET /v1/events/export`: each format whole, compressed, projected, ordered; and refusals.

use std::io::Read;
use std::time::{Duration, Instant};

use auditlake_server::ServerConfig;
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;
use url::form_urlencoded;

use crate::harness::{Server, event, event_with};

/// Exports are events too, which these are not about.
const ONLY: &str = "type=user.signed_in";

/// 250 events over three days and two tenants, half of them sealed.
async fn filled() -> Server {
    let server = Server::start().await;
    let events: Vec<Value> = (0..250)
        .map(|number| {
            let (day, minute) = (number % 3 + 1, number % 60);
            let tenant = if number % 2 == 0 { "acme" } else { "zeta" };
            let at = format!("2026-03-0{day}T10:{minute:02}:00Z");
            let id = format!("e{number:03}");
            event_with(&id, json!({"occurred_at": at, "tenant_id": tenant}))
        })
        .collect();
    server.take(&events[..125]).await;
    server.lake.flush().await.unwrap();
    server.take(&events[125..]).await;
    server
}

fn name_pattern(disposition: &str, end: &str) -> bool {
    disposition
        .strip_prefix("attachment; filename=\"auditlake-export-")
        .and_then(|rest| rest.strip_suffix(&format!("Z.{end}\"")))
        .is_some_and(|time| time.len() == 15 && time.as_bytes()[8] == b'T')
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_holds_every_event() {
    let server = filled().await;
    let ndjson = server.get(&format!("/v1/events/export?{ONLY}")).await;
    assert_eq!(ndjson.status, 200);
    assert_eq!(ndjson.header("content-type"), "application/x-ndjson");
    assert!(name_pattern(ndjson.header("content-disposition"), "ndjson"));
    let mut ids: Vec<String> = ndjson
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 250);

    let json = server.get(&format!("/v1/events/export?format=json&{ONLY}")).await;
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.json().as_array().unwrap().len(), 250);

    let csv = server.get(&format!("/v1/events/export?format=csv&{ONLY}")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(name_pattern(csv.header("content-disposition"), "csv"));
    assert_eq!(csv.text().lines().count(), 251);

    let parquet = server.get(&format!("/v1/events/export?format=parquet&{ONLY}")).await;
    assert!(name_pattern(parquet.header("content-disposition"), "parquet"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet.body.clone()).unwrap();
    let rows: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 250);
    server.metric("auditlake_exports_rows_total 1000", Duration::from_secs(1)).await;
    server.metric("auditlake_exports_running 0", Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_exports_hold_the_same_bytes() {
    let server = filled().await;
    let plain = server.get(&format!("/v1/events/export?{ONLY}")).await.text();
    let gzip = server.get(&format!("/v1/events/export?compression=gzip&{ONLY}")).await;
    assert_eq!(gzip.header("content-type"), "application/gzip");
    assert_eq!(gzip.header("content-encoding"), "");
    assert!(name_pattern(gzip.header("content-disposition"), "ndjson.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain);
    let zstd = server.get(&format!("/v1/events/export?compression=zstd&{ONLY}")).await;
    assert!(name_pattern(zstd.header("content-disposition"), "ndjson.zst"));
    assert_eq!(zstd::stream::decode_all(&zstd.body[..]).unwrap(), plain.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_order_limit_and_filters() {
    let server = filled().await;
    let uri = "/v1/events/export?format=csv&columns=type,id&order=desc&limit=2&tenant_id=acme";
    let csv = server.get(uri).await.text();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "type,id");
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("user.signed_in,e"));
    let of = |order: &str| {
        let uri = format!("/v1/events/export?columns=occurred_at&order={order}&{ONLY}");
        let server = &server;
        async move { server.get(&uri).await.text() }
    };
    let (ascending, descending) = (of("asc").await, of("desc").await);
    let mut lines: Vec<_> = ascending.lines().collect();
    assert!(lines.is_sorted());
    assert_eq!(lines.len(), 250);
    lines.reverse();
    assert_eq!(lines, descending.lines().collect::<Vec<_>>());
    let none = server.get("/v1/events/export?format=json&type=nothing").await;
    assert_eq!(none.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn formulas_are_guarded_unless_a_machine_reads() {
    let server = Server::start().await;
    server.take(&[event_with("x", json!({"reason": "=1+1"})), event("y")]).await;
    let uri = "/v1/events/export?format=csv&columns=reason&order=log&id=x";
    assert_eq!(server.get(uri).await.text(), "reason\n'=1+1\n");
    let uri = format!("{uri}&csv_safe=false");
    assert_eq!(server.get(&uri).await.text(), "reason\n=1+1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_allowed() {
    let server = Server::start().await;
    for (parameters, words) in [
        ("format=xml", &["format", "\"xml\"", "csv, ndjson, json or parquet"][..]),
        ("compression=brotli", &["compression", "\"brotli\"", "none, gzip or zstd"]),
        ("format=parquet&compression=gzip", &["compression", "parquet"]),
        ("columns=id,colour", &["columns", "\"colour\"", "occurred_at", "context_ip"]),
        ("columns=id,id", &["columns", "twice"]),
        ("columns=", &["columns", "\"\""]),
        ("order=newest", &["order", "log, asc, desc"]),
        ("limit=0", &["limit", "at least 1"]),
        ("limit=-1", &["limit", "\"-1\""]),
        ("csv_safe=maybe&format=csv", &["csv_safe", "true, false"]),
        ("csv_safe=false", &["csv_safe", "only csv"]),
        ("from=2026-13-01", &["from", "\"2026-13-01\""]),
        ("cursor=00", &["cursor", "format", "columns", "tenant_id"]),
    ] {
        server.get(&format!("/v1/events/export?{parameters}")).await.problem(400, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_exports_run_at_a_time() {
    let server = Server::with(ServerConfig { max_exports: 0, ..ServerConfig::default() }).await;
    let answer = server.get("/v1/events/export").await;
    answer.problem(429, &["0 exports run already"]);
    assert!(!answer.header("retry-after").is_empty());
    server.get("/v1/events/export?format=xml").await.problem(400, &["format"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_cannot_take_every_place() {
    let config = ServerConfig { max_exports_per_caller: 1, ..ServerConfig::default() };
    let server = Server::with(config).await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let big = json!({"data": {"text": "x".repeat(100_000)}});
    let events: Vec<Value> =
        (0..100).map(|number| event_with(&format!("{number}"), big.clone())).collect();
    server.take(&events).await;
    let request = server.request(Method::GET, "/v1/events/export").body(Body::empty()).unwrap();
    let unread = server.app.clone().oneshot(request).await.unwrap();
    assert_eq!(unread.status(), 200);
    let second = server.get("/v1/events/export").await;
    second.problem(429, &["1 exports of this caller run already"]);
    assert_eq!(second.header("retry-after"), "10");
    assert_eq!(server.as_key(&auditor).get("/v1/events/export?limit=1").await.status, 200);
    drop(unread);
    server.metric("auditlake_exports_running 0", Duration::from_secs(5)).await;
    assert_eq!(server.get("/v1/events/export?limit=1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_what_the_client_prefers_unless_it_is_named() {
    let server = Server::start().await;
    server.take(&[event("one")]).await;
    let of = |accept: &'static str, uri: &'static str| {
        let request = server.request(Method::GET, uri).header("accept", accept);
        server.send(request.body(Body::empty()).unwrap())
    };
    for (accept, wanted) in [
        ("*/*", "application/x-ndjson"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/ndjson", "application/x-ndjson"),
        ("application/jsonl", "application/x-ndjson"),
        ("application/json", "application/json"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("text/html, application/json;q=0.5, text/csv;q=0.8", "text/csv; charset=utf-8"),
    ] {
        let answer = of(accept, "/v1/events/export").await;
        assert_eq!(answer.header("content-type"), wanted, "{accept}");
    }
    let named = of("text/csv", "/v1/events/export?format=json").await;
    assert_eq!(named.header("content-type"), "application/json");
    let words = &["header Accept", "text/csv", "application/vnd.apache.parquet"];
    of("text/html", "/v1/events/export").await.problem(406, words);
    of("text/csv;q=0", "/v1/events/export").await.problem(406, words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_export_is_recorded_with_its_digest_which_the_trailers_have() {
    let server = filled().await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let uri = "/v1/events/export?format=csv&columns=id,type&limit=7&outcome=!denied";
    let uri = format!("{uri}&{ONLY}");
    let request = Request::builder().uri(&uri).header("authorization", format!("Bearer {auditor}"));
    let request = request.body(Body::empty()).unwrap();
    let answer = server.app.clone().oneshot(request).await.unwrap();
    let headers = answer.headers().clone();
    assert_eq!(headers["trailer"], "auditlake-rows, repr-digest");
    assert_eq!(headers["auditlake-limit"], "7");
    let id = headers["auditlake-export-id"].to_str().unwrap().to_owned();
    assert!(id.starts_with("exp_"));
    let collected = answer.into_body().collect().await.unwrap();
    let trailers = collected.trailers().unwrap().clone();
    let body = collected.to_bytes();
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 8);
    let digest = Sha256::digest(&body);
    assert_eq!(trailers["auditlake-rows"], "7");
    let wanted = format!("sha-256=:{}:", STANDARD.encode(digest.as_slice()));
    assert_eq!(trailers["repr-digest"], wanted);
    // It was recorded before the body ended, in the log of the caller's tenant.
    let recorded = server.get("/v1/events?type=audit.exported&tenant_id=acme").await.json();
    let event = &recorded["events"][0];
    assert_eq!(event["outcome"], "success");
    assert_eq!(event["target"], json!({"kind": "export", "id": id}));
    assert_eq!(event["actor"]["role"], "auditor");
    let data = &event["data"];
    assert_eq!(data["rows"], 7);
    assert_eq!(data["bytes"], body.len());
    assert_eq!(data["sha256"], format!("{digest:x}"));
    assert_eq!(data["format"], "csv");
    assert_eq!(data["columns"], json!(["id", "type"]));
    let filter = json!([
        {"name": "outcome", "value": "!denied"},
        {"name": "type", "value": "user.signed_in"},
    ]);
    assert_eq!(data["filter"], filter);
    assert!(data["filter_text"].as_str().unwrap().contains("outcome not in (denied)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_export_of_one_tenant_stands_in_the_log_of_that_tenant() {
    let server = filled().await;
    server.get("/v1/events/export?tenant_id=zeta").await;
    let recorded = server.get("/v1/events?type=audit.exported").await.json();
    assert_eq!(recorded["events"][0]["tenant_id"], "zeta");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_breaks_off_has_no_clean_end_and_is_recorded_as_such() {
    let server = filled().await;
    // Right as an expression, and impossible for one event.
    let condition = "1 / (CASE WHEN id = 'e100' THEN 0 ELSE 1 END) = 1";
    let condition: String = form_urlencoded::byte_serialize(condition.as_bytes()).collect();
    let uri = format!("/v1/events/export?{ONLY}&where={condition}");
    let request = server.request(Method::GET, &uri).body(Body::empty()).unwrap();
    let answer = server.app.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
    let started = Instant::now();
    let event = loop {
        let recorded = server.get("/v1/events?type=audit.exported").await.json();
        match recorded["events"].as_array().unwrap().first() {
            Some(event) => break event.clone(),
            None => assert!(started.elapsed() < Duration::from_secs(10)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(["failure", "partial"].contains(&event["outcome"].as_str().unwrap()));
    assert!(event["data"]["reason"].as_str().unwrap().contains("where"), "{event}");
    assert_eq!(event["data"].get("sha256"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_export_is_told_so_and_nothing_else() {
    let server = Server::start().await;
    let lead = server.key_for("team_lead", json!({"tenant_id": "acme", "team_id": "t"})).await;
    let answer = server.as_key(&lead).get("/v1/events/export").await;
    answer.problem(403, &["audit:export", "team_lead", "org_admin"]);
}
