//! A lake of sample events in a temporary folder, and what is to be expected of it, computed
//! row by row without the query engine.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType, UInt64Type};
use auditlake_lake::{Lake, LakeConfig, Logs, Root, Snapshot};
use auditlake_model::columns::{COLUMNS, at};
use auditlake_model::env::Environment;
use auditlake_model::filter::{Filter, Range, SeqRange};
use auditlake_model::id::FreshIds;
use auditlake_model::line::LineWriter;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::sample::{Sample, SampleConfig};

/// Where the events are when they are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sealing {
    Hot,
    Segments,
    Compacted,
    HalfAndHalf,
}

/// Every way for events to lie.
pub(crate) const SEALINGS: [Sealing; 4] =
    [Sealing::Hot, Sealing::Segments, Sealing::Compacted, Sealing::HalfAndHalf];

/// Time, tenant and seq of an event.
pub(crate) type Place = (i64, String, u64);

/// One event, read without the query engine.
pub(crate) struct Event<'a> {
    batch: &'a RecordBatch,
    /// The columns as texts.
    texts: &'a [ArrayRef],
    row: usize,
}

impl<'a> Event<'a> {
    pub(crate) fn text(&self, column: usize) -> Option<&'a str> {
        let array = self.texts[column].as_string::<i32>();
        array.is_valid(self.row).then(|| array.value(self.row))
    }

    pub(crate) fn time(&self, column: usize) -> i64 {
        self.batch.column(column).as_primitive::<TimestampMicrosecondType>().value(self.row)
    }

    pub(crate) fn seq(&self) -> u64 {
        self.batch.column(at::SEQ).as_primitive::<UInt64Type>().value(self.row)
    }

    pub(crate) fn place(&self) -> Place {
        let tenant = self.text(at::TENANT_ID).unwrap_or_default().to_owned();
        (self.time(at::OCCURRED_AT), tenant, self.seq())
    }
}

/// One event as a leaf of its tenant's log.
pub(crate) struct Line {
    pub(crate) tenant: String,
    pub(crate) seq: u64,
    pub(crate) recorded_us: i64,
    /// The canonical line, without its line end.
    pub(crate) text: Vec<u8>,
}

pub(crate) struct TestLake {
    lake: Lake,
    _folder: tempfile::TempDir,
    rows: Vec<RecordBatch>,
}

impl TestLake {
    /// Sample events over four days, appended in ten batches.
    pub(crate) async fn new(events: u64, sealing: Sealing) -> Self {
        let config = SampleConfig { events, days: 4, tenants: 3, ..SampleConfig::default() };
        let mut sample = Sample::new(config);
        let batches = (0..10).map(|_| {
            let mut lines = Vec::new();
            sample.write(usize::try_from(events / 10).expect("small"), &mut lines);
            lines
        });
        Self::of(batches.collect(), sealing).await
    }

    /// Many events of several tenants in the same few microseconds.
    pub(crate) async fn with_equal_times(events: usize, sealing: Sealing) -> Self {
        let lines = (0..events).map(|number| {
            format!(
                "{{\"type\":\"a.b\",\"occurred_at\":\"2026-01-0{}T00:00:00.00000{}Z\",\
                 \"tenant_id\":\"t{}\"}}\n",
                1 + number % 2,
                number % 3,
                number % 4,
            )
        });
        let lines: Vec<String> = lines.collect();
        let batches = lines.chunks(events / 5).map(|chunk| chunk.concat().into_bytes());
        Self::of(batches.collect(), sealing).await
    }

    /// Batches of NDJSON, appended one after the other.
    pub(crate) async fn of(batches: Vec<Vec<u8>>, sealing: Sealing) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Root::open(folder.path().to_str().expect("text"), true, []).expect("a root");
        let opened = Lake::open(LakeConfig::new(root), Environment::system()).await;
        let lake = opened.expect("a lake");
        let half = batches.len() / 2;
        for (index, lines) in batches.iter().enumerate() {
            append(&lake, lines).await;
            let flushed = match sealing {
                Sealing::Hot => false,
                Sealing::HalfAndHalf => index < half,
                Sealing::Segments | Sealing::Compacted => true,
            };
            if flushed {
                lake.flush().await.expect("a flush");
            }
        }
        if matches!(sealing, Sealing::Compacted) {
            lake.compact(2).await.expect("a compaction");
        }
        let rows = all_rows(&lake.snapshot()).await;
        Self { lake, _folder: folder, rows }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.lake.snapshot()
    }

    pub(crate) fn logs(&self) -> Logs {
        self.lake.log()
    }

    /// Takes more events, which are none of those that the other functions tell of.
    pub(crate) async fn append(&self, lines: &[u8]) {
        append(&self.lake, lines).await;
    }

    pub(crate) async fn flush(&self) {
        self.lake.flush().await.expect("a flush");
    }

    pub(crate) async fn close(self) {
        self.lake.close().await.expect("a clean end");
    }

    /// Where every event is.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.places_where(&Filter::default())
    }

    /// The same for those that a filter means, whose SQL expressions are not looked at.
    pub(crate) fn places_where(&self, filter: &Filter) -> Vec<Place> {
        self.each(|event| holds(filter, event).then(|| event.place()))
    }

    /// Every event as a leaf, tenant by tenant in the order of their logs.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for batch in &self.rows {
            let mut writer = LineWriter::new(&batch.schema()).expect("columns of events");
            let (mut text, mut ends) = (Vec::new(), Vec::new());
            writer.write_each(batch, &mut text, &mut ends);
            let tenants = cast(batch.column(at::TENANT_ID), &DataType::Utf8).expect("text");
            let tenants = tenants.as_string::<i32>();
            let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>();
            let times = batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>();
            let mut start = 0;
            for (row, end) in ends.into_iter().enumerate() {
                lines.push(Line {
                    tenant: tenants.value(row).to_owned(),
                    seq: seqs.value(row),
                    recorded_us: times.value(row),
                    text: text[start..end - 1].to_vec(),
                });
                start = end;
            }
        }
        lines.sort_by(|one, other| (&one.tenant, one.seq).cmp(&(&other.tenant, other.seq)));
        lines
    }

    /// What becomes of the events of which something becomes.
    pub(crate) fn each<T>(&self, become_of: impl Fn(&Event<'_>) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for batch in &self.rows {
            let columns = batch.columns().iter();
            let texts: Vec<_> =
                columns.map(|column| cast(column, &DataType::Utf8).expect("text")).collect();
            for row in 0..batch.num_rows() {
                found.extend(become_of(&Event { batch, texts: &texts, row }));
            }
        }
        found
    }
}

/// Appends events of NDJSON.
async fn append(lake: &Lake, lines: &[u8]) {
    let environment = Environment::system();
    let mut options = ParseOptions {
        unknown: UnknownKeys::Refuse,
        tenant: TenantRule::Named,
        partial: false,
        ids: &mut FreshIds(&environment),
    };
    let parsed = parse_events(lines, &mut options).expect("sample events are good");
    lake.append(parsed.draft).await.expect("an append");
}

fn has_place(range: SeqRange, seq: u64) -> bool {
    range.from.is_none_or(|from| seq >= from) && range.to.is_none_or(|to| seq < to)
}

fn within(range: Range, time: i64) -> bool {
    range.from_us.is_none_or(|from| time >= from) && range.to_us.is_none_or(|to| time < to)
}

fn holds(filter: &Filter, event: &Event<'_>) -> bool {
    let searched = [
        "type",
        "actor_id",
        "actor_label",
        "actor_email",
        "target_kind",
        "target_id",
        "target_label",
        "reason",
        "data",
    ];
    within(filter.occurred, event.time(at::OCCURRED_AT))
        && within(filter.recorded, event.time(at::RECORDED_AT))
        && has_place(filter.seq, event.seq())
        && filter.terms.iter().all(|term| {
            let cell = event.text(term.column);
            let any = |matches: &[auditlake_model::filter::Match]| {
                cell.is_some_and(|cell| matches.iter().any(|matched| matched.holds(cell)))
            };
            (term.any.is_empty() || any(&term.any)) && !any(&term.none)
        })
        && filter.contains.iter().all(|texts| {
            texts.iter().any(|wanted| {
                let wanted = wanted.to_lowercase();
                COLUMNS.iter().enumerate().any(|(position, column)| {
                    let cell = event.text(position).filter(|_| searched.contains(&column.name));
                    cell.is_some_and(|cell| cell.to_lowercase().contains(&wanted))
                })
            })
        })
}

/// Every row, read from hot batches and straight from the Parquet files.
async fn all_rows(snapshot: &Snapshot) -> Vec<RecordBatch> {
    let mut rows: Vec<RecordBatch> = snapshot.hot().iter().map(|hot| hot.batch.clone()).collect();
    for segment in snapshot.segments() {
        let path = object_store::path::Path::from(segment.path.as_str());
        let bytes = snapshot.store().get_opts(&path, Default::default()).await.expect("a segment");
        let bytes = bytes.bytes().await.expect("its bytes");
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes)
            .expect("a Parquet file")
            .build()
            .expect("a reader");
        rows.extend(reader.map(|batch| batch.expect("a batch")));
    }
    rows
}
