//! Durable appends: from a parsed draft to the acknowledgement after a real fsync, alone and
//! with many clients at once, who share syncs.
//!
//! The lake lies in the target folder: a temporary folder may be memory, whose syncs are free.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlake_benches::{Events, few_samples, make_room, open_lake, runtime};
use auditlake_lake::Lake;
use auditlake_model::Draft;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::task::JoinSet;

/// No bench needs as many.
const EVENTS: usize = 50_000_000;
const DAYS: u32 = 90;
const CLIENTS: usize = 64;
/// Requests of each client that are prepared at a time: drafts of one event are bulky.
const ROUNDS: u64 = 16;

fn append(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let runtime = runtime();
    let lake = Arc::new(runtime.block_on(open_lake(folder.path())));
    let mut events = Events::new(EVENTS, DAYS);

    let mut group = criterion.benchmark_group("wal");
    for count in [1, 100, 1000] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("append", count), |bencher| {
            bencher.iter_custom(|times| {
                runtime.block_on(one_after_another(&lake, &mut events, count, times))
            });
        });
    }
    group.throughput(Throughput::Elements(CLIENTS as u64));
    group.bench_function(BenchmarkId::new("append by clients", CLIENTS), |bencher| {
        bencher.iter_custom(|times| runtime.block_on(all_at_once(&lake, &mut events, times)));
    });
    group.finish();

    let lake = Arc::into_inner(lake).expect("every client is done");
    runtime.block_on(lake.close()).expect("the lake closes");
}

/// Only the appends are on the clock.
async fn one_after_another(lake: &Lake, events: &mut Events, count: usize, times: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        let draft = events.draft(count);
        let started = Instant::now();
        let receipt = lake.append(draft).await.expect("an append");
        took += started.elapsed();
        assert_eq!(receipt.accepted, count as u64, "every event is new");
        make_room(lake).await;
    }
    took
}

/// Each client appends one event, and the next once that is acknowledged.
async fn all_at_once(lake: &Arc<Lake>, events: &mut Events, times: u64) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let rounds = left.min(ROUNDS);
        left -= rounds;
        let queues: Vec<Vec<Draft>> =
            (0..CLIENTS).map(|_| (0..rounds).map(|_| events.draft(1)).collect()).collect();
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for queue in queues {
            let lake = Arc::clone(lake);
            clients.spawn(async move {
                for draft in queue {
                    lake.append(draft).await.expect("an append");
                }
            });
        }
        clients.join_all().await;
        took += started.elapsed();
        make_room(lake).await;
    }
    took
}

criterion_group! {
    name = benches;
    config = few_samples();
    targets = append
}
criterion_main!(benches);
