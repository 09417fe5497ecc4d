//! No event outside of a scope takes part in an answer: it neither comes out, nor is counted,
//! nor is a caller's expression evaluated on it. The events of others carry a text that every
//! cast to a number fails on.

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use auditlake_lake::Snapshot;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, Order, QueryError, ScanRequest};
use futures::TryStreamExt;

use crate::lake::{SEALINGS, Sealing, TestLake};

/// What no caller may see, evaluate or hear of.
const POISON: &str = "POISON";
const EVENTS: usize = 400;
const NUMBER: &str = "CAST(actor_label AS INT) >= 0";

/// Tenant, organisation, team and actor; the first is whom every scope here is of.
const PLACES: [[&str; 4]; 5] = [
    ["acme", "emea", "soc", "ada"],
    ["acme", "emea", "soc", "bob"],
    ["acme", "emea", "ops", "ada"],
    ["acme", "apac", "soc", "ada"],
    ["zeta", "emea", "soc", "ada"],
];
const COLUMNS: [usize; 4] = [at::TENANT_ID, at::ORG_ID, at::TEAM_ID, at::ACTOR_ID];

/// A scope that the first so many columns are held in.
fn scope(columns: usize) -> Scope {
    let bounds = COLUMNS.into_iter().zip(PLACES[0]).take(columns);
    bounds.fold(Scope::everything(), |scope, (column, value)| scope.within(column, value))
}

/// A lake in which all events outside of such a scope are poison.
async fn poisoned(columns: usize, sealing: Sealing) -> TestLake {
    let lines = (0..EVENTS).map(|number| {
        let place = PLACES[number % PLACES.len()];
        let [tenant, org, team, actor] = place;
        let is_own = place[..columns] == PLACES[0][..columns];
        let label = if is_own { number.to_string() } else { POISON.to_owned() };
        let (day, minute, second) = (1 + number % 3, number / 60, number % 60);
        format!(
            "{{\"type\":\"a.b\",\"occurred_at\":\"2026-01-0{day}T00:{minute:02}:{second:02}Z\",\
             \"tenant_id\":\"{tenant}\",\"org_id\":\"{org}\",\"team_id\":\"{team}\",\
             \"actor\":{{\"kind\":\"user\",\"id\":\"{actor}\",\"label\":\"{label}\"}},\
             \"reason\":\"{label}\",\"data\":{{\"n\":\"{label}\"}}}}\n"
        )
    });
    let lines: Vec<String> = lines.collect();
    let batches = lines.chunks(EVENTS / 10).map(|chunk| chunk.concat().into_bytes());
    TestLake::of(batches.collect(), sealing).await
}

fn engine() -> Engine {
    Engine::new(EngineConfig { partitions: 2, ..EngineConfig::default() }).unwrap()
}

fn filter(condition: &str) -> Filter {
    Filter::of([("where", condition)]).unwrap()
}

async fn scan(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &ScanRequest,
) -> Result<Vec<RecordBatch>, QueryError> {
    engine.scan(snapshot, request).await?.try_collect().await
}

async fn sql(
    engine: &Engine,
    snapshot: &Snapshot,
    scope: &Scope,
    statement: &str,
) -> Result<String, QueryError> {
    let stream = engine.sql(snapshot, scope, statement).await?;
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// How many events of the lake are the caller's.
fn own(lake: &TestLake) -> usize {
    let is_own = |label: Option<&str>| label.is_some_and(|label| label != POISON);
    lake.each(|event| is_own(event.text(at::ACTOR_LABEL)).then_some(())).len()
}

#[tokio::test]
async fn a_scan_gives_and_evaluates_nothing_of_others() {
    let engine = engine();
    for columns in 1..=COLUMNS.len() {
        for sealing in SEALINGS {
            let lake = poisoned(columns, sealing).await;
            let (snapshot, own) = (lake.snapshot(), own(&lake));
            for order in [Order::Log, Order::OldestFirst, Order::NewestFirst] {
                for filter in [Filter::default(), filter(NUMBER)] {
                    let request = ScanRequest { filter, order, ..ScanRequest::of(scope(columns)) };
                    let found = scan(&engine, &snapshot, &request).await.unwrap();
                    assert_eq!(rows(&found), own, "{sealing:?} {order} {}", request.scope);
                    let shown = pretty_format_batches(&found).unwrap().to_string();
                    assert!(!shown.contains(POISON), "{sealing:?} {order} {}", request.scope);
                }
            }
            lake.close().await;
        }
    }
}

#[tokio::test]
async fn numbers_count_nothing_of_others() {
    let engine = engine();
    for columns in 1..=COLUMNS.len() {
        for sealing in SEALINGS {
            let lake = poisoned(columns, sealing).await;
            let (snapshot, scope, own) = (lake.snapshot(), scope(columns), own(&lake) as u64);
            for filter in [Filter::default(), filter(NUMBER)] {
                let counted = engine.count(&snapshot, &scope, &filter).await.unwrap();
                assert_eq!(counted, own, "{sealing:?} {scope}");
                let hour = 3_600_000_000;
                let buckets = engine.histogram(&snapshot, &scope, &filter, hour).await.unwrap();
                assert_eq!(buckets.iter().map(|(_, events)| events).sum::<u64>(), own);
                for column in [at::ACTOR_LABEL, at::REASON] {
                    let values = engine.facet(&snapshot, &scope, &filter, column, EVENTS).await;
                    let values = values.unwrap();
                    assert_eq!(values.len() as u64, own, "{sealing:?} {scope}");
                    assert!(values.iter().all(|(value, _)| value.as_deref() != Some(POISON)));
                }
                let estimate = engine.estimate(&snapshot, &scope, &filter).await.unwrap();
                assert!(estimate.rows_at_least <= own && own <= estimate.rows_at_most);
                let of_tenant = EVENTS as u64 / PLACES.len() as u64 * 4;
                assert!(estimate.rows_at_most <= of_tenant, "{estimate:?}");
                if columns > 1 {
                    assert_eq!(estimate.rows_at_most, own, "{sealing:?} {scope}");
                }
            }
            let all = Filter::default();
            let tenants = engine.facet(&snapshot, &scope, &all, at::TENANT_ID, 9).await;
            assert_eq!(tenants.unwrap(), [(Some("acme".to_owned()), own)]);
            lake.close().await;
        }
    }
}

#[tokio::test]
async fn sql_evaluates_nothing_on_events_of_others() {
    let statements = [
        format!("SELECT * FROM events WHERE {NUMBER}"),
        "SELECT CAST(actor_label AS INT) AS n FROM events".to_owned(),
        "SELECT CAST(reason AS INT) AS n FROM events WHERE CAST(reason AS INT) > 3".to_owned(),
        "SELECT id FROM events ORDER BY CAST(actor_label AS INT) DESC LIMIT 3".to_owned(),
        "SELECT sum(CAST(actor_label AS INT)) FROM events WHERE type = 'a.b'".to_owned(),
        "SELECT tenant_id, max(CAST(actor_label AS INT)) FROM events GROUP BY tenant_id".to_owned(),
        "SELECT a.id FROM events a JOIN events b \
         ON CAST(a.actor_label AS INT) = CAST(b.actor_label AS INT) AND a.tenant_id = b.tenant_id"
            .to_owned(),
        "SELECT id FROM events WHERE reason IN (SELECT actor_label FROM events \
         WHERE CAST(actor_label AS INT) < 100)"
            .to_owned(),
        format!("SELECT * FROM (SELECT * FROM events LIMIT 1000) WHERE {NUMBER}"),
        format!("SELECT DISTINCT org_id, team_id, actor_label FROM events WHERE NOT ({NUMBER})"),
    ];
    let engine = engine();
    for columns in [1, COLUMNS.len()] {
        for sealing in SEALINGS {
            let lake = poisoned(columns, sealing).await;
            let (snapshot, scope, own) = (lake.snapshot(), scope(columns), own(&lake));
            for statement in &statements {
                match sql(&engine, &snapshot, &scope, statement).await {
                    Ok(shown) => {
                        assert!(!shown.contains(POISON), "{sealing:?} {statement}");
                        assert!(!shown.contains("zeta"), "{sealing:?} {statement}");
                    }
                    Err(error) => panic!("{sealing:?} {scope} {statement}: {error}"),
                }
            }
            let counted = format!("SELECT count(*) AS n FROM events WHERE {NUMBER}");
            let counted = sql(&engine, &snapshot, &scope, &counted).await.unwrap();
            assert!(counted.contains(&format!("| {own} ")), "{counted}");
            lake.close().await;
        }
    }
}

#[tokio::test]
async fn explain_tells_nothing_of_others() {
    let engine = engine();
    for sealing in [Sealing::Compacted, Sealing::HalfAndHalf] {
        let lake = poisoned(1, sealing).await;
        let (snapshot, scope) = (lake.snapshot(), scope(1));
        for explain in ["", "VERBOSE", "ANALYZE", "ANALYZE VERBOSE"] {
            let statement = format!(
                "EXPLAIN {explain} SELECT type, count(*) FROM events \
                 WHERE {NUMBER} AND type = 'a.b' GROUP BY type"
            );
            let shown = sql(&engine, &snapshot, &scope, &statement).await.unwrap();
            assert!(shown.contains("ScopeExec"), "{shown}");
            let all = EVENTS.to_string();
            let rows = [format!("output_rows={all}"), format!("Exact({all})")];
            let told = [POISON, "zeta", ".parquet", "DataSourceExec", &rows[0], &rows[1]];
            for text in told {
                assert!(!shown.contains(text), "{explain} tells {text}: {shown}");
            }
        }
        lake.close().await;
    }
}

/// The poison works: who may see it meets it, and is told so without its text.
#[tokio::test]
async fn an_expression_that_fails_is_told_without_values() {
    let engine = engine();
    for sealing in SEALINGS {
        let lake = poisoned(1, sealing).await;
        let (snapshot, all) = (lake.snapshot(), Scope::everything());
        let request = ScanRequest { filter: filter(NUMBER), ..ScanRequest::of(all.clone()) };
        let scanned = scan(&engine, &snapshot, &request).await.unwrap_err();
        let counted = engine.count(&snapshot, &all, &filter(NUMBER)).await.unwrap_err();
        for error in [scanned, counted] {
            assert!(matches!(error, QueryError::Invalid(_)), "{error:?}");
            assert_eq!(
                error.to_string(),
                "where: the expression failed on an event: a cast of what it cannot be; \
                 try_cast gives null instead"
            );
        }
        let statement = format!("SELECT count(*) FROM events WHERE {NUMBER}");
        assert!(sql(&engine, &snapshot, &all, &statement).await.is_err());
        lake.close().await;
    }
}
