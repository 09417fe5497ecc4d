//! Around every request: keys, ids, wrong paths and methods, probes, metrics.

use std::time::Duration;

use auditlake_model::env::Environment;
use auditlake_server::Keys;
use axum::body::Body;
use axum::http::{Method, Request, Version};

use crate::harness::{self, Server, events};

async fn with_authorization(server: &Server, value: Option<&str>) -> harness::Answer {
    let mut request = Request::builder().uri("/v1/events");
    if let Some(value) = value {
        request = request.header("authorization", value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_one_answer_whatever_is_wrong_with_their_key() {
    let server = Server::start().await;
    let other = Server::start().await.key;
    let unknown = format!("Bearer {other}");
    let mistyped = format!("Bearer {}x", &server.key[..server.key.len() - 1]);
    let wrong = [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic dXNlcjpwYXNz"),
        Some(mistyped.as_str()),
        Some(other.as_str()),
        Some(unknown.as_str()),
    ];
    let mut bodies = Vec::new();
    for value in wrong {
        let answer = with_authorization(&server, value).await;
        answer.problem(401, &["a valid key is needed"]);
        // Who showed something is told that it is no good, and nothing else.
        let shown = [&mistyped, &unknown, &other].iter().any(|text| value == Some(text.as_str()));
        let challenge = if shown { "Bearer error=\"invalid_token\"" } else { "Bearer" };
        assert_eq!(answer.header("www-authenticate"), challenge, "{value:?}");
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_shown_with_or_without_its_scheme() {
    let server = Server::start().await;
    let key = &server.key;
    for value in [format!("Bearer {key}"), format!("bearer  {key}"), key.clone()] {
        assert_eq!(with_authorization(&server, Some(&value)).await.status, 200, "{value}");
    }
    for value in [format!("Basic {key}"), format!("Token {key}"), format!("{key} {key}")] {
        assert_eq!(with_authorization(&server, Some(&value)).await.status, 401, "{value}");
    }
    // Which of two would count is a guess.
    let twice = server.request(Method::GET, "/v1/events").header("authorization", key);
    assert_eq!(server.send(twice.body(Body::empty()).unwrap()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_is_made_once_and_found_again() {
    let server = Server::start().await;
    let documents = server.lake.documents();
    let keys = Keys::load(documents).await.unwrap();
    let show = |_: &str| panic!("there is a key already");
    keys.first_operator(documents, &Environment::system(), show).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_probes_metrics_and_the_description_needs_a_key() {
    let server = Server::start().await;
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/docs", 200),
        ("/v1/events", 401),
        ("/v1/events/export", 401),
        ("/v1/events/evt_1", 401),
        ("/v1/keys", 401),
        ("/v1/exports/exp_1/archive.zip", 401),
        ("/v1/exports/exp_1/archive.zip?signature=made-up", 401),
        ("/v1/events?signature=made-up", 401),
        ("/nowhere", 401),
        ("/livez/", 401),
    ] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_paths_and_methods_are_problems() {
    let server = Server::start().await;
    server.get("/v1/nowhere?q=secret").await.problem(404, &["there is no /v1/nowhere"]);
    let request = server.request(Method::DELETE, "/v1/events").body(Body::empty()).unwrap();
    let answer = server.send(request).await;
    answer.problem(405, &["does not take DELETE"]);
    let allowed = answer.header("allow");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let answer = server.post("/v1/events/export", "").await;
    answer.problem(405, &[]);
    assert!(!answer.header("allow").contains("POST"));
    // An export would begin, and be recorded, without anybody to read it.
    let head = server.request(Method::HEAD, "/v1/events/export").body(Body::empty()).unwrap();
    let head = server.send(head).await;
    assert_eq!((head.status, head.header("allow")), (405, "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_an_id_each_and_lie_in_no_cache() {
    let server = Server::start().await;
    let (one, two) = (server.get("/v1/events").await, server.get("/livez").await);
    assert_eq!(one.header("x-request-id").len(), 26);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    assert_eq!(one.header("cache-control"), "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let server = Server::start().await;
    server.take(&events("m", 3)).await;
    server.take(&events("m", 2)).await;
    server.post("/v1/events", "{}").await.problem(400, &[]);
    server.get("/v1/made/up").await.problem(404, &[]);
    let at_once = Duration::ZERO;
    server.metric("auditlake_events_accepted_total 3", at_once).await;
    server.metric("auditlake_events_duplicates_total 2", at_once).await;
    server.metric("auditlake_events_rejected_total 1", at_once).await;
    server.metric("auditlake_exports_running 0", at_once).await;
    server.metric("auditlake_segments 0", at_once).await;
    let metrics = server.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let text = metrics.text();
    assert!(text.contains(r#"auditlake_requests_total{route="/v1/events",status="200"} 2"#));
    assert!(text.contains(r#"auditlake_requests_total{route="unknown",status="404"} 1"#));
    assert!(!text.contains("made/up"), "a path that a client made up is no label");
    assert!(text.contains("auditlake_request_seconds_bucket"));
    server.lake.flush().await.unwrap();
    server.metric("auditlake_segments 1", at_once).await;
    server.metric("auditlake_hot_bytes 0", at_once).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_cannot_tell_a_whole_answer_from_a_part() {
    let server = Server::start().await;
    let old = server.request(Method::GET, "/v1/events").version(Version::HTTP_10);
    let answer = server.send(old.body(Body::empty()).unwrap()).await;
    answer.problem(505, &["from HTTP/1.1 on"]);
    let probe = Request::builder().uri("/livez").version(Version::HTTP_10);
    assert_eq!(server.send(probe.body(Body::empty()).unwrap()).await.status, 200);
}
