//! What tends an open lake: one task flushes and deletes, another compacts, so that a long
//! compaction never keeps events waiting.

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::config::LakeConfig;
use crate::error::LakeError;
use crate::maintenance::{Compactor, Maintenance};
use crate::shared::Shared;

/// When the lake is tended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    flush_interval: Duration,
    compact_segments: usize,
}

impl Pace {
    pub(crate) fn of(config: &LakeConfig) -> Self {
        Self { flush_interval: config.flush_interval, compact_segments: config.compact_segments }
    }
}

/// The tasks that tend a lake. They end with it, also when it is dropped unclosed: whoever
/// opens the WAL folder next must not meet them there. (A flush that somebody asked for ends by
/// itself; it either commits before the next writer does, or is fenced.)
#[derive(Debug)]
pub(crate) struct Tending {
    tasks: SyncMutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

impl Tending {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        maintenance: &Arc<Mutex<Maintenance>>,
        compactor: &Arc<Mutex<Compactor>>,
        pace: Pace,
    ) -> Self {
        let flushing = flush_again(Arc::clone(shared), Arc::clone(maintenance), pace);
        let compacting = compact_again(Arc::clone(shared), Arc::clone(compactor), pace);
        let tasks = SyncMutex::new(vec![tokio::spawn(flushing), tokio::spawn(compacting)]);
        Self { tasks, shared: Arc::clone(shared) }
    }

    fn take(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the tasks to finish the step they are at.
    pub(crate) async fn end(&self) -> Result<(), LakeError> {
        self.shared.close();
        for task in self.take() {
            task.await.map_err(LakeError::data("closing the lake"))?;
        }
        Ok(())
    }
}

impl Drop for Tending {
    fn drop(&mut self) {
        let tasks = self.take();
        if !tasks.is_empty() {
            tasks.iter().for_each(JoinHandle::abort);
            self.shared.stop("it was dropped without being closed");
        }
    }
}

/// Flushes when enough is hot or enough time has gone by, and deletes what is due.
async fn flush_again(shared: Arc<Shared>, maintenance: Arc<Mutex<Maintenance>>, pace: Pace) {
    while !shared.is_closing() {
        tokio::select! {
            () = shared.flush_wanted.notified() => {}
            () = tokio::time::sleep(pace.flush_interval) => {}
        }
        if shared.is_closing() || shared.check_running().is_err() {
            continue;
        }
        let mut maintenance = maintenance.lock().await;
        let tended = async {
            maintenance.flush().await?;
            maintenance.sweep().await
        };
        if let Err(error) = tended.await {
            tracing::warn!(%error, "a flush failed; what is hot stays hot");
        }
    }
}

/// Looks once for what an earlier writer left, then compacts after flushes.
async fn compact_again(shared: Arc<Shared>, compactor: Arc<Mutex<Compactor>>, pace: Pace) {
    if let Err(error) = compactor.lock().await.sweep_orphans().await {
        tracing::warn!(%error, "looking for uncommitted segments failed");
    }
    while !shared.is_closing() {
        shared.flushed.notified().await;
        if shared.is_closing() || shared.check_running().is_err() {
            continue;
        }
        if let Err(error) = compactor.lock().await.compact(pace.compact_segments).await {
            tracing::warn!(%error, "a compaction failed; its segments stay");
        }
    }
}
