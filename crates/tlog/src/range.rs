//! A tree as the roots of its perfect subtrees: appended leaf by leaf without keeping the leaves.

use crate::error::{InvalidRange, ProofError};
use crate::hash::{Hash, empty_root, node_hash};
use crate::node::NodeId;

/// The most leaves that a tree can have: places in a log are stored as signed numbers.
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

/// A tree as its perfect subtrees, largest first: all that appending and the root need.
/// There is one peak for each bit set in the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<Hash>,
}

impl CompactRange {
    /// The tree of this size with these peaks, as [`Self::peaks`] gave them.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Result<Self, InvalidRange> {
        if size > MAX_SIZE || peaks.len() != size.count_ones() as usize {
            return Err(InvalidRange { size, peaks: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Hash) {
        self.append_noting(leaf, |_, _| {});
    }

    /// Appends a leaf by its hash and tells every node above the leaves that it completes, the
    /// lowest first.
    pub fn append_noting(&mut self, leaf: Hash, noted: impl FnMut(NodeId, Hash)) {
        self.grow(0, leaf, noted);
        self.size += 1;
    }

    /// Appends a perfect subtree by its root. It can only stand where its number of leaves divides
    /// the size of the tree.
    pub fn append_node(&mut self, level: u32, node: Hash) -> Result<(), ProofError> {
        let misplaced = ProofError::Misplaced { level, size: self.size };
        let Some(leaves) = 1_u64.checked_shl(level) else { return Err(misplaced) };
        let grown = self.size.checked_add(leaves).filter(|grown| *grown <= MAX_SIZE);
        match grown {
            Some(grown) if self.size.is_multiple_of(leaves) => {
                self.grow(level, node, |_, _| {});
                self.size = grown;
                Ok(())
            }
            _ => Err(misplaced),
        }
    }

    /// Puts a subtree behind the peaks. Each trailing one bit of the size, counted in subtrees of
    /// this level, is a subtree that the new one completes.
    fn grow(&mut self, level: u32, node: Hash, mut noted: impl FnMut(NodeId, Hash)) {
        let mut node = node;
        let place = self.size >> level;
        for above in 1..=place.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
                noted(NodeId::new(level + above, place >> above), node);
            }
        }
        self.peaks.push(node);
    }

    /// The Merkle tree hash; that of the empty tree is SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
