//! Inclusion proofs: a leaf is in a tree of which one knows the size and the root (RFC 6962,
//! 2.1.1; verified as in RFC 9162, 2.1.3.2).

use std::ops::Range;

use crate::error::ProofError;
use crate::hash::{Hash, node_hash};
pub use crate::path::prove;
use crate::path::split;

/// The ranges whose subtree hashes the proof consists of, the leaf's neighbour first.
pub fn path(index: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(middle..end);
            end = middle;
        } else {
            path.push(start..middle);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Whether the leaf with this hash is leaf `index` of the tree of `size` leaves with this root.
/// Size and root belong together: they must come from one checkpoint.
pub fn verify(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let needed = path(index, size)?.len();
    if proof.len() != needed {
        return Err(ProofError::InclusionLength { hashes: proof.len(), needed, index, size });
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for other in proof {
        if place & 1 == 1 || place == last {
            hash = node_hash(other, &hash);
            // Levels on which the leaf's subtree stands alone at the right border have no hash.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(ProofError::NotIncluded { index, size }) }
}
