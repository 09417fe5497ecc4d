//! What every request needs, shared by all of them.

use std::sync::Arc;
use std::time::Duration;

use auditlake_lake::Lake;
use auditlake_model::env::Environment;
use auditlake_query::Engine;
use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ServerConfig;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::problem::Problem;

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
    exports: Arc<Semaphore>,
    /// In units of [`HELD_UNIT`] bytes.
    bodies: Arc<Semaphore>,
    parses: Arc<Semaphore>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl AppState {
    /// The state of a server over `lake`, open to the holders of `keys`.
    #[must_use]
    pub fn new(
        lake: Arc<Lake>,
        engine: Engine,
        environment: Environment,
        keys: Keys,
        config: ServerConfig,
    ) -> Self {
        let exports = Arc::new(Semaphore::new(config.max_exports));
        let bodies = Arc::new(Semaphore::new(config.max_held_bytes / HELD_UNIT));
        let parses = Arc::new(Semaphore::new(config.max_parses));
        let shared = Shared {
            lake,
            engine,
            environment,
            keys,
            config,
            metrics: Metrics::new(),
            exports,
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

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.shared.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Owns everything that outlives the call that started it; [`crate::run`] waits for it.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }

    /// Cancelled when the grace of a shutdown is over: whatever still runs breaks off.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// The right to run an export, unless enough of them run.
    pub(crate) fn export_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.exports).try_acquire_owned().ok()
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
}

/// Memory for bodies is given out in such pieces.
const HELD_UNIT: usize = 1024;

fn too_slow(limit: Duration) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("it took longer than {} s and was given up", limit.as_secs_f64()),
    )
    .retry_after(5)
}
