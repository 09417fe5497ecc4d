//! What a reader sees: the lake at one moment, unchanged however long it reads.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::hot::HotBatch;
use crate::manifest::Manifest;
use crate::segment::Segment;

/// The segments at a commit and the hot events behind it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    manifest: Arc<Manifest>,
    hot: Arc<[Arc<HotBatch>]>,
    store: Arc<dyn ObjectStore>,
}

impl Snapshot {
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        hot: Arc<[Arc<HotBatch>]>,
        store: Arc<dyn ObjectStore>,
    ) -> Self {
        Self { manifest, hot, store }
    }

    /// The state of the manifest; while this snapshot lives, no file it names is deleted by
    /// this process.
    #[must_use]
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The segments, by day and then by path.
    #[must_use]
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.manifest.segments
    }

    /// Durable events that are in no segment.
    #[must_use]
    pub fn hot(&self) -> &[Arc<HotBatch>] {
        &self.hot
    }

    /// How many events hot batches hold.
    #[must_use]
    pub fn hot_rows(&self) -> u64 {
        self.hot.iter().map(|hot| hot.batch.num_rows() as u64).sum()
    }

    /// The store that the segments lie in.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }
}
