//! Batches → the bytes of an export, in every format, and compressed. The batches are those
//! that the query reads back from a segment: 8192 rows, dictionaries kept.

use std::hint::black_box;

use arrow::array::RecordBatch;
use auditlake_benches::{Events, few_samples, open_lake, query_all, runtime, throughput};
use auditlake_export::{Compression, CsvOptions, Encoder, Format, Options};
use auditlake_model::layout::ROW_GROUP_ROWS;
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

const CASES: [(&str, Format, Compression, bool); 7] = [
    ("csv", Format::Csv, Compression::None, true),
    ("csv unsafe", Format::Csv, Compression::None, false),
    ("ndjson", Format::Ndjson, Compression::None, true),
    ("json", Format::Json, Compression::None, true),
    ("parquet", Format::Parquet, Compression::None, true),
    ("ndjson gzip", Format::Ndjson, Compression::Gzip, true),
    ("ndjson zstd", Format::Ndjson, Compression::Zstd, true),
];

fn encode(criterion: &mut Criterion) {
    let batches = batches();
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("encode");
    group.sampling_mode(SamplingMode::Flat);
    for (name, format, compression, safe) in CASES {
        let csv = CsvOptions { safe };
        // A compressor is as fast as the text it takes, not as what it gives.
        let plain = Options { format, compression: Compression::None, csv };
        let bytes = write(&batches, plain, &mut out);
        group.throughput(throughput(ROW_GROUP_ROWS, bytes));
        let options = Options { format, compression, csv };
        group.bench_function(name, |bencher| {
            bencher.iter(|| write(black_box(&batches), options, &mut out));
        });
    }
    group.finish();
}

/// Encodes everything, handing on each batch's bytes as a response body does; answers how
/// many there were.
fn write(batches: &[RecordBatch], options: Options, out: &mut Vec<u8>) -> usize {
    let mut encoder = Encoder::new(batches[0].schema(), options).expect("an encoder");
    let mut bytes = 0;
    out.clear();
    encoder.start(out).expect("a start");
    for batch in batches {
        encoder.encode(batch, out).expect("a batch");
        bytes += black_box(&*out).len();
        out.clear();
    }
    encoder.finish(out).expect("an end");
    bytes + out.len()
}

/// One full row group of one day, through a lake and back.
fn batches() -> Vec<RecordBatch> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let mut events = Events::new(ROW_GROUP_ROWS, 1);
    let batches = runtime().block_on(async {
        let lake = open_lake(folder.path()).await;
        for _ in 0..ROW_GROUP_ROWS / 8192 {
            lake.append(events.draft(8192)).await.expect("an append");
        }
        lake.flush().await.expect("a flush");
        let batches = query_all(&lake).await;
        lake.close().await.expect("the lake closes");
        batches
    });
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, ROW_GROUP_ROWS, "the query gives back every event");
    batches
}

criterion_group! {
    name = benches;
    config = few_samples();
    targets = encode
}
criterion_main!(benches);
