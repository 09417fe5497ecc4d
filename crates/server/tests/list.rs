//! `GET /v1/events` and `GET /v1/events/{id}`: pages, cursors, filters, single events.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod harness;

use harness::{NOON, Server, event, event_with, events};
use serde_json::{Value, json};

/// Events of two tenants, all at the same time.
fn crowd() -> Vec<Value> {
    let mut crowd = events("acme-", 7);
    for number in 0..6 {
        let id = format!("zeta-{number:02}");
        crowd.push(event_with(&id, json!({"tenant_id": "zeta"})));
    }
    crowd
}

/// Walks a list of [`crowd`] while events arrive; answers all ids that it gave.
async fn walk(order: &str, limit: usize) -> Vec<String> {
    let server = Server::start().await;
    server.take(&crowd()).await;
    let (mut walked, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let uri = format!("/v1/events?order={order}&limit={limit}{cursor}");
        let page = server.get(&uri).await;
        assert_eq!(page.status, 200, "{}", page.text());
        walked.extend(page.ids());
        let Some(next) = page.json()["next_cursor"].as_str().map(str::to_owned) else {
            return walked;
        };
        assert_eq!(page.ids().len(), limit);
        cursor = format!("&cursor={next}");
        // At the same time and later, before and behind the page, hot and sealed.
        let late: Vec<_> = [("acme", NOON), ("aaaa", NOON), ("zzzz", "2026-03-02T00:00:00Z")]
            .into_iter()
            .map(|(tenant, at)| {
                let changes = json!({"tenant_id": tenant, "occurred_at": at});
                event_with(&format!("late-{pages}-{tenant}"), changes)
            })
            .collect();
        server.take(&late).await;
        pages += 1;
        if pages % 2 == 0 {
            server.lake.flush().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_neither_skip_nor_double_while_events_arrive() {
    // In the order of time, tenant and seq.
    let ids = crowd().into_iter().map(|event| event["id"].as_str().unwrap().to_owned());
    let mut whole: Vec<String> = ids.collect();
    for order in ["asc", "desc"] {
        for limit in [1, 2, 3, 5, 12, 13] {
            assert_eq!(walk(order, limit).await, whole, "order {order}, limit {limit}");
        }
        whole.reverse();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_canonical_lines_newest_first() {
    let server = Server::start().await;
    for (id, at) in [("b", "2026-03-02"), ("a", "2026-03-01"), ("c", "2026-03-03")] {
        server.take(&[event_with(id, json!({"occurred_at": format!("{at}T00:00:00Z")}))]).await;
    }
    assert_eq!(server.ids("").await, ["c", "b", "a"]);
    let page = server.get("/v1/events?limit=3").await;
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(page.json()["next_cursor"], Value::Null);
    let lines = server.get("/v1/events/export?order=desc").await.text();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(page.text(), format!("{{\"events\":[{}],\"next_cursor\":null}}", lines.join(",")));
    let empty = server.get("/v1/events?type=nothing").await;
    assert_eq!(empty.text(), "{\"events\":[],\"next_cursor\":null}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_belongs_to_one_list() {
    let server = Server::start().await;
    server.take(&crowd()).await;
    let first = server.get("/v1/events?limit=2&tenant_id=acme&outcome=success").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let with = |rest: &str, cursor: &str| {
        let uri = format!("/v1/events?{rest}&cursor={cursor}");
        let server = &server;
        async move { server.get(&uri).await }
    };
    // The same filter in another order, and another page size, are the same list.
    let next = with("limit=3&outcome=success&tenant_id=acme", cursor).await;
    assert_eq!(next.ids(), ["acme-04", "acme-03", "acme-02"]);
    let other = with("tenant_id=zeta&outcome=success", cursor).await;
    other.problem(400, &["cursor", "another filter"]);
    with("limit=2", cursor).await.problem(400, &["another filter"]);
    let mismatch = with("tenant_id=acme&outcome=success&order=asc", cursor).await;
    mismatch.problem(400, &["order desc"]);
    let mangled = cursor.replacen(|char: char| char != '0', "0", 1);
    for cursor in [mangled.as_str(), &cursor[2..], "abc", "zz", ""] {
        let answer = with("tenant_id=acme&outcome=success", cursor).await;
        answer.problem(400, &["parameter cursor", "is no cursor"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_and_refuse_in_words() {
    let server = Server::start().await;
    let context = json!({"ip": "10.1.2.3", "request_id": "r-1"});
    server
        .take(&[
            event_with("one", json!({"outcome": "failure", "context": context})),
            event_with("two", json!({"type": "admin.key_made", "tenant_id": "zeta"})),
            event_with("three", json!({"occurred_at": "2026-03-05T00:00:00+02:00"})),
        ])
        .await;
    for (filter, wanted) in [
        ("outcome=failure", &["one"][..]),
        ("type=admin.*", &["two"]),
        ("type=!admin.*", &["one", "three"]),
        ("type=admin.key_made&type=user.signed_in", &["one", "two", "three"]),
        ("tenant_id=zeta,none", &["two"]),
        ("ip=10.0.0.0/8", &["one"]),
        ("request_id=r-1", &["one"]),
        ("from=2026-03-02", &["three"]),
        ("to=2026-03-04T22:00:00Z", &["one", "two"]),
        ("from=2026-03-05T00:00:00%2B02:00", &["three"]),
        ("q=key_made", &["two"]),
        ("id=one,three", &["one", "three"]),
        ("recorded_to=2020-01-01", &[]),
    ] {
        let mut ids = server.ids(filter).await;
        ids.sort_by_key(|id| wanted.iter().position(|wanted| wanted == id));
        assert_eq!(ids, wanted, "{filter}");
    }
    for (parameters, words) in [
        ("from=yesterday", &["parameter from", "\"yesterday\"", "2026-03-01"][..]),
        ("from=2026-03-02&to=2026-03-01", &["ends before it begins"]),
        ("from=2026-03-01&from=2026-03-02", &["from", "more than once"]),
        ("outcome=fine", &["outcome", "\"fine\"", "success, failure"]),
        ("ip=10.0.0", &["ip", "10.0.0.0/8"]),
        ("limit=0", &["limit", "\"0\"", "1 to 1000"]),
        ("limit=1001", &["1 to 1000"]),
        ("limit=many", &["limit", "\"many\""]),
        ("order=log", &["order", "asc, desc"]),
        ("colour=red", &["parameter colour", "limit", "tenant_id", "recorded_from"]),
    ] {
        server.get(&format!("/v1/events?{parameters}")).await.problem(400, words);
    }
    let problem = server.get("/v1/events?colour=red").await.json();
    assert_eq!(problem["parameter"], "colour");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_found_by_its_id() {
    let server = Server::start().await;
    let odd = "a,b!*/ü";
    server
        .take(&[
            event("twin"),
            event_with("twin", json!({"tenant_id": "zeta", "occurred_at": "2026-03-09T00:00:00Z"})),
            event(odd),
            event("a"),
        ])
        .await;
    let newest = server.get("/v1/events/twin").await;
    assert_eq!(newest.json()["tenant_id"], "zeta");
    assert_eq!(newest.header("content-type"), "application/json");
    let line = server.get("/v1/events/export?tenant_id=zeta").await.text();
    assert_eq!(newest.text(), line.trim_end());
    let acme = server.get("/v1/events/twin?tenant_id=acme").await.json();
    assert_eq!(acme["tenant_id"], "acme");
    let found = server.get("/v1/events/a%2Cb%21%2A%2F%C3%BC").await;
    assert_eq!(found.json()["id"], odd);
    server.get("/v1/events/twi%2A").await.problem(404, &["twi*"]);
    server.get("/v1/events/twin?tenant_id=none").await.problem(404, &["twin"]);
    server.get("/v1/events/twin?type=x").await.problem(400, &["type", "tenant_id"]);
}
