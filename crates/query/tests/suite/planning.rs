//! Plans over a large lake: from the manifest alone, without a read, and in time. The lake's
//! segments do not exist.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use auditlake_lake::{LakeConfig, LakeReader, Root, Segment, Snapshot};
use auditlake_model::filter::{Filter, SeqRange};
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, Order, Position, QueryError, ScanRequest};
use auditlake_testkit::manifest::LargeManifest;
use auditlake_testkit::{FaultPlan, Faults, FaultyStore};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// The lake as a reader has it, and the count of what is read of it.
async fn open(manifest: LargeManifest) -> (Snapshot, Arc<Faults>) {
    let faults = Faults::new(FaultPlan::Never, 0);
    let store = FaultyStore::new(Arc::new(InMemory::new()), Arc::clone(&faults));
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    store.put(&Path::from(manifest.path()), manifest.bytes().into()).await.unwrap();
    let config = LakeConfig::new(Root::of(store, "planning"));
    let reader = LakeReader::open(config).await.unwrap();
    (reader.snapshot().await.unwrap(), faults)
}

fn all() -> ScanRequest {
    ScanRequest::of(Scope::everything())
}

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

#[tokio::test]
async fn a_plan_keeps_the_segments_that_may_hold_an_answer() {
    let manifest = LargeManifest::new(1000);
    let (snapshot, _) = open(manifest).await;
    assert_eq!(snapshot.segments().len(), 1000);
    let engine = engine();
    let questions = manifest.questions();
    // Seven days of 25 segments; of these an eighth has the tenant and two thirds the types.
    assert_eq!(questions.clone().map(|question| question.kept), [1000, 175, 15, 5]);
    for question in questions {
        for order in [Order::Log, Order::OldestFirst, Order::NewestFirst] {
            let filter = question.filter.clone();
            let request = ScanRequest { filter, order, ..all() };
            let plan = engine.plan(&snapshot, &request).unwrap();
            assert_eq!(plan.segments(), question.kept, "{} {order}", question.name);
        }
    }
}

#[tokio::test]
async fn a_page_begins_with_the_segment_in_which_the_one_before_it_ended() {
    let (snapshot, _) = open(LargeManifest::new(1000)).await;
    let engine = engine();
    let (occurred_at_us, _) = snapshot.segments()[500].occurred_us();
    // In the order of the log no tenant of that day is behind the position.
    for (order, kept) in [(Order::Log, 475), (Order::OldestFirst, 500), (Order::NewestFirst, 501)] {
        let after = Position { occurred_at_us, tenant_id: "tenant-99".to_owned(), seq: 0 };
        let request = ScanRequest { order, after: Some(after), ..all() };
        assert_eq!(engine.plan(&snapshot, &request).unwrap().segments(), kept, "{order}");
    }
}

#[tokio::test]
async fn a_plan_reads_nothing() {
    let manifest = LargeManifest::new(1000);
    let (snapshot, faults) = open(manifest).await;
    let engine = engine();
    let known = faults.reads();
    assert!(known > 0, "the manifest was read");
    let requests =
        manifest.questions().map(|question| ScanRequest { filter: question.filter, ..all() });
    for request in &requests {
        engine.plan(&snapshot, request).unwrap();
        assert_eq!(faults.reads(), known, "{}", request.filter);
    }
    // Who wants the events has to open segments, and there are none.
    let [.., request] = requests;
    let events: Result<Vec<RecordBatch>, QueryError> = match engine.scan(&snapshot, &request).await
    {
        Ok(stream) => stream.try_collect().await,
        Err(error) => Err(error),
    };
    assert!(events.is_err(), "events out of nowhere: {events:?}");
    assert!(faults.reads() > known, "reads are counted");
}

#[tokio::test]
async fn what_the_manifest_proves_is_counted_without_a_read() {
    let manifest = LargeManifest::new(1000);
    let (snapshot, faults) = open(manifest).await;
    let (engine, known) = (engine(), faults.reads());
    let [everything, week, of_tenant, _] = manifest.questions();
    let scope = Scope::everything();
    let rows: Vec<u64> = snapshot.segments().iter().map(|segment| segment.rows).collect();
    let days = 1000 / 25;
    let of_week = days / 2 * 25..(days / 2 + 7) * 25;
    for (question, rows) in [(everything, &rows[..]), (week, &rows[of_week])] {
        let rows: u64 = rows.iter().sum();
        let counted = engine.count(&snapshot, &scope, &question.filter).await.unwrap();
        assert_eq!(counted, rows, "{}", question.name);
        let estimate = engine.estimate(&snapshot, &scope, &question.filter).await.unwrap();
        assert_eq!(estimate.segments, question.kept);
        assert_eq!((estimate.rows_at_least, estimate.rows_at_most), (rows, rows));
    }
    // Of a tenant only its own events count, and of a prefix nothing is proven.
    let estimate = engine.estimate(&snapshot, &scope, &of_tenant.filter).await.unwrap();
    let all: u64 = snapshot.segments().iter().map(|segment| segment.rows).sum();
    assert_eq!((estimate.segments, estimate.rows_at_least), (of_tenant.kept, 0));
    assert!(estimate.rows_at_most > 0 && estimate.rows_at_most < all / 1000 * 15);
    assert!(estimate.stored_bytes > 0);
    assert_eq!(faults.reads(), known);
}

/// The least and the greatest position of a segment's events.
fn seqs(segment: &Arc<Segment>) -> (u64, u64) {
    let spans = segment.tenants.values().map(|span| span.seq);
    spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))).unwrap()
}

#[tokio::test]
async fn positions_prune_like_times() {
    let (snapshot, faults) = open(LargeManifest::new(1000)).await;
    let (engine, known) = (engine(), faults.reads());
    let (first, last) = seqs(&snapshot.segments()[400]);
    for (from, to) in [(first, last + 1), (first + 1, last + 1), (first, last), (0, first)] {
        let seq = SeqRange { from: Some(from), to: Some(to) };
        let filter = Filter { seq, ..Filter::default() };
        let meant = |(first, last): &(u64, u64)| *first < to && *last >= from;
        let kept = snapshot.segments().iter().map(seqs).filter(meant).count();
        assert!(kept > 0 && kept < 1000, "{kept} of {filter}");
        let plan = engine.plan(&snapshot, &ScanRequest { filter: filter.clone(), ..all() });
        assert_eq!(plan.unwrap().segments(), kept, "{filter}");
    }
    // Only of whole segments the manifest tells how many events are meant.
    let seq = SeqRange { from: Some(first), to: Some(last + 1) };
    let filter = Filter { seq, ..Filter::default() };
    let whole = snapshot.segments().iter().filter(|segment| seqs(segment) == (first, last));
    let rows: u64 = whole.map(|segment| segment.rows).sum();
    let counted = engine.count(&snapshot, &Scope::everything(), &filter).await.unwrap();
    assert_eq!(counted, rows);
    assert_eq!(faults.reads(), known);
}

/// Far more than is needed, even by a build without optimization on a busy machine, and far
/// less than a step that compares each segment with each other would take.
const LIMIT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_plan_over_many_segments_takes_no_time_to_speak_of() {
    let manifest = LargeManifest::new(20_000);
    let (snapshot, _) = open(manifest).await;
    let engine = engine();
    for question in manifest.questions() {
        let request = ScanRequest { filter: question.filter, ..all() };
        let started = Instant::now();
        let plan = engine.plan(&snapshot, &request).unwrap();
        let took = started.elapsed();
        assert_eq!(plan.segments(), question.kept, "{}", question.name);
        assert!(took < LIMIT, "{}: {took:?}", question.name);
    }
}
