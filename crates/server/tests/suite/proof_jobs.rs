//! Export jobs with a proof: what stands beside their files, that their archive is an evidence
//! bundle, and what is refused.

use auditlake_export::proof::Proof;
use auditlake_model::claim::Claim;
use auditlake_server::background;
use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::evidence::{self, Bundle};
use crate::exporting::{
    cancel, config, deeds, digests_of, finished, make, running, sha256, until, waiting,
};
use crate::harness::{self, Server};

/// The events of zeta, and whatever was recorded about exports of them.
fn of_zeta(proof: &str) -> Value {
    json!({"proof": proof, "filter": {"tenant_id": "zeta"}})
}

async fn archive(server: &Server, job: &Value) -> Bundle {
    let answer = server.get(job["archive_url"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Bundle::read(&answer.body)
}

/// A file as it is stored for a job, if it is.
async fn stored(server: &Server, id: &str, name: &str) -> Option<Vec<u8>> {
    let reader = server.lake.exports().read(id, name, None).await.unwrap()?;
    let pieces: Vec<Bytes> = reader.bytes.try_collect().await.unwrap();
    Some(pieces.iter().flat_map(|piece| piece.to_vec()).collect())
}

async fn store(server: &Server, id: &str, name: &str, bytes: Vec<u8>) {
    let mut writer = server.lake.exports().write(id, name).await.unwrap();
    writer.put(Bytes::from(bytes)).await.unwrap();
    writer.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_of_a_job_is_an_evidence_bundle() {
    let server = running(50, config()).await;
    let job = finished(&server, &make(&server, of_zeta("complete")).await).await;
    assert_eq!(job["proof"], "complete");
    assert_eq!((&job["rows"], job["files"].as_array().unwrap().len()), (&json!(25), 3));
    let proof = server.get(job["proof_url"].as_str().unwrap()).await;
    assert_eq!((proof.status, proof.header("content-type")), (200, "application/json"));
    assert_eq!(proof.header("etag"), format!("\"{}\"", sha256(&proof.body)));
    assert_eq!(Proof::from_json(&proof.body).unwrap().claim, Claim::Complete);

    let bundle = archive(&server, &job).await;
    assert_eq!(bundle.files["proof.json"], proof.body);
    assert_eq!(bundle.check_lines(), ["zeta"]);
    let complete = bundle.proof.logs[0].complete.clone().unwrap();
    assert_eq!((complete.from, complete.to), (0, 25));
    let manifest = server.get(job["manifest_url"].as_str().unwrap()).await;
    assert_eq!(bundle.files["manifest.json"], manifest.body);

    let exported = deeds(&server, "audit.exported").await;
    assert_eq!(exported[0]["data"]["proof"], "complete");
    assert_eq!(exported[0]["data"]["proof_sha256"], sha256(&proof.body));
    let requested = deeds(&server, "audit.export_requested").await;
    assert_eq!(requested[0]["data"]["proof"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_jobs_prove_that_each_event_is_authentic() {
    let server = running(45, config()).await;
    for (format, compression) in [("ndjson", "none"), ("csv", "gzip"), ("parquet", "none")] {
        let body = json!({
            "format": format, "compression": compression, "proof": "inclusion", "order": "desc",
            "filter": {"type": "user.signed_in"},
        });
        let job = finished(&server, &make(&server, body).await).await;
        let bundle = archive(&server, &job).await;
        assert_eq!(bundle.proof.claim, Claim::Inclusion);
        let rows: u64 = bundle.proof.logs.iter().map(|log| log.rows).sum();
        assert_eq!(rows, 45, "{format}");
        if format == "ndjson" {
            assert_eq!(bundle.check_lines(), ["acme", "zeta"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_a_proof_is_in_the_log() {
    let server = running(20, config()).await;
    let job = finished(&server, &make(&server, of_zeta("complete")).await).await;
    let uri = job["proof_url"].as_str().unwrap();
    let request = server.request(Method::HEAD, uri).body(Body::empty()).unwrap();
    assert_eq!(server.send(request).await.status, 200);
    let proof = server.get(uri).await;
    let downloads = deeds(&server, "audit.export_downloaded").await;
    assert_eq!(downloads.len(), 1, "{downloads:?}");
    let data = &downloads[0]["data"];
    assert_eq!((&data["file"], &data["link"]), (&json!("proof.json"), &json!(false)));
    assert_eq!(data["sha256"], sha256(&proof.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_overtaken_attempt_still_writes_is_not_given_out() {
    let server = running(30, config()).await;
    let id = make(&server, of_zeta("inclusion")).await;
    let job = finished(&server, &id).await;
    let before = archive(&server, &job).await;
    for name in evidence::PAPERS {
        for late in [name.to_owned(), format!("0-{name}"), format!("2-{name}")] {
            store(&server, &id, &late, b"late".to_vec()).await;
        }
    }
    assert_eq!(archive(&server, &job).await.files, before.files);
    for (url, name) in [("proof_url", "proof.json"), ("manifest_url", "manifest.json")] {
        let answer = server.get(job[url].as_str().unwrap()).await;
        assert_eq!(before.files[name], answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_do_not_tell_whose_papers_count_have_them_under_plain_names() {
    let server = running(30, config()).await;
    let id = make(&server, of_zeta("inclusion")).await;
    let job = finished(&server, &id).await;
    let before = archive(&server, &job).await;
    for name in evidence::PAPERS {
        let own = format!("1-{name}");
        let bytes = stored(&server, &id, &own).await.unwrap();
        store(&server, &id, name, bytes).await;
        store(&server, &id, &own, b"of another attempt".to_vec()).await;
    }
    let documents = server.lake.documents();
    let mut held = documents.get::<Value>("jobs", &id).await.unwrap().unwrap();
    assert_eq!(held.value.as_object_mut().unwrap().remove("papers_attempt"), Some(json!(1)));
    documents.put("jobs", &id, held.version + 1, &held.value).await.unwrap();
    assert_eq!(archive(&server, &job).await.files, before.files);
    let proof = server.get(job["proof_url"].as_str().unwrap()).await;
    assert_eq!(before.files["proof.json"], proof.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_proof_has_none_to_give() {
    let server = running(5, config()).await;
    let job = finished(&server, &make(&server, json!({})).await).await;
    assert_eq!((&job["proof"], &job["proof_url"]), (&Value::Null, &Value::Null));
    let uri = format!("/v1/exports/{}/proof", job["id"].as_str().unwrap());
    server.get(&uri).await.problem(404, &["made without a proof"]);
    let answer = server.get(job["archive_url"].as_str().unwrap()).await;
    let archive = zip::ZipArchive::new(std::io::Cursor::new(answer.body)).unwrap();
    assert!(!archive.file_names().any(|name| name.unwrap() == "proof.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_claimed_is_refused_before_a_job_is_made() {
    let server = waiting(10, config()).await;
    for (body, status, words) in [
        (json!({"proof": "whole"}), 400, ["parameter proof", "inclusion, complete"]),
        (json!({"proof": "complete"}), 400, ["parameter proof", "tenant_id"]),
        (
            json!({"proof": "complete", "filter": {"tenant_id": "zeta", "type": "a.b"}}),
            400,
            ["parameter proof", "`type`"],
        ),
        (
            json!({"proof": "inclusion", "columns": ["id"]}),
            400,
            ["parameter columns", "whole events"],
        ),
        (
            json!({"proof": "complete", "filter": {"tenant_id": "nobody"}}),
            404,
            ["nobody", "no checkpoint yet"],
        ),
    ] {
        let answer = server.post("/v1/exports", body.to_string()).await;
        answer.problem(status, &words);
    }
    let list = server.get("/v1/exports").await.json();
    assert_eq!(list["exports"], json!([]));
    let preflight = json!({"proof": "complete"}).to_string();
    server.post("/v1/exports/preflight", preflight).await.problem(400, &["parameter proof"]);
    let preflight = of_zeta("complete").to_string();
    assert_eq!(server.post("/v1/exports/preflight", preflight).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waited_proves_what_there_was_when_it_was_made() {
    let server = waiting(40, config()).await;
    let id = make(&server, of_zeta("complete")).await;
    server.take(&[harness::event_with("late", json!({"tenant_id": "zeta"}))]).await;
    background(&server.state);
    let job = finished(&server, &id).await;
    let bundle = archive(&server, &job).await;
    bundle.check_lines();
    assert_eq!(bundle.manifest.rows, 20);
    assert!(!bundle.lines().iter().any(|line| line.contains("\"late\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_tried_again_gives_the_same_files_and_a_proof() {
    let server = waiting(40, config()).await;
    let first = make(&server, of_zeta("inclusion")).await;
    let again = make(&server, of_zeta("inclusion")).await;
    cancel(&server, &again).await;
    let uri = format!("/v1/exports/{again}/proof");
    server.get(&uri).await.problem(410, &["canceled"]);
    let answer = server.post(&format!("/v1/exports/{again}/retry"), "").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    server.get(&uri).await.problem(409, &["its files come when it is ready"]);
    background(&server.state);
    until(&server, &first, &["ready"]).await;
    let job = finished(&server, &again).await;
    let bundle = archive(&server, &job).await;
    bundle.check_lines();
    assert_eq!(digests_of(&job).len(), bundle.manifest.files.len());
}
