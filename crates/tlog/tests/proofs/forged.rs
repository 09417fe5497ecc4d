//! What a forger would try: other hashes, other places, other sizes, more or fewer hashes.

use std::ops::Range;

use auditlake_tlog::{Leaves, MultiProof, ProofError, consistency, inclusion, multi};

use crate::tree::Tree;

const SIZE: u64 = 700;

fn ranges() -> Vec<Range<u64>> {
    vec![3..10, 256..512, 600..601, 690..SIZE]
}

#[test]
fn a_changed_bit_breaks_an_inclusion_proof() {
    let tree = Tree::of_size(SIZE);
    for index in [0, 5, 511, 512, SIZE - 1] {
        let (leaf, root) = (tree.leaf(index), tree.root(SIZE));
        let proof = tree.inclusion(index, SIZE).unwrap();
        let refused = Err(ProofError::NotIncluded { index, size: SIZE });
        for (place, bit) in (0..proof.len()).flat_map(|place| (0..256).map(move |bit| (place, bit)))
        {
            let mut forged = proof.clone();
            forged[place][bit / 8] ^= 1 << (bit % 8);
            assert_eq!(inclusion::verify(index, SIZE, &leaf, &forged, &root), refused);
        }
        let other = tree.leaf((index + 1) % SIZE);
        assert_eq!(inclusion::verify(index, SIZE, &other, &proof, &root), refused);
        assert_eq!(inclusion::verify(index, SIZE, &leaf, &proof, &tree.root(SIZE - 1)), refused);
    }
}

#[test]
fn an_inclusion_proof_holds_for_its_place_only() {
    let tree = Tree::of_size(SIZE);
    let (leaf, root) = (tree.leaf(5), tree.root(SIZE));
    let proof = tree.inclusion(5, SIZE).unwrap();
    for index in (0..SIZE).filter(|index| *index != 5) {
        assert!(inclusion::verify(index, SIZE, &leaf, &proof, &root).is_err(), "leaf {index}");
    }
    for index in [SIZE, SIZE + 1, u64::MAX] {
        let refused = Err(ProofError::NoSuchLeaf { index, size: SIZE });
        assert_eq!(inclusion::verify(index, SIZE, &leaf, &proof, &root), refused);
    }
}

#[test]
fn an_inclusion_proof_has_the_length_of_the_path() {
    let tree = Tree::of_size(SIZE);
    let (leaf, root) = (tree.leaf(5), tree.root(SIZE));
    let proof = tree.inclusion(5, SIZE).unwrap();
    for hashes in (0..=64).filter(|hashes| *hashes != proof.len()) {
        let mut forged = proof.clone();
        forged.resize(hashes, root);
        let needed = proof.len();
        let refused = ProofError::InclusionLength { hashes, needed, index: 5, size: SIZE };
        assert_eq!(inclusion::verify(5, SIZE, &leaf, &forged, &root), Err(refused));
    }
    let error = inclusion::verify(5, 7, &leaf, &proof[..4], &root).unwrap_err();
    assert_eq!(error.to_string(), "proof has 4 hashes, leaf 5 of a tree of 7 leaves needs 3");
}

#[test]
fn a_changed_bit_breaks_a_consistency_proof() {
    let tree = Tree::of_size(SIZE);
    for old in [1, 5, 256, 511, SIZE - 1] {
        let (old_root, new_root) = (tree.root(old), tree.root(SIZE));
        let proof = tree.consistency(old, SIZE).unwrap();
        for (place, bit) in (0..proof.len()).flat_map(|place| (0..256).map(move |bit| (place, bit)))
        {
            let mut forged = proof.clone();
            forged[place][bit / 8] ^= 1 << (bit % 8);
            let verdict = consistency::verify(old, &old_root, SIZE, &new_root, &forged);
            assert!(matches!(verdict, Err(ProofError::NotConsistent { .. })), "hash {place}");
        }
        // A log that was rewritten: the new tree holds other leaves.
        let other = tree.root(SIZE - 2);
        assert!(consistency::verify(old, &old_root, SIZE, &other, &proof).is_err());
        assert!(consistency::verify(old, &other, SIZE, &new_root, &proof).is_err());
        for hashes in (0..=64).filter(|hashes| *hashes != proof.len()) {
            let mut forged = proof.clone();
            forged.resize(hashes, new_root);
            let needed = proof.len();
            let refused = ProofError::ConsistencyLength { hashes, needed, old, new: SIZE };
            let verdict = consistency::verify(old, &old_root, SIZE, &new_root, &forged);
            assert_eq!(verdict, Err(refused));
        }
    }
}

#[test]
fn sizes_without_a_proof_are_checked_too() {
    let tree = Tree::of_size(8);
    let (empty, seven, eight) = (tree.root(0), tree.root(7), tree.root(8));
    assert_eq!(consistency::verify(8, &eight, 8, &eight, &[]), Ok(()));
    assert_eq!(consistency::verify(0, &empty, 8, &eight, &[]), Ok(()));
    assert_eq!(consistency::verify(0, &empty, 0, &empty, &[]), Ok(()));

    let refused = [
        consistency::verify(8, &seven, 8, &eight, &[]),
        consistency::verify(8, &eight, 8, &eight, &[eight]),
        consistency::verify(0, &seven, 8, &eight, &[]),
        consistency::verify(0, &empty, 8, &eight, &[eight]),
        consistency::verify(8, &eight, 7, &seven, &[]),
        consistency::verify(7, &seven, 8, &eight, &[]),
    ];
    assert!(refused.iter().all(Result::is_err), "{refused:?}");
    assert!(inclusion::verify(0, 0, &empty, &[], &empty).is_err());
}

#[test]
fn a_changed_bit_breaks_a_proof_of_many() {
    let tree = Tree::of_size(SIZE);
    let leaves = tree.leaves(&ranges());
    let proof = tree.multi(SIZE, &ranges());
    assert_eq!(proof.roots(&leaves, &[]).unwrap().root, tree.root(SIZE));
    for (place, bit) in
        (0..proof.nodes.len()).flat_map(|place| (0..256).map(move |bit| (place, bit)))
    {
        let mut forged = proof.clone();
        forged.nodes[place][bit / 8] ^= 1 << (bit % 8);
        assert_ne!(forged.roots(&leaves, &[]).unwrap().root, tree.root(SIZE));
    }
}

#[test]
fn other_leaves_break_a_proof_of_many() {
    let tree = Tree::of_size(SIZE);
    let proof = tree.multi(SIZE, &ranges());

    let mut swapped = Leaves::new();
    for index in ranges().into_iter().flatten() {
        let from = match index {
            300 => 301,
            301 => 300,
            _ => index,
        };
        swapped.insert(index, tree.leaf(from));
    }
    assert_ne!(proof.roots(&swapped, &[]).unwrap().root, tree.root(SIZE));

    // One leaf less, one more, and one that is at another place.
    let shapes = [
        vec![4..10, 256..512, 600..601, 690..SIZE],
        vec![3..10, 256..512, 600..602, 690..SIZE],
        vec![3..10, 256..512, 601..602, 690..SIZE],
        vec![],
    ];
    for shape in shapes {
        let verdict = proof.roots(&tree.leaves(&shape), &[]);
        assert!(matches!(verdict, Err(ProofError::OtherLeaves { .. })), "{shape:?}");
    }
    // A leaf at the largest number that there is, which no range can hold.
    let mut beyond = tree.leaves(&ranges());
    beyond.insert(u64::MAX, [0; 32]);
    assert!(matches!(proof.roots(&beyond, &[]), Err(ProofError::OtherLeaves { .. })));
}

#[test]
fn a_proof_of_many_has_the_nodes_that_its_gaps_need() {
    let tree = Tree::of_size(SIZE);
    let leaves = tree.leaves(&ranges());
    let proof = tree.multi(SIZE, &ranges());
    let needed = proof.nodes.len();
    for hashes in [0, needed - 1, needed + 1] {
        let mut forged = proof.clone();
        forged.nodes.resize(hashes, [0; 32]);
        let refused = ProofError::MultiLength { hashes, needed };
        assert_eq!(forged.roots(&leaves, &[]), Err(refused));
    }
    let larger = MultiProof { size: SIZE + 1, ..proof.clone() };
    assert!(matches!(larger.roots(&leaves, &[]), Err(ProofError::MultiLength { .. })));
    let smaller = MultiProof { size: SIZE - 1, ..proof };
    assert!(matches!(smaller.roots(&leaves, &[]), Err(ProofError::Range { .. })));
}

#[test]
fn ranges_are_in_order_and_apart() {
    let cases: [(&[Range<u64>], &str); 7] = [
        (&[4..4], "range 4..4 is empty"),
        (&[Range { start: 5, end: 4 }], "range 5..4 is empty"),
        (&[8..11], "range 8..11 goes beyond the tree's 10 leaves"),
        (
            &[1..3, 3..5],
            "range 3..5 does not begin behind a gap after the range before it, which ends at 3",
        ),
        (
            &[1..3, 2..5],
            "range 2..5 does not begin behind a gap after the range before it, which ends at 3",
        ),
        (
            &[5..6, 1..3],
            "range 1..3 does not begin behind a gap after the range before it, which ends at 6",
        ),
        (&[0..u64::MAX], "range 0..18446744073709551615 goes beyond the tree's 10 leaves"),
    ];
    for (ranges, message) in cases {
        assert_eq!(multi::gaps(10, ranges).unwrap_err().to_string(), message);
    }
    assert_eq!(multi::gaps(10, &[0..2, 4..10]).unwrap(), [2..4]);
    assert_eq!(multi::gaps(10, &[3..4]).unwrap(), [0..3, 4..10]);
}

#[test]
fn a_tree_of_an_absurd_size_costs_nothing() {
    let mut leaves = Leaves::new();
    leaves.insert(7, [1; 32]);
    let proof = MultiProof { size: u64::MAX, ranges: vec![7..8], nodes: vec![[2; 32]; 3] };
    assert!(matches!(proof.roots(&leaves, &[]), Err(ProofError::MultiLength { .. })));

    let nodes = vec![[2; 32]; multi::wanted(u64::MAX, &[7..8]).unwrap().len()];
    let proof = MultiProof { nodes, ..proof };
    assert!(matches!(proof.roots(&leaves, &[]), Err(ProofError::Misplaced { .. })));
    assert!(inclusion::path(u64::MAX - 1, u64::MAX).is_ok());
    assert!(consistency::path(u64::MAX - 1, u64::MAX).is_ok());
}
