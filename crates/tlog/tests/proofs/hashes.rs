//! The hashes against published vectors (the reference implementation of RFC 6962 tests
//! with these leaves and roots) and against the RFC's recursive definition.

use auditlake_tlog::{CompactRange, Hash, InvalidRange, leaf_hash, node_hash};
use proptest::prelude::*;

use crate::published::{LEAVES, unhex};

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// RFC 6962, 2.1, as written: split at the largest power of two below n.
fn recursive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => CompactRange::default().root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&recursive_root(&leaves[..split]), &recursive_root(&leaves[split..]))
        }
    }
}

#[test]
fn published_vectors() {
    let mut tree = CompactRange::default();
    assert_eq!(tree.root().as_slice(), unhex(ROOTS[0]));
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        tree.append(leaf_hash(&unhex(leaf)));
        assert_eq!(tree.root().as_slice(), unhex(root), "after {} leaves", tree.size());
    }
}

#[test]
fn a_range_needs_one_peak_per_bit() {
    assert_eq!(CompactRange::from_parts(5, Vec::new()), Err(InvalidRange { size: 5, peaks: 0 }));
    assert!(CompactRange::from_parts(5, vec![[0; 32]; 2]).is_ok());
}

proptest! {
    #[test]
    fn agrees_with_the_recursive_definition(
        leaves in proptest::collection::vec(any::<[u8; 32]>(), 0..300),
        cut in 0_usize..300,
    ) {
        let mut tree = CompactRange::default();
        for (index, leaf) in leaves.iter().enumerate() {
            if index == cut {
                // A tree taken apart and put together goes on the same.
                tree = CompactRange::from_parts(tree.size(), tree.peaks().to_vec()).unwrap();
            }
            tree.append(*leaf);
        }
        prop_assert_eq!(tree.size(), leaves.len() as u64);
        prop_assert_eq!(tree.root(), recursive_root(&leaves));
    }
}
