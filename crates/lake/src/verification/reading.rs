//! Segments read back whole: their bytes against the digest in the manifest, their rows against
//! its counts, and those rows that are wanted handed on. Side by side, off the reactor, with a
//! few batches of each in memory.
//!
//! Nothing in a segment is trusted. What cannot be read is a finding, also when a decoder
//! panics; only a store that fails is an error.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use auditlake_model::columns::schema;
use auditlake_model::time::day_of;
use futures::{StreamExt, stream};
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::file::SegmentFile;
use super::findings::{Found, LakeFinding, LakeFindingKind};
use super::sift::{Sift, Wanted};
use crate::error::LakeError;
use crate::segment::{Segment, Summary, is_of_store};

/// Segments are read side by side, but no more: each has batches in memory.
const MOST_SEGMENTS: usize = 8;
/// Batches of a segment that are worked on while the next one is decoded.
const MOST_BATCHES: usize = 2;

/// What becomes of the wanted rows.
pub(super) trait Sink: Send + Sync + 'static {
    /// The columns it needs beside tenant and seq; all if none.
    fn columns(&self) -> Option<&'static [&'static str]>;

    /// Takes wanted rows of a segment, in no order; says why they are no events.
    fn take(&self, batch: &RecordBatch, path: &str) -> Result<(), String>;
}

/// The segments of a lake.
pub(super) struct Segments {
    store: Arc<dyn ObjectStore>,
    all: Vec<Arc<Segment>>,
    /// The paths of those whose bytes and counts have been checked.
    checked: HashSet<String>,
    at_a_time: usize,
}

/// One segment to read.
struct Job {
    store: Arc<dyn ObjectStore>,
    segment: Arc<Segment>,
    wanted: Arc<Wanted>,
    sink: Arc<dyn Sink>,
    /// Whether its bytes and counts are to be checked too.
    is_first: bool,
}

/// What reading a segment led to.
#[derive(Default)]
struct Outcome {
    rows: u64,
    is_missing: bool,
    findings: Vec<LakeFinding>,
}

/// Why reading a segment ended early.
enum Fault {
    /// The store failed.
    Store(LakeError),
    /// The file is to blame.
    File(String),
}

impl Segments {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, all: Vec<Arc<Segment>>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (store, at_a_time) = (Arc::clone(store), cores.min(MOST_SEGMENTS));
        Self { store, all, checked: HashSet::new(), at_a_time }
    }

    /// How many have been read.
    pub(super) fn checked(&self) -> u64 {
        self.checked.len() as u64
    }

    /// Those that have not been read.
    pub(super) fn unchecked(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.all.iter().filter(|segment| !self.checked.contains(&segment.path))
    }

    /// Reads every segment that may hold wanted rows, and hands those to the sink. Answers how
    /// many rows there were, and the paths that are not there.
    pub(super) async fn read(
        &mut self,
        wanted: Wanted,
        sink: Arc<dyn Sink>,
        found: &mut Found,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<String>, LakeError> {
        let wanted = Arc::new(wanted);
        let segments = self.all.iter().filter(|segment| wanted.may_be_in(segment));
        let jobs: Vec<Job> = segments
            .map(|segment| Job {
                store: Arc::clone(&self.store),
                segment: Arc::clone(segment),
                wanted: Arc::clone(&wanted),
                sink: Arc::clone(&sink),
                is_first: !self.checked.contains(&segment.path),
            })
            .collect();
        let mut reads = stream::iter(jobs).map(off_reactor).buffer_unordered(self.at_a_time);
        let (mut missing, mut failed) = (Vec::new(), None);
        // To the end even after an error: no thread is left behind.
        while let Some((path, outcome)) = reads.next().await {
            match outcome {
                Ok(outcome) => {
                    progress(outcome.rows);
                    outcome.findings.into_iter().for_each(|finding| found.add(finding));
                    if outcome.is_missing {
                        missing.push(path.clone());
                    }
                    self.checked.insert(path);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(missing), Err)
    }
}

/// Reads a segment on a thread of its own. A decoder that panics met bytes that no encoder made.
async fn off_reactor(job: Job) -> (String, Result<Outcome, LakeError>) {
    let (path, runtime) = (job.segment.path.clone(), Handle::current());
    let read = tokio::task::spawn_blocking(move || runtime.block_on(read(&job))).await;
    let outcome = read.unwrap_or_else(|failed| {
        if failed.is_panic() {
            let findings = vec![unreadable(&path, "its reader gave up")];
            Ok(Outcome { findings, ..Outcome::default() })
        } else {
            Err(LakeError::data("reading a segment")(failed))
        }
    });
    (path, outcome)
}

fn unreadable(path: &str, why: &str) -> LakeFinding {
    let detail = format!("the segment cannot be read: {why}");
    LakeFinding::new(LakeFindingKind::Segment, detail).at(path)
}

async fn read(job: &Job) -> Result<Outcome, LakeError> {
    let mut outcome = Outcome::default();
    let segment = &job.segment;
    let Some(file) = SegmentFile::open(&job.store, segment).await? else {
        outcome.is_missing = true;
        return Ok(outcome);
    };
    if job.is_first
        && let Some(detail) = file.difference(segment).await?
    {
        let finding = LakeFinding::new(LakeFindingKind::Segment, detail);
        outcome.findings.push(finding.at(&segment.path));
    }
    let sift = Arc::new(Mutex::new(Sift::new(segment, &job.wanted)));
    match decode(job, file, &sift, &mut outcome.rows).await {
        Ok(summary) => {
            if job.is_first {
                outcome.findings.extend(locked(&sift).differences());
            }
            // Of another file than the manifest means, its bounds tell nothing.
            if outcome.findings.is_empty() {
                outcome.findings.extend(summary.and_then(|summary| other_bounds(segment, summary)));
            }
        }
        Err(Fault::File(why)) => outcome.findings.push(unreadable(&segment.path, &why)),
        Err(Fault::Store(error)) => return Err(error),
    }
    Ok(outcome)
}

/// Whether queries would be led past events of the segment: the manifest says for each segment
/// which day, times and texts its events lie within, and no signature covers that.
fn other_bounds(segment: &Segment, summary: Summary) -> Option<LakeFinding> {
    let (tenants, columns) = summary.finish();
    let others = segment.columns.iter().filter(|(name, bounds)| columns.get(*name) != Some(bounds));
    let mut others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
    let spans = tenants.values().flat_map(|span| [span.occurred_us.0, span.occurred_us.1]);
    if tenants != segment.tenants || spans.map(day_of).any(|day| day != segment.day) {
        others.push("times and places");
    }
    let detail = || {
        let others = others.join(", ");
        format!(
            "its events have other bounds than the manifest says, in {others}: queries miss some"
        )
    };
    let finding = || LakeFinding::new(LakeFindingKind::Segment, detail()).at(&segment.path);
    (!others.is_empty()).then(finding)
}

/// Whether a batch has the columns that events have in segments.
fn check_columns(batch: &RecordBatch) -> Result<(), Fault> {
    let (wanted, found) = (schema(), batch.schema());
    let are_same = wanted.fields().len() == found.fields().len()
        && wanted.fields().iter().zip(found.fields()).all(|(wanted, found)| {
            wanted.name() == found.name() && wanted.data_type() == found.data_type()
        });
    if are_same {
        Ok(())
    } else {
        Err(Fault::File("its columns are not those of events".to_owned()))
    }
}

/// Decodes the file and hands the wanted rows to the sink. What was read whole for the first time
/// is summed up.
async fn decode(
    job: &Job,
    file: SegmentFile,
    sift: &Arc<Mutex<Sift>>,
    rows: &mut u64,
) -> Result<Option<Summary>, Fault> {
    let path = job.segment.path.as_str();
    let fault = |source: ParquetError| {
        if is_of_store(&source) {
            Fault::Store(LakeError::data(&format!("reading {path}"))(source))
        } else {
            Fault::File(source.to_string())
        }
    };
    let mut builder = ParquetRecordBatchStreamBuilder::new(file).await.map_err(fault)?;
    let parquet_schema = builder.parquet_schema();
    let places = columns(parquet_schema, &["tenant_id", "seq"])?;
    let projection = match job.sink.columns() {
        Some(names) => columns(parquet_schema, names)?,
        None => ProjectionMask::all(),
    };
    let mut summary = (job.is_first && job.sink.columns().is_none()).then(Summary::default);
    // Where all rows are needed, they are decoded at once; else tenant and seq first.
    let are_sifted_first = summary.is_none() && !job.wanted.is_all_of(&job.segment);
    if are_sifted_first {
        let sift = Arc::clone(sift);
        let look = move |batch: RecordBatch| locked(&sift).look(&batch);
        let filter = RowFilter::new(vec![Box::new(ArrowPredicateFn::new(places, look))]);
        builder = builder.with_row_filter(filter);
    }
    let batch_rows = job.segment.batch_rows();
    let batches = builder.with_projection(projection).with_batch_size(batch_rows).build();
    let mut batches = Box::pin(batches.map_err(fault)?);
    let mut working = JoinSet::new();
    while let Some(batch) = batches.next().await {
        let mut batch = batch.map_err(fault)?;
        if let Some(summary) = &mut summary {
            check_columns(&batch)?;
            summary.add(&batch);
        }
        if !are_sifted_first {
            batch = sifted(&batch, sift).map_err(|source| Fault::File(source.to_string()))?;
        }
        if working.len() >= MOST_BATCHES {
            finish_one(&mut working).await?;
        }
        *rows += batch.num_rows() as u64;
        let (sink, segment) = (Arc::clone(&job.sink), Arc::clone(&job.segment));
        working.spawn_blocking(move || sink.take(&batch, &segment.path));
    }
    while !working.is_empty() {
        finish_one(&mut working).await?;
    }
    Ok(summary)
}

async fn finish_one(working: &mut JoinSet<Result<(), String>>) -> Result<(), Fault> {
    match working.join_next().await {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(why))) => Err(Fault::File(why)),
        Some(Err(_)) => Err(Fault::File("its events cannot be rendered".to_owned())),
    }
}

/// The wanted rows of a batch.
fn sifted(
    batch: &RecordBatch,
    sift: &Mutex<Sift>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let wanted = locked(sift).look(batch)?;
    if wanted.true_count() == batch.num_rows() {
        return Ok(batch.clone());
    }
    filter_record_batch(batch, &wanted)
}

fn locked(sift: &Mutex<Sift>) -> MutexGuard<'_, Sift> {
    sift.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The columns of these names.
fn columns(schema: &SchemaDescriptor, names: &[&str]) -> Result<ProjectionMask, Fault> {
    let fields = schema.root_schema().get_fields();
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = fields.iter().position(|field| field.name() == *name);
        positions.push(position.ok_or_else(|| Fault::File(format!("it has no column {name}")))?);
    }
    Ok(ProjectionMask::roots(schema, positions))
}
