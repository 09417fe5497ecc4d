//! NDJSON → columns: what every event pays on its way in, in the sizes of an import's chunk
//! and of a single request.

use std::hint::black_box;

use auditlake_benches::{Events, few_samples, parse, throughput};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn ndjson_to_draft(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for count in [1, 8192] {
        let lines = Events::new(count, 1).lines(count);
        group.throughput(throughput(count, lines.len()));
        group.bench_function(BenchmarkId::new("ndjson", count), |bencher| {
            bencher.iter_with_large_drop(|| parse(black_box(&lines)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = few_samples();
    targets = ndjson_to_draft
}
criterion_main!(benches);
