//! The Merkle tree of a tenant log: RFC 6962 hashes, appended leaf by leaf without keeping
//! the leaves. Pure: bytes in, hashes out; it knows neither events nor storage.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// RFC 6962, 2.1: the hash of a leaf is SHA-256 of a zero byte and the leaf's data.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(data);
    hash.finalize().into()
}

/// RFC 6962, 2.1: the hash of a node is SHA-256 of a one byte and its two children.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// What is wrong with a compact range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRange {
    /// The number of leaves it claims.
    pub size: u64,
    /// The number of peaks it came with.
    pub peaks: usize,
}

impl std::fmt::Display for InvalidRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, peaks } = self;
        write!(f, "a tree of {size} leaves has {} peaks, not {peaks}", size.count_ones())
    }
}

impl std::error::Error for InvalidRange {}

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
        if peaks.len() != size.count_ones() as usize {
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
        let mut node = leaf;
        // Each trailing one bit of the size is a subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The Merkle tree hash; that of the empty tree is SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Sha256::digest([]).into(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
