//! The loop that runs jobs: takes those that are free, as many at a time as the configuration
//! says, and tidies up behind those that are over.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use auditlake_lake::{Document, LakeError};
use tracing::Instrument;

use super::attempt::{Attempt, Fault, lease_until};
use super::document::{Job, JobState, Lease};
use super::{Running, journal, purge, record};
use crate::state::AppState;

/// How often files are looked for that belong to no job that needs them.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// The waits between two tries to say that a job has failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs jobs until the server stops; those that run then are given back, so that the next
/// start goes on with them at once.
pub(crate) async fn run(state: AppState) {
    let mut swept: Option<Instant> = None;
    // A lease that is over is to be noticed soon after, whatever the interval for changes is.
    let config = state.config();
    let pause = config.refresh_interval.min(config.job_lease / 2).max(PAUSE);
    while !state.stopping().is_cancelled() {
        if let Err(error) = look(&state).await {
            tracing::warn!(%error, "export jobs could not be looked at");
        }
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            if let Err(error) = purge::sweep(&state).await {
                tracing::warn!(%error, "files of past exports could not be looked at");
            }
        }
        tokio::select! {
            biased;
            () = state.stopping().cancelled() => return,
            () = state.jobs().wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Takes the jobs that are free, the oldest first, while there is room for them.
async fn look(state: &AppState) -> Result<(), LakeError> {
    let jobs = journal::all(state).await?;
    purge::expire(state, &jobs).await?;
    // Who cannot write the end of an export into the log could only make it fail.
    if state.lake().check_running().is_err() {
        return Ok(());
    }
    let now_us = state.environment().clock.now_us();
    // After another server took the lake over, what this one sees of it stands still: a job
    // made there has events that are not seen here, and would come out short.
    let commit = state.lake().snapshot().manifest().version;
    let is_seen = |job: &Job| job.pin.commit <= commit;
    let mut free: Vec<_> =
        jobs.iter().filter(|held| held.value.is_free(now_us) && is_seen(&held.value)).collect();
    free.sort_by_key(|held| held.value.created_at_us);
    for held in free {
        let (count, is_here) = {
            let running = state.jobs().running();
            (running.len(), running.contains_key(&held.id))
        };
        if count >= state.config().max_jobs || state.stopping().is_cancelled() {
            break;
        }
        // One whose lease was lost here ends before it begins again here.
        if !is_here {
            begin(state, held, now_us).await?;
        }
    }
    Ok(())
}

/// Takes a job, unless another server is faster, and starts an attempt at it.
async fn begin(state: &AppState, found: &Document<Arc<Job>>, now_us: i64) -> Result<(), LakeError> {
    let job = Job::clone(&found.value);
    let mut next = job.clone();
    next.state = JobState::Running;
    next.attempt += 1;
    next.started_at_us.get_or_insert(now_us);
    let holder = state.jobs().holder(state.environment()).to_owned();
    next.lease = Some(Lease { holder, until_us: lease_until(state, now_us) });
    let found = Document { id: found.id.clone(), version: found.version, value: job };
    let Some(held) = journal::write(state, &found, next).await? else { return Ok(()) };
    let running = Arc::new(Running {
        cancel: state.stopping().child_token(),
        rows: AtomicU64::new(held.value.rows_done()),
        bytes: AtomicU64::new(held.value.bytes_done()),
    });
    state.jobs().running().insert(held.id.clone(), Arc::clone(&running));
    let place = Place { state: state.clone(), id: held.id.clone() };
    let span = tracing::info_span!("export", id = %held.id);
    drop(state.tasks().spawn(work(place, held, running).instrument(span)));
    Ok(())
}

/// One of the jobs that may run here at a time; when it goes, the next one may.
struct Place {
    state: AppState,
    id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.jobs().running().remove(&self.id);
        self.state.jobs().wake();
    }
}

async fn work(place: Place, held: Document<Job>, running: Arc<Running>) {
    let state = &place.state;
    tracing::info!(attempt = held.value.attempt, "export job begins");
    let mut attempt = Attempt::new(state.clone(), held.clone(), Arc::clone(&running));
    let ended = attempt.run().await;
    drop(attempt);
    match ended {
        Ok(()) => tracing::info!("export job is ready"),
        Err(fault) if running.cancel.is_cancelled() => {
            tracing::info!(%fault, "export job stops");
            leave(state, &place.id).await;
        }
        Err(Fault::Told | Fault::Lost) => {
            tracing::info!("export job was taken away");
            leave(state, &place.id).await;
        }
        Err(fault) => {
            tracing::error!(%fault, "export job fails");
            fail(state, &held, &fault.sentence()).await;
        }
    }
}

/// After an attempt was stopped: deletes the files of a job that was called off, and gives one
/// back that was not.
async fn leave(state: &AppState, id: &str) {
    let left = async {
        let Some(found) = journal::get(state, id).await? else { return Ok(()) };
        if matches!(found.value.state, JobState::Canceled | JobState::Expired) {
            return state.lake().exports().delete(id).await;
        }
        if is_ours(state, &found.value) {
            let mut next = found.value.clone();
            if let Some(lease) = &mut next.lease {
                lease.until_us = state.environment().clock.now_us();
            }
            journal::write(state, &found, next).await?;
        }
        Ok::<_, LakeError>(())
    };
    if let Err(error) = left.await {
        // Its lease runs out by itself, and its files are swept.
        tracing::warn!(%error, "export job could not be given back");
    }
}

/// Says that a job has failed. The reason may be a store that takes nothing, so this goes on
/// until it is said, the job is somebody else's, or the server stops.
async fn fail(state: &AppState, held: &Document<Job>, sentence: &str) {
    let recorded = state.in_time(record::failed(state, held, sentence)).await;
    if !matches!(recorded, Ok(Ok(()))) {
        tracing::warn!("the failure of an export could not be written down in the log");
    }
    let mut wait = BACKOFF.0;
    loop {
        match say_failed(state, &held.id, sentence).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a failed export job could not be marked"),
        }
        tokio::select! {
            biased;
            () = state.stopping().cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (2 * wait).min(BACKOFF.1);
    }
}

/// Whether nothing is left to be said.
async fn say_failed(state: &AppState, id: &str, sentence: &str) -> Result<bool, LakeError> {
    let Some(found) = journal::get(state, id).await? else { return Ok(true) };
    if !is_ours(state, &found.value) {
        return Ok(true);
    }
    let next = Job {
        state: JobState::Failed,
        error: Some(sentence.to_owned()),
        finished_at_us: Some(state.environment().clock.now_us()),
        lease: None,
        rows: found.value.rows_done(),
        bytes: found.value.bytes_done(),
        ..found.value.clone()
    };
    Ok(journal::write(state, &found, next).await?.is_some())
}

/// Whether this process has the job, whether its lease is over or not.
fn is_ours(state: &AppState, job: &Job) -> bool {
    let holder = state.jobs().holder(state.environment());
    let held = job.lease.as_ref().is_some_and(|lease| lease.holder == holder);
    job.state == JobState::Running && held
}
