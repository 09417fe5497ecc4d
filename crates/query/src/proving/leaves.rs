//! The leaves of the logs that an answer gives: hashed on the threads of queries, batch by
//! batch, and gathered by tenant.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, UInt64Type};
use auditlake_model::columns::{at, schema};
use auditlake_model::layout::RowGroup;
use auditlake_model::line::LineWriter;
use auditlake_model::render::{Made, Render};
use auditlake_tlog::{Hash, Leaves, leaf_hash};

use crate::error::QueryError;

/// Rows that are rendered before they are hashed: their lines are still in the processor's
/// cache then.
const HASHED_ROWS: usize = 1024;

/// Renders events as canonical lines and keeps the hashes of those.
pub(super) struct LeafRenderer {
    lines: LineWriter,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// Leaves of one log, in the order of their positions.
pub(super) struct TenantLeaves {
    tenant: String,
    leaves: Vec<(u64, Hash)>,
}

impl LeafRenderer {
    pub(super) fn new() -> Result<Self, QueryError> {
        let lines = LineWriter::new(&schema());
        let lines = lines.map_err(|source| QueryError::Internal(source.to_string()))?;
        Ok(Self { lines, text: Vec::new(), ends: Vec::new() })
    }
}

impl Render for LeafRenderer {
    type Item = Vec<TenantLeaves>;
    type Error = QueryError;

    fn most_rows(&self) -> usize {
        HASHED_ROWS
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<Made<Self::Item>, QueryError> {
        self.text.clear();
        self.ends.clear();
        self.lines.write_each(&batch, &mut self.text, &mut self.ends);
        let tenants = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
        let names = tenants.values().as_string::<i32>();
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
        let mut found: BTreeMap<i32, Vec<(u64, Hash)>> = BTreeMap::new();
        let mut start = 0;
        for ((key, seq), end) in tenants.keys().values().iter().zip(seqs).zip(&self.ends) {
            // The line end is no part of the leaf.
            let leaf = leaf_hash(&self.text[start..end - 1]);
            found.entry(*key).or_default().push((*seq, leaf));
            start = *end;
        }
        let item = found.into_iter().map(|(key, mut leaves)| {
            leaves.sort_unstable_by_key(|(seq, _)| *seq);
            TenantLeaves { tenant: names.value(key as usize).to_owned(), leaves }
        });
        let bytes = batch.num_rows() * size_of::<(u64, Hash)>();
        Ok(Made { item: item.collect(), bytes })
    }

    fn row_group(&mut self, _: RowGroup) -> Result<Made<Self::Item>, QueryError> {
        Err(QueryError::Internal("a row group has no lines".to_owned()))
    }
}

/// What an answer gave of one log.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) leaves: Leaves,
    pub(super) hints: Hints,
}

/// What an answer gave of all logs.
pub(super) struct Answer {
    rows: u64,
    most_rows: u64,
    logs: BTreeMap<String, Seen>,
}

impl Answer {
    /// An answer of not more than so many events.
    pub(super) fn of_at_most(most_rows: u64) -> Self {
        Self { rows: 0, most_rows, logs: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, new: TenantLeaves) -> Result<(), QueryError> {
        let TenantLeaves { tenant, leaves } = new;
        self.rows += leaves.len() as u64;
        if self.rows > self.most_rows {
            let most = self.most_rows;
            let why = format!("a proof is of at most {most} events; ask for a shorter range");
            return Err(QueryError::Resources(why));
        }
        let seen = self.logs.entry(tenant).or_default();
        seen.hints.add(&leaves);
        for (seq, leaf) in leaves {
            if !seen.leaves.insert(seq, leaf) {
                let why = format!("position {seq} of a log has two events");
                return Err(QueryError::Internal(why));
            }
        }
        Ok(())
    }

    /// What it gave of each log.
    pub(super) fn into_logs(self) -> BTreeMap<String, Seen> {
        self.logs
    }
}

/// The first bytes of leaf hashes, which came in any order. They are kept by blocks of 256
/// positions, so that each takes five bytes and not sixteen.
#[derive(Default)]
pub(super) struct Hints {
    blocks: HashMap<u64, Vec<(u8, [u8; 4])>>,
}

/// Positions of a block, as a power of two.
const BLOCK_BITS: u32 = 8;

impl Hints {
    /// Adds those of leaves in the order of their positions.
    fn add(&mut self, leaves: &[(u64, Hash)]) {
        let block_of = |(seq, _): &(u64, Hash)| seq >> BLOCK_BITS;
        for run in leaves.chunk_by(|one, other| block_of(one) == block_of(other)) {
            let Some(first) = run.first() else { continue };
            let block = self.blocks.entry(block_of(first)).or_default();
            block.extend(run.iter().map(|(seq, leaf)| {
                // The rest of the position is the block's number.
                (*seq as u8, [leaf[0], leaf[1], leaf[2], leaf[3]])
            }));
        }
    }

    /// All of them in the order of their positions.
    pub(super) fn in_order(self) -> Vec<u8> {
        let mut blocks: Vec<_> = self.blocks.into_iter().collect();
        blocks.sort_unstable_by_key(|(number, _)| *number);
        let hints = blocks.iter().map(|(_, block)| block.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(4 * hints);
        for (_, mut block) in blocks {
            block.sort_unstable_by_key(|(position, _)| *position);
            block.iter().for_each(|(_, hint)| bytes.extend_from_slice(hint));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leaf whose hash begins with its position.
    fn leaf(seq: u64) -> (u64, Hash) {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&(seq as u32).to_be_bytes());
        (seq, hash)
    }

    fn of(tenant: &str, seqs: impl IntoIterator<Item = u64>) -> TenantLeaves {
        TenantLeaves { tenant: tenant.to_owned(), leaves: seqs.into_iter().map(leaf).collect() }
    }

    #[test]
    fn hints_come_in_the_order_of_positions() {
        let mut answer = Answer::of_at_most(2000);
        for seqs in [700..1000, 0..3, 255..258, 300..699, 3..255] {
            answer.add(of("acme", seqs)).unwrap();
        }
        answer.add(of("zeta", [4_000_000, 5_000_000])).unwrap();
        let mut logs = answer.into_logs();
        let acme = logs.remove("acme").unwrap();
        assert_eq!(acme.leaves.ranges(), [0..258, 300..699, 700..1000]);
        let hints = (0..258).chain(300..699).chain(700..1000_u32).flat_map(u32::to_be_bytes);
        assert!(acme.hints.in_order() == hints.collect::<Vec<u8>>());
        let zeta = logs.remove("zeta").unwrap().hints.in_order();
        assert_eq!(zeta, [4_000_000_u32, 5_000_000].map(u32::to_be_bytes).concat());
        assert!(logs.is_empty());
    }

    #[test]
    fn a_position_has_one_event() {
        let mut answer = Answer::of_at_most(100);
        answer.add(of("acme", 0..10)).unwrap();
        answer.add(of("zeta", 9..10)).unwrap();
        let twice = answer.add(of("acme", 9..12));
        assert!(matches!(&twice, Err(QueryError::Internal(why)) if why.contains("position 9 ")));
    }

    #[test]
    fn more_events_than_memory_allows_are_refused() {
        let mut answer = Answer::of_at_most(10);
        answer.add(of("acme", 0..6)).unwrap();
        answer.add(of("zeta", 0..4)).unwrap();
        let refused = answer.add(of("acme", 6..7));
        assert!(matches!(&refused, Err(QueryError::Resources(why)) if why.contains("at most 10 ")));
    }
}
