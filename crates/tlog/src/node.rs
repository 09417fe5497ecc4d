//! The perfect subtrees of a tree, and the fewest of them that cover a range of leaves.

use std::ops::Range;

/// The perfect subtree over the leaves from `index << level` to before `(index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Its height: 0 is a leaf.
    pub level: u32,
    /// Its place among the nodes of its level, from 0.
    pub index: u64,
}

impl NodeId {
    /// The node at this place.
    #[must_use]
    pub fn new(level: u32, index: u64) -> Self {
        Self { level, index }
    }

    /// The leaves below it. A node that no tree can have ends where numbers end.
    #[must_use]
    pub fn leaves(self) -> Range<u64> {
        let level = self.level.min(u64::BITS);
        let start = u128::from(self.index) << level;
        let end = start.saturating_add(1 << level);
        saturated(start)..saturated(end)
    }

    /// The two nodes it is made of; none for a leaf.
    #[must_use]
    pub fn children(self) -> Option<(Self, Self)> {
        let level = self.level.checked_sub(1)?;
        let left = self.index.checked_mul(2)?;
        Some((Self::new(level, left), Self::new(level, left + 1)))
    }
}

fn saturated(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The fewest perfect subtrees that make up the range, left to right; at most two per level.
#[must_use]
pub fn cover(leaves: Range<u64>) -> Vec<NodeId> {
    Cover(leaves).collect()
}

/// The covers of the ranges, one after the other.
#[must_use]
pub fn nodes_of(ranges: &[Range<u64>]) -> Vec<NodeId> {
    ranges.iter().cloned().flat_map(Cover).collect()
}

/// Walks the cover of what is left of a range.
pub(crate) struct Cover(pub(crate) Range<u64>);

impl Iterator for Cover {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let Range { start, end } = self.0;
        let left = end.saturating_sub(start);
        // The next subtree is as large as the place where it begins and the rest allow.
        let level = start.trailing_zeros().min(left.checked_ilog2()?);
        self.0.start += 1_u64 << level;
        Some(NodeId::new(level, start >> level))
    }
}
