//! Tiles as in C2SP tlog-tiles: 256 neighbouring nodes of every eighth level, under names that
//! never change what they mean.

use crate::node::NodeId;

/// How many levels of the tree a tile spans.
pub const HEIGHT: u32 = 8;
/// How many nodes a full tile holds.
pub const WIDTH: u64 = 256;

/// C2SP allows the levels 0 to 63.
const MAX_LEVEL: u8 = 63;

/// A tile: `width` neighbouring nodes of level `8 * level`, from node `256 * index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// The level of the tile; 0 holds leaf hashes.
    pub level: u8,
    /// Its place among the tiles of its level, from 0.
    pub index: u64,
    /// How many nodes it holds: 256, or 1 to 255 for one at the right border of the tree.
    pub width: u16,
}

impl TileId {
    /// Its path: `tile/0/x001/234`, and `tile/0/x001/234.p/17` for one of 17 nodes.
    #[must_use]
    pub fn path(&self) -> String {
        let mut digits = format!("{:03}", self.index % 1000);
        let mut above = self.index / 1000;
        while above > 0 {
            digits = format!("x{:03}/{digits}", above % 1000);
            above /= 1000;
        }
        let partial = match u64::from(self.width) {
            WIDTH => String::new(),
            width => format!(".p/{width}"),
        };
        format!("tile/{}/{digits}{partial}", self.level)
    }

    /// The tile with exactly this path; none if no tile has it.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (digits, width) = match rest.split_once(".p/") {
            None => (rest, WIDTH as u16),
            Some((digits, width)) => (digits, width.parse().ok()?),
        };
        let mut index: u64 = 0;
        for group in digits.split('/') {
            let number: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(number)?;
        }
        let tile = Self { level: level.parse().ok()?, index, width };
        // Only the path that the tile itself would have: no signs, no missing or extra digits.
        (tile.is_valid() && tile.path() == path).then_some(tile)
    }

    fn is_valid(&self) -> bool {
        self.level <= MAX_LEVEL && (1..=WIDTH).contains(&u64::from(self.width))
    }

    /// The nodes it holds, left to right; none if no tree can have them.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        let level = u32::from(self.level) * HEIGHT;
        match self.index.checked_mul(WIDTH) {
            Some(first) if self.is_valid() => {
                (0..u64::from(self.width)).map(|place| NodeId::new(level, first + place)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a tree of `size` leaves has all of its nodes.
    #[must_use]
    pub fn exists_in(&self, size: u64) -> bool {
        let nodes = size.checked_shr(u32::from(self.level) * HEIGHT).unwrap_or(0);
        let first = self.index.checked_mul(WIDTH);
        let behind = first.and_then(|first| first.checked_add(self.width.into()));
        self.is_valid() && behind.is_some_and(|behind| behind <= nodes)
    }
}
