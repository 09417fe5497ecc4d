//! Export jobs: what they deliver in every size and format, how they are made, called off and
//! tried again, who sees them, and what the log says of them.

use std::io::Read;
use std::time::Duration;

use auditlake_server::{ServerConfig, background};
use axum::body::Body;
use axum::http::Method;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::exporting::{
    cancel, config, deeds, file, finished, make, numbered, running, sha256, signed_in, until,
    waiting,
};
use crate::harness::{Server, event, event_with};

/// How long a test waits for what comes at once.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn every_size_is_cut_as_promised_and_nothing_is_lost() {
    for (count, files) in [(0, vec![0]), (7, vec![7]), (25, vec![10, 10, 5]), (35, vec![30, 5])] {
        let server = running(count, config()).await;
        let made = make(&server, json!({ "format": "ndjson", "filter": signed_in() })).await;
        let job = finished(&server, &made).await;
        assert_eq!(job["rows"], count);
        assert_eq!(job["progress"]["rows"], count);
        assert_eq!(job["progress"]["percent"], 100.0);
        let described = job["files"].as_array().unwrap().iter();
        let rows: Vec<u64> = described.map(|file| file["rows"].as_u64().unwrap()).collect();
        assert_eq!(rows, files);
        let mut text = String::new();
        for described in job["files"].as_array().unwrap() {
            let body = file(&server, described).await;
            assert_eq!(described["bytes"], body.len());
            text.push_str(std::str::from_utf8(&body).unwrap());
        }
        let streamed = server.get("/v1/events/export?type=user.signed_in").await;
        assert_eq!(text, streamed.text(), "{count} events");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_tell_the_day_the_place_and_the_format() {
    let server = running(12, config()).await;
    let body = json!({ "format": "csv", "compression": "gzip", "filter": signed_in() });
    let job = finished(&server, &make(&server, body).await).await;
    let day = job["created_at"].as_str().unwrap()[..10].replace('-', "");
    for (place, file) in job["files"].as_array().unwrap().iter().enumerate() {
        let name = format!("audit-export-{day}-{:04}.csv.gz", place + 1);
        assert_eq!(file["name"], name);
        let id = job["id"].as_str().unwrap();
        assert_eq!(file["url"], format!("/v1/exports/{id}/files/{name}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_holds_every_event_and_agrees_with_its_manifest() {
    let server = running(25, config()).await;
    for (format, compression) in [
        ("ndjson", "none"),
        ("ndjson", "zstd"),
        ("json", "none"),
        ("csv", "gzip"),
        ("csv", "none"),
        ("parquet", "none"),
    ] {
        let body = json!({
            "format": format, "compression": compression, "filter": signed_in(), "order": "asc",
        });
        let job = finished(&server, &make(&server, body).await).await;
        let id = job["id"].as_str().unwrap();
        let manifest = server.get(&format!("/v1/exports/{id}/manifest")).await;
        assert_eq!(manifest.status, 200, "{}", manifest.text());
        let manifest = manifest.json();
        assert_eq!(manifest["export_id"], id);
        assert_eq!(manifest["rows"], 25);
        assert_eq!(manifest["filter"], json!([{ "name": "type", "value": "user.signed_in" }]));
        let (mut rows, mut bytes) = (0, 0);
        for (described, listed) in
            job["files"].as_array().unwrap().iter().zip(manifest["files"].as_array().unwrap())
        {
            let body = file(&server, described).await;
            assert_eq!(described["sha256"], sha256(&body));
            assert_eq!(listed["sha256"], described["sha256"]);
            assert_eq!(listed["rows"], described["rows"]);
            let time = |edge: &str| listed[edge]["occurred_at"].as_str().unwrap().to_owned();
            assert!(time("first") <= time("last"));
            bytes += body.len();
            rows += rows_in(&body, format, compression);
        }
        assert_eq!((rows, manifest["bytes"].as_u64().unwrap()), (25, bytes as u64), "{format}");
    }
}

/// How many events are in a file.
fn rows_in(body: &[u8], format: &str, compression: &str) -> usize {
    let mut plain = Vec::new();
    match compression {
        "gzip" => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
        }
        "zstd" => plain = zstd::stream::decode_all(body).unwrap(),
        _ => plain = body.to_vec(),
    }
    match format {
        "parquet" => {
            let bytes = bytes::Bytes::from(plain);
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
            reader.map(|batch| batch.unwrap().num_rows()).sum()
        }
        "json" => serde_json::from_slice::<Vec<Value>>(&plain).unwrap().len(),
        "csv" => String::from_utf8(plain).unwrap().lines().count() - 1,
        _ => String::from_utf8(plain).unwrap().lines().count(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_order_are_those_asked_for() {
    let server = running(5, config()).await;
    let body = json!({
        "format": "csv", "columns": ["id", "occurred_at"], "order": "desc",
        "filter": { "type": ["user.signed_in", "nothing"], "tenant_id": "acme" },
    });
    let job = finished(&server, &make(&server, body).await).await;
    let csv = String::from_utf8(file(&server, &job["files"][0]).await).unwrap();
    let uri = "/v1/events/export?format=csv&columns=id,occurred_at&order=desc\
               &type=user.signed_in&type=nothing&tenant_id=acme";
    assert_eq!(csv, server.get(uri).await.text());
    assert!(csv.starts_with("id,occurred_at\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_later_do_not_belong_to_it() {
    let server = waiting(12, config()).await;
    let made = make(&server, json!({ "filter": signed_in() })).await;
    server.take(&[event("late")]).await;
    background(&server.state);
    assert_eq!(finished(&server, &made).await["rows"], 12);
    let empty = waiting(0, config()).await;
    let made = make(&empty, json!({ "filter": signed_in() })).await;
    empty.take(&[event("late")]).await;
    background(&empty.state);
    assert_eq!(finished(&empty, &made).await["rows"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_query_holds_as_well() {
    let server = running(6, config()).await;
    let saved = json!({ "name": "one", "filter": { "id": "n0003,n0004" }, "shared": false });
    let saved = server.post("/v1/saved-queries", saved.to_string()).await;
    assert_eq!(saved.status, 201, "{}", saved.text());
    let body = json!({ "filter": { "id": "n0004,n0005" }, "saved_query": saved.json()["id"] });
    let job = finished(&server, &make(&server, body).await).await;
    assert_eq!(job["rows"], 1);
    let body = json!({ "saved_query": "sq_01ARZ3NDEKTSV4RRFFQ69G5FAV" });
    let refused = server.post("/v1/exports", body.to_string()).await;
    assert!([400, 404].contains(&refused.status), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_exported_is_refused_at_once() {
    let server = waiting(0, config()).await;
    for (body, words) in [
        (json!({ "colour": "red" }), &["colour", "format"][..]),
        (json!({ "format": "xml" }), &["format", "\"xml\"", "csv, ndjson, json or parquet"]),
        (json!({ "format": "parquet", "compression": "gzip" }), &["compression", "parquet"]),
        (json!({ "compression": "brotli" }), &["compression", "none, gzip or zstd"]),
        (json!({ "order": "newest" }), &["order", "log, asc, desc"]),
        (json!({ "columns": ["id", "colour"] }), &["columns", "\"colour\""]),
        (json!({ "columns": [] }), &["columns"]),
        (json!({ "csv_safe": true }), &["csv_safe", "only csv"]),
        (json!({ "filter": { "colour": "red" } }), &["colour", "tenant_id", "where"]),
        (json!({ "filter": { "type": [] } }), &["type", "no value"]),
        (json!({ "filter": { "type": 7 } }), &["a text or a list of texts"]),
        (
            json!({ "filter": { "from": ["2026-03-01", "2026-03-02"] } }),
            &["from", "more than once"],
        ),
        (json!({ "filter": { "from": "yesterday" } }), &["from", "\"yesterday\""]),
        (json!({ "filter": { "where": "colour = 'red'" } }), &["colour"]),
    ] {
        for path in ["/v1/exports", "/v1/exports/preflight"] {
            server.post(path, body.to_string()).await.problem(400, words);
        }
    }
    server.post("/v1/exports?limit=1", "{}").await.problem(400, &["limit"]);
    assert_eq!(server.get("/v1/exports").await.json()["exports"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_tells_the_size_without_making_anything() {
    let server = waiting(35, config()).await;
    server.lake.flush().await.unwrap();
    let answer = server.post("/v1/exports/preflight", r#"{"format":"csv"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert!(told["rows_at_least"].as_u64().unwrap() <= told["rows_at_most"].as_u64().unwrap());
    assert!(told["rows_at_most"].as_u64().unwrap() >= 35);
    assert_eq!(told["advice"], "job", "more than one part of it");
    assert_eq!(told["files"], 2);
    assert!(told["bytes_estimate"].as_u64().unwrap() > 0);
    let body = json!({ "filter": { "from": "2031-01-01" } });
    let nothing = server.post("/v1/exports/preflight", body.to_string()).await.json();
    assert_eq!((nothing["rows"].clone(), nothing["advice"].clone()), (json!(0), json!("stream")));
    assert_eq!(server.get("/v1/exports").await.json()["exports"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_export() {
    let server = waiting(3, config()).await;
    let post = async |body: &Value| {
        let request = server.request(Method::POST, "/v1/exports").header("idempotency-key", "k-1");
        server.send(request.body(body.to_string().into()).unwrap()).await
    };
    let body = json!({ "format": "csv", "filter": signed_in() });
    let (first, second) = (post(&body).await, post(&body).await);
    assert_eq!((first.status, second.status), (202, 202), "{}", second.text());
    assert_eq!(first.json()["id"], second.json()["id"]);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), format!("/v1/exports/{id}"));
    let other = post(&json!({ "format": "json" })).await;
    other.problem(409, &["Idempotency-Key", &id]);
    assert_eq!(server.get("/v1/exports").await.json()["exports"].as_array().unwrap().len(), 1);
    assert_eq!(deeds(&server, "audit.export_requested").await.len(), 1);
    // Once it has run, its first version is gone; the key still leads to it.
    background(&server.state);
    finished(&server, &id).await;
    assert_eq!(post(&body).await.json()["state"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_the_newest_first() {
    let server = waiting(1, config()).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(make(&server, json!({ "filter": signed_in() })).await);
    }
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/exports?limit=2{cursor}")).await.json();
        let exports = page["exports"].as_array().unwrap();
        seen.extend(exports.iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
    server.get("/v1/exports?cursor=zzz").await.problem(400, &["cursor"]);
    server.get("/v1/exports?colour=red").await.problem(400, &["colour", "limit, cursor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_only_so_many_unfinished() {
    let server = waiting(1, ServerConfig { max_queued_jobs: 2, ..config() }).await;
    let first = make(&server, json!({})).await;
    make(&server, json!({})).await;
    let refused = server.post("/v1/exports", "{}").await;
    refused.problem(429, &["2 exports wait or run already"]);
    assert!(!refused.header("retry-after").is_empty());
    let key = server.key_for("auditor", json!({ "tenant_id": "zeta" })).await;
    assert_eq!(server.as_key(&key).post("/v1/exports", "{}").await.status, 202);
    assert_eq!(cancel(&server, &first).await["state"], "canceled");
    make(&server, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_seen_only_by_those_whom_they_concern() {
    let server = running(8, config()).await;
    let acme = || json!({ "tenant_id": "acme" });
    let auditor = server.key_for("auditor", acme()).await;
    let made = server.as_key(&auditor).post("/v1/exports", "{}").await;
    assert_eq!(made.status, 202, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    finished(&server, &id).await;
    for (role, place, status) in [
        ("auditor", acme(), 404),
        ("enterprise_admin", acme(), 200),
        ("enterprise_admin", json!({ "tenant_id": "zeta" }), 404),
        ("org_admin", json!({ "tenant_id": "acme", "org_id": "emea" }), 404),
        ("user", json!({ "tenant_id": "acme", "user_id": "u_17" }), 403),
        ("ingester", json!({}), 403),
    ] {
        let key = server.key_for(role, place).await;
        let caller = server.as_key(&key);
        for path in ["", "/manifest", "/archive.zip", "/events"] {
            let answer = caller.get(&format!("/v1/exports/{id}{path}")).await;
            assert_eq!(answer.status, status, "{role} {path}: {}", answer.text());
        }
        if status != 200 {
            for (method, path) in [(Method::DELETE, ""), (Method::POST, "/retry")] {
                let answer = caller.send(method, &format!("/v1/exports/{id}{path}"), "").await;
                assert_eq!(answer.status, status, "{role} {path}");
            }
        }
        let listed = caller.get("/v1/exports").await;
        let count = if status == 200 { 1 } else { 0 };
        match listed.json()["exports"].as_array() {
            Some(exports) => assert_eq!(exports.len(), count, "{role}"),
            None => assert_eq!(listed.status, 403, "{role}"),
        }
    }
    assert_eq!(server.as_key(&auditor).get(&format!("/v1/exports/{id}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_the_scope_of_who_asked() {
    let server = Server::with(config()).await;
    background(&server.state);
    let zeta = event_with("theirs", json!({ "tenant_id": "zeta" }));
    let emea = event_with("ours", json!({ "org_id": "emea" }));
    server.take(&[zeta, emea, event("nobodys")]).await;
    let key = server.key_for("org_admin", json!({ "tenant_id": "acme", "org_id": "emea" })).await;
    let body = json!({ "format": "ndjson", "filter": signed_in() });
    let made = server.as_key(&key).post("/v1/exports", body.to_string()).await.json();
    let job = finished(&server, made["id"].as_str().unwrap()).await;
    let text = String::from_utf8(file(&server, &job["files"][0]).await).unwrap();
    assert_eq!(job["rows"], 1);
    assert!(text.contains("\"ours\"") && !text.contains("theirs") && !text.contains("nobodys"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_called_off_stops_and_may_be_tried_again() {
    let server = waiting(12, config()).await;
    let id = make(&server, json!({ "filter": signed_in() })).await;
    assert_eq!(cancel(&server, &id).await["state"], "canceled");
    assert_eq!(cancel(&server, &id).await["state"], "canceled", "twice is once");
    let uri = format!("/v1/exports/{id}");
    server.get(&format!("{uri}/manifest")).await.problem(410, &["canceled", "deleted"]);
    let again = server.post(&format!("{uri}/retry"), "").await;
    assert_eq!((again.status, again.json()["state"].clone()), (202, json!("queued")));
    server.get(&format!("{uri}/manifest")).await.problem(409, &["queued"]);
    server.take(&[event("late")]).await;
    background(&server.state);
    assert_eq!(finished(&server, &id).await["rows"], 12, "the events it was made for");
    server.post(&format!("{uri}/retry"), "").await.problem(409, &["ready"]);
    assert_eq!(cancel(&server, &id).await["state"], "expired");
    server.get(&format!("{uri}/archive.zip")).await.problem(410, &["expired"]);
    assert_eq!(server.lake.exports().jobs().await.unwrap(), vec![]);
    assert_eq!(deeds(&server, "audit.export_canceled").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_when_their_time_is_over() {
    let retention = Duration::from_millis(700);
    let server = running(12, ServerConfig { export_retention: retention, ..config() }).await;
    let id = make(&server, json!({ "filter": signed_in() })).await;
    let job = until(&server, &id, &["ready", "expired"]).await;
    assert!(job["expires_at"].is_string());
    let job = until(&server, &id, &["expired"]).await;
    assert_eq!(job["files"], json!([]));
    server.get(&format!("/v1/exports/{id}/manifest")).await.problem(410, &["expired"]);
    assert_eq!(server.ids("type=user.signed_in").await.len(), 12, "the events stay");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.lake.exports().jobs().await.unwrap(), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_in_a_sentence_and_written_down() {
    let server = running(12, config()).await;
    let filter = json!({ "type": "user.signed_in", "where": "cast(id as bigint) = 1" });
    let id = make(&server, json!({ "filter": filter })).await;
    let job = until(&server, &id, &["failed"]).await;
    let error = job["error"].as_str().unwrap();
    assert!(error.contains("where") && !error.contains("n0001"), "{error}");
    server.get(&format!("/v1/exports/{id}/manifest")).await.problem(409, &["failed"]);
    let deeds = deeds(&server, "audit.exported").await;
    assert_eq!((deeds.len(), deeds[0]["outcome"].clone()), (1, json!("failure")));
    let again = server.post(&format!("/v1/exports/{id}/retry"), "").await;
    assert_eq!(again.status, 202, "{}", again.text());
    let job = until(&server, &id, &["failed"]).await;
    assert_eq!(job["attempt"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_exported_is_in_the_log_before_it_is_ready() {
    let server = running(25, config()).await;
    let id = make(&server, json!({ "filter": signed_in() })).await;
    let job = finished(&server, &id).await;
    let deeds = deeds(&server, "audit.exported").await;
    assert_eq!(deeds.len(), 1);
    let deed = &deeds[0];
    assert_eq!(deed["outcome"], "success");
    assert_eq!(deed["target"], json!({ "kind": "export", "id": id }));
    assert_eq!(deed["data"]["rows"], 25);
    assert_eq!(deed["data"]["files"], job["files"].as_array().unwrap().len());
    assert_eq!(deed["data"]["filter"], json!([{ "name": "type", "value": "user.signed_in" }]));
    let manifest = server.get(&format!("/v1/exports/{id}/manifest")).await;
    assert_eq!(deed["data"]["manifest_sha256"], sha256(&manifest.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_sees_every_change_to_the_end() {
    let server = running(25, config()).await;
    let id = make(&server, json!({ "filter": signed_in() })).await;
    let followed = server.get(&format!("/v1/exports/{id}/events")).await;
    assert_eq!(followed.header("content-type"), "text/event-stream");
    let text = followed.text();
    let seen: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: ").or(line.strip_prefix("data:")))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(seen.last().unwrap()["state"], "ready");
    assert_eq!(seen.last().unwrap()["rows"], 25);
    assert!(text.contains("event: export") || text.contains("event:export"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_follows_with_a_key_that_is_revoked() {
    let server = waiting(5, config()).await;
    let key = server.key_for("auditor", json!({ "tenant_id": "acme" })).await;
    let caller = server.as_key(&key);
    let body = json!({ "filter": signed_in() }).to_string();
    let made = caller.post("/v1/exports", body).await.json();
    let uri = format!("/v1/exports/{}/events", made["id"].as_str().unwrap());
    let revoke = async {
        server.metric("auditlake_live_running 1", LONG).await;
        let revoked = server.request(Method::DELETE, &format!("/v1/keys/{}", &key[4..16]));
        assert_eq!(server.send(revoked.body(Body::empty()).unwrap()).await.status, 200);
    };
    // The job waits for ever: its stream has no end of its own.
    let following = tokio::time::timeout(LONG, caller.get(&uri));
    let (followed, ()) = tokio::join!(following, revoke);
    let followed = followed.unwrap();
    assert_eq!(followed.status, 200);
    assert!(followed.text().matches("data:").count() <= 1, "{}", followed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_means_is_known_to_every_server_that_may_run_it() {
    let server = Server::with(config()).await;
    server.take(&numbered(25)).await;
    let sealed = || server.lake.snapshot().segments().iter().map(|one| one.rows).sum::<u64>();
    assert_eq!(sealed(), 0);
    make(&server, json!({ "filter": signed_in() })).await;
    assert_eq!(sealed(), 25);
}
