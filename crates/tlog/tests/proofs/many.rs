//! Proofs of many leaves: any subset, read in any order, leads to the root of the whole tree and
//! to those of the smaller trees on the way.

use std::ops::Range;

use auditlake_tlog::Leaves;
use proptest::prelude::*;

use crate::tree::Tree;

const LARGEST: u64 = 5_000;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Ranges of a tree of `size` leaves, whose borders are among these.
fn ranges_at(size: u64, mut borders: Vec<u64>) -> Vec<Range<u64>> {
    borders.retain(|border| *border <= size);
    borders.sort_unstable();
    borders.dedup();
    borders.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect()
}

/// The leaves of the ranges in an order that the seed decides.
fn shuffled(ranges: &[Range<u64>], seed: u64) -> Vec<u64> {
    let mut indices: Vec<u64> = ranges.iter().cloned().flatten().collect();
    let mut state = seed | 1;
    for last in (1..indices.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        indices.swap(last, (state % (last as u64 + 1)) as usize);
    }
    indices
}

#[test]
fn any_subset_in_any_order_leads_to_the_root() {
    let tree = Tree::of_size(LARGEST);
    proptest!(config(200), |(
        size in 1..=LARGEST,
        borders in prop::collection::vec(0..=LARGEST, 0..60),
        seed in any::<u64>(),
    )| {
        let ranges = ranges_at(size, borders);
        let mut leaves = Leaves::new();
        for index in shuffled(&ranges, seed) {
            prop_assert!(!leaves.contains(index));
            prop_assert!(leaves.insert(index, tree.leaf(index)));
            prop_assert!(!leaves.insert(index, [0; 32]), "a leaf is taken once");
        }
        let taken: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        prop_assert_eq!(leaves.len(), taken);
        prop_assert_eq!(&leaves.ranges(), &ranges);

        let roots = tree.multi(size, &ranges).roots(&leaves, &[]).unwrap();
        prop_assert_eq!(roots.root, tree.root(size));
    });
}

#[test]
fn the_walk_tells_the_roots_at_its_borders() {
    let tree = Tree::of_size(LARGEST);
    proptest!(config(100), |(
        size in 1..=LARGEST,
        borders in prop::collection::vec(0..=LARGEST, 0..20),
        sizes in prop::collection::vec(0..=LARGEST + 10, 0..10),
        seed in any::<u64>(),
    )| {
        let ranges = ranges_at(size, borders);
        let mut leaves = Leaves::with_borders(sizes.iter().copied());
        for index in shuffled(&ranges, seed) {
            leaves.insert(index, tree.leaf(index));
        }
        let mut asked = sizes;
        asked.extend(ranges.iter().flat_map(|range| [range.start, range.end]));
        asked.extend([0, size, size + 1]);

        let roots = tree.multi(size, &ranges).roots(&leaves, &asked).unwrap();
        prop_assert_eq!(roots.root, tree.root(size));
        prop_assert_eq!(roots.at.len(), asked.len());
        for (asked, (at, root)) in asked.iter().zip(&roots.at) {
            prop_assert_eq!(asked, at);
            if let Some(root) = root {
                prop_assert_eq!(*root, tree.root(*at), "at {}", at);
            }
            let is_seen = ranges.iter().any(|range| range.start <= *at && *at <= range.end);
            if is_seen || *at == 0 || *at == size {
                prop_assert!(root.is_some(), "the walk passes {}", at);
            }
            prop_assert!(root.is_none() || *at <= size);
        }
    });
}

#[test]
fn all_leaves_need_no_nodes_and_no_leaves_need_only_nodes() {
    let tree = Tree::of_size(1_000);
    let all = tree.multi(1_000, &[0..1_000]);
    assert!(all.nodes.is_empty());
    assert_eq!(all.roots(&tree.leaves(&[0..1_000]), &[]).unwrap().root, tree.root(1_000));

    let none = tree.multi(1_000, &[]);
    assert_eq!(none.nodes.len(), 6, "1000 is the sum of six powers of two");
    assert_eq!(none.roots(&Leaves::new(), &[]).unwrap().root, tree.root(1_000));

    let nothing = tree.multi(0, &[]);
    assert_eq!(nothing.roots(&Leaves::new(), &[]).unwrap().root, tree.root(0));
}
