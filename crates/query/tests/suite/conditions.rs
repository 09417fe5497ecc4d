//! The parameter `where`: what is allowed and what is refused, and that it means what it says.

use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_model::time::{DAY_US, parse_rfc3339};
use auditlake_query::{Engine, EngineConfig, QueryError, ScanRequest};
use futures::TryStreamExt;

use crate::lake::{Event, SEALINGS, Sealing, TestLake};

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

fn filter(condition: &str) -> Filter {
    Filter::of([("where", condition)]).unwrap()
}

fn request(condition: &str) -> ScanRequest {
    ScanRequest {
        filter: filter(condition),
        columns: Some(vec![at::SEQ, at::TENANT_ID]),
        ..ScanRequest::of(Scope::everything())
    }
}

#[test]
fn what_is_listed_is_allowed() {
    let engine = engine();
    for condition in [
        "type = 'a'",
        "type LIKE 'a%' OR outcome ILIKE '%b%' OR NOT type = 'c'",
        "seq > 5 AND seq <= 10 AND seq BETWEEN 1 AND 9",
        "outcome IN ('success', 'denied') AND tool NOT IN ('a', 'b', 'c', 'd', 'e')",
        "occurred_at > TIMESTAMP '2026-01-01T00:00:00Z' - INTERVAL '1 day'",
        "trim(actor_label) = '' OR length(reason) > 3",
        "substring(type FROM 1 FOR 4) = 'user'",
        "position('x' IN reason) > 0",
        "extract(hour FROM occurred_at) = 3",
        "date_trunc('day', occurred_at) = '2026-01-01'",
        "json_get_int(data, 'n') > 1 AND json_as_text(data, 'a', 'b') = 'c'",
        "json_get_bool(data, 'is_admin')",
        "outcome IS DISTINCT FROM 'x'",
        "(outcome = 'x') IS NOT TRUE",
        "type ~ '^user' OR regexp_like(type, '^a')",
        "actor_id::text = 'a' OR try_cast(actor_label AS DOUBLE) > 1.5",
        "nullif(reason, '') IS NULL AND coalesce(tool, 'none') <> 'none'",
        "split_part(type, '.', 1) = 'user'",
        "in_network(context_ip, '10.0.0.0/8')",
        "CASE outcome WHEN 'denied' THEN true ELSE false END",
        "\"type\" = 'a' AND TYPE = 'a'",
    ] {
        let checked = engine.check(&filter(condition));
        assert!(checked.is_ok(), "{condition}: {checked:?}");
    }
}

#[test]
fn all_else_is_refused_and_named() {
    let engine = engine();
    for (condition, why) in [
        ("type = (SELECT 'a')", "a query within the expression is not allowed"),
        ("EXISTS (SELECT 1 FROM events)", "a query within the expression is not allowed"),
        ("colour = 'red'", "colour is no column; the columns are id, seq, type"),
        ("events.colour = 'red'", ""),
        ("count(*) > 1", "an aggregate is not allowed"),
        ("row_number() OVER () = 1", "a window function is not allowed"),
        ("repeat(type, 9) = 'a'", "the function repeat is not allowed; allowed are btrim"),
        ("lpad(type, 1000000000) = 'a'", "the function lpad is not allowed"),
        ("now() > occurred_at", "the function now is not allowed"),
        ("type || 'x' = 'a'", "|| is not allowed"),
        ("$1 = type", "a placeholder is not allowed"),
        ("@x = 1", ""),
        ("type", "it must say yes or no"),
        ("seq + 1", "it must say yes or no, and gives"),
        ("type = ", "sql parser error"),
        ("type = 'a", "Unterminated string literal"),
        ("type = 'a' ORDER BY 1", ""),
        ("type = 'a'; DROP TABLE events", ""),
        ("CAST(data AS BYTEA) IS NULL", "a cast to Binary is not allowed"),
        ("nosuch(type) = 'a'", "nosuch"),
        ("make_array(1) = make_array(1)", "is not allowed"),
        ("type SIMILAR TO 'a'", "SIMILAR TO is not allowed"),
    ] {
        match engine.check(&filter(condition)) {
            Err(QueryError::Invalid(told)) => {
                assert!(told.starts_with("where: "), "{condition}: {told}");
                assert!(told.contains(why), "{condition}: {told}");
            }
            other => panic!("{condition}: {other:?}"),
        }
    }
}

/// Far more than is needed by a build without optimization on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn no_expression_is_too_much() {
    let numbers: Vec<String> = (0..900).map(|number| number.to_string()).collect();
    let bombs = [
        vec!["type='a'"; 340].join(" OR "),
        vec!["type='a'"; 70].join(" OR "),
        vec!["seq>1 AND type='a'"; 35].join(" OR "),
        vec!["length(type)>1"; 60].join(" OR "),
        format!("{}=1", vec!["1"; 2000].join("+")),
        format!("{}=1", vec!["seq"; 148].join("+")),
        format!("{}true", "NOT ".repeat(1000)),
        format!("{}true", "NOT ".repeat(290)),
        format!("{}true{}", "(".repeat(2000), ")".repeat(2000)),
        format!("{}type{}='a'", "lower(".repeat(290), ")".repeat(290)),
        format!("{}true{}", "CASE WHEN ".repeat(55), " THEN true END".repeat(55)),
        format!("seq IN ({})", numbers.join(",")),
        format!("1=1{}", " IS TRUE".repeat(148)),
        format!("seq{} = 1", "::int".repeat(148)),
        format!("type ~ '{}'", "(a*)*".repeat(500)),
    ];
    let engine = engine();
    for bomb in &bombs {
        assert!(bomb.len() <= 4096, "{}", bomb.len());
        let started = Instant::now();
        let checked = engine.check(&filter(bomb));
        let took = started.elapsed();
        assert!(took < LIMIT, "{took:?}: {bomb}");
        assert!(matches!(checked, Ok(()) | Err(QueryError::Invalid(_))), "{checked:?}: {bomb}");
    }
    let many = engine.check(&filter(&bombs[0])).unwrap_err().to_string();
    assert!(many.contains("words and signs; at most 300 may be"), "{many}");
}

/// A condition and, without the engine, the events it holds for.
type Case = (&'static str, fn(&Event<'_>) -> bool);

fn is(event: &Event<'_>, column: usize, wanted: &str) -> bool {
    event.text(column) == Some(wanted)
}

fn begins(event: &Event<'_>, column: usize, prefix: &str) -> bool {
    event.text(column).is_some_and(|text| text.starts_with(prefix))
}

const CASES: [Case; 20] = [
    ("true", |_| true),
    ("type = NULL OR false", |_| false),
    ("type = 'user.signed_in'", |event| is(event, at::TYPE, "user.signed_in")),
    ("outcome IN ('denied', 'failure', 'error', 'partial')", |event| {
        let outcomes = ["denied", "failure", "error", "partial"];
        event.text(at::OUTCOME).is_some_and(|outcome| outcomes.contains(&outcome))
    }),
    ("outcome <> 'success'", |event| {
        event.text(at::OUTCOME).is_some_and(|outcome| outcome != "success")
    }),
    ("outcome IS DISTINCT FROM 'success'", |event| !is(event, at::OUTCOME, "success")),
    ("reason IS NULL", |event| event.text(at::REASON).is_none()),
    ("type LIKE 'user.%' AND NOT outcome = 'success'", |event| {
        begins(event, at::TYPE, "user.")
            && event.text(at::OUTCOME).is_some_and(|outcome| outcome != "success")
    }),
    ("length(reason) > 12", |event| {
        event.text(at::REASON).is_some_and(|reason| reason.chars().count() > 12)
    }),
    ("lower(actor_label) LIKE '%an%'", |event| {
        event.text(at::ACTOR_LABEL).is_some_and(|label| label.to_lowercase().contains("an"))
    }),
    ("coalesce(tool, 'none') = 'none'", |event| event.text(at::TOOL).is_none()),
    ("seq % 2 = 0", |event| event.seq().is_multiple_of(2)),
    ("seq BETWEEN 10 AND 20", |event| (10..=20).contains(&event.seq())),
    ("occurred_at >= '2026-01-02T12:00:00Z'", |event| {
        event.time(at::OCCURRED_AT) >= parse_rfc3339("2026-01-02T12:00:00Z").unwrap()
    }),
    ("date_part('hour', occurred_at) < 9", |event| {
        event.time(at::OCCURRED_AT).rem_euclid(DAY_US) < 9 * 3_600_000_000
    }),
    ("in_network(context_ip, '10.0.0.0/8')", |event| begins(event, at::CONTEXT_IP, "10.")),
    ("json_get_str(data, 'no such key') IS NULL", |_| true),
    ("try_cast(actor_label AS INT) IS NULL AND starts_with(type, 'user.')", |event| {
        begins(event, at::TYPE, "user.")
    }),
    // Nothing is cast where there is nothing to cast.
    (
        "CASE WHEN type = 'nothing' THEN CAST(type AS INT) > 1 ELSE outcome = 'denied' END",
        |event| is(event, at::OUTCOME, "denied"),
    ),
    ("type LIKE 'user.%' OR length(type) < 12 AND seq > 3", |event| {
        let is_short = event.text(at::TYPE).is_some_and(|text| text.chars().count() < 12);
        begins(event, at::TYPE, "user.") || (is_short && event.seq() > 3)
    }),
];

#[tokio::test]
async fn conditions_mean_what_they_say() {
    let engine = engine();
    for sealing in SEALINGS {
        let lake = TestLake::new(1000, sealing).await;
        for (condition, holds) in CASES {
            let mut expected = lake.each(|event| {
                let tenant = event.text(at::TENANT_ID).unwrap_or_default().to_owned();
                holds(event).then(|| (tenant, event.seq()))
            });
            expected.sort();
            let stream = engine.scan(&lake.snapshot(), &request(condition)).await.unwrap();
            let found: Vec<RecordBatch> = match stream.try_collect().await {
                Ok(found) => found,
                Err(error) => panic!("{sealing:?} {condition}: {error}"),
            };
            let mut found: Vec<_> = found.iter().flat_map(tenants_and_seqs).collect();
            found.sort();
            assert!(
                found == expected,
                "{sealing:?} {condition}: {} found, {} expected",
                found.len(),
                expected.len()
            );
        }
        lake.close().await;
    }
}

fn tenants_and_seqs(batch: &RecordBatch) -> Vec<(String, u64)> {
    let seqs = batch.column(0).as_primitive::<UInt64Type>().values();
    let tenants = arrow::compute::cast(batch.column(1), &arrow::datatypes::DataType::Utf8);
    let tenants = tenants.unwrap();
    let tenants = tenants.as_string::<i32>().iter().map(|tenant| tenant.unwrap().to_owned());
    tenants.zip(seqs.iter().copied()).collect()
}

#[tokio::test]
async fn plain_parts_prune() {
    let (lake, engine) = (TestLake::new(1000, Sealing::Compacted).await, engine());
    let snapshot = lake.snapshot();
    assert_eq!(snapshot.segments().len(), 4);
    for (condition, kept) in [
        ("true", 4),
        ("occurred_at >= '2026-01-03T00:00:00Z'", 2),
        ("occurred_at >= '2026-01-03T00:00:00Z' AND length(type) > 3", 2),
        ("occurred_at < '2026-01-02' OR occurred_at >= TIMESTAMP '2026-01-04T00:00:00Z'", 2),
        ("tenant_id = 'nobody' AND length(type) > 3", 0),
        ("type = NULL", 0),
        ("length(type) > 3", 4),
    ] {
        let plan = engine.plan(&snapshot, &request(condition)).unwrap();
        assert_eq!(plan.segments(), kept, "{condition}");
    }
    lake.close().await;
}

#[tokio::test]
async fn conditions_of_a_filter_all_hold() {
    let (lake, engine) = (TestLake::new(1000, Sealing::HalfAndHalf).await, engine());
    let pairs = [("type", "user.*"), ("where", "outcome = 'denied'"), ("where", "seq % 2 = 1")];
    let filter = Filter::of(pairs).unwrap();
    let expected = lake.each(|event| {
        let holds = begins(event, at::TYPE, "user.") && is(event, at::OUTCOME, "denied");
        (holds && event.seq() % 2 == 1).then_some(())
    });
    let scope = Scope::everything();
    let counted = engine.count(&lake.snapshot(), &scope, &filter).await.unwrap();
    assert_eq!(counted, expected.len() as u64);
    lake.close().await;
}
