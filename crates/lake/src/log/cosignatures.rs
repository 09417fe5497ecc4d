//! Checkpoints that witnesses have signed too, one file for each, as the signed note that they
//! are. A witness signs only what goes on from what it signed before: so a note that is kept
//! elsewhere shows whether this lake has rewritten its history.

use auditlake_tlog::{Note, Signature};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::Logs;
use super::signing::note_of;
use crate::error::LakeError;
use crate::manifest::{Commit, TenantHead};
use crate::paths;

/// How many commits before the newest snapshot of the manifest a checkpoint may have been made:
/// witnesses answer within seconds.
const LOOK_BACK: u64 = 256;

impl Logs {
    /// Keeps what witnesses signed of the checkpoint of this many events, beside what is kept of
    /// it already. Of a witness that signed it before, the newer signature is kept. The caller
    /// has verified them.
    pub async fn cosign(
        &self,
        tenant: &str,
        size: u64,
        lines: &[Signature],
    ) -> Result<(), LakeError> {
        let mut note = match self.kept(tenant, size).await? {
            Some(kept) => kept,
            None => self.published(tenant, size).await?,
        };
        for line in lines {
            note.signatures.retain(|kept| kept.key_id != line.key_id || kept.name != line.name);
            note.signatures.push(line.clone());
        }
        let path = paths::cosigned(tenant, size);
        let bytes = note.to_string().into_bytes();
        self.store.put(&path, bytes.into()).await.map_err(LakeError::store(&path))?;
        Ok(())
    }

    /// The newest checkpoint that a witness has signed, with all its signatures.
    pub async fn cosigned(&self, tenant: &str) -> Result<Option<Note>, LakeError> {
        let folder = paths::cosignatures(tenant);
        let files: Vec<_> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(LakeError::store(&folder))?;
        let sizes = files.iter().filter_map(|file| paths::version(&file.location));
        let mut sizes: Vec<u64> = sizes.collect();
        sizes.sort_unstable();
        for size in sizes.into_iter().rev() {
            if let Some(note) = self.kept(tenant, size).await? {
                return Ok(Some(note));
            }
        }
        Ok(None)
    }

    /// What is kept of the checkpoint of this many events. A file that is damaged counts for
    /// nothing: it adds to what the lake has signed, which stands without it.
    pub(super) async fn kept(&self, tenant: &str, size: u64) -> Result<Option<Note>, LakeError> {
        let path = paths::cosigned(tenant, size);
        let found = match self.store.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(LakeError::store(&path))?,
        };
        let bytes = found.bytes().await.map_err(LakeError::store(&path))?;
        let text =
            std::str::from_utf8(&bytes).map_err(|source| LakeError::damaged(&path, source))?;
        Note::parse(text).map(Some).map_err(|source| LakeError::damaged(&path, source))
    }

    /// The checkpoint as the lake itself published it, from the commit that has it.
    async fn published(&self, tenant: &str, size: u64) -> Result<Note, LakeError> {
        let head = self.committed(tenant, size).await?;
        let origin = self.keys().await?.map(|keys| keys.origin);
        let note = head.zip(origin).and_then(|(head, origin)| note_of(&origin, tenant, &head));
        note.ok_or_else(|| {
            LakeError::Invalid(format!(
                "{tenant} has no signed checkpoint of {size} events among the last commits"
            ))
        })
    }

    /// The head of this size, looked for from the newest commit backwards.
    async fn committed(&self, tenant: &str, size: u64) -> Result<Option<TenantHead>, LakeError> {
        let newest_snapshot = self.versions(paths::SNAPSHOTS, None).await?.pop().unwrap_or(0);
        let offset = paths::commit(newest_snapshot.saturating_sub(LOOK_BACK));
        for version in self.versions(paths::LOG, Some(&offset)).await?.into_iter().rev() {
            let path = paths::commit(version);
            let found = self.store.get(&path).await.map_err(LakeError::store(&path))?;
            let bytes = found.bytes().await.map_err(LakeError::store(&path))?;
            // A torn commit counts for nothing.
            let Ok(mut commit) = Commit::decode(&bytes) else { continue };
            match commit.tenants.remove(tenant) {
                Some(head) if head.size == size => return Ok(Some(head)),
                Some(head) if head.size < size => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The numbers of the files right in a folder, in order.
    async fn versions(&self, folder: &str, behind: Option<&Path>) -> Result<Vec<u64>, LakeError> {
        let folder = Path::from(folder);
        let listing = match behind {
            Some(offset) => self.store.list_with_offset(Some(&folder), offset),
            None => self.store.list(Some(&folder)),
        };
        let files: Vec<_> = listing.try_collect().await.map_err(LakeError::store(&folder))?;
        let depth = folder.parts_count() + 1;
        let files = files.iter().filter(|file| file.location.parts_count() == depth);
        let mut versions: Vec<u64> =
            files.filter_map(|file| paths::version(&file.location)).collect();
        versions.sort_unstable();
        Ok(versions)
    }
}
