//! Deleting files that no longer count: those a commit removed, once no query can read them
//! any more, and those of a flush or compaction that never was committed.

use std::collections::HashSet;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use ulid::Ulid;

use super::Maintenance;
use crate::error::LakeError;
use crate::failpoint;
use crate::manifest::{Manifest, Removed};
use crate::paths;

impl Maintenance {
    /// Deletes removed files past their grace.
    pub(crate) async fn sweep(&mut self) -> Result<u64, LakeError> {
        let manifest = self.shared.manifest();
        let oldest_pinned = self.shared.oldest_pinned();
        let due_before = self.due_before_us();
        let due: Vec<Removed> = manifest
            .removed
            .iter()
            .filter(|removed| removed.at_us <= due_before && removed.version <= oldest_pinned)
            // Should the newest commit turn out torn at the next start, the state before it
            // needs what it removed.
            .filter(|removed| removed.version < manifest.version)
            .cloned()
            .collect();
        for removed in &due {
            failpoint::hit("sweep::delete").map_err(LakeError::io(&removed.path))?;
            self.delete(&Path::from(removed.path.as_str())).await?;
        }
        if !due.is_empty() {
            self.shared.forget_removed(&due);
        }
        Ok(due.len() as u64)
    }

    /// Deletes segments that no commit names: an earlier writer was stopped between writing
    /// and committing them.
    pub(super) async fn sweep_orphans(&self) -> Result<u64, LakeError> {
        let manifest = self.shared.manifest();
        let known = known_paths(&manifest);
        let folder = Path::from(paths::EVENTS);
        let listing: Vec<_> = self
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(LakeError::store(&folder))?;
        let mut deleted = 0;
        for meta in listing {
            let path = meta.location.to_string();
            if !known.contains(path.as_str()) && self.is_past_grace(&meta.location) {
                self.delete(&meta.location).await?;
                tracing::info!("deleted {path}, which was never committed");
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    fn due_before_us(&self) -> i64 {
        let grace = i64::try_from(self.config.removal_grace.as_micros()).unwrap_or(i64::MAX);
        self.environment.clock.now_us().saturating_sub(grace)
    }

    /// Whether a file was named so long ago that no writer is still about to commit it, nor
    /// any reader of an older state about to read it. A file not named by a ULID is not ours.
    fn is_past_grace(&self, path: &Path) -> bool {
        let name = path.filename().unwrap_or_default();
        let Some(id) = name.strip_suffix(".parquet").and_then(|id| Ulid::from_string(id).ok())
        else {
            return false;
        };
        i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX).saturating_mul(1000)
            <= self.due_before_us()
    }

    async fn delete(&self, path: &Path) -> Result<(), LakeError> {
        let mut retry = self.retry();
        loop {
            match self.store().delete(path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => return Ok(()),
                Err(error) => {
                    retry.after("deleting a segment", LakeError::store(path)(error)).await?;
                }
            }
        }
    }
}

fn known_paths(manifest: &Manifest) -> HashSet<&str> {
    let live = manifest.segments.iter().map(|segment| segment.path.as_str());
    live.chain(manifest.removed.iter().map(|removed| removed.path.as_str())).collect()
}
