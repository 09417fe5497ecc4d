//! From drafts to a segment: one full row group of one day, appended in the batches of an
//! import, then flushed (sorted, encoded as Parquet, synced, committed).

use std::time::{Duration, Instant};

use auditlake_benches::{Events, few_samples, open_lake, runtime};
use auditlake_model::Draft;
use auditlake_model::layout::ROW_GROUP_ROWS;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const BATCH: usize = 8192;

/// What the two steps took.
#[derive(Default)]
struct Took {
    append: Duration,
    flush: Duration,
}

fn append_and_flush(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut events = Events::new(ROW_GROUP_ROWS, 1);
    let drafts: Vec<Draft> = (0..ROW_GROUP_ROWS / BATCH).map(|_| events.draft(BATCH)).collect();

    let mut group = criterion.benchmark_group("segment");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(ROW_GROUP_ROWS as u64));
    type Step = (&'static str, fn(&Took) -> Duration);
    let steps: [Step; 3] = [
        ("append", |took| took.append),
        ("flush", |took| took.flush),
        ("append and flush", |took| took.append + took.flush),
    ];
    for (name, step) in steps {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| step(&runtime.block_on(fill_a_lake(&drafts)))).sum()
            });
        });
    }
    group.finish();
}

/// Every round has a lake of its own: a lake takes an event only once.
async fn fill_a_lake(drafts: &[Draft]) -> Took {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let lake = open_lake(folder.path()).await;
    let mut took = Took::default();
    let started = Instant::now();
    for draft in drafts {
        lake.append(draft.clone()).await.expect("an append");
    }
    took.append = started.elapsed();
    let started = Instant::now();
    lake.flush().await.expect("a flush");
    took.flush = started.elapsed();
    assert_eq!(lake.snapshot().manifest().rows(), ROW_GROUP_ROWS as u64, "all are in segments");
    lake.close().await.expect("the lake closes");
    took
}

criterion_group! {
    name = benches;
    config = few_samples();
    targets = append_and_flush
}
criterion_main!(benches);
