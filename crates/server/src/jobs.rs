//! Export jobs: exports that a server writes into the lake's store while nobody waits, and that
//! a caller fetches when they are ready.
//!
//! A job is a document, and each change of it the next version, which only one server can
//! write. Whoever runs a job holds a lease in that document and renews it; another server goes
//! on with the job when the lease is over. The events of a job are pinned when it is made, so
//! every attempt gives the same bytes: files that are done stay done, and a file that a crash
//! cut off is written anew. A job that could not give every event fails; it is never short.

mod attempt;
mod document;
mod journal;
mod layout;
mod making;
mod proof;
mod purge;
mod record;
mod runner;
mod view;
mod writing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;

pub(crate) use document::{FileDone, Job, JobRequest, JobState, SavedFilter};
pub(crate) use journal::PREFIX;
pub(crate) use layout::{files, rows_per_file};
pub(crate) use making::{cancel, create, create_once, find, listed, owner, retry};
pub(crate) use proof::PAPERS;
pub(crate) use runner::run;
pub(crate) use view::{JobView, view};

/// What this server knows of jobs beside their documents.
#[derive(Debug)]
pub(crate) struct Jobs {
    /// Signalled when there may be a job to run.
    wake: Notify,
    /// Under which name this process holds leases.
    holder: OnceLock<String>,
    /// The jobs that run here.
    running: Mutex<HashMap<String, Arc<Running>>>,
    /// The newest version of each job that was read, by id.
    known: Mutex<HashMap<String, (u64, Arc<Job>)>>,
    /// The key of signed links, once it was needed.
    pub(crate) link_key: OnceCell<ring::hmac::Key>,
}

/// A job that runs here.
#[derive(Debug)]
struct Running {
    cancel: CancellationToken,
    /// Events and bytes written so far, those of the file at work too.
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            wake: Notify::new(),
            holder: OnceLock::new(),
            running: Mutex::default(),
            known: Mutex::default(),
            link_key: OnceCell::new(),
        }
    }
}

impl Jobs {
    /// The name of this process among those on the same lake; another one at each start.
    fn holder(&self, environment: &Environment) -> &str {
        self.holder.get_or_init(|| new_ulid(environment).to_string())
    }

    /// Tells the loop that there may be something to do.
    fn wake(&self) {
        self.wake.notify_one();
    }

    /// Stops a job that runs here, if it does.
    fn stop(&self, id: &str) {
        if let Some(running) = self.running().get(id) {
            running.cancel.cancel();
        }
    }

    /// How far a job is that runs here.
    fn progress(&self, id: &str) -> Option<(u64, u64)> {
        let running = self.running();
        let found = running.get(id)?;
        Some((found.rows.load(Ordering::Relaxed), found.bytes.load(Ordering::Relaxed)))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Running>>> {
        // Every change under the lock is one step.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job as it was read before, if that was this version.
    fn known(&self, id: &str, version: u64) -> Option<Arc<Job>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(read, _)| *read == version).map(|(_, job)| Arc::clone(job))
    }

    fn remember(&self, id: &str, version: u64, job: &Arc<Job>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id.to_owned(), (version, Arc::clone(job)));
    }
}
