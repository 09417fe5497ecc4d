//! The committed log of one tenant.

use std::sync::Arc;

use auditlake_tlog::{Hash, Leaves, NodeId, Note, TileId, VerifierKey};

use super::keys::LogKeys;
use super::nodes::Nodes;
use super::rows;
use super::signing::note_of;
use crate::error::LakeError;
use crate::manifest::TenantHead;
use crate::snapshot::Snapshot;

/// The log of a tenant as a commit left it; events that are still hot are not in it. While it
/// lives, it holds the snapshot that it is of.
#[derive(Clone, Debug)]
pub struct TenantLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    snapshot: Snapshot,
    tenant: String,
    head: TenantHead,
    keys: Vec<VerifierKey>,
    checkpoint: Option<Note>,
}

impl TenantLog {
    pub(super) fn new(
        snapshot: &Snapshot,
        tenant: &str,
        head: &TenantHead,
        keys: Option<LogKeys>,
        cosigned: Option<Note>,
    ) -> Self {
        let mut checkpoint = keys.as_ref().and_then(|keys| note_of(&keys.origin, tenant, head));
        if let (Some(note), Some(cosigned)) = (&mut checkpoint, cosigned)
            && note.text == cosigned.text
        {
            for signature in cosigned.signatures {
                if !note.signatures.contains(&signature) {
                    note.signatures.push(signature);
                }
            }
        }
        let keys = keys.map(|keys| keys.verifiers(tenant)).unwrap_or_default();
        let (snapshot, tenant, head) = (snapshot.clone(), tenant.to_owned(), head.clone());
        Self { inner: Arc::new(Inner { snapshot, tenant, head, keys, checkpoint }) }
    }

    /// Whose log it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.inner.tenant
    }

    /// How many events it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.inner.head.size
    }

    /// The root of the tree over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.inner.head.root
    }

    /// When the newest of them was recorded.
    #[must_use]
    pub fn recorded_at_us(&self) -> i64 {
        self.inner.head.recorded_at_us
    }

    /// The signed checkpoint, with the signatures of witnesses as far as they are known; none if
    /// the lake was written without a key.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Note> {
        self.inner.checkpoint.clone()
    }

    /// The keys that sign the checkpoints of this log, oldest first.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.inner.keys
    }

    /// The hashes of nodes, in the order of `wanted`: from leaves that are known, from blocks in
    /// the manifest, from stored tiles, and from events, in that order. What is read of events
    /// is held against what is stored of their blocks.
    ///
    /// A node that is not all within the log is an error, as is an event that is missing.
    pub async fn nodes(&self, wanted: &[NodeId], known: &Leaves) -> Result<Vec<Hash>, LakeError> {
        let Inner { snapshot, tenant, head, .. } = &*self.inner;
        Nodes::new(snapshot, tenant, head, known).find(wanted).await
    }

    /// The bytes of a tile: the hashes of its nodes, one after the other. None if the log does
    /// not have all of them.
    pub async fn tile(&self, tile: TileId) -> Result<Option<Vec<u8>>, LakeError> {
        if !tile.exists_in(self.size()) {
            return Ok(None);
        }
        let nodes = self.nodes(&tile.nodes(), &Leaves::new()).await?;
        Ok(Some(nodes.as_flattened().to_vec()))
    }

    /// The canonical line of the event at this place, without its line end; none if the log has
    /// no such place, or does not hold the event any more.
    pub async fn line(&self, seq: u64) -> Result<Option<Vec<u8>>, LakeError> {
        if seq >= self.size() {
            return Ok(None);
        }
        let Inner { snapshot, tenant, .. } = &*self.inner;
        let (mut line, place) = (None, seq..seq + 1);
        rows::read(snapshot, tenant, [place], <[u8]>::to_vec, |_, found| {
            line = Some(found);
            Ok(())
        })
        .await?;
        Ok(line)
    }
}
