//! One attempt at a job: count, write the files, prove and write down what was exported, and say
//! that it is ready. The lease is renewed all the while, and an attempt that loses it stops.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use auditlake_export::ExportError;
use auditlake_lake::{Document, LakeError};
use auditlake_model::ModelError;
use auditlake_query::QueryError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use super::document::{FileDone, Job, JobState};
use super::layout::{paper_name, rows_per_file};
use super::proof::Papers;
use super::writing::Writing;
use super::{Running, journal, proof, record};
use crate::problem::Problem;
use crate::proving;
use crate::state::AppState;

/// The wait before a sign of life is tried again that the store did not take.
const RETRY: Duration = Duration::from_millis(200);
/// A lease is renewed so many times before it is over.
const BEATS: u32 = 3;

/// Why an attempt did not come to its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server stops, or the job was called off here.
    Told,
    /// The job was called off, or another server has taken it.
    Lost,
    /// There are more events than a proof can be over; the sentence says so.
    TooMany(String),
    /// There are not as many events as were counted.
    Changed {
        counted: u64,
        found: u64,
    },
    /// The export could not be written down in the log.
    Unrecorded,
    Query(QueryError),
    Export(ExportError),
    Lake(LakeError),
    Model(ModelError),
    Broken(String),
}

/// An attempt at a job that this server has the lease of.
pub(super) struct Attempt {
    state: AppState,
    held: Document<Job>,
    running: Arc<Running>,
    beats: Interval,
}

impl Attempt {
    pub(super) fn new(state: AppState, held: Document<Job>, running: Arc<Running>) -> Self {
        let period = (state.config().job_lease / BEATS).max(Duration::from_millis(1));
        let mut beats = tokio::time::interval(period);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and the lease was taken just now.
        beats.reset();
        Self { state, held, running, beats }
    }

    /// Runs the job to its end.
    pub(super) async fn run(&mut self) -> Result<(), Fault> {
        self.believe_files().await?;
        self.count().await?;
        self.write_files().await?;
        self.finish().await
    }

    /// Keeps the files that are still there, up to the first that is not.
    async fn believe_files(&mut self) -> Result<(), Fault> {
        let there = self.files_there().await?;
        if there < self.held.value.files.len() {
            self.note(|job| job.files.truncate(there)).await?;
        }
        let (rows, bytes) = (self.held.value.rows_done(), self.held.value.bytes_done());
        self.running.rows.store(rows, Ordering::Relaxed);
        self.running.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// How many of the files that are done are there, up to the first that is not.
    async fn files_there(&mut self) -> Result<usize, Fault> {
        let (exports, id) = (self.state.lake().exports(), self.held.id.clone());
        let files = self.held.value.files.clone();
        let looking = async {
            let mut there = 0;
            for file in &files {
                if exports.size(&id, &file.name).await? != Some(file.bytes) {
                    break;
                }
                there += 1;
            }
            Ok::<usize, LakeError>(there)
        };
        Ok(self.tend(looking).await??)
    }

    /// Counts the events, once in the life of a job.
    async fn count(&mut self) -> Result<(), Fault> {
        let job = &self.held.value;
        if job.rows_total.is_some() && job.rows_per_file.is_some() {
            return Ok(());
        }
        let (is_shaped, is_proved) = (job.request.shape.is_some(), job.request.proof.is_some());
        let (state, scope, filter) = (self.state.clone(), job.scope(), job.pinned_filter()?);
        let snapshot = state.lake().snapshot();
        let rows = self.tend(state.engine().count(&snapshot, &scope, &filter)).await??;
        // Proving is the last step: what it would refuse is not written first.
        if let Some(reason) = proving::too_many(rows).filter(|_| is_proved) {
            return Err(Fault::TooMany(reason));
        }
        let each = rows_per_file(state.config(), rows, is_shaped);
        self.note(|job| {
            job.rows_total = Some(rows);
            job.rows_per_file = Some(each);
        })
        .await
    }

    /// Writes the files that are not done yet.
    async fn write_files(&mut self) -> Result<(), Fault> {
        let (sender, mut done) = mpsc::channel(1);
        let broken = self.running.cancel.child_token();
        let running = Arc::clone(&self.running);
        let writing = Writing::new(&self.state, &self.held, running, broken.clone(), sender);
        let (runtime, span) = (Handle::current(), tracing::Span::current());
        // Encoding keeps a processor busy, so it has a thread of its own.
        let thread = self.state.tasks().spawn_blocking(move || {
            let _entered = span.enter();
            runtime.block_on(writing.run())
        });
        let noted = self.note_files(&mut done).await;
        // Whoever waits to hand over a file learns that nobody takes it.
        drop(done);
        broken.cancel();
        let written = thread.await.map_err(|panic| Fault::Broken(panic.to_string()))?;
        noted.and(written)
    }

    /// Writes down each file as it is done: from then on it is done for every later attempt.
    async fn note_files(&mut self, done: &mut mpsc::Receiver<FileDone>) -> Result<(), Fault> {
        while let Some(file) = self.tend(done.recv()).await? {
            self.note(|job| job.files.push(file)).await?;
        }
        Ok(())
    }

    /// The proof, the manifest, the event of the log, and the word that the job is ready.
    async fn finish(&mut self) -> Result<(), Fault> {
        let job = &self.held.value;
        let (counted, found) = (job.rows_total.unwrap_or_default(), job.rows_done());
        if counted != found {
            return Err(Fault::Changed { counted, found });
        }
        // Whoever called the job off before it was tried again may have been late to delete.
        if self.files_there().await? < self.held.value.files.len() {
            return Err(Fault::Broken("files were deleted while others were written".to_owned()));
        }
        let papers = self.write_papers().await?;
        let (state, held) = (self.state.clone(), self.held.clone());
        let recorded = self.tend(record::exported(&state, &held, &papers)).await?;
        recorded.map_err(|_: Problem| Fault::Unrecorded)?;
        let now_us = state.environment().clock.now_us();
        let kept_us = i64::try_from(state.config().export_retention.as_micros());
        self.note(|job| {
            job.state = JobState::Ready;
            job.finished_at_us = Some(now_us);
            job.expires_at_us = Some(now_us.saturating_add(kept_us.unwrap_or(i64::MAX)));
            job.manifest_sha256 = Some(papers.manifest_sha256);
            job.proof_sha256 = papers.proof_sha256;
            job.papers_attempt = Some(job.attempt);
            job.lease = None;
        })
        .await
    }

    /// Writes what stands beside the files: the manifest, and the proof if one was asked for. The
    /// names are this attempt's own: one that was overtaken may still be writing others.
    async fn write_papers(&mut self) -> Result<Papers, Fault> {
        let (state, held) = (self.state.clone(), self.held.clone());
        let proved = self.tend(proof::prove(&state, &held.value)).await??;
        let (id, attempt) = (held.id.clone(), held.value.attempt);
        // Encoding and hashing a large proof keeps a processor busy.
        let making = state.tasks().spawn_blocking(move || proof::papers(&held, proved));
        let made = self.tend(making).await?;
        let papers = made.map_err(|panic| Fault::Broken(panic.to_string()))??;
        let exports = state.lake().exports();
        let writing = async {
            for (name, bytes) in &papers.files {
                let mut writer = exports.write(&id, &paper_name(attempt, name)).await?;
                writer.put(bytes.clone()).await?;
                writer.finish().await?;
            }
            Ok::<(), LakeError>(())
        };
        self.tend(writing).await??;
        Ok(papers)
    }

    /// Waits for some work and renews the lease meanwhile; gives up when told to.
    async fn tend<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                () = self.running.cancel.cancelled() => return Err(Fault::Told),
                done = &mut work => return Ok(done),
                _ = self.beats.tick() => {}
            }
            self.note(|_| {}).await?;
        }
    }

    /// Writes the next version of the job, a sign of life at the same time. What others wrote
    /// meanwhile is the end of this attempt.
    async fn note(&mut self, change: impl FnOnce(&mut Job)) -> Result<(), Fault> {
        let mut next = self.held.value.clone();
        change(&mut next);
        next.rows = self.running.rows.load(Ordering::Relaxed);
        next.bytes = self.running.bytes.load(Ordering::Relaxed);
        let clock = Arc::clone(&self.state.environment().clock);
        if let Some(lease) = &mut next.lease {
            lease.until_us = lease_until(&self.state, clock.now_us());
        }
        loop {
            match journal::write(&self.state, &self.held, next.clone()).await {
                Ok(Some(written)) => {
                    self.held = written;
                    return Ok(());
                }
                Ok(None) => return Err(Fault::Lost),
                Err(error) => {
                    tracing::warn!(%error, "a sign of life of export {} failed", self.held.id);
                }
            }
            let lease = self.held.value.lease.as_ref();
            if lease.is_none_or(|lease| lease.until_us <= clock.now_us()) {
                return Err(Fault::Lost);
            }
            tokio::select! {
                biased;
                () = self.running.cancel.cancelled() => return Err(Fault::Told),
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

/// Until when a lease is good that is taken or renewed now.
pub(super) fn lease_until(state: &AppState, now_us: i64) -> i64 {
    let lease_us = i64::try_from(state.config().job_lease.as_micros()).unwrap_or(i64::MAX);
    now_us.saturating_add(lease_us)
}

impl Fault {
    /// What the caller is told; nothing of the inside of the server.
    pub(super) fn sentence(&self) -> String {
        let text = match self {
            Self::Told | Self::Lost => "it was stopped",
            Self::Changed { counted, found } => {
                return format!(
                    "the lake gave {found} events where {counted} had been counted: it was \
                     changed, and no short export is given"
                );
            }
            Self::TooMany(reason) => return reason.clone(),
            Self::Unrecorded => "it could not be written down in the log; try it again",
            Self::Query(QueryError::Invalid(detail)) => return detail.clone(),
            Self::Query(QueryError::Resources(_)) => {
                "the query needs more memory than it may use; narrow its time range or filters"
            }
            Self::Query(QueryError::Lake(error)) | Self::Lake(error) => storage(error),
            Self::Query(_) => "the events could not be read; the server's log has the reason",
            Self::Export(_) => "the events could not be encoded; the server's log has the reason",
            Self::Model(_) => "the filter cannot be read any more; make a new export",
            Self::Broken(_) => "the server could not do this; its log has the reason",
        };
        text.to_owned()
    }
}

/// For the server's own log.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told => f.write_str("it was told to stop"),
            Self::Lost => f.write_str("it belongs to somebody else now"),
            Self::Changed { counted, found } => write!(f, "{found} events, not {counted}"),
            Self::Unrecorded => f.write_str("the log of events did not take it"),
            Self::Query(error) => write!(f, "{error}"),
            Self::Export(error) => write!(f, "{error}"),
            Self::Lake(error) => write!(f, "{error}"),
            Self::Model(error) => write!(f, "{error}"),
            Self::TooMany(reason) | Self::Broken(reason) => f.write_str(reason),
        }
    }
}

fn storage(error: &LakeError) -> &'static str {
    let text = error.to_string();
    if ["No space left", "StorageFull", "QuotaExceeded", "quota exceeded"]
        .iter()
        .any(|said| text.contains(said))
    {
        return "the lake's storage is full; make room and try it again";
    }
    "the lake's storage does not answer as it should; try it again"
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<ExportError> for Fault {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}

impl From<LakeError> for Fault {
    fn from(error: LakeError) -> Self {
        Self::Lake(error)
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}
