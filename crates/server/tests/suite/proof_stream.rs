//! `GET /v1/events/export?proof=…`: evidence bundles that prove what they claim, refusals of what
//! cannot be claimed, and what becomes of one that breaks off.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::evidence::Bundle;
use crate::exporting::{self, deeds, numbered};
use crate::harness::{Server, event_with};

/// 60 events of two tenants over three days, half of them sealed.
async fn filled() -> Server {
    exporting::waiting(60, auditlake_server::ServerConfig::default()).await
}

async fn bundle(server: &Server, parameters: &str) -> Bundle {
    let answer = server.get(&format!("/v1/events/export?{parameters}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/zip");
    Bundle::read(&answer.body)
}

fn tenants(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_filtered_export_is_proved() {
    let server = filled().await;
    for order in ["log", "asc", "desc"] {
        let parameters = format!("proof=inclusion&type=user.signed_in&order={order}");
        let bundle = bundle(&server, &parameters).await;
        assert_eq!(bundle.check_lines(), ["acme", "zeta"], "{order}");
        assert_eq!((bundle.lines().len(), bundle.manifest.rows), (60, 60));
        assert_eq!(bundle.manifest.order, order);
    }
    let few = bundle(&server, "proof=inclusion&id=n0003,n0004,n0008&limit=2").await;
    assert_eq!((few.check_lines(), few.manifest.rows), (tenants(&["acme", "zeta"]), 2));
    let none = bundle(&server, "proof=inclusion&id=none").await;
    assert_eq!((none.check_lines(), none.manifest.rows), (tenants(&[]), 0));
    let [file] = none.manifest.files.as_slice() else { panic!("one file") };
    assert_eq!((&file.first, &file.last), (&None, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_or_a_range_of_it_is_proved_to_be_complete() {
    let server = filled().await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "zeta"})).await;
    let auditor = server.as_key(&auditor);
    let answer = auditor.get("/v1/events/export?proof=complete").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = Bundle::read(&answer.body);
    assert_eq!(all.check_lines(), ["zeta"]);
    // 30 events, and that the key was made.
    assert_eq!(all.manifest.rows, 31);
    let complete = all.proof.logs[0].complete.clone().unwrap();
    assert_eq!((complete.from, complete.to), (0, 31));
    assert!(complete.before.is_none() && complete.after.is_none());

    let some = bundle(&server, "proof=complete&tenant_id=acme&seq_from=5&seq_to=9").await;
    assert_eq!((some.check_lines(), some.manifest.rows), (tenants(&["acme"]), 4));

    let third: Value = serde_json::from_str(all.lines()[3]).unwrap();
    let recorded_at = third["recorded_at"].as_str().unwrap();
    let before = format!("proof=complete&tenant_id=zeta&recorded_to={recorded_at}");
    let before = bundle(&server, &before).await;
    before.check_lines();
    let complete = before.proof.logs[0].complete.clone().unwrap();
    assert_eq!(complete.recorded_to.as_deref(), Some(recorded_at));
    // Events of one request were recorded at once: all or none of them are before.
    assert!(complete.after.is_some_and(|line| line.contains(recorded_at)));

    let nothing = "proof=complete&tenant_id=zeta&recorded_to=2001-01-01";
    let nothing = bundle(&server, nothing).await;
    nothing.check_lines();
    assert_eq!((nothing.manifest.rows, nothing.proof.logs.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_has_a_proof() {
    let server = filled().await;
    for format in ["csv", "json", "parquet", "csv&compression=zstd", "ndjson&compression=gzip"] {
        let parameters = format!("proof=complete&tenant_id=zeta&seq_to=20&format={format}");
        let bundle = bundle(&server, &parameters).await;
        assert_eq!(bundle.proof.logs[0].ranges, [(0, 20)], "{format}");
        let [file] = bundle.manifest.files.as_slice() else { panic!("one file") };
        let (first, last) = (file.first.clone().unwrap(), file.last.clone().unwrap());
        assert_eq!((first.tenant_id.as_str(), last.tenant_id.as_str()), ("zeta", "zeta"));
        assert!(first.occurred_at < last.occurred_at, "{format}");
        let is_guarded = format.starts_with("csv");
        assert_eq!(bundle.proof.csv_safe.is_some(), is_guarded, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_recorded_and_has_trailers() {
    let server = filled().await;
    let uri = "/v1/events/export?proof=inclusion&type=user.signed_in&tenant_id=zeta";
    let request = server.request(Method::GET, uri).header("accept", "application/zip");
    let request = request.body(Body::empty()).unwrap();
    let response = server.app.clone().oneshot(request).await.unwrap();
    let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment; filename=\"auditlake-evidence-"), "{disposition}");
    assert!(disposition.ends_with("Z.zip\""), "{disposition}");
    let id = response.headers()["auditlake-export-id"].to_str().unwrap().to_owned();
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().unwrap().clone();
    let bytes = collected.to_bytes();
    let digest = Sha256::digest(&bytes);
    assert_eq!(trailers["auditlake-rows"], "30");
    assert_eq!(trailers["repr-digest"], format!("sha-256=:{}:", STANDARD.encode(digest)));
    let bundle = Bundle::read(&bytes);
    assert_eq!(bundle.manifest.export_id, id);
    bundle.check_lines();
    let words: Vec<&str> = bundle.text("README.txt").split_whitespace().collect();
    assert!(words.join(" ").contains(&bundle.proof.statement), "for people, too");
    assert_eq!(bundle.text("public-key.txt").lines().count(), 1);
    for kind in ["audit.export_requested", "audit.exported"] {
        let told = deeds(&server, kind).await;
        let deed = &told[0];
        assert_eq!((&deed["target"]["id"], &deed["outcome"]), (&json!(id), &json!("success")));
        assert_eq!(deed["data"]["proof"], "inclusion");
    }
    let told = deeds(&server, "audit.exported").await;
    let data = &told[0]["data"];
    assert_eq!(data["sha256"], format!("{digest:x}"));
    assert_eq!((&data["rows"], &data["bytes"]), (&json!(30), &json!(bytes.len())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_is_in_no_checkpoint_and_not_in_the_bundle() {
    let server = filled().await;
    let uri = "/v1/events/export?proof=complete&tenant_id=zeta";
    let request = server.request(Method::GET, uri).body(Body::empty()).unwrap();
    let response = server.app.clone().oneshot(request).await.unwrap();
    let late = event_with("late", json!({"tenant_id": "zeta"}));
    server.take(&[late]).await;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let bundle = Bundle::read(&bytes);
    bundle.check_lines();
    assert_eq!(bundle.manifest.rows, 30);
    assert!(!bundle.lines().iter().any(|line| line.contains("\"late\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_claimed_is_refused_with_the_reason() {
    let server = filled().await;
    let auditor = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let place = json!({"tenant_id": "acme", "org_id": "emea"});
    let org_admin = server.key_for("org_admin", place).await;
    let (auditor, org_admin) = (server.as_key(&auditor), server.as_key(&org_admin));
    for (parameters, words) in [
        ("proof=complete&type=user.*", "`type`"),
        ("proof=complete&from=2026-03-01", "`from`"),
        ("proof=complete&q=passkey", "`q`"),
        ("proof=complete&where=seq%20%3E%201", "`where`"),
        ("proof=complete&limit=3", "`limit`"),
        ("proof=complete&tenant_id=zeta", "tenant_id"),
    ] {
        let answer = auditor.get(&format!("/v1/events/export?{parameters}")).await;
        let problem = answer.problem(400, &["parameter proof", words]);
        assert_eq!(problem["parameter"], "proof", "{parameters}");
    }
    let answer = auditor.get("/v1/events/export?proof=inclusion&columns=id,seq").await;
    answer.problem(400, &["parameter columns", "whole events"]);
    let answer = auditor.get("/v1/events/export?proof=total").await;
    answer.problem(400, &["parameter proof", "inclusion, complete"]);
    let answer = org_admin.get("/v1/events/export?proof=complete").await;
    answer.problem(400, &["parameter proof", "org_id = emea"]);
    let answer = server.get("/v1/events/export?proof=complete").await;
    answer.problem(400, &["parameter proof", "tenant_id"]);
    let answer = server.get("/v1/events/export?proof=complete&tenant_id=nobody").await;
    answer.problem(404, &["the log of nobody has no checkpoint yet"]);
    assert!(deeds(&server, "audit.export_requested").await.is_empty(), "nothing of it has begun");
    server.metric("auditlake_exports_running 0", Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_breaks_off_has_no_directory() {
    let server = Server::start().await;
    server.take(&numbered(60)).await;
    server.take(&[event_with("bad", json!({"occurred_at": "2026-03-09T00:00:00Z"}))]).await;
    let condition = "1 / (CASE WHEN id = 'bad' THEN 0 ELSE 1 END) = 1";
    let condition: String = url::form_urlencoded::byte_serialize(condition.as_bytes()).collect();
    let uri = format!("/v1/events/export?proof=inclusion&where={condition}");
    let request = server.request(Method::GET, &uri).body(Body::empty()).unwrap();
    let mut body = server.app.clone().oneshot(request).await.unwrap().into_body();
    let (mut bytes, mut is_broken) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend(frame.into_data().expect("no trailers")),
            Err(_) => is_broken = true,
        }
    }
    assert!(is_broken, "it must not end cleanly");
    assert!(bytes.starts_with(b"PK\x03\x04"), "the file begins at once");
    assert!(zip::ZipArchive::new(std::io::Cursor::new(&bytes)).is_err());
    // It is recorded by a task of its own.
    let started = Instant::now();
    let deed = loop {
        if let Some(deed) = deeds(&server, "audit.exported").await.pop() {
            break deed;
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_ne!(deed["outcome"], "success");
    assert_eq!(deed["data"]["proof"], "inclusion");
}
