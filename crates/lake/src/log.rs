//! The logs of the tenants as others may check them: signed checkpoints, the keys that sign,
//! tiles, cosignatures, and the nodes that proofs are made of.
//!
//! Everything here is about committed events: the head that a commit has is the one that is
//! signed. Tiles are a shortcut, never the truth: every node can be computed from rows.

mod cosignatures;
mod key_file;
mod keys;
mod nodes;
mod rows;
mod signing;
mod tenant_log;
mod tiles;

pub use keys::LogKeys;
pub(crate) use signing::LogKey;
pub use signing::rotate_key;
pub use tenant_log::TenantLog;
pub(crate) use tiles::TileWriter;

use std::sync::{Arc, Mutex, PoisonError};

use auditlake_tlog::VerifierKey;
use object_store::ObjectStore;

use crate::documents::Documents;
use crate::error::LakeError;
use crate::manifest::TenantHead;
use crate::snapshot::Snapshot;
use signing::key_id_of;

/// The logs of a lake's tenants.
#[derive(Clone, Debug)]
pub struct Logs {
    store: Arc<dyn ObjectStore>,
    documents: Documents,
    /// The keys as they were last read: they change at rotations only.
    known: Arc<Mutex<Option<LogKeys>>>,
}

impl Logs {
    pub(crate) fn new(store: &Arc<dyn ObjectStore>) -> Self {
        let documents = Documents::new(Arc::clone(store));
        Self { store: Arc::clone(store), documents, known: Arc::default() }
    }

    /// The log of a tenant at the snapshot's commit; none if no event of it is committed. Events
    /// that are still hot are not in it.
    pub async fn tenant(
        &self,
        snapshot: &Snapshot,
        tenant: &str,
    ) -> Result<Option<TenantLog>, LakeError> {
        let Some(head) = snapshot.manifest().tenants.get(tenant) else { return Ok(None) };
        let keys = self.keys_for(tenant, head).await?;
        let cosigned = self.kept(tenant, head.size).await?;
        Ok(Some(TenantLog::new(snapshot, tenant, head, keys, cosigned)))
    }

    /// The keys that sign the logs; none if the lake was never opened with one.
    pub async fn keys(&self) -> Result<Option<LogKeys>, LakeError> {
        let keys = self.documents.log_keys().await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&keys);
        Ok(keys)
    }

    /// The keys, read again only when the one that signed this head is not among those known.
    async fn keys_for(
        &self,
        tenant: &str,
        head: &TenantHead,
    ) -> Result<Option<LogKeys>, LakeError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let signer = key_id_of(head);
        let is_signer = |key: &VerifierKey| Some(key.id()) == signer;
        match known {
            Some(keys) if keys.verifiers(tenant).iter().any(is_signer) => Ok(Some(keys)),
            _ => self.keys().await,
        }
    }
}
