//! The hashes of RFC 6962, section 2.1. Leaves and nodes are hashed with different first bytes,
//! so that no node passes for a leaf.

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

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
