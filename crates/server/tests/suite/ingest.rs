//! `POST /v1/events`: forms, encodings, limits, all or nothing, and retries.

use std::io::{Read, Write};

use auditlake_server::ServerConfig;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Answer, Server, event, event_with, events, lines};

async fn post_with(server: &Server, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = server.request(Method::POST, "/v1/events");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::from(body)).unwrap()).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_an_array_and_lines_are_taken() {
    let server = Server::start().await;
    let answer = server.post("/v1/events", event("a").to_string()).await;
    let expected = json!({"accepted": 1, "duplicates": 0, "first_seq": 0, "last_seq": 0});
    assert_eq!(answer.json(), expected);
    let array = json!([event("a"), event("b"), event("c")]).to_string();
    let answer = server.post("/v1/events", array).await;
    let expected = json!({"accepted": 2, "duplicates": 1, "first_seq": 1, "last_seq": 2});
    assert_eq!(answer.json(), expected);
    let answer = server.take(&[event("d"), event_with("e", json!({"tenant_id": "zeta"}))]).await;
    let several = json!({"accepted": 2, "duplicates": 0, "first_seq": null, "last_seq": null});
    assert_eq!(answer, several);
    assert_eq!(server.take(&[event("a")]).await["first_seq"], Value::Null);
    assert_eq!(server.post("/v1/events", "[]").await.json()["accepted"], 0);
    server.post("/v1/events", "").await.problem(400, &["line 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_taken() {
    let server = Server::start().await;
    let text = lines(&events("g", 3));
    let answer = post_with(&server, &[("content-encoding", "gzip")], gzip(text.as_bytes())).await;
    assert_eq!(answer.json()["accepted"], 3, "{}", answer.text());
    // Several members are one stream.
    let (one, two) = text.split_at(text.find('\n').unwrap() + 1);
    let members = [gzip(one.as_bytes()), gzip(two.as_bytes())].concat();
    let answer = post_with(&server, &[("content-encoding", "GZIP")], members).await;
    assert_eq!(answer.json()["duplicates"], 3, "{}", answer.text());
    let answer = post_with(&server, &[("content-encoding", "zstd")], zstd(text.as_bytes())).await;
    assert_eq!(answer.json()["duplicates"], 3, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_foreign_encodings_are_refused() {
    let server = Server::start().await;
    let text = lines(&events("d", 50));
    for (encoding, whole) in [("gzip", gzip(text.as_bytes())), ("zstd", zstd(text.as_bytes()))] {
        let cut = whole[..whole.len() / 2].to_vec();
        for body in [cut, b"not compressed".to_vec()] {
            let answer = post_with(&server, &[("content-encoding", encoding)], body).await;
            answer.problem(400, &["is no whole", encoding]);
        }
    }
    for encodings in [&["br"][..], &["gzip, zstd"], &["gzip", "gzip"], &["deflate"]] {
        let headers: Vec<_> = encodings.iter().map(|name| ("content-encoding", *name)).collect();
        let answer = post_with(&server, &headers, gzip(text.as_bytes())).await;
        answer.problem(415, &["gzip, zstd"]);
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    post_with(&server, &form, text.clone().into_bytes())
        .await
        .problem(415, &["application/json", "application/x-ndjson"]);
    let json = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(post_with(&server, &json, text.into_bytes()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_limits_before_and_after_decompression() {
    let config = ServerConfig {
        max_body_bytes: 256 << 10,
        max_decompressed_bytes: 1 << 20,
        ..ServerConfig::default()
    };
    let server = Server::with(config).await;
    // One with a length, one without.
    server.post("/v1/events", vec![b' '; 257 << 10]).await.problem(413, &["262144 bytes"]);
    let pieces = futures::stream::iter((0..257).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024])));
    let answer = server.post("/v1/events", Body::from_stream(pieces)).await;
    answer.problem(413, &["262144 bytes"]);
    // Much in little, and what is just within the limit.
    let bomb = zstd::stream::encode_all(std::io::repeat(b' ').take(256 << 20), 1).unwrap();
    assert!(bomb.len() < 256 << 10);
    let answer = post_with(&server, &[("content-encoding", "zstd")], bomb).await;
    answer.problem(413, &["the decompressed body", "1048576 bytes"]);
    let bomb = gzip(&vec![b' '; 4 << 20]);
    let answer = post_with(&server, &[("content-encoding", "gzip")], bomb).await;
    answer.problem(413, &["the decompressed body", "1048576 bytes"]);
    let mut text = lines(&[event("fits")]).into_bytes();
    text.resize(1 << 20, b' ');
    let answer = post_with(&server, &[("content-encoding", "gzip")], gzip(&text)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_is_named_and_nothing_of_its_request_is_kept() {
    let server = Server::start().await;
    let bad = event_with("bad", json!({"outcome": "fine"}));
    let body = lines(&[event("good"), bad, event("after")]);
    let problem = server.post("/v1/events", body).await.problem(400, &["line 2", "outcome"]);
    assert_eq!(problem["line"], 2);
    assert_eq!(problem["key"], "outcome");
    assert!(problem["reason"].as_str().unwrap().contains("success"));
    assert!(server.ids("").await.is_empty());
    let mut orphan = event("orphan");
    orphan.as_object_mut().unwrap().remove("tenant_id");
    let problem = server.post("/v1/events", orphan.to_string()).await.problem(400, &[]);
    assert_eq!(problem["key"], "tenant_id");
    // A place in an array counts from 1, and a body that is no JSON has a place too.
    let array = json!([event("one"), {"type": "x"}]).to_string();
    assert_eq!(server.post("/v1/events", array).await.problem(400, &[])["line"], 2);
    server.post("/v1/events", "[{\"id\":").await.problem(400, &["malformed JSON"]);
    assert!(server.ids("").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_keeps_the_good_and_lists_the_bad() {
    let server = Server::start().await;
    let bad = event_with("bad", json!({"outcome": "fine"}));
    let body = format!("{}{{\n", lines(&[event("one"), bad, event("two")]));
    let answer = server.post("/v1/events?partial=true", body).await.json();
    assert_eq!((&answer["accepted"], &answer["last_seq"]), (&json!(2), &json!(1)));
    assert_eq!(answer["rejected"][0]["line"], 2);
    assert_eq!(answer["rejected"][0]["key"], "outcome");
    assert_eq!(answer["rejected"][1]["line"], 4);
    assert_eq!(answer["rejected"][1]["key"], Value::Null);
    assert_eq!(server.ids("order=asc").await, ["one", "two"]);
    let answer = server.post("/v1/events?partial=true", event("three").to_string()).await;
    assert_eq!(answer.json()["rejected"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_known_and_say_what_they_allow() {
    let server = Server::start().await;
    let with_extra = event_with("extra", json!({"colour": "red"})).to_string();
    server.post("/v1/events", with_extra.clone()).await.problem(400, &["colour"]);
    let answer = server.post("/v1/events?unknown=data", with_extra).await;
    assert_eq!(answer.json()["accepted"], 1);
    let kept = server.get("/v1/events/extra").await.json();
    assert_eq!(kept["data"], json!({"method": "passkey", "colour": "red"}));
    let post = |query: &'static str| server.post(query, event("never").to_string());
    post("/v1/events?unknown=keep").await.problem(400, &["unknown", "\"keep\"", "data, refuse"]);
    post("/v1/events?partial=yes").await.problem(400, &["partial", "true, false"]);
    post("/v1/events?tenant=acme").await.problem(400, &["tenant", "unknown, partial"]);
    post("/v1/events?partial=true&partial=true").await.problem(400, &["more than once"]);
    server.get("/v1/events/never").await.problem(404, &["never"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_an_idempotency_key_names_the_same_events() {
    let server = Server::start().await;
    let mut nameless = event("x");
    nameless.as_object_mut().unwrap().remove("id");
    let body = lines(&[nameless.clone(), nameless]).into_bytes();
    let keyed = [("idempotency-key", "batch-1")];
    assert_eq!(post_with(&server, &keyed, body.clone()).await.json()["accepted"], 2);
    let again = post_with(&server, &keyed, body.clone()).await.json();
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(2)));
    let other = [("idempotency-key", "batch-2")];
    assert_eq!(post_with(&server, &other, body.clone()).await.json()["accepted"], 2);
    assert_eq!(post_with(&server, &[], body.clone()).await.json()["accepted"], 2);
    assert_eq!(server.ids("").await.len(), 6);
    let long = "k".repeat(256);
    for key in ["", "two words", long.as_str()] {
        let answer = post_with(&server, &[("idempotency-key", key)], body.clone()).await;
        answer.problem(400, &["Idempotency-Key", "1 to 255"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_ingester_writes_for_its_tenant() {
    let server = Server::start().await;
    let key = server.key_for("ingester", json!({"tenant_id": "acme"})).await;
    let ingester = server.as_key(&key);
    let mut orphan = event("orphan");
    orphan.as_object_mut().unwrap().remove("tenant_id");
    let foreign = event_with("foreign", json!({"tenant_id": "globex"}));
    // A tenant that is not named is the own one; another is refused, with its place.
    let body = lines(&[orphan.clone(), event("named")]);
    assert_eq!(ingester.post("/v1/events", body).await.json()["accepted"], 2);
    assert_eq!(server.get("/v1/events/orphan").await.json()["tenant_id"], "acme");
    let body = lines(&[event("good"), foreign.clone(), event("after")]);
    let answer = ingester.post("/v1/events", body.clone()).await;
    let problem = answer.problem(403, &["line 2", "tenant_id", "bound"]);
    assert_eq!((&problem["line"], &problem["key"]), (&json!(2), &json!("tenant_id")));
    assert!(!answer.text().contains("globex"));
    let answer = ingester.post("/v1/events?partial=true", body).await.json();
    assert_eq!(answer["accepted"], 2);
    assert_eq!(
        (&answer["rejected"][0]["line"], &answer["rejected"][0]["key"]),
        (&json!(2), &json!("tenant_id"))
    );
    server.get("/v1/events/foreign").await.problem(404, &[]);
    // A tenant that is no text is wrong, not forbidden.
    let odd = event_with("odd", json!({"tenant_id": 7})).to_string();
    ingester.post("/v1/events", odd).await.problem(400, &["tenant_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_two_tenants_with_the_same_idempotency_key_differ() {
    let server = Server::start().await;
    let mut nameless = event("x");
    for key in ["id", "tenant_id"] {
        nameless.as_object_mut().unwrap().remove(key);
    }
    for tenant in ["acme", "globex"] {
        let key = server.key_for("ingester", json!({"tenant_id": tenant})).await;
        for accepted in [1, 0] {
            let request = Request::post("/v1/events")
                .header("authorization", format!("Bearer {key}"))
                .header("idempotency-key", "batch-1")
                .body(Body::from(nameless.to_string()));
            assert_eq!(server.send(request.unwrap()).await.json()["accepted"], accepted);
        }
    }
    let ids = server.ids("type=user.*").await;
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}
