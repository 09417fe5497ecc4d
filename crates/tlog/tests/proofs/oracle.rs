//! Another implementation of RFC 6962 has the same roots and makes the same proofs, and each of
//! the two accepts those of the other.

use auditlake_tlog::{Hash, consistency, inclusion};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;

use crate::tree::{Tree, data};

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

const LARGEST: u64 = 5_000;

/// Calls `check` with the tree of each size up to the largest.
fn each_size(mut check: impl FnMut(&Oracle, u64)) {
    let mut oracle = Oracle::new();
    for index in 0..LARGEST {
        oracle.push(data(index));
        check(&oracle, index + 1);
    }
}

/// All sizes up to 70, those around powers of two, and some between.
fn is_sampled(size: u64) -> bool {
    let power = size.next_power_of_two();
    size <= 70 || size.is_multiple_of(701) || power - size <= 1 || power / 2 + 1 == size
}

/// All numbers below a small one; some below a large one, the borders above all.
fn sampled_below(size: u64) -> Vec<u64> {
    if size <= 70 {
        return (0..size).collect();
    }
    let half = size.next_power_of_two() / 2;
    let mut sampled: Vec<u64> = (0..size).step_by(211).collect();
    sampled.extend([1, half - 1, half.min(size - 1), size / 3, size - 2, size - 1]);
    sampled
}

fn octets(root: &RootHash<Sha256>) -> Hash {
    root.as_bytes().as_slice().try_into().unwrap()
}

fn hashes(proof: &[u8]) -> Vec<Hash> {
    proof.chunks(32).map(|hash| hash.try_into().unwrap()).collect()
}

#[test]
fn roots_are_the_same() {
    let tree = Tree::of_size(LARGEST);
    each_size(|oracle, size| {
        if size <= 300 || is_sampled(size) {
            assert_eq!(tree.root(size), octets(&oracle.root()), "{size} leaves");
        }
    });
}

#[test]
fn inclusion_proofs_are_the_same() {
    let tree = Tree::of_size(LARGEST);
    each_size(|oracle, size| {
        if !is_sampled(size) {
            return;
        }
        let root = oracle.root();
        for index in sampled_below(size) {
            let ours = tree.inclusion(index, size).unwrap();
            let proof = InclusionProof::<Sha256>::try_from_bytes(ours.concat()).unwrap();
            root.verify_inclusion(&data(index), index, &proof).unwrap();

            let theirs = hashes(oracle.prove_inclusion(index as usize).as_bytes());
            assert_eq!(ours, theirs, "leaf {index} of {size}");
            inclusion::verify(index, size, &tree.leaf(index), &theirs, &octets(&root)).unwrap();
        }
    });
}

#[test]
fn consistency_proofs_are_the_same() {
    let tree = Tree::of_size(LARGEST);
    each_size(|oracle, new| {
        if !is_sampled(new) {
            return;
        }
        let root = oracle.root();
        for old in sampled_below(new).into_iter().filter(|old| *old > 0) {
            let ours = tree.consistency(old, new).unwrap();
            let old_root = RootHash::<Sha256>::new(tree.root(old).into(), old);
            let proof = ConsistencyProof::<Sha256>::try_from_bytes(ours.concat()).unwrap();
            root.verify_consistency(&old_root, &proof).unwrap();

            let theirs = hashes(oracle.prove_consistency((new - old) as usize).as_bytes());
            assert_eq!(ours, theirs, "{old} before {new}");
            consistency::verify(old, &tree.root(old), new, &octets(&root), &theirs).unwrap();
        }
    });
}
