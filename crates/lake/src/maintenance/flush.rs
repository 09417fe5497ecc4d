//! Flush: hot events become segments, one per day, and the commit that names them says how
//! much of the WAL they cover.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::concat_batches;
use auditlake_model::columns::schema;
use auditlake_model::id::new_ulid;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::oneshot;

use super::Maintenance;
use crate::error::LakeError;
use crate::failpoint;
use crate::hot::HotBatch;
use crate::log::TileWriter;
use crate::manifest::{CommitKind, Manifest, TenantHead};
use crate::paths;
use crate::segment::{Segment, SegmentWriter, sort};
use crate::wal::truncate_to;
use crate::writer::{Command, Sealed};

/// The heads of tenants' logs.
type Heads = BTreeMap<String, TenantHead>;

impl Maintenance {
    /// Flushes everything acknowledged so far. What could not be written stays hot, and is
    /// taken up again by the next flush.
    pub(crate) async fn flush(&mut self) -> Result<(), LakeError> {
        self.seal().await?;
        self.flush_sealed().await
    }

    /// Sets everything acknowledged so far apart, for [`Self::flush_sealed`].
    pub(crate) async fn seal(&mut self) -> Result<(), LakeError> {
        self.shared.check_running()?;
        // What an earlier flush could not write; behind it there may be more by now.
        self.flush_sealed().await?;
        self.pending = Some(self.sealed().await?);
        Ok(())
    }

    pub(crate) async fn flush_sealed(&mut self) -> Result<(), LakeError> {
        let Some(sealed) = &self.pending else { return Ok(()) };
        if !sealed.batches.is_empty() {
            let add = self.write_segments(sealed).await?;
            let applied_before = self.commit_flush(sealed, add).await?;
            let grown: Vec<String> = sealed.tenants.keys().cloned().collect();
            // From here on they are in segments: whatever fails below must not repeat them.
            self.pending = None;
            failpoint::hit("flush::after_commit").map_err(LakeError::io("flush"))?;
            // One commit behind: should this commit's file turn out torn at the next start,
            // the WAL still has what it named.
            if let Err(error) = truncate_to(&self.config.wal_dir, applied_before) {
                tracing::warn!(%error, "a WAL file that is not needed any more stays");
            }
            // The next commit does it, if it must: until then the manifest has the blocks.
            if let Err(error) = self.store_tiles(&self.shared.manifest(), &grown).await {
                tracing::warn!(%error, "tiles that are full are not stored yet");
            }
        }
        self.pending = None;
        Ok(())
    }

    async fn sealed(&self) -> Result<Sealed, LakeError> {
        let stopped = || LakeError::Stopped("its writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        self.shared.ask_to_seal(reply);
        // When the queue is full the writer is awake, and looks for the request by itself.
        let _ = self.commands.try_send(Command::Seal);
        tokio::select! {
            answer = answer => answer.map_err(|_| stopped())?,
            () = self.commands.closed() => Err(stopped()),
        }
    }

    async fn write_segments(&self, sealed: &Sealed) -> Result<Vec<Segment>, LakeError> {
        let mut days: BTreeMap<i32, Vec<Arc<HotBatch>>> = BTreeMap::new();
        for hot in &sealed.batches {
            days.entry(hot.day).or_default().push(Arc::clone(hot));
        }
        let mut segments = Vec::with_capacity(days.len());
        for (day, batches) in days {
            let path = paths::segment(day, new_ulid(&self.environment));
            let name = path.to_string();
            let encoded = tokio::task::spawn_blocking(move || encode_day(day, &batches, name))
                .await
                .map_err(LakeError::data("writing a segment"))??;
            failpoint::hit("flush::segment").map_err(LakeError::io(path.as_ref()))?;
            self.put_segment(&path, encoded.1).await?;
            segments.push(encoded.0);
        }
        Ok(segments)
    }

    /// The name is new and the bytes are the same each time, so repeating is harmless.
    async fn put_segment(&self, path: &Path, bytes: Bytes) -> Result<(), LakeError> {
        let mut retry = self.retry();
        while let Err(error) = self.store().put(path, bytes.clone().into()).await {
            retry.after("writing a segment", LakeError::store(path)(error)).await?;
        }
        Ok(())
    }

    /// Commits the segments; answers how much of the WAL was in segments before.
    async fn commit_flush(&self, sealed: &Sealed, add: Vec<Segment>) -> Result<u64, LakeError> {
        let base = self.shared.manifest();
        // This commit lets go the blocks of every tile that was full before it.
        let grown: Vec<String> = sealed.tenants.keys().cloned().collect();
        self.store_tiles(&base, &grown).await?;
        let mut commit = self.new_commit(CommitKind::Flush, &base);
        let applied_before = commit.wal_applied;
        commit.add = add;
        commit.wal_applied = sealed.position;
        commit.tenants = self.sign(sealed.tenants.clone()).await?;
        failpoint::hit("flush::before_commit").map_err(LakeError::io("flush"))?;
        self.commit(&base, commit).await?;
        Ok(applied_before)
    }

    /// Signs the checkpoint of each head.
    async fn sign(&self, mut heads: Heads) -> Result<Heads, LakeError> {
        let key = Arc::clone(&self.key);
        let signed = tokio::task::spawn_blocking(move || -> Result<Heads, LakeError> {
            for (tenant, head) in &mut heads {
                head.signature = Some(key.sign(tenant, head)?);
            }
            Ok(heads)
        });
        signed.await.map_err(LakeError::data("signing checkpoints"))?
    }

    /// Stores the full tiles of these tenants' logs whose blocks the manifest still has.
    async fn store_tiles(&self, manifest: &Manifest, tenants: &[String]) -> Result<(), LakeError> {
        let tiles = TileWriter { store: self.store(), retry: self.retry() };
        for tenant in tenants {
            if let Some(head) = manifest.tenants.get(tenant) {
                tiles.store_tiles(tenant, head).await?;
            }
        }
        Ok(())
    }
}

/// Sorts and encodes one day's hot events.
fn encode_day(
    day: i32,
    batches: &[Arc<HotBatch>],
    path: String,
) -> Result<(Segment, Bytes), LakeError> {
    let batch = concat_batches(&schema(), batches.iter().map(|hot| &hot.batch))
        .map_err(LakeError::data("joining hot events"))?;
    let mut writer = SegmentWriter::new()?;
    writer.write(&sort(&batch)?)?;
    let encoded = writer.finish(day, path)?;
    Ok((encoded.segment, Bytes::from(encoded.rest)))
}
