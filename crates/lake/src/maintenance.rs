//! Flush, compaction and deletion: everything that changes the manifest, one at a time.

mod compact;
mod flush;
mod sweep;

pub(crate) use compact::Compactor;

use std::sync::Arc;

use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use object_store::ObjectStore;
use tokio::sync::mpsc;

use crate::config::LakeConfig;
use crate::error::LakeError;
use crate::log::LogKey;
use crate::manifest::{Commit, CommitKind, Manifest, ManifestLog};
use crate::retry::Retry;
use crate::shared::Shared;
use crate::writer::{Command, Sealed};

/// What one compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Days that had more than one segment.
    pub days: u64,
    /// Segments that were merged.
    pub segments_before: u64,
    /// Segments they became.
    pub segments_after: u64,
}

impl Compacted {
    fn add(&mut self, other: Self) {
        self.days += other.days;
        self.segments_before += other.segments_before;
        self.segments_after += other.segments_after;
    }
}

/// The one owner of changes to the manifest.
#[derive(Debug)]
pub(crate) struct Maintenance {
    pub(crate) config: LakeConfig,
    pub(crate) environment: Environment,
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: ManifestLog,
    /// Signs the head of every log that grows.
    pub(crate) key: Arc<LogKey>,
    pub(crate) writer_id: String,
    pub(crate) epoch: u64,
    pub(crate) commands: mpsc::Sender<Command>,
    /// What was taken from the hot events but is in no committed segment yet.
    pub(crate) pending: Option<Sealed>,
}

impl Maintenance {
    fn store(&self) -> &Arc<dyn ObjectStore> {
        self.config.store()
    }

    fn retry(&self) -> Retry {
        self.config.retry()
    }

    /// A commit of this writer, still without content.
    fn new_commit(&self, kind: CommitKind, base: &Manifest) -> Commit {
        Commit {
            version: 0,
            id: new_ulid(&self.environment).to_string(),
            kind,
            prev: String::new(),
            writer: self.writer_id.clone(),
            epoch: self.epoch,
            at_us: self.environment.clock.now_us(),
            void: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            wal_applied: base.wal_applied.get(&self.writer_id).copied().unwrap_or(0),
            tenants: std::collections::BTreeMap::new(),
        }
    }

    /// Writes a commit and shows the state after it. When that fails, whether the commit
    /// counts is open, so the lake stops.
    async fn commit(&self, base: &Manifest, commit: Commit) -> Result<(), LakeError> {
        let flushed = commit.kind == CommitKind::Flush;
        let next = self
            .log
            .append(base, &[], commit)
            .await
            .inspect_err(|error| self.shared.stop(&error.to_string()))?;
        if next.version.is_multiple_of(self.config.snapshot_every) {
            // Only a shortcut for the next start: its failure harms nothing.
            if let Err(error) = self.log.write_snapshot(&next).await {
                tracing::warn!(%error, "manifest snapshot {} was not written", next.version);
            }
        }
        self.shared.publish_manifest(next, flushed);
        Ok(())
    }
}
