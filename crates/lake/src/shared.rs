//! What the writer, maintenance and readers share: the published state. Each change is one
//! step under one lock, so that no reader sees an event twice or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use object_store::ObjectStore;
use tokio::sync::{Notify, oneshot};

use crate::config::LakeConfig;
use crate::error::LakeError;
use crate::hot::{self, HotBatch};
use crate::manifest::{Manifest, Removed};
use crate::snapshot::Snapshot;
use crate::writer::Sealed;

/// Where the writer's answer to a request to seal goes.
pub(crate) type SealReply = oneshot::Sender<Result<Sealed, LakeError>>;

#[derive(Debug)]
pub(crate) struct Shared {
    store: Arc<dyn ObjectStore>,
    state: Mutex<State>,
    /// Signalled when hot events were flushed, a seal is wanted or the lake stopped.
    room: Condvar,
    /// Signalled when there are new segments.
    pub(crate) flushed: Notify,
    /// Set when the lake is to end soon: nothing long is begun.
    closing: AtomicBool,
    /// Signalled when enough is hot for a flush.
    pub(crate) flush_wanted: Notify,
    flush_bytes: usize,
    max_hot_bytes: usize,
}

/// Owned by the lock above.
#[derive(Debug)]
struct State {
    manifest: Arc<Manifest>,
    /// Manifests that snapshots may still hold.
    pinned: Vec<Weak<Manifest>>,
    /// Sealed hot batches, on their way into segments.
    flushing: Vec<Arc<HotBatch>>,
    flushing_bytes: usize,
    /// Hot batches behind them.
    hot: Vec<Arc<HotBatch>>,
    hot_bytes: usize,
    /// A flush that waits for the writer to hand over what is hot.
    seal_wanted: Option<SealReply>,
    /// Why nothing more is taken.
    stopped: Option<String>,
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        manifest: Manifest,
        recovered: (Vec<Arc<HotBatch>>, usize),
        config: &LakeConfig,
    ) -> Self {
        let manifest = Arc::new(manifest);
        let state = State {
            pinned: vec![Arc::downgrade(&manifest)],
            manifest,
            flushing: Vec::new(),
            flushing_bytes: 0,
            hot: recovered.0,
            hot_bytes: recovered.1,
            seal_wanted: None,
            stopped: None,
        };
        Self {
            store,
            state: Mutex::new(state),
            room: Condvar::new(),
            flushed: Notify::new(),
            closing: AtomicBool::new(false),
            flush_wanted: Notify::new(),
            flush_bytes: config.flush_bytes,
            max_hot_bytes: config.max_hot_bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is made whole before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state();
        let hot = state.flushing.iter().chain(&state.hot).cloned().collect();
        Snapshot::new(Arc::clone(&state.manifest), hot, Arc::clone(&self.store))
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.state().manifest)
    }

    /// Makes durable events visible.
    pub(crate) fn publish_hot(
        &self,
        batches: Vec<HotBatch>,
        bytes: usize,
    ) -> Result<(), LakeError> {
        let mut state = self.state();
        for batch in batches {
            hot::push(&mut state.hot, batch)?;
        }
        state.hot_bytes += bytes;
        if state.hot_bytes >= self.flush_bytes {
            self.flush_wanted.notify_one();
        }
        Ok(())
    }

    /// Waits, on the writer's own thread, until another group fits into memory. Gives back
    /// a request to seal that comes meanwhile: only the flush behind it can make room.
    pub(crate) fn wait_for_room(&self) -> Option<SealReply> {
        let mut state = self.state();
        while state.hot_bytes + state.flushing_bytes > self.max_hot_bytes && state.stopped.is_none()
        {
            if let Some(reply) = state.seal_wanted.take() {
                return Some(reply);
            }
            self.flush_wanted.notify_one();
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Asks the writer to seal. It looks after each command, and while it waits for room.
    pub(crate) fn ask_to_seal(&self, reply: SealReply) {
        self.state().seal_wanted = Some(reply);
        self.room.notify_all();
    }

    /// The request to seal, if there is one.
    pub(crate) fn take_seal_request(&self) -> Option<SealReply> {
        self.state().seal_wanted.take()
    }

    /// Turns what is hot into what is flushing; answers the batches.
    pub(crate) fn seal_hot(&self) -> Vec<Arc<HotBatch>> {
        let mut state = self.state();
        let sealed = std::mem::take(&mut state.hot);
        state.flushing_bytes += std::mem::take(&mut state.hot_bytes);
        state.flushing.extend(sealed.iter().cloned());
        sealed
    }

    /// Shows a new manifest; `flushed` says that what was flushing is in its segments.
    pub(crate) fn publish_manifest(&self, manifest: Manifest, flushed: bool) {
        let mut state = self.state();
        let manifest = Arc::new(manifest);
        state.pinned.retain(|pinned| pinned.strong_count() > 0);
        state.pinned.push(Arc::downgrade(&manifest));
        state.manifest = manifest;
        if flushed {
            state.flushing.clear();
            state.flushing_bytes = 0;
            self.room.notify_all();
            self.flushed.notify_one();
        }
    }

    /// Ends what tends the lake, at its next step.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.flush_wanted.notify_one();
        self.flushed.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Forgets removed files that are deleted now.
    pub(crate) fn forget_removed(&self, gone: &[Removed]) {
        let mut manifest = Manifest::clone(&self.manifest());
        manifest.removed.retain(|removed| !gone.contains(removed));
        self.publish_manifest(manifest, false);
    }

    /// The oldest commit a snapshot of this process may still read.
    pub(crate) fn oldest_pinned(&self) -> u64 {
        let state = self.state();
        let alive = state.pinned.iter().filter_map(Weak::upgrade);
        alive.map(|manifest| manifest.version).min().unwrap_or(state.manifest.version)
    }

    /// Takes no more events; readers go on.
    pub(crate) fn stop(&self, why: &str) {
        let mut state = self.state();
        if state.stopped.is_none() {
            tracing::info!("the lake takes no more events: {why}");
            state.stopped = Some(why.to_owned());
        }
        self.room.notify_all();
    }

    pub(crate) fn check_running(&self) -> Result<(), LakeError> {
        match &self.state().stopped {
            Some(why) => Err(LakeError::Stopped(why.clone())),
            None => Ok(()),
        }
    }

    /// Bytes of lines that are hot or flushing.
    pub(crate) fn hot_bytes(&self) -> usize {
        let state = self.state();
        state.hot_bytes + state.flushing_bytes
    }
}
