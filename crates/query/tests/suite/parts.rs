//! Parts of a scan worked on side by side: the same events in the same order as one after the
//! other, dictionaries as they lie in the segments, and row groups copied only when all their
//! events are meant.

use std::convert::Infallible;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use auditlake_lake::Snapshot;
use auditlake_model::columns::{COLUMNS, Kind, at};
use auditlake_model::filter::Filter;
use auditlake_model::layout::RowGroup;
use auditlake_model::render::{Made, Render};
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, Order, Position, ScanRequest};
use futures::{StreamExt, TryStreamExt};

use crate::lake::{SEALINGS, Sealing, TestLake};

/// What comes of a batch or of a row group that is copied.
#[derive(Debug, PartialEq)]
enum Came {
    /// Time and tenant of each event.
    Events(Vec<(i64, String)>),
    /// So many rows.
    Copied(usize),
}

/// Notes what comes.
struct Notes {
    most_rows: usize,
    copies_from_rows: Option<usize>,
}

impl Render for Notes {
    type Item = Came;
    type Error = Infallible;

    fn most_rows(&self) -> usize {
        self.most_rows
    }

    fn copies_from_rows(&self) -> Option<usize> {
        self.copies_from_rows
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<Made<Came>, Infallible> {
        assert!(batch.num_rows() <= self.most_rows);
        let times = batch.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>();
        let tenants = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
        let tenants = tenants.downcast_dict::<arrow::array::StringArray>().unwrap();
        let tenants = tenants.into_iter().map(|tenant| tenant.unwrap().to_owned());
        let events = times.values().iter().copied().zip(tenants).collect();
        Ok(Made { item: Came::Events(events), bytes: 100_000 })
    }

    fn row_group(&mut self, group: RowGroup) -> Result<Made<Came>, Infallible> {
        Ok(Made { item: Came::Copied(group.rows), bytes: group.bytes() })
    }
}

fn engine() -> Engine {
    Engine::new(EngineConfig { ahead_bytes: 1 << 20, ..EngineConfig::default() }).unwrap()
}

fn filter(pairs: &[(&str, &str)]) -> Filter {
    Filter::of(pairs.iter().copied()).unwrap()
}

/// Every event that a filter means.
fn meant(filter: Filter) -> ScanRequest {
    ScanRequest { filter, ..ScanRequest::of(Scope::everything()) }
}

/// What came of a request, by so many renderers.
async fn came(
    snapshot: &Snapshot,
    request: &ScanRequest,
    renderers: usize,
    copies_from_rows: Option<usize>,
) -> Vec<Came> {
    let renderers = (0..renderers).map(|_| Notes { most_rows: 64, copies_from_rows });
    let engine = engine();
    let came = engine.render(snapshot, request, renderers).await.unwrap();
    came.map(Result::unwrap).collect().await
}

fn events(came: Vec<Came>) -> Vec<(i64, String)> {
    let each = came.into_iter().flat_map(|came| match came {
        Came::Events(events) => events,
        Came::Copied(_) => panic!("nobody asked for a copy"),
    });
    each.collect()
}

/// The rows of each row group that was copied.
fn copied(came: &[Came]) -> Vec<usize> {
    let copied = came.iter().filter_map(|came| match came {
        Came::Copied(rows) => Some(*rows),
        Came::Events(_) => None,
    });
    copied.collect()
}

/// How many events came in batches.
fn rendered(came: &[Came]) -> usize {
    let events = came.iter().map(|came| match came {
        Came::Events(events) => events.len(),
        Came::Copied(_) => 0,
    });
    events.sum()
}

#[tokio::test]
async fn many_renderers_see_what_one_sees() {
    let mut lakes = vec![TestLake::with_equal_times(4000, Sealing::HalfAndHalf).await];
    for sealing in SEALINGS {
        lakes.push(TestLake::new(4000, sealing).await);
    }
    for lake in lakes {
        for order in [Order::Log, Order::OldestFirst, Order::NewestFirst] {
            for limit in [None, Some(1700)] {
                let request = ScanRequest { order, limit, ..ScanRequest::of(Scope::everything()) };
                let one = events(came(&lake.snapshot(), &request, 1, None).await);
                let many = events(came(&lake.snapshot(), &request, 5, None).await);
                assert_eq!(one.len(), limit.unwrap_or(4000));
                assert!(one == many, "{order} up to {limit:?}");
            }
        }
        lake.close().await;
    }
}

#[tokio::test]
async fn only_row_groups_that_are_meant_whole_are_copied() {
    let lake = TestLake::new(4000, Sealing::Compacted).await;
    let snapshot = lake.snapshot();
    let days: Vec<usize> =
        snapshot.segments().iter().map(|segment| segment.rows as usize).collect();
    let all = ScanRequest::of(Scope::everything());
    assert_eq!(copied(&came(&snapshot, &all, 3, Some(1)).await), days);
    assert_eq!(copied(&came(&snapshot, &all, 3, Some(days[0] + 1)).await), [0; 0][..]);

    // From the middle of the first day on: the others are whole.
    let (first, last) = snapshot.segments()[0].occurred_us();
    let middle = auditlake_model::time::format_rfc3339(first.midpoint(last));
    let from = meant(filter(&[("from", &middle)]));
    let some = came(&snapshot, &from, 3, Some(1)).await;
    assert_eq!(copied(&some), days[1..]);
    let rest = rendered(&some);
    assert_eq!(rest + days[1..].iter().sum::<usize>(), lake.places_where(&from.filter).len());

    // Types that some events of every day have: nothing is meant whole.
    let types = meant(filter(&[("type", "user.*")]));
    let came = came(&snapshot, &types, 3, Some(1)).await;
    assert_eq!(copied(&came), [0; 0][..]);
    assert_eq!(rendered(&came), lake.places_where(&types.filter).len());
    lake.close().await;
}

#[tokio::test]
async fn dictionaries_come_as_they_lie_in_a_segment() {
    let lake = TestLake::new(40_000, Sealing::Compacted).await;
    let engine = engine();
    let all = ScanRequest::of(Scope::everything());
    let stream = engine.scan(&lake.snapshot(), &all).await.unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    // The first day has more rows than a batch, and one row group.
    let first_day = usize::try_from(lake.snapshot().segments()[0].rows).unwrap();
    assert!(first_day > batches[0].num_rows());
    for (position, column) in COLUMNS.iter().enumerate() {
        if column.kind != Kind::Dict {
            continue;
        }
        let values = |batch: &RecordBatch| {
            batch.column(position).as_dictionary::<Int32Type>().values().to_data()
        };
        assert!(
            values(&batches[0]).ptr_eq(&values(&batches[1])),
            "two batches of a row group have different dictionaries of {}",
            column.name
        );
    }
    lake.close().await;
}

/// A cast would decode a dictionary for every row.
#[tokio::test]
async fn nothing_in_a_plan_casts_a_column() {
    let filters: [&[(&str, &str)]; 9] = [
        &[],
        &[("tenant_id", "acme"), ("type", "user.*")],
        &[("outcome", "denied,failure"), ("actor_id", "!a,!b*"), ("target_id", "x")],
        &[("from", "2026-01-01"), ("ip", "10.0.0.0/8")],
        &[("policy_result", "deny"), ("ip", "10.0.0.1"), ("tool", "!k8s.*")],
        &[("q", "needle")],
        &[("seq_from", "5"), ("seq_to", "900"), ("recorded_from", "2026-01-01")],
        &[("where", "type = 'user.signed_in' AND outcome <> 'denied' AND seq > 5")],
        &[("where", "occurred_at >= '2026-01-02' OR actor_kind IS NULL")],
    ];
    let engine = engine();
    for sealing in SEALINGS {
        let lake = TestLake::new(1000, sealing).await;
        for pairs in filters {
            for order in [Order::Log, Order::NewestFirst] {
                let after = Position {
                    occurred_at_us: lake.places()[500].0,
                    tenant_id: "acme".to_owned(),
                    seq: 7,
                };
                let scope = Scope::everything().within(at::TENANT_ID, "acme");
                let (filter, after) = (filter(pairs), Some(after));
                let request = ScanRequest { filter, order, after, ..ScanRequest::of(scope) };
                let plan = engine.plan(&lake.snapshot(), &request).unwrap().explain().unwrap();
                assert!(!plan.to_lowercase().contains("cast"), "{pairs:?}: {plan}");
            }
        }
        lake.close().await;
    }
}

#[tokio::test]
async fn sql_gives_the_types_of_the_table() {
    let (lake, engine) = (TestLake::new(1000, Sealing::HalfAndHalf).await, engine());
    let question = "SELECT * FROM events WHERE type LIKE 'user.%' AND tenant_id <> 'x'";
    let (snapshot, all) = (lake.snapshot(), Scope::everything());
    let stream = engine.sql(&snapshot, &all, &format!("EXPLAIN ANALYZE {question}")).await;
    let lines: Vec<RecordBatch> = stream.unwrap().try_collect().await.unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&lines).unwrap().to_string();
    assert!(!text.to_lowercase().contains("cast"), "{text}");
    let stream = engine.sql(&snapshot, &all, question).await.unwrap();
    let answer: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    for (field, column) in answer[0].schema().fields().iter().zip(&COLUMNS) {
        assert_eq!(*field.data_type(), column.data_type(), "{}", column.name);
    }
    lake.close().await;
}
