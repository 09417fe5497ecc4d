//! The parts that proofs are made of: nodes, covers, compact ranges and the leaves that were seen.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

use std::collections::BTreeMap;
use std::ops::Range;

use auditlake_tlog::{
    CompactRange, Hash, Leaves, NodeId, ProofError, cover, leaf_hash, node_hash, nodes_of,
};
use proptest::prelude::*;

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

/// The hash of a node as it is defined: its two halves, down to the leaves.
fn defined(node: NodeId) -> Hash {
    match node.children() {
        None => leaf(node.index),
        Some((left, right)) => node_hash(&defined(left), &defined(right)),
    }
}

#[test]
fn a_node_knows_its_leaves_and_children() {
    let node = NodeId::new(3, 5);
    assert_eq!(node.leaves(), 40..48);
    assert_eq!(node.children(), Some((NodeId::new(2, 10), NodeId::new(2, 11))));
    assert_eq!(NodeId::new(0, 5).children(), None);

    assert_eq!(NodeId::new(63, 1).leaves(), 1 << 63..u64::MAX);
    assert_eq!(NodeId::new(64, 0).leaves(), 0..u64::MAX);
    assert_eq!(NodeId::new(u32::MAX, u64::MAX).leaves(), u64::MAX..u64::MAX);
    assert_eq!(NodeId::new(1, u64::MAX).children(), None);
}

#[test]
fn covers_are_the_fewest_subtrees() {
    let nodes = |range| cover(range).into_iter().map(|node| (node.level, node.index));
    assert_eq!(nodes(0..8).collect::<Vec<_>>(), [(3, 0)]);
    assert_eq!(nodes(3..10).collect::<Vec<_>>(), [(0, 3), (2, 1), (1, 4)]);
    assert_eq!(nodes(5..5).count(), 0);
    assert_eq!(nodes(Range { start: 6, end: 5 }).count(), 0);
    assert_eq!(nodes(1..u64::MAX).count(), 126);
    assert_eq!(nodes_of(&[0..2, 3..4]), [NodeId::new(1, 0), NodeId::new(0, 3)]);
}

#[test]
fn appending_tells_each_node_that_a_leaf_completes() {
    let mut tree = CompactRange::default();
    let mut noted = BTreeMap::new();
    for index in 0..100 {
        tree.append_noting(leaf(index), |node, hash| {
            assert_eq!(node.leaves().end, index + 1, "complete only now");
            assert!(noted.insert(node, hash).is_none(), "told once");
        });
    }
    for (node, hash) in &noted {
        assert_eq!(*hash, defined(*node), "{node:?}");
    }
    let complete: usize = (1..7).map(|level| 100_usize >> level).sum();
    assert_eq!(noted.len(), complete);
}

#[test]
fn a_subtree_is_appended_where_it_is_aligned() {
    let mut leaf_by_leaf = CompactRange::default();
    (0..13).for_each(|index| leaf_by_leaf.append(leaf(index)));
    let mut by_subtrees = CompactRange::default();
    for node in [NodeId::new(2, 0), NodeId::new(1, 2), NodeId::new(1, 3), NodeId::new(2, 2)] {
        by_subtrees.append_node(node.level, defined(node)).unwrap();
    }
    by_subtrees.append(leaf(12));
    assert_eq!(by_subtrees, leaf_by_leaf);

    for level in [1, 2, 62, 63, 64, u32::MAX] {
        let refused = ProofError::Misplaced { level, size: 13 };
        assert_eq!(by_subtrees.append_node(level, [0; 32]), Err(refused));
    }
    assert_eq!(by_subtrees, leaf_by_leaf, "what is refused changes nothing");
}

#[test]
fn no_tree_is_larger_than_the_numbers_of_its_leaves() {
    let largest = i64::MAX as u64;
    let mut tree = CompactRange::from_parts(largest, vec![[0; 32]; 63]).unwrap();
    assert!(tree.append_node(0, [0; 32]).is_err());
    let error = CompactRange::from_parts(1 << 63, vec![[0; 32]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a tree has at most 9223372036854775807 leaves, not 9223372036854775808"
    );
}

#[test]
fn a_complete_block_collapses_unless_a_border_is_inside() {
    let fill = |mut leaves: Leaves| {
        (0..512).rev().for_each(|index| assert!(leaves.insert(index, leaf(index))));
        leaves
    };
    let levels = |leaves: &Leaves, range| {
        leaves.pieces(range).map(|(node, _)| node.level).collect::<Vec<_>>()
    };
    let collapsed = fill(Leaves::with_borders([256, 512]));
    assert_eq!(levels(&collapsed, 0..512), [8, 8]);
    assert_eq!(levels(&collapsed, 1..512), [8], "a block that is cut gives nothing");
    assert_eq!(collapsed.node(NodeId::new(7, 0)), None, "nor do the nodes within it");
    assert!(collapsed.contains(17) && !collapsed.contains(512));

    let kept = fill(Leaves::with_borders([100]));
    assert_eq!(levels(&kept, 0..512).len(), 256 + 1);
    assert_eq!(levels(&kept, 100..256), [0; 156]);
    assert_eq!(kept.node(NodeId::new(7, 0)), Some(defined(NodeId::new(7, 0))));
    assert_eq!(kept.node(NodeId::new(9, 0)), collapsed.node(NodeId::new(9, 0)));
}

#[test]
fn hostile_places_are_only_numbers() {
    let mut leaves = Leaves::new();
    assert!(leaves.is_empty());
    assert!(leaves.insert(u64::MAX, leaf(0)));
    assert!(!leaves.insert(u64::MAX, leaf(1)));
    assert!(leaves.contains(u64::MAX));
    assert_eq!(leaves.len(), 1);
    assert_eq!(leaves.pieces(0..u64::MAX).count(), 0);
    for level in [0, 1, 8, 9, 63, 64, u32::MAX] {
        for index in [0, 1, u64::MAX / 2, u64::MAX] {
            let is_the_leaf = level == 0 && index == u64::MAX;
            assert_eq!(leaves.node(NodeId::new(level, index)).is_some(), is_the_leaf);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn seen_leaves_tell_the_nodes_above_them(
        missing in prop::collection::btree_set(0_u64..1_024, 0..4),
        asked in prop::collection::vec((0_u32..12, 0_u64..1_024), 1..20),
    ) {
        // Borders within every block keep all leaves, so that every node can be told.
        let mut leaves = Leaves::with_borders([1, 257, 513, 769]);
        for index in (0..1_024).filter(|index| !missing.contains(index)) {
            leaves.insert(index, leaf(index));
        }
        for (level, index) in asked {
            let node = NodeId::new(level, index >> level.min(10));
            let below = node.leaves();
            let is_seen = below.end <= 1_024 && missing.range(below).next().is_none();
            let expected = is_seen.then(|| defined(node));
            prop_assert_eq!(leaves.node(node), expected, "{:?}", node);
        }
    }
}
