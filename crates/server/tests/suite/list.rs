//! `GET /v1/events` and `GET /v1/events/{id}`: pages, cursors, filters, single events.

use serde_json::{Value, json};

use crate::harness::{NOON, Server, event, event_with, events};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_total_counts_the_whole_list_as_the_first_page_saw_it() {
    let server = Server::start().await;
    server.take(&crowd()).await;
    let first = server.get("/v1/events?limit=2&total=true&type=user.signed_in").await.json();
    assert_eq!(first["total"], 13);
    server.take(&events("late-", 5)).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let uri = format!("/v1/events?limit=2&total=true&type=user.signed_in&cursor={cursor}");
    assert_eq!(server.get(&uri).await.json()["total"], 13);
    let anew = server.get("/v1/events?limit=1&total=true&tenant_id=acme").await.json();
    assert_eq!(anew["total"], 12);
    let without = server.get("/v1/events?limit=1&total=false").await.json();
    assert_eq!(without.get("total"), None);
    let none = server.get("/v1/events?total=true&type=nothing").await.text();
    assert_eq!(none, "{\"events\":[],\"next_cursor\":null,\"total\":0}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_show_some_columns_and_still_goes_on() {
    let server = Server::start().await;
    server.take(&events("e", 5)).await;
    let (mut shown, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/events?columns=type,id&limit=2{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        shown.extend(page.json()["events"].as_array().unwrap().clone());
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let wanted = ["e04", "e03", "e02", "e01", "e00"];
    let wanted = wanted.map(|id| json!({"id": id, "type": "user.signed_in"}));
    assert_eq!(shown, wanted);
    server.get("/v1/events?columns=colour").await.problem(400, &["columns", "\"colour\""]);
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_selects_and_refuses_in_words() {
    let server = Server::start().await;
    server
        .take(&[
            event_with("one", json!({"outcome": "failure", "data": {"size": 7}})),
            event_with("two", json!({"outcome": "denied"})),
            event("three"),
        ])
        .await;
    for (condition, wanted) in [
        ("outcome = 'failure'", &["one"][..]),
        ("outcome IN ('failure', 'denied') AND id LIKE 't%'", &["two"]),
        ("NOT (outcome = 'success') AND length(id) = 3", &["two", "one"]),
        ("json_get_int(data, 'size') > 5", &["one"]),
        ("reason IS NULL", &["three", "two", "one"]),
    ] {
        let uri = format!("where={}&type=user.signed_in", encoded(condition));
        assert_eq!(server.ids(&uri).await, wanted, "{condition}");
    }
    let both = format!("where={}&where={}", encoded("id <> 'one'"), encoded("id <> 'two'"));
    assert_eq!(server.ids(&both).await, ["three"]);
    for condition in ["colour = 1", "id", "SELECT 1", "count(*) > 1", "id = (SELECT 'x')", "1 ="] {
        let answer = server.get(&format!("/v1/events?where={}", encoded(condition))).await;
        let problem = answer.problem(400, &["parameter where"]);
        assert_eq!(problem["parameter"], "where", "{condition}");
    }
    // Right as an expression, but not for what an event says; its value is not told.
    let condition = encoded("CAST(id AS INT) = 1");
    let answer = server.get(&format!("/v1/events?where={condition}")).await;
    answer.problem(400, &["parameter where", "try_cast"]);
    assert!(!answer.text().contains("three"), "{}", answer.text());
    server.get("/v1/events?where=").await.problem(400, &["where", "empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_sees_its_own_part_and_no_cursor_of_another() {
    let server = Server::start().await;
    server.take(&crowd()).await;
    let secret = json!({"tenant_id": "zeta", "actor": {"id": "u_99"}});
    server.take(&[event_with("secret", secret)]).await;
    let acme = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let user = server.key_for("user", json!({"tenant_id": "zeta", "user_id": "u_99"})).await;
    let (acme, user) = (server.as_key(&acme), server.as_key(&user));
    let seen = acme.get("/v1/events?type=user.signed_in&limit=1000&total=true").await.json();
    assert_eq!(seen["total"], 7);
    assert!(seen["events"].as_array().unwrap().iter().all(|event| event["tenant_id"] == "acme"));
    assert_eq!(user.get("/v1/events?total=true").await.ids(), ["secret"]);
    assert_eq!(acme.get("/v1/events?tenant_id=zeta").await.ids(), Vec::<String>::new());
    // One that the caller may not see is as one that is not there.
    acme.get("/v1/events/secret").await.problem(404, &["there is no event \"secret\""]);
    acme.get("/v1/events/nothing").await.problem(404, &["there is no event \"nothing\""]);
    assert_eq!(user.get("/v1/events/secret").await.status, 200);
    let first = server.get("/v1/events?limit=1&type=user.signed_in").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let uri = format!("/v1/events?limit=1&type=user.signed_in&cursor={cursor}");
    acme.get(&uri).await.problem(400, &["cursor", "another caller"]);
    let ingester = server.key_for("ingester", json!({"tenant_id": "acme"})).await;
    server.as_key(&ingester).get("/v1/events").await.problem(403, &["audit:read"]);
}
