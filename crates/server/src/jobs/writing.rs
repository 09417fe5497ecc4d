//! From a scan to the files of a job: batches are cut at the borders of files, encoded, hashed
//! and sent to the store while the next ones are read.
//!
//! The same events in the same order give the same bytes, wherever an attempt begins. So what
//! is encoded at a time is cut by the place in the file alone, never by how the scan happened
//! to come: a compressor or a page of Parquet may notice where its input was cut.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use auditlake_export::{Digested, Encoder, Envelope, Totals};
use auditlake_lake::{Document, ExportWriter};
use auditlake_query::{EventStream, Order, QueryError};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Running;
use super::attempt::Fault;
use super::document::{FileDone, Job, Place};
use super::layout::{file_name, files, rows_of};
use crate::dialects::{self, EnvelopeFacts};
use crate::placing::Places;
use crate::state::AppState;

/// Events that are encoded at a time.
const CHUNK_ROWS: u64 = 512;

/// What is to be written, and who learns of it.
pub(super) struct Writing {
    state: AppState,
    id: String,
    job: Job,
    running: Arc<Running>,
    broken: CancellationToken,
    done: mpsc::Sender<FileDone>,
}

impl Writing {
    pub(super) fn new(
        state: &AppState,
        held: &Document<Job>,
        running: Arc<Running>,
        broken: CancellationToken,
        done: mpsc::Sender<FileDone>,
    ) -> Self {
        let (state, id, job) = (state.clone(), held.id.clone(), held.value.clone());
        Self { state, id, job, running, broken, done }
    }

    /// Writes every file that is not done yet, and hands each over when it is durable.
    pub(super) async fn run(self) -> Result<(), Fault> {
        let (Some(rows), Some(each)) = (self.job.rows_total, self.job.rows_per_file) else {
            return Err(Fault::Broken("files were to be written before a count".to_owned()));
        };
        let count = files(rows, each);
        let first = self.job.files.len() as u64;
        if first >= count {
            return Ok(());
        }
        let snapshot = self.state.lake().snapshot();
        let scan = self.job.scan()?;
        let scanning = self.state.engine().scan(&snapshot, &scan);
        let stream = self.broken.run_until_cancelled(scanning).await.ok_or(Fault::Told)??;
        let mut chunks = Chunks::new(stream, self.broken.clone());
        for file in first..count {
            let done = self.file(file, rows_of(file, rows, each), &mut chunks).await?;
            self.done.send(done).await.map_err(|_| Fault::Told)?;
        }
        match chunks.next(1).await? {
            None => Ok(()),
            Some(_) => Err(Fault::Changed { counted: rows, found: rows.saturating_add(1) }),
        }
    }

    async fn file(&self, file: u64, rows: u64, chunks: &mut Chunks) -> Result<FileDone, Fault> {
        let name = file_name(self.job.created_at_us, file, &self.job.request.options());
        let mut writer = self.state.lake().exports().write(&self.id, &name).await?;
        match self.fill(&mut writer, rows, chunks).await {
            Ok(filled) => {
                writer.finish().await?;
                Ok(FileDone { name, ..filled })
            }
            Err(fault) => {
                writer.abort().await;
                Err(fault)
            }
        }
    }

    /// Puts so many events into a file; what comes back lacks nothing but its name.
    async fn fill(
        &self,
        writer: &mut ExportWriter,
        rows: u64,
        chunks: &mut Chunks,
    ) -> Result<FileDone, Fault> {
        let places = chunks.places()?;
        let first_us = chunks.first_time(places).await?;
        let (columns, mut encoder) = self.encoder(first_us)?;
        let mut out = Digested::new(Vec::<Bytes>::new());
        let (mut first, mut last) = (None, None);
        let mut left = rows;
        while left > 0 {
            let Some(chunk) = chunks.next(left.min(CHUNK_ROWS)).await? else {
                let counted = self.job.rows_total.unwrap_or_default();
                let found = self.running.rows.load(Ordering::Relaxed);
                return Err(Fault::Changed { counted, found });
            };
            let count = chunk.num_rows();
            first.get_or_insert_with(|| Place::from(places.position(&chunk, 0)));
            last = Some(Place::from(places.position(&chunk, count - 1)));
            let chunk = match &columns {
                Some(columns) => chunk.project(columns).map_err(QueryError::from)?,
                None => chunk,
            };
            encoder.encode(&chunk, &mut out)?;
            self.send(writer, &mut out).await?;
            let count = count as u64;
            left -= count.min(left);
            self.running.rows.fetch_add(count, Ordering::Relaxed);
            self.state.metrics().export_rows.inc_by(count);
        }
        let Totals { rows, bytes, .. } = encoder.finish(&mut out)?;
        self.send(writer, &mut out).await?;
        Ok(FileDone { name: String::new(), rows, bytes, sha256: out.hex(), first, last })
    }

    /// What is ready goes on its way; waits while the store does not keep up.
    async fn send(
        &self,
        writer: &mut ExportWriter,
        out: &mut Digested<Vec<Bytes>>,
    ) -> Result<(), Fault> {
        for bytes in std::mem::take(out.inner_mut()) {
            let sent = bytes.len() as u64;
            let putting = writer.put(bytes);
            self.broken.run_until_cancelled(putting).await.ok_or(Fault::Told)??;
            self.running.bytes.fetch_add(sent, Ordering::Relaxed);
            self.state.metrics().export_bytes.inc_by(sent);
        }
        Ok(())
    }

    /// The encoder of one file, and which columns of the scan it is to see, if not all.
    fn encoder(&self, first_us: Option<i64>) -> Result<(Option<Vec<usize>>, Encoder), Fault> {
        let request = &self.job.request;
        let options = request.options();
        if let Some(name) = &request.shape {
            let gone = || Fault::Broken(format!("there is no shape {name:?}"));
            let shape = dialects::shape(name).ok_or_else(gone)?;
            let envelope = self.envelope(name, first_us)?;
            return Ok((None, Encoder::shaped(shape, options, envelope)?));
        }
        let columns = request.columns()?;
        let mut wanted = self.job.scan()?;
        wanted.columns.clone_from(&columns);
        let encoder = Encoder::new(wanted.schema()?, options)?;
        Ok((columns.map(|columns| (0..columns.len()).collect()), encoder))
    }

    /// What stands around the events. A range of time without a start begins with the oldest
    /// event, where that is the one that comes first.
    fn envelope(&self, name: &str, first_us: Option<i64>) -> Result<Envelope, Fault> {
        let request = &self.job.request;
        let filter = request.filter()?;
        let oldest_us = first_us.filter(|_| request.order == Order::OldestFirst);
        let facts = EnvelopeFacts {
            exported_at_us: self.job.created_at_us,
            from_us: filter.occurred.from_us.or(oldest_us),
            to_us: filter.occurred.to_us,
            total: self.job.rows_total.unwrap_or_default(),
            format: request.format,
        };
        Ok(dialects::envelope(name, &facts))
    }
}

/// The events of a scan, cut anew.
struct Chunks {
    stream: EventStream,
    broken: CancellationToken,
    ready: VecDeque<RecordBatch>,
    /// Events in `ready`.
    rows: u64,
}

impl Chunks {
    fn new(stream: EventStream, broken: CancellationToken) -> Self {
        Self { stream, broken, ready: VecDeque::new(), rows: 0 }
    }

    /// Where the columns are that tell where an event stands.
    fn places(&self) -> Result<Places, Fault> {
        let missing = || Fault::Broken("a scan without the places of its events".to_owned());
        Places::of(&self.stream.schema()).ok_or_else(missing)
    }

    /// When the next event happened, if there is one.
    async fn first_time(&mut self, places: Places) -> Result<Option<i64>, Fault> {
        self.read(1).await?;
        let next = self.ready.front();
        Ok(next.map(|batch| places.position(batch, 0).occurred_at_us))
    }

    /// Reads on until so many events are ready, or the scan is at its end.
    async fn read(&mut self, wanted: u64) -> Result<(), Fault> {
        while self.rows < wanted {
            let next = self.broken.run_until_cancelled(self.stream.next());
            let Some(batch) = next.await.ok_or(Fault::Told)?.transpose()? else { break };
            if batch.num_rows() > 0 {
                self.rows += batch.num_rows() as u64;
                self.ready.push_back(batch);
            }
        }
        Ok(())
    }

    /// The next events, so many of them, or fewer when the scan is at its end.
    async fn next(&mut self, most: u64) -> Result<Option<RecordBatch>, Fault> {
        self.read(most).await?;
        let mut wanted = usize::try_from(most.min(self.rows)).unwrap_or(usize::MAX);
        self.rows -= wanted as u64;
        let mut pieces = Vec::new();
        while wanted > 0 {
            let Some(batch) = self.ready.pop_front() else { break };
            let taken = wanted.min(batch.num_rows());
            if taken < batch.num_rows() {
                self.ready.push_front(batch.slice(taken, batch.num_rows() - taken));
            }
            pieces.push(batch.slice(0, taken));
            wanted -= taken;
        }
        match pieces.as_slice() {
            [] => Ok(None),
            [piece] => Ok(Some(piece.clone())),
            pieces => {
                let joined = concat_batches(&self.stream.schema(), pieces);
                Ok(Some(joined.map_err(QueryError::from)?))
            }
        }
    }
}
