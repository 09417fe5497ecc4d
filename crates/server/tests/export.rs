//! `GET /v1/events/export`: each format whole, compressed, projected, ordered; and refusals.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod harness;

use std::io::Read;
use std::time::Duration;

use auditlake_server::ServerConfig;
use harness::{Server, event, event_with};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

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
    let ndjson = server.get("/v1/events/export").await;
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

    let json = server.get("/v1/events/export?format=json").await;
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.json().as_array().unwrap().len(), 250);

    let csv = server.get("/v1/events/export?format=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(name_pattern(csv.header("content-disposition"), "csv"));
    assert_eq!(csv.text().lines().count(), 251);

    let parquet = server.get("/v1/events/export?format=parquet").await;
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
    let plain = server.get("/v1/events/export").await.text();
    let gzip = server.get("/v1/events/export?compression=gzip").await;
    assert_eq!(gzip.header("content-type"), "application/gzip");
    assert_eq!(gzip.header("content-encoding"), "");
    assert!(name_pattern(gzip.header("content-disposition"), "ndjson.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain);
    let zstd = server.get("/v1/events/export?compression=zstd").await;
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
        let uri = format!("/v1/events/export?columns=occurred_at&order={order}");
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
