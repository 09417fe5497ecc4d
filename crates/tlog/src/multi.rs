//! One proof for many leaves: the leaves themselves and the subtrees over the gaps between them
//! give the root of the whole tree. The cost is one cover per gap, not one path per leaf.

use std::cmp::Reverse;
use std::ops::Range;

use crate::error::ProofError;
use crate::hash::Hash;
use crate::leaves::Leaves;
use crate::node::{Cover, NodeId, nodes_of};
use crate::range::CompactRange;

/// What a reader of the leaves in `ranges` needs to compute the root of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiProof {
    /// The size of the tree. It belongs to the root: take it from the checkpoint that states the
    /// root, never from beside it, because some trees of other sizes hash to the same root.
    pub size: u64,
    /// The leaves that the reader has: in order, none empty, with a gap between any two.
    pub ranges: Vec<Range<u64>>,
    /// The hashes of [`wanted`].
    pub nodes: Vec<Hash>,
}

/// What a proof leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The root of the tree.
    pub root: Hash,
    /// The sizes asked for, each with the root of the tree at that size, if the proof tells it:
    /// none where the size lies within a subtree of which only the hash is known.
    pub at: Vec<(u64, Option<Hash>)>,
}

/// The leaves of a tree of `size` leaves that are in none of the ranges.
pub fn gaps(size: u64, ranges: &[Range<u64>]) -> Result<Vec<Range<u64>>, ProofError> {
    let mut gaps = Vec::new();
    let mut after = None;
    for range in ranges {
        let Range { start, end } = *range;
        if start >= end || end > size || after.is_some_and(|after| start <= after) {
            return Err(ProofError::Range { start, end, after, size });
        }
        if start > 0 {
            gaps.push(after.unwrap_or(0)..start);
        }
        after = Some(end);
    }
    let last = after.unwrap_or(0);
    if last < size {
        gaps.push(last..size);
    }
    Ok(gaps)
}

/// The nodes that a proof for these ranges needs, in the order of [`MultiProof::nodes`].
pub fn wanted(size: u64, ranges: &[Range<u64>]) -> Result<Vec<NodeId>, ProofError> {
    Ok(nodes_of(&gaps(size, ranges)?))
}

impl MultiProof {
    /// The root of the tree, and those of the smaller trees at `sizes` where the proof tells them.
    /// The leaves must be exactly those of the ranges. What is read is not trusted: the work is
    /// bounded by the length of the proof and the number of leaves, never by `size`.
    pub fn roots(&self, leaves: &Leaves, sizes: &[u64]) -> Result<Roots, ProofError> {
        let gaps = gaps(self.size, &self.ranges)?;
        let needed: usize = gaps.iter().cloned().map(|gap| Cover(gap).count()).sum();
        if self.nodes.len() != needed {
            return Err(ProofError::MultiLength { hashes: self.nodes.len(), needed });
        }
        let needed: u64 = self.ranges.iter().map(|range| range.end - range.start).sum();
        if leaves.len() != needed || leaves.ranges() != self.ranges {
            return Err(ProofError::OtherLeaves { leaves: leaves.len(), needed });
        }
        let mut walk = Walk::new(sizes);
        let mut nodes = gaps.into_iter().flat_map(Cover).zip(&self.nodes).peekable();
        for range in &self.ranges {
            while let Some((node, hash)) =
                nodes.next_if(|(node, _)| node.leaves().start < range.start)
            {
                walk.append(node, *hash)?;
            }
            for (node, hash) in leaves.pieces(range.clone()) {
                walk.append(node, hash)?;
            }
        }
        for (node, hash) in nodes {
            walk.append(node, *hash)?;
        }
        if walk.tree.size() != self.size {
            return Err(ProofError::Misplaced { level: 0, size: walk.tree.size() });
        }
        Ok(Roots { root: walk.tree.root(), at: walk.at })
    }
}

/// A tree that grows from left to right and notes its root at the sizes asked for.
struct Walk {
    tree: CompactRange,
    /// The sizes not passed yet, the smallest last, each with its place in `at`.
    ahead: Vec<(u64, usize)>,
    at: Vec<(u64, Option<Hash>)>,
}

impl Walk {
    fn new(sizes: &[u64]) -> Self {
        let mut ahead: Vec<(u64, usize)> = sizes.iter().copied().zip(0..).collect();
        ahead.sort_unstable_by_key(|entry| Reverse(*entry));
        let at = sizes.iter().map(|size| (*size, None)).collect();
        let mut walk = Self { tree: CompactRange::default(), ahead, at };
        walk.note();
        walk
    }

    fn append(&mut self, node: NodeId, hash: Hash) -> Result<(), ProofError> {
        let size = self.tree.size();
        if node.leaves().start != size {
            return Err(ProofError::Misplaced { level: node.level, size });
        }
        self.tree.append_node(node.level, hash)?;
        self.note();
        Ok(())
    }

    fn note(&mut self) {
        let now = self.tree.size();
        while let Some((size, place)) = self.ahead.pop_if(|(size, _)| *size <= now) {
            if size == now
                && let Some((_, root)) = self.at.get_mut(place)
            {
                *root = Some(self.tree.root());
            }
        }
    }
}
