//! Consistency proofs: a tree is the beginning of a larger one (RFC 6962, 2.1.2; verified as in
//! RFC 9162, 2.1.4.2).

use std::ops::Range;

use crate::error::ProofError;
use crate::hash::{Hash, empty_root, node_hash};
pub use crate::path::prove;
use crate::path::split;

/// The ranges whose subtree hashes the proof consists of. It needs none if the sizes are equal or
/// the older tree is empty.
pub fn path(old: u64, new: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if old > new {
        return Err(ProofError::OldIsLarger { old, new });
    }
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(middle..end);
            end = middle;
        } else {
            path.push(start..middle);
            start = middle;
        }
    }
    // A subtree that is the whole older tree is known by that tree's root.
    if start != 0 {
        path.push(start..end);
    }
    path.reverse();
    Ok(path)
}

/// Whether the tree of `old_size` leaves with `old_root` is the beginning of the tree of
/// `new_size` leaves with `new_root`.
pub fn verify(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let (old, new) = (old_size, new_size);
    let needed = path(old, new)?.len();
    if proof.len() != needed {
        return Err(ProofError::ConsistencyLength { hashes: proof.len(), needed, old, new });
    }
    if old == 0 && *old_root != empty_root() {
        return Err(ProofError::NotEmpty);
    }
    let wrong = |at| ProofError::NotConsistent { old, new, at };
    if old == new && old_root != new_root {
        return Err(wrong(new));
    }
    if old == 0 || old == new {
        return Ok(());
    }
    let (old_found, new_found, left) = roots(old, new, old_root, proof);
    if old_found != *old_root {
        Err(wrong(old))
    } else if new_found != *new_root || left != 0 {
        Err(wrong(new))
    } else {
        Ok(())
    }
}

/// The roots of both trees that the proof leads to, and the levels it leaves open as a number
/// that is 0 if none. Both sizes are at least 1 and the older tree is the smaller one.
fn roots(old: u64, new: u64, old_root: &Hash, proof: &[Hash]) -> (Hash, Hash, u64) {
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (first, rest) = match proof.split_first() {
        // A perfect older tree is a subtree of the newer one, so its root stands for itself.
        _ if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (first, rest),
        None => (old_root, proof),
    };
    let (mut old_found, mut new_found) = (*first, *first);
    for other in rest {
        if place & 1 == 1 || place == last {
            old_found = node_hash(other, &old_found);
            new_found = node_hash(other, &new_found);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new_found = node_hash(&new_found, other);
        }
        place >>= 1;
        last >>= 1;
    }
    (old_found, new_found, last)
}
