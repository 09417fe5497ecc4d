//! Checkpoints that witnesses have signed too, one file for each, as the signed note that they
//! are. A witness signs only what goes on from what it signed before: so a note that is kept
//! elsewhere shows whether this lake has rewritten its history.

use auditlake_tlog::{Note, Signature};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{Logs, TenantLog};
use crate::error::LakeError;
use crate::paths;

impl Logs {
    /// Keeps what witnesses signed of the checkpoint of a log, beside what is kept of it already.
    /// Of a witness that signed it before, the newer signature is kept. The caller has verified
    /// them. The log may have grown since.
    pub async fn cosign(&self, log: &TenantLog, lines: &[Signature]) -> Result<(), LakeError> {
        let (tenant, size) = (log.tenant(), log.size());
        let unsigned = || LakeError::Invalid(format!("the log of {tenant} has no checkpoint"));
        let mut note = match self.kept(tenant, size).await? {
            Some(kept) => kept,
            None => log.checkpoint().ok_or_else(unsigned)?,
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
        let note = std::str::from_utf8(&bytes).ok().and_then(|text| Note::parse(text).ok());
        if note.is_none() {
            tracing::warn!("{path} is no signed note, and is left out");
        }
        Ok(note)
    }
}
