//! Stored tiles against the logs. The blocks that commits name are first shown to belong to the
//! signed heads; the root of a tile must then be a node over such blocks. No row is read for
//! that: the rows are compared with the same heads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use auditlake_tlog::tile::{HEIGHT, TileId, WIDTH};
use auditlake_tlog::{CompactRange, Hash, NodeId};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::findings::{Found, LakeFinding, LakeFindingKind};
use crate::error::LakeError;
use crate::manifest::TenantHead;
use crate::paths;

/// The folders of what is kept of the logs beside the events; see [`paths::tenant_log`].
const FOLDERS: [&str; 2] = ["tlog", "tlog-long"];
/// The bytes of a full tile.
const TILE_BYTES: usize = 32 * WIDTH as usize;

/// What is kept of the logs beside the events.
#[derive(Debug, Default)]
pub(super) struct LogFiles {
    /// By the folder of the log.
    tiles: BTreeMap<String, BTreeSet<TileId>>,
    /// Checkpoints that witnesses have signed.
    pub(super) cosigned: Vec<Path>,
}

impl LogFiles {
    /// Lists them.
    pub(super) async fn list(store: &Arc<dyn ObjectStore>) -> Result<Self, LakeError> {
        let mut files = Self::default();
        for folder in FOLDERS {
            let mut listing = store.list(Some(&Path::from(folder)));
            while let Some(meta) = listing.try_next().await.map_err(LakeError::store(folder))? {
                files.take(&meta.location);
            }
        }
        Ok(files)
    }

    fn take(&mut self, location: &Path) {
        let parts: Vec<_> = location.parts().collect();
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let [top, log, rest @ ..] = parts.as_slice() else { return };
        if let Some(tile) = TileId::parse(&rest.join("/")) {
            self.tiles.entry(format!("{top}/{log}")).or_default().insert(tile);
        } else if let ["cosignatures", _] = rest {
            self.cosigned.push(location.clone());
        }
    }
}

/// The tiles that have not been checked yet.
#[derive(Debug)]
pub(super) struct Tiles {
    store: Arc<dyn ObjectStore>,
    stored: BTreeMap<String, BTreeSet<TileId>>,
}

impl Tiles {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, files: LogFiles) -> Self {
        Self { store: Arc::clone(store), stored: files.tiles }
    }

    /// Checks the blocks that a head names, and every stored tile that they complete.
    pub(super) async fn grow(
        &mut self,
        tenant: &str,
        before: Option<&TenantHead>,
        head: &TenantHead,
        path: &str,
        found: &mut Found,
    ) -> Result<(), LakeError> {
        let nodes = match completed(before, head) {
            Ok(nodes) => nodes,
            Err(detail) => {
                let finding = LakeFinding::new(LakeFindingKind::Root, detail);
                found.add(finding.at(path).of(tenant));
                return Ok(());
            }
        };
        if nodes.is_empty() {
            return Ok(());
        }
        let folder = paths::tenant_log(tenant).to_string();
        for (node, hash) in nodes.into_iter().filter(|(node, _)| node.level % HEIGHT == 0) {
            let Ok(level) = u8::try_from(node.level / HEIGHT - 1) else { continue };
            let tile = TileId { level, index: node.index, width: WIDTH as u16 };
            if self.stored.get_mut(&folder).is_some_and(|tiles| tiles.remove(&tile)) {
                self.check(tenant, tile, &hash, found).await?;
            }
        }
        Ok(())
    }

    async fn check(
        &self,
        tenant: &str,
        tile: TileId,
        root: &Hash,
        found: &mut Found,
    ) -> Result<(), LakeError> {
        let path = paths::tile(tenant, tile);
        let file = self.store.get(&path).await.map_err(LakeError::store(&path))?;
        let detail = if file.meta.size != TILE_BYTES as u64 {
            format!("a full tile has {TILE_BYTES} bytes, not {}", file.meta.size)
        } else {
            let bytes = file.bytes().await.map_err(LakeError::store(&path))?;
            if root_of(&bytes) == *root {
                return Ok(());
            }
            "the stored tile does not hold the hashes of the log".to_owned()
        };
        let leaves = NodeId::new(HEIGHT * (u32::from(tile.level) + 1), tile.index).leaves();
        let finding = LakeFinding::new(LakeFindingKind::Tile, detail);
        found.add(finding.at(path).of(tenant).within(leaves));
        Ok(())
    }

    /// Says which tiles stand for nothing, and how many could not be checked.
    pub(super) fn finish(&self, heads: &BTreeMap<String, TenantHead>, found: &mut Found) {
        let sizes: BTreeMap<String, u64> = heads
            .iter()
            .map(|(tenant, head)| (paths::tenant_log(tenant).to_string(), head.size))
            .collect();
        let mut unchecked = 0_u64;
        for (folder, tiles) in &self.stored {
            let size = sizes.get(folder).copied().unwrap_or(0);
            for tile in tiles {
                if tile.exists_in(size) {
                    unchecked += 1;
                    continue;
                }
                let detail = format!("the tile is of a larger log than there is: {size} events");
                let finding = LakeFinding::new(LakeFindingKind::Tile, detail);
                found.add(finding.at(format!("{folder}/{}", tile.path())));
            }
        }
        if unchecked > 0 {
            found.note(format!(
                "{unchecked} stored tiles were not checked: the commits do not name their blocks."
            ));
        }
    }
}

/// The nodes over whole blocks that a head has and the one before it has not, blocks included.
/// None when the commit names no blocks; an error when those it names are not the log's.
fn completed(
    before: Option<&TenantHead>,
    head: &TenantHead,
) -> Result<Vec<(NodeId, Hash)>, String> {
    let tree = before.map_or_else(|| Some(CompactRange::default()), above);
    let (Some(mut tree), Some(after)) = (tree, above(head)) else {
        // That the peaks are wrong is a finding of its own.
        return Ok(Vec::new());
    };
    let expected = after.size().saturating_sub(tree.size());
    let named = head.blocks.len() as u64;
    if named == 0 {
        return Ok(Vec::new());
    }
    if named != expected {
        return Err(format!("it completes {expected} blocks of 256 events, and names {named}"));
    }
    let mut nodes = Vec::new();
    for block in &head.blocks {
        nodes.push((NodeId::new(HEIGHT, tree.size()), *block));
        tree.append_noting(*block, |node, hash| {
            nodes.push((NodeId::new(HEIGHT + node.level, node.index), hash));
        });
    }
    if tree == after {
        Ok(nodes)
    } else {
        Err("the blocks that it names are not those of its root".to_owned())
    }
}

/// The tree of a head over blocks instead of events.
fn above(head: &TenantHead) -> Option<CompactRange> {
    let size = head.size / WIDTH;
    let peaks = head.peaks.get(..size.count_ones() as usize)?;
    CompactRange::from_parts(size, peaks.to_vec()).ok()
}

/// The root over the hashes of a full tile.
fn root_of(bytes: &[u8]) -> Hash {
    let (hashes, _) = bytes.as_chunks::<32>();
    let mut tree = CompactRange::default();
    hashes.iter().for_each(|hash| tree.append(*hash));
    tree.root()
}
