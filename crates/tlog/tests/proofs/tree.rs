//! A whole tree in memory, from which proofs are made the way a lake makes them: by asking for
//! the nodes of a path.

use std::collections::HashMap;
use std::ops::Range;

use auditlake_tlog::{
    CompactRange, Hash, Leaves, MultiProof, NodeId, ProofError, consistency, inclusion, leaf_hash,
    multi, nodes_of,
};

/// Every perfect subtree, and the root at every size.
pub(crate) struct Tree {
    nodes: HashMap<NodeId, Hash>,
    roots: Vec<Hash>,
}

/// What the leaves of the trees here are made of.
pub(crate) fn data(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

impl Tree {
    pub(crate) fn of(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut range = CompactRange::default();
        let mut tree = Self { nodes: HashMap::new(), roots: vec![range.root()] };
        for leaf in leaves {
            tree.nodes.insert(NodeId::new(0, range.size()), leaf);
            range.append_noting(leaf, |node, hash| {
                tree.nodes.insert(node, hash);
            });
            tree.roots.push(range.root());
        }
        tree
    }

    /// The tree whose leaves hold [`data`].
    pub(crate) fn of_size(size: u64) -> Self {
        Self::of((0..size).map(|index| leaf_hash(&data(index))))
    }

    pub(crate) fn leaf(&self, index: u64) -> Hash {
        self.nodes[&NodeId::new(0, index)]
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        self.roots[size as usize]
    }

    pub(crate) fn hashes(&self, nodes: &[NodeId]) -> Vec<Hash> {
        nodes.iter().map(|node| self.nodes[node]).collect()
    }

    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
        let path = inclusion::path(index, size)?;
        Ok(inclusion::prove(&path, &self.hashes(&nodes_of(&path))))
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
        let path = consistency::path(old, new)?;
        Ok(consistency::prove(&path, &self.hashes(&nodes_of(&path))))
    }

    pub(crate) fn multi(&self, size: u64, ranges: &[Range<u64>]) -> MultiProof {
        let nodes = self.hashes(&multi::wanted(size, ranges).unwrap());
        MultiProof { size, ranges: ranges.to_vec(), nodes }
    }

    /// The leaves of the ranges, in order.
    pub(crate) fn leaves(&self, ranges: &[Range<u64>]) -> Leaves {
        let mut leaves = Leaves::new();
        for index in ranges.iter().cloned().flatten() {
            assert!(leaves.insert(index, self.leaf(index)));
        }
        leaves
    }
}
