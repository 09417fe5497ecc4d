//! The leaves of a log that somebody has seen, in any order. Complete blocks of 256 collapse to
//! one hash, so that a whole log takes little memory: less than a byte per leaf.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::hash::{Hash, node_hash};
use crate::node::NodeId;
use crate::range::CompactRange;
use crate::tile::{HEIGHT, WIDTH};

/// Leaf hashes by their place in the log.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    /// By number: block 3 holds the leaves from 768 on.
    blocks: BTreeMap<u64, Block>,
    /// The blocks that stay leaves even when they are complete.
    uncollapsed: BTreeSet<u64>,
    len: u64,
}

impl Leaves {
    /// No leaves yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No leaves yet. A block with one of these sizes strictly inside will not be collapsed, so
    /// that the root of the tree of that size can be told.
    #[must_use]
    pub fn with_borders(sizes: impl IntoIterator<Item = u64>) -> Self {
        let within = sizes.into_iter().filter(|size| !size.is_multiple_of(WIDTH));
        Self { uncollapsed: within.map(|size| size / WIDTH).collect(), ..Self::default() }
    }

    /// Takes a leaf by its hash; `false` if that place was taken already, and stays as it was.
    pub fn insert(&mut self, index: u64, leaf: Hash) -> bool {
        let number = index / WIDTH;
        let block = self.blocks.entry(number).or_default();
        if !block.insert(place_of(index), leaf) {
            return false;
        }
        self.len += 1;
        if !self.uncollapsed.contains(&number) {
            block.collapse();
        }
        true
    }

    /// Whether the leaf was seen.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        self.blocks.get(&(index / WIDTH)).is_some_and(|block| block.has(place_of(index)))
    }

    /// How many leaves were seen.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether none was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The leaves seen as ranges, in order, with a gap between any two.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut add = |start: u64, leaves: u64| {
            // The very last number has no end behind it; no tree is that large, and whoever
            // compares the ranges also compares the number of leaves.
            let end = start.saturating_add(leaves);
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        };
        for (number, block) in &self.blocks {
            let start = number * WIDTH;
            match block {
                Block::Whole(_) => add(start, WIDTH),
                Block::Parts { .. } => block.places().for_each(|place| add(start + place, 1)),
            }
        }
        ranges
    }

    /// The hash of a node, if all of its leaves were seen. Nodes within a collapsed block are
    /// gone.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<Hash> {
        let NodeId { level, index } = node;
        // Fewer leaves than the node has, or a node that no tree has, end the search at once.
        if self.len.checked_shr(level)? == 0 || index > u64::MAX >> level {
            return None;
        }
        if level > HEIGHT {
            let (left, right) = node.children()?;
            return Some(node_hash(&self.node(left)?, &self.node(right)?));
        }
        let start = index << level;
        self.blocks.get(&(start / WIDTH))?.node(start % WIDTH, 1 << level)
    }

    /// What is there within the range, left to right, as large as it is kept: collapsed blocks
    /// and leaves. A collapsed block that the range cuts gives nothing; borders prevent that.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = (NodeId, Hash)> {
        let first = range.start / WIDTH;
        let behind = range.end.div_ceil(WIDTH).max(first);
        self.blocks
            .range(first..behind)
            .flat_map(move |(number, block)| block.pieces(*number, &range))
    }
}

/// Where a leaf is in its block.
fn place_of(index: u64) -> u64 {
    index % WIDTH
}

/// The leaves of one block.
#[derive(Clone, Debug)]
enum Block {
    /// Which leaves are there, a bit for each place, and their hashes in the order of the places.
    Parts { seen: [u64; 4], hashes: Vec<Hash> },
    /// All of them, as the hash of the subtree.
    Whole(Hash),
}

impl Default for Block {
    fn default() -> Self {
        Self::Parts { seen: [0; 4], hashes: Vec::new() }
    }
}

impl Block {
    fn insert(&mut self, place: u64, leaf: Hash) -> bool {
        if self.has(place) {
            return false;
        }
        if let Self::Parts { seen, hashes } = self {
            hashes.insert(rank(seen, place), leaf);
            if let Some(word) = seen.get_mut((place / 64) as usize) {
                *word |= 1 << (place % 64);
            }
        }
        true
    }

    fn has(&self, place: u64) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Parts { seen, .. } => {
                let word = seen.get((place / 64) as usize);
                word.is_some_and(|word| (word >> (place % 64)) & 1 == 1)
            }
        }
    }

    /// The places that are taken.
    fn places(&self) -> impl Iterator<Item = u64> {
        (0..WIDTH).filter(|place| self.has(*place))
    }

    fn collapse(&mut self) {
        if let Some(hash) = self.node(0, WIDTH) {
            *self = Self::Whole(hash);
        }
    }

    /// The hash of the subtree over these places, if all of them are taken and not collapsed
    /// into a larger one.
    fn node(&self, start: u64, leaves: u64) -> Option<Hash> {
        match self {
            Self::Whole(hash) => (leaves == WIDTH).then_some(*hash),
            Self::Parts { seen, hashes } => {
                let (first, behind) = (rank(seen, start), rank(seen, start + leaves));
                let own = hashes.get(first..behind)?;
                (own.len() as u64 == leaves).then(|| root_of(own))
            }
        }
    }

    fn pieces(&self, number: u64, range: &Range<u64>) -> Vec<(NodeId, Hash)> {
        let start = number * WIDTH;
        match self {
            Self::Whole(hash) => {
                let end = start.saturating_add(WIDTH);
                let is_within = range.start <= start && end <= range.end;
                is_within.then_some((NodeId::new(HEIGHT, number), *hash)).into_iter().collect()
            }
            Self::Parts { hashes, .. } => self
                .places()
                .zip(hashes)
                .map(|(place, hash)| (NodeId::new(0, start + place), *hash))
                .filter(|(node, _)| range.contains(&node.index))
                .collect(),
        }
    }
}

/// How many places before this one are taken: where its hash stands among the hashes.
fn rank(seen: &[u64; 4], place: u64) -> usize {
    let before = |word: u64| match place.saturating_sub(word * 64) {
        bits @ 0..64 => (1_u64 << bits) - 1,
        _ => u64::MAX,
    };
    (0..).zip(seen).map(|(word, bits)| (bits & before(word)).count_ones() as usize).sum()
}

/// The root of a perfect subtree.
fn root_of(leaves: &[Hash]) -> Hash {
    let mut tree = CompactRange::default();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    tree.root()
}
