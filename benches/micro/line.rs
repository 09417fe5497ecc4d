//! The canonical line, and the log over it: what the writer does for each event before its
//! sync, and what `verify` repeats.

use std::hint::black_box;

use arrow::array::RecordBatch;
use auditlake_benches::{Events, few_samples, seal, throughput};
use auditlake_model::columns::schema;
use auditlake_model::line::LineWriter;
use auditlake_tlog::{CompactRange, leaf_hash};
use criterion::{Criterion, criterion_group, criterion_main};

const EVENTS: usize = 8192;

fn canonical_line(criterion: &mut Criterion) {
    let batch = seal(Events::new(EVENTS, 1).draft(EVENTS));
    let mut writer = LineWriter::new(&schema()).expect("the schema of events");
    let (mut lines, mut ends) = (Vec::new(), Vec::new());
    render(&mut writer, &batch, &mut lines, &mut ends);

    let mut group = criterion.benchmark_group("line");
    group.throughput(throughput(EVENTS, lines.len()));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            lines.clear();
            writer.write(black_box(&batch), &mut lines);
            lines.len()
        });
    });
    group.bench_function("write, hash and log", |bencher| {
        bencher.iter(|| {
            render(&mut writer, black_box(&batch), &mut lines, &mut ends);
            log_of(&lines, &ends).root()
        });
    });
    group.bench_function("hash and log", |bencher| {
        render(&mut writer, &batch, &mut lines, &mut ends);
        bencher.iter(|| log_of(black_box(&lines), &ends).root());
    });
    group.finish();
}

fn render(
    writer: &mut LineWriter,
    batch: &RecordBatch,
    lines: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) {
    lines.clear();
    ends.clear();
    writer.write_each(batch, lines, ends);
}

/// The log over lines, whose leaves do not have the line end.
fn log_of(lines: &[u8], ends: &[usize]) -> CompactRange {
    let mut log = CompactRange::default();
    let mut start = 0;
    for end in ends {
        log.append(leaf_hash(&lines[start..end - 1]));
        start = *end;
    }
    log
}

criterion_group! {
    name = benches;
    config = few_samples();
    targets = canonical_line
}
criterion_main!(benches);
