//! What every request needs, shared by all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlake_lake::{Lake, LakeError};
use auditlake_model::env::Environment;
use auditlake_query::Engine;
use axum::http::StatusCode;
use ring::hmac;
use tokio::sync::{Mutex, OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::identity::{Issuer, Keys};
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::permits::Permits;
use crate::problem::Problem;
use crate::turns::Turns;

/// The server's state; clones share it.
#[derive(Clone)]
pub struct AppState {
    shared: Arc<Shared>,
}

struct Shared {
    lake: Arc<Lake>,
    engine: Engine,
    environment: Environment,
    keys: Keys,
    config: ServerConfig,
    metrics: Metrics,
    jobs: Jobs,
    /// What sessions are signed with, once it was needed.
    session_key: OnceCell<hmac::Key>,
    exports: Arc<Permits>,
    turns: Turns,
    live: Arc<Permits>,
    downloads: Arc<Permits>,
    archives: Arc<Permits>,
    log_reads: Arc<Permits>,
    /// When the lake was last flushed for somebody who asked for a fresh checkpoint.
    flushed: Mutex<Option<Instant>>,
    /// In units of [`HELD_UNIT`] bytes.
    bodies: Arc<Semaphore>,
    parses: Arc<Semaphore>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl AppState {
    /// The state of a server over `lake`, open to the holders of `keys`, and of tokens of the
    /// issuer that the configuration has.
    #[must_use]
    pub fn new(
        lake: Arc<Lake>,
        engine: Engine,
        environment: Environment,
        keys: Keys,
        config: ServerConfig,
    ) -> Self {
        let metrics = Metrics::new();
        let exports = Permits::new(
            "exports",
            config.max_exports,
            config.max_exports_per_caller,
            metrics.exports_running.clone(),
        );
        let live = Permits::new(
            "live tails",
            config.max_live,
            MAX_LIVE_EACH,
            metrics.live_running.clone(),
        );
        let running = metrics.downloads_running.clone();
        let downloads = Permits::new("downloads", MAX_DOWNLOADS.0, MAX_DOWNLOADS.1, running);
        let running = metrics.archives_running.clone();
        let archives = Permits::new("archives", MAX_ARCHIVES.0, MAX_ARCHIVES.1, running);
        let running = metrics.log_reads_running.clone();
        let log_reads = Permits::new("log reads", MAX_LOG_READS.0, MAX_LOG_READS.1, running);
        let bodies = Arc::new(Semaphore::new(config.max_held_bytes / HELD_UNIT));
        let parses = Arc::new(Semaphore::new(config.max_parses));
        let shared = Shared {
            lake,
            engine,
            environment,
            keys,
            config,
            metrics,
            jobs: Jobs::default(),
            session_key: OnceCell::new(),
            exports,
            turns: Turns::default(),
            live,
            downloads,
            archives,
            log_reads,
            flushed: Mutex::default(),
            bodies,
            parses,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn lake(&self) -> &Lake {
        &self.shared.lake
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.shared.environment
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// The identity provider whose tokens are taken, if there is one.
    pub(crate) fn issuer(&self) -> Option<&Issuer> {
        self.shared.config.issuer.as_deref()
    }

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.shared.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The export jobs of this server.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.shared.jobs
    }

    /// What sessions are signed with, once it was needed.
    pub(crate) fn session_key(&self) -> &OnceCell<hmac::Key> {
        &self.shared.session_key
    }

    /// The places for streamed exports.
    pub(crate) fn exports(&self) -> &Arc<Permits> {
        &self.shared.exports
    }

    /// Whose turn it is among streamed exports to read and to encode.
    pub(crate) fn turns(&self) -> &Turns {
        &self.shared.turns
    }

    /// The places for live tails.
    pub(crate) fn live(&self) -> &Arc<Permits> {
        &self.shared.live
    }

    /// The places for downloads of files of exports.
    pub(crate) fn downloads(&self) -> &Arc<Permits> {
        &self.shared.downloads
    }

    /// The places for archives that are packed.
    pub(crate) fn archives(&self) -> &Arc<Permits> {
        &self.shared.archives
    }

    /// The places for proofs and tiles that are read from logs.
    pub(crate) fn log_reads(&self) -> &Arc<Permits> {
        &self.shared.log_reads
    }

    /// Owns everything that outlives the call that started it; [`crate::run`] waits for it.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Cancelled when the grace of a shutdown is over: whatever still runs breaks off.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// The right to hold a body: as many bytes as it says it has, or may have.
    pub(crate) async fn body_permit(
        &self,
        said: Option<u64>,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        let most = self.config().max_body_bytes;
        let said = said.and_then(|bytes| usize::try_from(bytes).ok());
        let units = said.unwrap_or(most).min(most).div_ceil(HELD_UNIT).max(1);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.shared.bodies).acquire_many_owned(units).await;
        permit.map_err(|closed| Problem::internal("waiting for a body", &closed))
    }

    /// The right to hold a decompressed body.
    pub(crate) async fn parse_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.shared.parses).acquire_owned().await;
        permit.map_err(|closed| Problem::internal("waiting to parse", &closed))
    }

    /// Holds a step of a request to the time it may take.
    pub(crate) async fn in_time<T>(&self, step: impl Future<Output = T>) -> Result<T, Problem> {
        let limit = self.config().request_timeout;
        tokio::time::timeout(limit, step).await.map_err(|_| too_slow(limit))
    }

    /// Holds a question about events to the time it may take. What is given up is dropped, and
    /// with it the engine's work on it.
    pub(crate) async fn in_query_time<T>(
        &self,
        question: impl Future<Output = T>,
    ) -> Result<T, Problem> {
        let limit = self.config().query_timeout;
        tokio::time::timeout(limit, question).await.map_err(|_| unanswered(limit))
    }

    /// Holds a question about a tenant's log to the same time.
    pub(crate) async fn in_log_time<T>(
        &self,
        question: impl Future<Output = T>,
    ) -> Result<T, Problem> {
        let limit = self.config().query_timeout;
        tokio::time::timeout(limit, question).await.map_err(|_| log_unread(limit))
    }

    /// Commits what was acknowledged before the call, for who asks for a fresh checkpoint. Those
    /// who ask within a second get one commit: each is a segment.
    pub(crate) async fn flush_for_checkpoint(&self) -> Result<(), Problem> {
        let flushing = async {
            let asked = Instant::now();
            let mut flushed = self.shared.flushed.lock().await;
            if flushed.is_some_and(|begun| begun >= asked) {
                return Ok(());
            }
            if let Some(begun) = *flushed {
                tokio::time::sleep(FRESH.saturating_sub(begun.elapsed())).await;
            }
            let begun = Instant::now();
            self.lake().flush().await?;
            *flushed = Some(begun);
            Ok::<(), LakeError>(())
        };
        self.in_time(flushing).await??;
        Ok(())
    }
}

/// Memory for bodies is given out in such pieces.
const HELD_UNIT: usize = 1024;

/// Live tails of one caller: a person has a few windows open.
const MAX_LIVE_EACH: usize = 10;

/// Downloads at a time, each of which holds about a mebibyte, and those of one caller.
const MAX_DOWNLOADS: (usize, usize) = (128, 16);

/// Archives at a time, each of which keeps a thread busy, and those of one caller.
const MAX_ARCHIVES: (usize, usize) = (8, 2);

/// Proofs and tiles at a time, which are read from segments where nothing else has them, and
/// those of one caller.
const MAX_LOG_READS: (usize, usize) = (64, 16);

/// Between two commits for fresh checkpoints there is so much time.
const FRESH: Duration = Duration::from_secs(1);

fn too_slow(limit: Duration) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("it took longer than {} s and was given up", limit.as_secs_f64()),
    )
    .retry_after(5)
}

fn unanswered(limit: Duration) -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        format!(
            "the query took longer than {} s and was given up; narrow its range of time (from, \
             to) or its filters, or make an export job",
            limit.as_secs_f64()
        ),
    )
}

fn log_unread(limit: Duration) -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        format!(
            "reading the log took longer than {} s and was given up; ask again when the server \
             and its storage have less to do",
            limit.as_secs_f64()
        ),
    )
}
