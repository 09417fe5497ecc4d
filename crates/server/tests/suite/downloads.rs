//! The files of export jobs: whole, in ranges, as an archive, by signed links; and nothing
//! else by any of these ways.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::env::Environment;
use auditlake_query::{Engine, EngineConfig};
use auditlake_server::{AppState, Keys, ServerConfig, app, background};
use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::exporting::{self, config, deeds, file, finished, make, numbered, sha256};
use crate::harness::{Answer, Server};

/// A server with a job that is ready.
async fn ready(body: Value) -> (Server, Value) {
    let server = Server::with(config()).await;
    background(&server.state);
    server.take(&numbered(25)).await;
    let mut body = body;
    body["filter"] = json!({ "type": "user.signed_in" });
    let job = finished(&server, &make(&server, body).await).await;
    (server, job)
}

fn url(described: &Value) -> &str {
    described["url"].as_str().unwrap()
}

async fn ask(server: &Server, method: Method, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request(method, uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// A request of somebody who has a link and no key.
async fn open(server: &Server, method: Method, link: &str) -> Answer {
    let request = Request::builder().method(method).uri(link).body(Body::empty()).unwrap();
    server.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_file_says_what_it_is() {
    let (server, job) = ready(json!({ "format": "csv", "compression": "gzip" })).await;
    let described = &job["files"][0];
    let answer = server.get(url(described)).await;
    assert_eq!(answer.status, 200);
    let name = described["name"].as_str().unwrap();
    assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{name}\""));
    assert_eq!(answer.header("content-type"), "application/gzip");
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(answer.header("etag"), format!("\"{}\"", sha256(&answer.body)));
    let digest = STANDARD.encode(Sha256::digest(&answer.body));
    assert_eq!(answer.header("repr-digest"), format!("sha-256=:{digest}:"));

    let head = ask(&server, Method::HEAD, url(described), &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "etag", "repr-digest", "content-type"] {
        assert_eq!(head.header(name), answer.header(name), "{name}");
    }
    assert_eq!(deeds(&server, "audit.export_downloaded").await.len(), 1, "a look is no download");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_parts_of_the_same_file() {
    let (server, job) = ready(json!({ "format": "ndjson" })).await;
    let uri = url(&job["files"][0]);
    let whole = file(&server, &job["files"][0]).await;
    let (size, etag) = (whole.len(), format!("\"{}\"", sha256(&whole)));
    for (range, from, to) in [
        ("bytes=0-99".to_owned(), 0, 100),
        ("bytes=100-".to_owned(), 100, size),
        ("bytes=7-7".to_owned(), 7, 8),
        ("bytes=-20".to_owned(), size - 20, size),
        (format!("bytes=10-{}", size * 2), 10, size),
    ] {
        let plain = ("range", range.as_str());
        for headers in [vec![plain], vec![plain, ("if-range", etag.as_str())]] {
            let part = ask(&server, Method::GET, uri, &headers).await;
            assert_eq!(part.status, 206, "{range}");
            assert_eq!(part.body, whole[from..to], "{range}");
            let wanted = format!("bytes {from}-{}/{size}", to - 1);
            assert_eq!(part.header("content-range"), wanted);
            assert_eq!(part.header("content-length"), (to - from).to_string());
            assert_eq!(part.header("etag"), etag);
        }
    }
    for headers in [
        vec![("range", "bytes=0-1,4-5")],
        vec![("range", "lines=0-1")],
        vec![("range", "bytes=0-1"), ("if-range", "\"another\"")],
    ] {
        let answer = ask(&server, Method::GET, uri, &headers).await;
        assert_eq!((answer.status, answer.body.len()), (200, size), "{headers:?}");
    }
    let behind = format!("bytes={size}-");
    let beyond = ask(&server, Method::GET, uri, &[("range", behind.as_str())]).await;
    beyond.problem(416, &[&size.to_string()]);
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    // One whole, three answered so, and every range, wherever it begins.
    let deeds = deeds(&server, "audit.export_downloaded").await;
    assert_eq!(deeds.len(), 14);
    let parts = deeds.iter().filter(|deed| deed["data"]["range"].is_object());
    assert_eq!(parts.count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_lead_to_the_files_of_the_job_and_nowhere_else() {
    let (server, job) = ready(json!({})).await;
    let id = job["id"].as_str().unwrap();
    for name in [
        "nothing",
        "manifest.json",
        "..%2f..%2fmeta",
        "..%2F..%2Fmeta%2Fsecrets%2Flinks%2F0000000001.json",
        "%2e%2e%2f%2e%2e%2flog",
        "%2fetc%2fpasswd",
        "audit-export",
        "a%00b",
    ] {
        let answer = server.get(&format!("/v1/exports/{id}/files/{name}")).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.text());
    }
    for id in ["exp_nothing", "..%2f..%2fmeta", "keys", "exp_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        for rest in ["", "/manifest", "/archive.zip", "/files/x", "/events"] {
            let answer = server.get(&format!("/v1/exports/{id}{rest}")).await;
            assert_eq!(answer.status, 404, "{id}{rest}: {}", answer.text());
        }
    }
    let answer = server.get(&format!("/v1/exports/{id}/files/y?x=1")).await;
    answer.problem(400, &["parameter x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_holds_the_manifest_and_every_file() {
    for body in [
        json!({ "format": "csv" }),
        json!({ "format": "csv", "compression": "zstd" }),
        json!({ "format": "parquet" }),
    ] {
        let (server, job) = ready(body).await;
        let id = job["id"].as_str().unwrap();
        let uri = format!("/v1/exports/{id}/archive.zip");
        let answer = server.get(&uri).await;
        assert_eq!(answer.header("content-type"), "application/zip");
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(answer.body.clone())).unwrap();
        let mut names: Vec<String> =
            archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        names.sort();
        let mut wanted = vec!["manifest.json".to_owned()];
        for described in job["files"].as_array().unwrap() {
            let name = described["name"].as_str().unwrap();
            wanted.push(name.to_owned());
            let mut bytes = Vec::new();
            archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(described["sha256"], sha256(&bytes));
        }
        wanted.sort();
        assert_eq!(names, wanted);
        let mut manifest = String::new();
        archive.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
        assert_eq!(manifest, server.get(&format!("/v1/exports/{id}/manifest")).await.text());
        assert_eq!(server.get(&uri).await.body, answer.body, "the same files, the same archive");
        let deeds = deeds(&server, "audit.export_downloaded").await;
        assert_eq!((deeds.len(), deeds[0]["data"]["file"].clone()), (2, json!("archive.zip")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_cannot_be_whole_breaks_off() {
    let (server, job) = ready(json!({})).await;
    let id = job["id"].as_str().unwrap();
    let name = job["files"][1]["name"].as_str().unwrap();
    // Another file under its name, as a careless hand would leave it.
    let mut writer = server.lake.exports().write(id, name).await.unwrap();
    writer.put(bytes::Bytes::from_static(b"not it")).await.unwrap();
    writer.finish().await.unwrap();
    let request = server.request(Method::GET, &format!("/v1/exports/{id}/archive.zip"));
    let request = request.body(Body::empty()).unwrap();
    let response = server.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err(), "it must not end cleanly");
    assert_eq!(server.get(url(&job["files"][1])).await.status, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_one_file_to_whoever_has_it() {
    let (server, job) = ready(json!({ "format": "csv" })).await;
    let id = job["id"].as_str().unwrap();
    let (first, second) = (&job["files"][0], &job["files"][1]);
    let body = json!({ "file": first["name"], "expires_in_s": 60 });
    let signed = server.post(&format!("/v1/exports/{id}/links"), body.to_string()).await;
    assert_eq!(signed.status, 201, "{}", signed.text());
    let link = signed.json()["url"].as_str().unwrap().to_owned();
    assert!(link.starts_with(url(first)));
    let opened = open(&server, Method::GET, &link).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert_eq!(sha256(&opened.body), first["sha256"].as_str().unwrap());
    assert_eq!(open(&server, Method::HEAD, &link).await.status, 200);
    let deeds = deeds(&server, "audit.export_downloaded").await;
    assert_eq!(deeds[0]["data"]["link"], true);

    let (path, query) = link.split_once('?').unwrap();
    let later = query.replacen("expires=", "expires=9", 1);
    let forged = query.replacen("signature=", "signature=A", 1);
    let other_key = query.replacen("key=", "key=x", 1);
    for (path, query) in [
        (url(second), query),
        (path, later.as_str()),
        (path, &query[..query.len() - 4]),
        (path, other_key.as_str()),
        (path, forged.as_str()),
        (path, ""),
        (path, "signature="),
        (path, format!("{query}&signature=x").as_str()),
        (path, format!("{query}&more=x").as_str()),
        (format!("/v1/exports/{id}").as_str(), query),
        (format!("/v1/exports/{id}/manifest").as_str(), query),
        (format!("/v1/exports/{id}/archive.zip").as_str(), query),
        ("/v1/events", query),
    ] {
        let answer = open(&server, Method::GET, &format!("{path}?{query}")).await;
        assert_eq!(answer.status, 401, "{path}?{query}: {}", answer.text());
    }
    let archive = server.post(&format!("/v1/exports/{id}/links"), "{}").await.json();
    let opened = open(&server, Method::GET, archive["url"].as_str().unwrap()).await;
    assert_eq!((opened.status, &opened.body[..2]), (200, b"PK".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_time_and_with_the_export() {
    let (server, job) = ready(json!({})).await;
    let id = job["id"].as_str().unwrap();
    let links = format!("/v1/exports/{id}/links");
    let short = server.post(&links, json!({ "expires_in_s": 1 }).to_string()).await.json();
    let long = server.post(&links, json!({ "expires_in_s": 3600 }).to_string()).await.json();
    let century = json!({ "expires_in_s": 10_000_000_000_u64 });
    let century = server.post(&links, century.to_string()).await.json();
    assert!(century["expires_at"].as_str().unwrap() <= job["expires_at"].as_str().unwrap());
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(open(&server, Method::GET, short["url"].as_str().unwrap()).await.status, 401);
    assert_eq!(open(&server, Method::GET, long["url"].as_str().unwrap()).await.status, 200);
    let signed = deeds(&server, "audit.export_link_signed").await;
    assert_eq!(signed.len(), 3, "who gives a link away is known");
    exporting::cancel(&server, id).await;
    let gone = open(&server, Method::GET, long["url"].as_str().unwrap()).await;
    gone.problem(410, &["expired"]);
    server.post(&links, "{}").await.problem(410, &["expired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_the_key_that_made_the_export() {
    let server = Server::with(config()).await;
    background(&server.state);
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let auditor = server.as_key(&key);
    let made = auditor.post("/v1/exports", "{}").await.json();
    let job = finished(&server, made["id"].as_str().unwrap()).await;
    let links = format!("/v1/exports/{}/links", job["id"].as_str().unwrap());
    let link = auditor.post(&links, "{}").await.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(open(&server, Method::GET, &link).await.status, 200);
    let revoked = ask(&server, Method::DELETE, &format!("/v1/keys/{}", &key[4..16]), &[]).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_eq!(open(&server, Method::GET, &link).await.status, 401);
    server.post(&links, "{}").await.problem(409, &["opens nothing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_refused_that_could_lead_nowhere() {
    let (server, job) = ready(json!({})).await;
    let links = format!("/v1/exports/{}/links", job["id"].as_str().unwrap());
    server.post(&links, r#"{"file":"nothing"}"#).await.problem(404, &["\"nothing\""]);
    server.post(&links, r#"{"expires_in_s":0}"#).await.problem(400, &["expires_in_s"]);
    server.post(&links, r#"{"colour":"red"}"#).await.problem(400, &["colour"]);
    let waiting = Server::with(config()).await;
    let id = make(&waiting, json!({})).await;
    let answer = waiting.post(&format!("/v1/exports/{id}/links"), "{}").await;
    answer.problem(409, &["queued"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_sign_alike() {
    let (server, job) = ready(json!({})).await;
    let keys = Keys::load(server.lake.documents()).await.unwrap();
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let lake = Arc::clone(&server.lake);
    let other = AppState::new(lake, engine, Environment::system(), keys, config());
    let links = format!("/v1/exports/{}/links", job["id"].as_str().unwrap());
    let signed = server.post(&links, "{}").await.json();
    let request = Request::builder().uri(signed["url"].as_str().unwrap()).body(Body::empty());
    let response = app(other).oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_file_fails_the_job_and_not_the_server() {
    let folder = tempfile::tempdir().unwrap();
    // Where the folder of exports would be is a file, so that none of theirs can be written.
    std::fs::write(folder.path().join("exports"), b"in the way").unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), true, []).unwrap();
    let environment = Environment::system();
    let lake = Lake::open(LakeConfig::new(root), environment.clone()).await.unwrap();
    let keys = Keys::load(lake.documents()).await.unwrap();
    let mut key = String::new();
    let show = |text: &str| {
        text.clone_into(&mut key);
        Ok(())
    };
    keys.first_operator(lake.documents(), &environment, show).await.unwrap();
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let config = ServerConfig { refresh_interval: Duration::from_millis(20), ..config() };
    let state = AppState::new(Arc::new(lake), engine, environment, keys, config);
    background(&state);
    let app = app(state);
    let send = async |method: &str, uri: &str| {
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("authorization", format!("Bearer {key}"));
        let body = if uri == "/v1/exports" { Body::from("{}") } else { Body::empty() };
        let response = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let made = send("POST", "/v1/exports").await;
    let uri = format!("/v1/exports/{}", made["id"].as_str().unwrap());
    let until = async |wanted: &str| {
        for _ in 0..3000 {
            let job = send("GET", &uri).await;
            if job["state"] == wanted {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{uri} is never {wanted}");
    };
    let job = until("failed").await;
    let error = job["error"].as_str().unwrap();
    assert!(error.contains("storage") && !error.contains("in the way"), "{error}");
    assert!(!error.contains(folder.path().to_str().unwrap()), "{error}");
    std::fs::remove_file(folder.path().join("exports")).unwrap();
    assert_eq!(send("POST", &format!("{uri}/retry")).await["state"], "queued");
    assert_eq!(until("ready").await["attempt"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_has_a_bounded_number_of_downloads() {
    let (server, job) = ready(json!({ "format": "csv" })).await;
    let uri = job["files"][0]["url"].as_str().unwrap();
    let open = || async {
        let request = server.request(Method::GET, uri).body(Body::empty()).unwrap();
        server.app.clone().oneshot(request).await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..16 {
        let response = open().await;
        assert_eq!(response.status(), 200);
        held.push(response);
    }
    server.get(uri).await.problem(429, &["16 downloads of this caller"]);
    held.pop();
    assert_eq!(server.get(uri).await.status, 200);
    assert_eq!(server.get(uri).await.status, 200);
}
