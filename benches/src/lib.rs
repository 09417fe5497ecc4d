//! What the benches share: made-up events as text, as drafts and as batches, and a lake that
//! does nothing by itself, so that only what is asked for is measured.

use std::path::Path;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::Draft;
use auditlake_model::columns::at;
use auditlake_model::env::Environment;
use auditlake_model::id::ContentIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::sample::{Sample, SampleConfig};
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, ScanRequest};
use criterion::{Criterion, Throughput};
use futures::TryStreamExt;
use tokio::runtime::Runtime;

/// Lines of hot events that a bench lets gather before it flushes them, outside its clock.
const HOT_BYTES: usize = 128 << 20;

/// Few samples: what is measured takes milliseconds, and all benches should take minutes.
#[must_use]
pub fn few_samples() -> Criterion {
    Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
}

/// Events and bytes a second, both.
#[must_use]
pub fn throughput(events: usize, bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: events as u64, bytes: bytes as u64 }
}

/// A runtime as the server has it.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Made-up events, each of them new, in the order of time.
#[derive(Debug)]
pub struct Events {
    sample: Sample,
}

impl Events {
    /// Up to `events` events, spread over `days` days.
    #[must_use]
    pub fn new(events: usize, days: u32) -> Self {
        let config = SampleConfig { events: events as u64, days, ..SampleConfig::default() };
        Self { sample: Sample::new(config) }
    }

    /// The next `count` as NDJSON.
    pub fn lines(&mut self, count: usize) -> Vec<u8> {
        let mut lines = Vec::with_capacity(count * 640);
        let written = self.sample.write(count, &mut lines);
        assert_eq!(written, count, "the sample has fewer events than the bench needs");
        lines
    }

    /// The next `count` as a draft.
    pub fn draft(&mut self, count: usize) -> Draft {
        parse(&self.lines(count))
    }
}

/// NDJSON as a draft.
#[must_use]
pub fn parse(lines: &[u8]) -> Draft {
    let mut options = ParseOptions {
        unknown: UnknownKeys::Refuse,
        tenant: TenantRule::Named,
        partial: false,
        ids: &mut ContentIds::default(),
    };
    parse_events(lines, &mut options).expect("events of the sample are good").draft
}

/// A draft with its place in the log, as the writer of a lake gives it.
#[must_use]
pub fn seal(draft: Draft) -> RecordBatch {
    let seqs = UInt64Array::from_iter_values(0..draft.rows() as u64);
    let occurred = draft.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>();
    let recorded = occurred.clone();
    draft.seal(seqs, recorded).expect("a draft of the schema")
}

/// A new lake that flushes and compacts only when told to.
pub async fn open_lake(folder: &Path) -> Lake {
    let location = folder.join("lake").to_str().expect("a path that is text").to_owned();
    let config = LakeConfig {
        flush_bytes: usize::MAX,
        max_hot_bytes: usize::MAX,
        flush_interval: Duration::from_secs(24 * 3600),
        compact_segments: usize::MAX,
        ..LakeConfig::new(Root::open(&location, true, []).expect("a root in a folder"))
    };
    Lake::open(config, Environment::system()).await.expect("a new lake opens")
}

/// Keeps the memory of a long bench small: flushes what is hot once it is much.
pub async fn make_room(lake: &Lake) {
    if lake.hot_bytes() > HOT_BYTES {
        lake.flush().await.expect("hot events become segments");
    }
}

/// Every event of the lake in batches, as the query gives them to the encoders.
pub async fn query_all(lake: &Lake) -> Vec<RecordBatch> {
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let request = ScanRequest::of(Scope::everything());
    let stream = engine.scan(&lake.snapshot(), &request).await.expect("a scan");
    stream.try_collect().await.expect("every segment can be read")
}
