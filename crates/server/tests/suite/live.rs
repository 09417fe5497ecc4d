//! `GET /v1/events/stream`: each event once and in order, from where a client was, and to nobody
//! who may not see it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use auditlake_server::ServerConfig;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::harness::{Server, event, event_with, events};

const LONG: Duration = Duration::from_secs(20);
const ONLY: &str = "type=user.signed_in";

/// One message of a stream.
#[derive(Clone, Debug)]
struct Message {
    id: String,
    event: String,
    data: String,
}

struct Tail {
    body: Body,
    text: String,
}

impl Tail {
    async fn open(server: &Server, key: &str, parameters: &str, last: Option<&str>) -> Self {
        let uri = format!("/v1/events/stream?{parameters}");
        let mut request =
            Request::builder().uri(uri).header("authorization", format!("Bearer {key}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = server.app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut tail = Self { body: answer.into_body(), text: String::new() };
        let ready = tail.next().await.unwrap();
        assert_eq!((ready.event.as_str(), ready.data.as_str()), ("ready", "{}"));
        tail
    }

    /// The next paragraph of the text; none at its end.
    async fn paragraph(&mut self) -> Option<String> {
        loop {
            if let Some((paragraph, rest)) = self.text.split_once("\n\n") {
                let paragraph = paragraph.to_owned();
                self.text = rest.to_owned();
                return Some(paragraph);
            }
            let frame = timeout(LONG, self.body.frame()).await.unwrap()?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            let paragraph = self.paragraph().await?;
            let field = |name: &str| {
                let mut lines = paragraph.lines();
                let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                found.unwrap_or_default().to_owned()
            };
            let (id, event, data) = (field("id"), field("event"), field("data"));
            if !event.is_empty() {
                return Some(Message { id, event, data });
            }
        }
    }

    /// The next events.
    async fn events(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while events.len() < count {
            let message = self.next().await.unwrap();
            assert_eq!(message.event, "event", "{}", message.data);
            events.push((message.id, serde_json::from_str(&message.data).unwrap()));
        }
        events
    }
}

fn ids(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(_, event)| event["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_comes_once_and_in_order_while_several_write() {
    const WRITERS: usize = 4;
    const REQUESTS: usize = 20;
    let server = Server::start().await;
    server.take(&events("before-", 5)).await;
    let mut tail = Tail::open(&server, &server.key, ONLY, None).await;
    let write = |writer: usize| {
        let server = &server;
        async move {
            for request in 0..REQUESTS {
                let batch: Vec<Value> = (0..3)
                    .map(|number| {
                        let tenant = format!("tenant-{}", (writer + number) % 3);
                        let id = format!("{writer}-{request}-{number}");
                        event_with(&id, json!({"tenant_id": tenant}))
                    })
                    .collect();
                server.take(&batch).await;
                if request == 7 {
                    server.lake.flush().await.unwrap();
                }
            }
        }
    };
    let writers = futures::future::join_all((0..WRITERS).map(write));
    let (given, _) = tokio::join!(tail.events(WRITERS * REQUESTS * 3), writers);
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for (_, event) in &given {
        let tenant = event["tenant_id"].as_str().unwrap().to_owned();
        let expected = next.entry(tenant).or_default();
        assert_eq!(event["seq"], *expected, "a tenant's events come in the order of its log");
        *expected += 1;
    }
    // What it gave is what an export gives, line for line.
    let lines = server.get(&format!("/v1/events/export?{ONLY}&id=!before-*")).await.text();
    let mut exported: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut given: Vec<Value> = given.into_iter().map(|(_, event)| event).collect();
    exported.sort_by_key(ToString::to_string);
    given.sort_by_key(ToString::to_string);
    assert_eq!(given, exported);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_goes_on_where_it_was() {
    let server = Server::start().await;
    let mut tail = Tail::open(&server, &server.key, ONLY, None).await;
    // More than one window holds, and all of it recorded at one instant.
    let many: Vec<Value> = (0..2500).map(|number| event(&format!("m{number:04}"))).collect();
    server.take(&many).await;
    let first = tail.events(10).await;
    drop(tail);
    server.take(&events("late-", 3)).await;
    server.lake.flush().await.unwrap();
    let mut whole = first.clone();
    for count in [1, 1500, 992] {
        let last = whole.last().unwrap().0.clone();
        let mut tail = Tail::open(&server, &server.key, ONLY, Some(&last)).await;
        whole.extend(tail.events(count).await);
    }
    let mut wanted: Vec<String> = (0..2500).map(|number| format!("m{number:04}")).collect();
    wanted.extend((0..3).map(|number| format!("late-{number:02}")));
    assert_eq!(ids(&whole), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_of_an_empty_lake_gives_its_first_event() {
    let server = Server::start().await;
    let mut tail = Tail::open(&server, &server.key, "", None).await;
    server.take(&[event("first")]).await;
    assert_eq!(ids(&tail.events(1).await), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_shows_what_its_caller_may_see_and_its_filters_mean() {
    let server = Server::start().await;
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let condition = "where=outcome%20%3C%3E%20'success'";
    let mut own = Tail::open(&server, &key, ONLY, None).await;
    let mut bad = Tail::open(&server, &key, &format!("{ONLY}&{condition}"), None).await;
    let failure = json!({"outcome": "failure"});
    server
        .take(&[
            event_with("other", json!({"tenant_id": "zeta", "outcome": "failure"})),
            event("good"),
            event_with("bad", failure.clone()),
            event_with("unlike", json!({"type": "admin.key_made", "outcome": "failure"})),
        ])
        .await;
    server.take(&[event_with("last", failure)]).await;
    assert_eq!(ids(&own.events(3).await), ["good", "bad", "last"]);
    assert_eq!(ids(&bad.events(2).await), ["bad", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_tail_gives_signs_of_life_until_its_key_is_revoked() {
    let live_heartbeat = Duration::from_millis(300);
    let server = Server::with(ServerConfig { live_heartbeat, ..ServerConfig::default() }).await;
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let mut tail = Tail::open(&server, &key, ONLY, None).await;
    assert_eq!(tail.paragraph().await.unwrap(), ": heartbeat");
    server.metric("auditlake_live_running 1", Duration::ZERO).await;
    let uri = format!("/v1/keys/{}", &key[4..16]);
    let request = server.request(axum::http::Method::DELETE, &uri).body(Body::empty()).unwrap();
    assert_eq!(server.send(request).await.status, 200);
    let started = Instant::now();
    while tail.paragraph().await.is_some() {
        assert!(started.elapsed() < LONG);
    }
    server.metric("auditlake_live_running 0", LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tails_are_bounded_and_refuse_in_words() {
    let server = Server::with(ServerConfig { max_live: 11, ..ServerConfig::default() }).await;
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let mut tails = Vec::new();
    for _ in 0..10 {
        tails.push(Tail::open(&server, &server.key, "", None).await);
    }
    let own = server.get("/v1/events/stream").await;
    own.problem(429, &["10 live tails of this caller"]);
    assert!(!own.header("retry-after").is_empty());
    tails.push(Tail::open(&server, &key, "", None).await);
    let all = server.as_key(&key).get("/v1/events/stream").await;
    all.problem(429, &["11 live tails run already"]);
    drop(tails);
    server.metric("auditlake_live_running 0", LONG).await;
    server.get("/v1/events/stream?limit=3").await.problem(400, &["limit", "tenant_id"]);
    server.get("/v1/events/stream?where=colour%3D1").await.problem(400, &["where", "colour"]);
    let request = server.request(axum::http::Method::GET, "/v1/events/stream");
    let request = request.header("last-event-id", "7").body(Body::empty()).unwrap();
    server.send(request).await.problem(400, &["Last-Event-ID"]);
    let ingester = server.key_for("ingester", json!({"tenant_id": "acme"})).await;
    server.as_key(&ingester).get("/v1/events/stream").await.problem(403, &["audit:read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_fails_on_an_event_ends_the_tail_with_its_reason() {
    let server = Server::start().await;
    let condition = "where=CAST(id%20AS%20INT)%20%3D%201";
    let mut tail = Tail::open(&server, &server.key, condition, None).await;
    server.take(&[event("poison")]).await;
    let message = tail.next().await.unwrap();
    assert_eq!(message.event, "error");
    let problem: Value = serde_json::from_str(&message.data).unwrap();
    assert_eq!(problem["parameter"], "where");
    assert!(!message.data.contains("poison"));
    assert!(tail.next().await.is_none());
}
