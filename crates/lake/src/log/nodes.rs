//! Nodes of a tenant's tree, from whatever has them: leaves that the caller has seen, blocks in
//! the manifest, stored tiles, and, for what is in none of these, the events themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use auditlake_tlog::tile::{HEIGHT, TileId, WIDTH};
use auditlake_tlog::{Hash, Leaves, NodeId, leaf_hash, node_hash};
use futures::TryStreamExt;
use object_store::ObjectStore;

use super::{rows, tiles};
use crate::error::LakeError;
use crate::manifest::TenantHead;
use crate::paths;
use crate::snapshot::Snapshot;

/// Blocks whose events are read at a time: a million leaves, whose hashes take 32 MiB.
const BLOCKS: usize = 4096;

/// One answer in the making.
pub(super) struct Nodes<'a> {
    snapshot: &'a Snapshot,
    tenant: &'a str,
    head: &'a TenantHead,
    known: &'a Leaves,
    /// The tiles that were looked for; none where there is none.
    tiles: BTreeMap<TileId, Option<Vec<Hash>>>,
    /// What events told.
    read: BTreeMap<NodeId, Hash>,
}

/// What is still to be looked for.
#[derive(Default)]
struct Missing {
    tiles: BTreeSet<TileId>,
    /// Nodes up to whole blocks that nothing but events can tell.
    nodes: BTreeSet<NodeId>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        tenant: &'a str,
        head: &'a TenantHead,
        known: &'a Leaves,
    ) -> Self {
        let (tiles, read) = (BTreeMap::new(), BTreeMap::new());
        Self { snapshot, tenant, head, known, tiles, read }
    }

    /// The hashes of these nodes, in this order. Tiles are read level by level downwards, and
    /// then, once, the events of all blocks that are left.
    pub(super) async fn find(mut self, wanted: &[NodeId]) -> Result<Vec<Hash>, LakeError> {
        if let Some(node) = wanted.iter().find(|node| node.leaves().end > self.head.size) {
            return Err(LakeError::Invalid(format!(
                "the log of {} has {} events, none of them at node {} of level {}",
                self.tenant, self.head.size, node.index, node.level
            )));
        }
        loop {
            let mut missing = Missing::default();
            let found: Vec<Option<Hash>> =
                wanted.iter().map(|node| self.look(*node, &mut missing)).collect();
            if !missing.tiles.is_empty() {
                self.read_tiles(missing.tiles).await?;
            } else if !missing.nodes.is_empty() {
                self.read_events(&missing.nodes).await?;
            } else {
                let found: Option<Vec<Hash>> = found.into_iter().collect();
                return found.ok_or_else(|| self.damaged("it has nodes of no leaves".to_owned()));
            }
        }
    }

    /// A node, if it can be told by now; else notes what would help.
    fn look(&self, node: NodeId, missing: &mut Missing) -> Option<Hash> {
        if let Some(hash) = self.known.node(node).or_else(|| self.read.get(&node).copied()) {
            return Some(hash);
        }
        if node.level < HEIGHT {
            missing.nodes.insert(node);
            // What is read of the block is held against what is stored of it.
            let block = block_of(node);
            if self.head.block(block.index).is_none() {
                self.unread_tile_of(block, missing);
            }
            return None;
        }
        if let (HEIGHT, Some(hash)) = (node.level, self.head.block(node.index)) {
            return Some(hash);
        }
        if self.unread_tile_of(node, missing) {
            return None;
        }
        if let Some(hash) = self.in_tile(node) {
            return Some(hash);
        }
        if node.level == HEIGHT {
            missing.nodes.insert(node);
            return None;
        }
        let (left, right) = node.children()?;
        let (left, right) = (self.look(left, missing), self.look(right, missing));
        Some(node_hash(&left?, &right?))
    }

    /// Whether the tile that would have a node may be stored but was not looked for yet; notes it
    /// then.
    fn unread_tile_of(&self, node: NodeId, missing: &mut Missing) -> bool {
        let (tile, _) = place_of(node);
        let is_unread = tile.exists_in(self.head.size) && !self.tiles.contains_key(&tile);
        if is_unread {
            missing.tiles.insert(tile);
        }
        is_unread
    }

    /// A node of a whole block or more, from the tile that was read for it.
    fn in_tile(&self, node: NodeId) -> Option<Hash> {
        let (tile, places) = place_of(node);
        let nodes = self.tiles.get(&tile)?.as_ref()?;
        nodes.get(places).map(tiles::root_of)
    }

    async fn read_tiles(&mut self, wanted: BTreeSet<TileId>) -> Result<(), LakeError> {
        let wanted: Vec<TileId> = wanted.into_iter().collect();
        let found = tiles::read(self.snapshot.store(), self.tenant, wanted.clone()).await?;
        self.tiles.extend(wanted.into_iter().zip(found));
        Ok(())
    }

    /// Reads the blocks of these nodes, whole as far as they are there. What is kept is the nodes,
    /// of which there are fewer than leaves.
    async fn read_events(&mut self, nodes: &BTreeSet<NodeId>) -> Result<(), LakeError> {
        let mut blocks: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for node in nodes {
            blocks.entry(block_of(*node)).or_default().push(*node);
        }
        let blocks: Vec<(NodeId, Vec<NodeId>)> = blocks.into_iter().collect();
        for blocks in blocks.chunks(BLOCKS) {
            let leaves = self.leaves_of(blocks).await?;
            for (block, nodes) in blocks {
                self.check_block(*block, &leaves)?;
                for node in nodes {
                    let hash = leaves.node(*node).ok_or_else(|| self.lacks(*node, &leaves))?;
                    self.read.insert(*node, hash);
                }
            }
        }
        Ok(())
    }

    /// The leaves of these blocks, of which these nodes are wanted.
    async fn leaves_of(&self, blocks: &[(NodeId, Vec<NodeId>)]) -> Result<Leaves, LakeError> {
        let parts = blocks.iter().filter(|(block, nodes)| nodes.iter().any(|node| node != block));
        let mut read = Leaves::with_borders(parts.map(|(block, _)| block.leaves().start + 1));
        let blocks: BTreeSet<NodeId> = blocks.iter().map(|(block, _)| *block).collect();
        let stored = self.stored_leaves(&blocks).await?;
        for (block, leaves) in &stored {
            for (seq, leaf) in block.leaves().zip(leaves) {
                read.insert(seq, *leaf);
            }
        }
        let unread = blocks.iter().filter(|block| !stored.contains_key(*block));
        let ranges = unread.map(|block| block.leaves());
        let ranges: Vec<Range<u64>> =
            ranges.map(|range| range.start..range.end.min(self.head.size)).collect();
        rows::read(self.snapshot, self.tenant, ranges, leaf_hash, |seq, leaf| {
            let is_new = read.insert(seq, leaf);
            if is_new { Ok(()) } else { Err(self.damaged(format!("event {seq} is there twice"))) }
        })
        .await?;
        Ok(read)
    }

    /// That an event of a node was not found.
    fn lacks(&self, node: NodeId, leaves: &Leaves) -> LakeError {
        let mut seqs = node.leaves();
        let seq = seqs.find(|seq| !leaves.contains(*seq)).unwrap_or_default();
        self.damaged(format!("event {seq} is in no segment"))
    }

    /// Blocks whose hashes of events are stored, which they are where the events are gone.
    async fn stored_leaves(
        &self,
        blocks: &BTreeSet<NodeId>,
    ) -> Result<BTreeMap<NodeId, Vec<Hash>>, LakeError> {
        let store = self.snapshot.store();
        let folder = paths::leaf_tiles(self.tenant);
        let stored: Vec<_> =
            store.list(Some(&folder)).try_collect().await.map_err(LakeError::store(&folder))?;
        let stored = stored.iter().filter_map(|file| paths::tile_of(self.tenant, &file.location));
        let stored = stored.filter(|tile| *tile == tiles::full(0, tile.index));
        let stored = stored.map(|tile| NodeId::new(HEIGHT, tile.index));
        let stored: Vec<NodeId> = stored.filter(|block| blocks.contains(block)).collect();
        let wanted = stored.iter().map(|block| tiles::full(0, block.index)).collect();
        let found = stored.into_iter().zip(tiles::read(store, self.tenant, wanted).await?);
        Ok(found.filter_map(|(block, leaves)| Some((block, leaves?))).collect())
    }

    /// Refuses what was read of a block if it is not what is stored of it.
    fn check_block(&self, block: NodeId, read: &Leaves) -> Result<(), LakeError> {
        let stored = self.head.block(block.index).or_else(|| self.in_tile(block));
        match (stored, read.node(block)) {
            (Some(stored), Some(computed)) if stored != computed => {
                let (first, last) = (block.leaves().start, block.leaves().end - 1);
                let detail = format!("events {first} to {last} are not those that were recorded");
                Err(self.damaged(detail))
            }
            _ => Ok(()),
        }
    }

    fn damaged(&self, detail: String) -> LakeError {
        LakeError::damaged(format!("the log of {}", self.tenant), detail)
    }
}

/// The block of 256 events that holds a node which is no larger than one.
fn block_of(node: NodeId) -> NodeId {
    NodeId::new(HEIGHT, node.index >> (HEIGHT - node.level))
}

/// The full tile that has a node of a whole block or more, and which of its places make it up.
fn place_of(node: NodeId) -> (TileId, Range<usize>) {
    let (level, above) = (node.level / HEIGHT, node.level % HEIGHT);
    let first = node.index << above;
    let place = (first % WIDTH) as usize;
    (tiles::full(level as u8, first / WIDTH), place..place + (1 << above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_its_place_in_a_tile() {
        assert_eq!(place_of(NodeId::new(8, 1000)), (tiles::full(1, 3), 232..233));
        assert_eq!(place_of(NodeId::new(11, 97)), (tiles::full(1, 3), 8..16));
        assert_eq!(place_of(NodeId::new(15, 1)), (tiles::full(1, 0), 128..256));
        assert_eq!(place_of(NodeId::new(16, 259)), (tiles::full(2, 1), 3..4));
        assert_eq!(block_of(NodeId::new(3, 65)), NodeId::new(8, 2));
        assert_eq!(block_of(NodeId::new(8, 2)), NodeId::new(8, 2));
    }
}
