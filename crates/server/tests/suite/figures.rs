//! `GET /v1/events/histogram` and `/v1/events/facets`: their figures beside a plain count, what
//! they leave out, and whom they show what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Server, event_with};

const TYPES: [&str; 3] = ["user.signed_in", "user.signed_out", "admin.key_made"];

/// 300 events over ten hours and two tenants, half of them sealed.
async fn filled() -> (Server, Vec<Value>) {
    let server = Server::start().await;
    let events: Vec<Value> = (0..300_usize)
        .map(|number| {
            let (hour, minute) = (number % 10, number * 7 % 60);
            let tool = (number % 5 == 0).then(|| format!("tool-{}", number % 4));
            event_with(
                &format!("e{number:03}"),
                json!({
                    "type": TYPES[number % 7 % 3],
                    "occurred_at": format!("2026-03-01T{hour:02}:{minute:02}:30Z"),
                    "tenant_id": if number % 3 == 0 { "zeta" } else { "acme" },
                    "tool": tool,
                }),
            )
        })
        .collect();
    server.take(&events[..150]).await;
    server.lake.flush().await.unwrap();
    server.take(&events[150..]).await;
    (server, events)
}

fn of_acme(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["tenant_id"] == "acme").collect()
}

/// Events by the first characters of their time.
fn by_time<'a>(events: &[&'a Value], chars: usize) -> BTreeMap<&'a str, u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(&event["occurred_at"].as_str().unwrap()[..chars]).or_default() += 1;
    }
    counts
}

fn buckets(histogram: &Value, chars: usize) -> BTreeMap<&str, u64> {
    let buckets = histogram["buckets"].as_array().unwrap().iter();
    let buckets = buckets.map(|bucket| {
        (&bucket["from"].as_str().unwrap()[..chars], bucket["events"].as_u64().unwrap())
    });
    buckets.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_agrees_with_a_plain_count() {
    let (server, events) = filled().await;
    let acme = of_acme(&events);
    let ask = |parameters: &str| {
        let uri = format!("/v1/events/histogram?tenant_id=acme&{parameters}");
        let server = &server;
        async move {
            let answer = server.get(&uri).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        }
    };
    for (interval, seconds, chars) in [("1m", 60, 16), ("1h", 3600, 13), ("1d", 86400, 10)] {
        let histogram = ask(&format!("interval={interval}")).await;
        assert_eq!(histogram["interval_seconds"], seconds);
        assert_eq!(buckets(&histogram, chars), by_time(&acme, chars), "{interval}");
        assert_eq!(histogram["total"], acme.len());
        assert_eq!(histogram.get("from"), None);
    }
    // Ten hours in at most 120 buckets; the span asked for counts when there is one.
    assert_eq!(ask("").await["interval_seconds"], 300);
    let month = ask("interval=auto&from=2026-03-01&to=2026-03-31").await;
    assert_eq!(month["interval_seconds"], 21600);
    let ranged = ask("from=2026-03-01T02:00:00Z&to=2026-03-01T03:00:00Z").await;
    assert_eq!(ranged["interval_seconds"], 60);
    assert_eq!(ranged["from"], "2026-03-01T02:00:00.000000Z");
    assert_eq!(ranged["total"], by_time(&acme, 13)["2026-03-01T02"]);
    let nothing = ask("type=nothing").await;
    assert_eq!(nothing, json!({"interval_seconds": 60, "buckets": [], "total": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_agree_with_a_plain_count() {
    let (server, events) = filled().await;
    let acme = of_acme(&events);
    let uri = "/v1/events/facets?tenant_id=acme&columns=tool,type&limit=3";
    let facets = server.get(uri).await.json();
    assert_eq!(facets["total"], acme.len());
    for column in ["tool", "type"] {
        let mut counts: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        for event in &acme {
            *counts.entry(event[column].as_str()).or_default() += 1;
        }
        let values = facets["facets"][column].as_array().unwrap();
        assert_eq!(values.len(), counts.len().min(3));
        let given = values.iter().map(|value| value["events"].as_u64().unwrap());
        let given: Vec<u64> = given.collect();
        assert!(given.is_sorted_by(|a, b| a >= b), "{given:?}");
        let mut most: Vec<u64> = counts.values().copied().collect();
        most.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(given, most[..given.len()]);
        for value in values {
            assert_eq!(counts[&value["value"].as_str()], value["events"].as_u64().unwrap());
        }
    }
    let all = server.get("/v1/events/facets?where=outcome%20%3D%20'success'").await.json();
    let columns: Vec<_> = all["facets"].as_object().unwrap().keys().cloned().collect();
    let wanted = ["actor_id", "actor_kind", "outcome", "target_kind", "tool", "type"];
    assert_eq!(columns, wanted);
    let none = json!([{"value": null, "events": 300}]);
    assert_eq!(all["facets"]["target_kind"], none);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_show_nobody_what_others_did() {
    let (server, events) = filled().await;
    // So long ago that the width of buckets would tell of it.
    let at = "1999-01-01T00:00:00Z";
    let old = json!({"tenant_id": "zeta", "occurred_at": at, "type": "old.poison"});
    server.take(&[event_with("old", old)]).await;
    let key = server.key_for("auditor", json!({"tenant_id": "acme"})).await;
    let auditor = server.as_key(&key);
    let filter = "where=type%20%3C%3E%20'key.created'";
    let histogram = auditor.get(&format!("/v1/events/histogram?{filter}")).await.json();
    assert_eq!(histogram["total"], of_acme(&events).len());
    assert_eq!(histogram["interval_seconds"], 300);
    let facets = auditor.get("/v1/events/facets?columns=tenant_id,type&limit=100").await;
    assert!(!facets.text().contains("poison") && !facets.text().contains("zeta"));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_refuse_in_words() {
    let (server, _) = filled().await;
    for (uri, words) in [
        ("histogram?interval=2m", &["interval", "\"2m\"", "auto, 1m, 5m, 15m, 1h, 6h, 1d, 7d"][..]),
        ("histogram?limit=3", &["limit", "interval", "tenant_id"]),
        ("histogram?from=soon", &["from"]),
        ("histogram?where=colour%3D1", &["parameter where", "colour"]),
        ("facets?columns=id", &["columns", "\"id\" has no facets", "type", "actor_id"]),
        ("facets?columns=colour", &["columns", "\"colour\""]),
        ("facets?limit=101", &["limit", "1 to 100"]),
        ("facets?saved_query=sq_none", &["saved_query", "sq_none"]),
    ] {
        server.get(&format!("/v1/events/{uri}")).await.problem(400, words);
    }
    let ingester = server.key_for("ingester", json!({"tenant_id": "acme"})).await;
    for call in ["histogram", "facets"] {
        let answer = server.as_key(&ingester).get(&format!("/v1/events/{call}")).await;
        answer.problem(403, &["audit:read"]);
    }
}
