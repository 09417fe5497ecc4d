//! Many exports at a time: they take turns, and each gives the bytes it would give alone.

use std::time::Duration;

use auditlake_server::ServerConfig;
use axum::body::Body;
use axum::http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Server, event_with};

/// Ways to ask for the same events.
const EXPORTS: [&str; 6] = [
    "format=ndjson",
    "format=ndjson&order=asc",
    "format=json&order=desc",
    "format=csv&columns=id,data",
    "format=csv&columns=data,seq&order=desc&limit=5000",
    "format=ndjson&tenant_id=zeta",
];

/// 6000 events of some 600 bytes over three days and two tenants, many at the same time, half
/// of them sealed.
async fn filled() -> Server {
    let config =
        ServerConfig { max_exports: 64, max_exports_per_caller: 64, ..ServerConfig::default() };
    let server = Server::with(config).await;
    let events: Vec<Value> = (0..6000)
        .map(|number| {
            let (day, second) = (number % 3 + 1, number / 50 % 60);
            event_with(
                &format!("e{number:04}"),
                json!({
                    "occurred_at": format!("2026-03-0{day}T10:00:{second:02}Z"),
                    "tenant_id": if number % 2 == 0 { "acme" } else { "zeta" },
                    "data": {"text": format!("{number:04}").repeat(100)},
                }),
            )
        })
        .collect();
    server.take(&events[..2000]).await;
    server.lake.flush().await.unwrap();
    server.take(&events[2000..4000]).await;
    server.lake.flush().await.unwrap();
    server.take(&events[4000..]).await;
    server
}

fn uri(export: &str) -> String {
    format!("/v1/events/export?type=user.signed_in&{export}")
}

async fn turns(server: &Server) -> u64 {
    let metrics = server.get("/metrics").await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("auditlake_exports_turns_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_gave_up_its_turn_gives_the_same_bytes() {
    let server = filled().await;
    let mut alone = Vec::new();
    for export in EXPORTS {
        let answer = server.get(&uri(export)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        alone.push(answer.body);
    }
    let before = turns(&server).await;
    let mut crowd = Vec::new();
    for number in 0..30 {
        let request = server.request(Method::GET, &uri(EXPORTS[number % EXPORTS.len()]));
        let request = request.body(Body::empty()).unwrap();
        let answer = server.app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        crowd.push((number % EXPORTS.len(), answer.into_body()));
    }
    // Nobody reads yet, so that those in front have to make way.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bodies = crowd
        .into_iter()
        .map(|(export, body)| async move { (export, body.collect().await.unwrap()) });
    for (export, collected) in futures::future::join_all(bodies).await {
        assert!(collected.trailers().is_some());
        assert!(collected.to_bytes() == alone[export], "{} differs", EXPORTS[export]);
    }
    let taken = turns(&server).await - before;
    assert!(taken > 30, "{taken} turns of 30 exports: none was ever given up");
    server.metric("auditlake_exports_running 0", Duration::from_secs(5)).await;
}
