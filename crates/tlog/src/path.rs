//! What inclusion and consistency proofs share: how RFC 6962 splits a tree, and how the hashes of
//! a path come from those of perfect subtrees.

use std::ops::Range;

use crate::hash::{Hash, node_hash};
use crate::node::Cover;

/// The largest power of two below `leaves`, which is at least 2: where a tree of so many leaves
/// is split.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The hashes of a proof: one per range of its path, made of `nodes`, the hashes of
/// [`nodes_of`](crate::nodes_of) that path. With other nodes the proof is one that does not hold.
#[must_use]
pub fn prove(path: &[Range<u64>], nodes: &[Hash]) -> Vec<Hash> {
    let mut left = nodes;
    let mut proof = Vec::with_capacity(path.len());
    for range in path {
        let (own, rest) = left.split_at(Cover(range.clone()).count().min(left.len()));
        left = rest;
        // A range that is no perfect subtree is the right border of the tree: its subtrees get
        // smaller to the right, and the smaller ones are deeper.
        if let Some((last, before)) = own.split_last() {
            proof.push(before.iter().rev().fold(*last, |right, left| node_hash(left, &right)));
        }
    }
    proof
}
