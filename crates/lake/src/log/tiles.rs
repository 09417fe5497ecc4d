//! Tiles in the store: 256 neighbouring nodes as one object, 32 bytes each. Level 0 (hashes of
//! events) is computed from rows and not stored as long as the rows are there.
//!
//! Durability: a tile is stored before the commit that lets its blocks go. Concurrency: a tile
//! is made from what was committed, so that every writer, also one that was overtaken, writes
//! the same bytes. Retries: all here; a write that is repeated changes nothing.

use std::sync::Arc;

use auditlake_tlog::tile::{TileId, WIDTH};
use auditlake_tlog::{CompactRange, Hash};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::LakeError;
use crate::failpoint;
use crate::manifest::TenantHead;
use crate::paths;
use crate::retry::Retry;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// How many tiles are read at a time.
const READS: usize = 16;

/// A full tile.
pub(super) fn full(level: u8, index: u64) -> TileId {
    TileId { level, index, width: WIDTH as u16 }
}

/// The root of a perfect subtree over these nodes.
pub(super) fn root_of(nodes: &[Hash]) -> Hash {
    let mut tree = CompactRange::default();
    nodes.iter().for_each(|node| tree.append(*node));
    tree.root()
}

/// Reads full tiles; none for one that is not stored. In the order that they were asked for.
pub(super) async fn read(
    store: &Arc<dyn ObjectStore>,
    tenant: &str,
    wanted: Vec<TileId>,
) -> Result<Vec<Option<Vec<Hash>>>, LakeError> {
    let reads = stream::iter(wanted).map(|tile| read_one(store, tenant, tile));
    reads.buffered(READS).try_collect().await
}

async fn read_one(
    store: &Arc<dyn ObjectStore>,
    tenant: &str,
    tile: TileId,
) -> Result<Option<Vec<Hash>>, LakeError> {
    let path = paths::tile(tenant, tile);
    let found = match store.get(&path).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        found => found.map_err(LakeError::store(&path))?,
    };
    let bytes = found.bytes().await.map_err(LakeError::store(&path))?;
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() as u64 != WIDTH || !rest.is_empty() {
        let detail = format!("a full tile has 8192 bytes, not {}", bytes.len());
        return Err(LakeError::damaged(&path, detail));
    }
    Ok(Some(hashes.to_vec()))
}

/// Stores the tiles of logs as they grow.
#[derive(Debug)]
pub(crate) struct TileWriter<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) retry: Retry,
}

impl TileWriter<'_> {
    /// Stores every full tile of the blocks that a committed head still has, and the tiles above
    /// that they complete.
    pub(crate) async fn store_tiles(
        &self,
        tenant: &str,
        head: &TenantHead,
    ) -> Result<(), LakeError> {
        let first = head.first_block();
        let index = first.div_ceil(WIDTH);
        // Blocks before the first whole tile belong to one whose first blocks are unknown.
        let skipped = usize::try_from(index * WIDTH - first).unwrap_or(usize::MAX);
        let blocks = head.blocks.get(skipped..).unwrap_or_default();
        for (index, nodes) in (index..).zip(blocks.chunks_exact(WIDTH as usize)) {
            self.put(tenant, full(1, index), nodes).await?;
            self.complete_above(tenant, 1, index).await?;
        }
        Ok(())
    }

    /// Stores the tile above, if the tile at this place is the last one that it needs, and so on
    /// upwards. Where a tile below is missing, nothing is stored: proofs do without.
    async fn complete_above(
        &self,
        tenant: &str,
        mut level: u8,
        mut index: u64,
    ) -> Result<(), LakeError> {
        while (index + 1).is_multiple_of(WIDTH) {
            let wanted = (index + 1 - WIDTH..=index).map(|index| full(level, index)).collect();
            let tiles = match read(self.store, tenant, wanted).await {
                // A tile is derived: one that is damaged must not stop a flush.
                Err(error @ LakeError::Damaged { .. }) => {
                    tracing::warn!(%error, "the tile above it is not stored");
                    break;
                }
                tiles => tiles?,
            };
            let Some(tiles) = tiles.into_iter().collect::<Option<Vec<_>>>() else { break };
            let roots: Vec<Hash> = tiles.iter().map(|nodes| root_of(nodes)).collect();
            (level, index) = (level + 1, index / WIDTH);
            self.put(tenant, full(level, index), &roots).await?;
        }
        Ok(())
    }

    async fn put(&self, tenant: &str, tile: TileId, nodes: &[Hash]) -> Result<(), LakeError> {
        let path = paths::tile(tenant, tile);
        failpoint::hit("flush::tile").map_err(LakeError::io(path.as_ref()))?;
        let bytes = Bytes::from(nodes.as_flattened().to_vec());
        let mut retry = self.retry;
        while let Err(error) = self.store.put(&path, bytes.clone().into()).await {
            retry.after("writing a tile", LakeError::store(&path)(error)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auditlake_tlog::NodeId;
    use object_store::memory::InMemory;

    use super::*;

    fn hash(level: u8, index: u64) -> Hash {
        let mut hash = [level; 32];
        hash[..8].copy_from_slice(&index.to_be_bytes());
        hash
    }

    fn head(size: u64, blocks: std::ops::Range<u64>) -> TenantHead {
        let mut range = CompactRange::default();
        range.append([7; 32]);
        let blocks = blocks.map(|index| hash(1, index)).collect();
        TenantHead { size, ..TenantHead::of(&range, 0, blocks) }
    }

    #[tokio::test]
    async fn a_tile_above_is_stored_when_its_last_one_is() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let retry = Retry { attempts: 0, wait: Duration::ZERO };
        let tiles = TileWriter { store: &store, retry };
        let mut roots = Vec::new();
        for index in 0..255 {
            let nodes: Vec<Hash> = (0..WIDTH).map(|node| hash(2, index * WIDTH + node)).collect();
            roots.push(root_of(&nodes));
            tiles.put("acme", full(1, index), &nodes).await.unwrap();
        }
        let blocks = 255 * WIDTH..256 * WIDTH;
        let last: Vec<Hash> = blocks.clone().map(|index| hash(1, index)).collect();
        roots.push(root_of(&last));
        tiles.store_tiles("acme", &head(blocks.end * WIDTH + 3, blocks)).await.unwrap();

        let wanted = vec![full(1, 255), full(2, 0), full(2, 1), full(3, 0)];
        let found = read(&store, "acme", wanted).await.unwrap();
        assert_eq!(found, [Some(last), Some(roots), None, None]);
    }

    #[tokio::test]
    async fn unknown_blocks_leave_their_tile_out() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let retry = Retry { attempts: 0, wait: Duration::ZERO };
        let tiles = TileWriter { store: &store, retry };
        // Known from block 3 on: tile 0 is not whole, tiles 1 and 2 are, tile 3 is not yet.
        let blocks = 3..3 * WIDTH + 5;
        tiles.store_tiles("acme", &head(blocks.end * WIDTH, blocks)).await.unwrap();
        let wanted = (0..4).map(|index| full(1, index)).collect();
        let found = read(&store, "acme", wanted).await.unwrap();
        let are_there: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(are_there, [false, true, true, false]);
        let nodes: Vec<Hash> = (WIDTH..2 * WIDTH).map(|index| hash(1, index)).collect();
        assert_eq!(found[1].as_deref(), Some(nodes.as_slice()));
    }

    #[tokio::test]
    async fn a_tile_of_another_length_is_damaged() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = paths::tile("acme", full(1, 0));
        store.put(&path, vec![0; 8191].into()).await.unwrap();
        let refused = read(&store, "acme", vec![full(1, 0)]).await;
        assert!(matches!(refused, Err(LakeError::Damaged { .. })), "{refused:?}");
        assert_eq!(full(1, 0).nodes().first(), Some(&NodeId::new(8, 0)));
    }
}
