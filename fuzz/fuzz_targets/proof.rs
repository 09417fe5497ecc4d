//! Proofs of a forger: any sizes, ranges, leaves and hashes are refused or lead to some root, in
//! time and memory that the length of the input bounds.

#![no_main]

use auditlake_tlog::{Hash, Leaves, MultiProof, NodeId, consistency, inclusion, leaf_hash, multi};
use libfuzzer_sys::fuzz_target;

/// Eight bytes are a number. Half of the numbers are made small, so that more of them fit
/// together.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let sized = |number: u64| if number & 1 == 0 { (number >> 1) % 2_000 } else { number };
    bytes.chunks(8).map(|bytes| sized(number(bytes))).collect()
}

fn hashes(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let numbers = numbers(bytes);
    let [size, other, count, borders @ ..] = numbers.as_slice() else { return };
    let some = hashes((*count % 130) as usize);
    let root = leaf_hash(b"");
    let _ = inclusion::verify(*other, *size, &root, &some, &root);
    let _ = consistency::verify(*other, &root, *size, &root, &some);

    let mut leaves = Leaves::with_borders([*other]);
    for index in borders {
        leaves.insert(*index, root);
        let _ = leaves.node(NodeId::new((*index % 70) as u32, *other));
    }
    let ranges = leaves.ranges();
    let proof = MultiProof { size: *size, ranges: ranges.clone(), nodes: some };
    let _ = proof.roots(&leaves, &[*other]);
    if let Ok(wanted) = multi::wanted(*size, &ranges) {
        let proof = MultiProof { size: *size, ranges, nodes: hashes(wanted.len()) };
        let is_possible = *size <= i64::MAX as u64;
        assert_eq!(proof.roots(&leaves, &[*other]).is_ok(), is_possible);
    }
    let raw = borders.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect::<Vec<_>>();
    if let Ok(gaps) = multi::gaps(*size, &raw) {
        let length = |range: &std::ops::Range<u64>| range.end - range.start;
        let sum: u64 = gaps.iter().chain(&raw).map(length).sum();
        assert_eq!(sum, *size, "gaps and ranges are the whole tree");
    }
});
