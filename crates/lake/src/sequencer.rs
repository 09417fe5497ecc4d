//! Gives each event its place in its tenant's log and grows the log's Merkle tree.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_model::Draft;
use auditlake_model::columns::at;
use auditlake_tlog::tile::HEIGHT;
use auditlake_tlog::{CompactRange, Hash, leaf_hash};

use crate::error::LakeError;
use crate::manifest::TenantHead;

/// Every tenant's log head, as of the newest event that was given a place.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    heads: Vec<Head>,
    by_name: HashMap<String, usize>,
    /// The logs that grew since [`Self::take_grown`].
    grown: BTreeSet<usize>,
    /// The latest `recorded_at` of all tenants.
    newest_us: Option<i64>,
}

#[derive(Debug)]
struct Head {
    tenant: String,
    range: CompactRange,
    /// The next `seq`; ahead of the tree's size between placing and hashing.
    next_seq: u64,
    recorded_at_us: i64,
    /// The hashes of the blocks of 256 events that were completed since
    /// [`Sequencer::take_grown`].
    blocks: Vec<Hash>,
}

impl Sequencer {
    /// Goes on from the heads of a manifest.
    pub(crate) fn new(tenants: &BTreeMap<String, TenantHead>) -> Result<Self, LakeError> {
        let mut sequencer = Self::default();
        for (tenant, head) in tenants {
            let range = CompactRange::from_parts(head.size, head.peaks.clone())
                .map_err(|source| LakeError::damaged(format!("log of {tenant}"), source))?;
            if range.root() != head.root {
                let detail = "its root is not that of its peaks";
                return Err(LakeError::damaged(format!("log of {tenant}"), detail));
            }
            sequencer.add(tenant, range, head.recorded_at_us);
        }
        sequencer.newest_us = tenants.values().map(|head| head.recorded_at_us).max();
        Ok(sequencer)
    }

    fn add(&mut self, tenant: &str, range: CompactRange, recorded_at_us: i64) -> usize {
        let next_seq = range.size();
        let (tenant_id, blocks) = (tenant.to_owned(), Vec::new());
        self.heads.push(Head { tenant: tenant_id, range, next_seq, recorded_at_us, blocks });
        self.by_name.insert(tenant.to_owned(), self.heads.len() - 1);
        self.heads.len() - 1
    }

    fn head_of(&mut self, tenant: &str) -> usize {
        match self.by_name.get(tenant) {
            Some(head) => *head,
            None => self.add(tenant, CompactRange::default(), i64::MIN),
        }
    }

    /// For each tenant in a dictionary column, its head.
    fn heads_of(&mut self, tenants: &dyn Array) -> Vec<usize> {
        let names = tenants.as_dictionary::<Int32Type>().values().as_string::<i32>();
        (0..names.len()).map(|index| self.head_of(names.value(index))).collect()
    }

    /// Gives every event its `seq`, and all of them a `recorded_at` behind that of every event
    /// before them, whosever it is and wherever the clock was set: whoever has seen the newest
    /// event of the lake knows that nothing is ever recorded before it or at the same time.
    pub(crate) fn place(&mut self, draft: Draft, now_us: i64) -> Result<RecordBatch, LakeError> {
        let tenants = draft.column(at::TENANT_ID).clone();
        let heads = self.heads_of(&tenants);
        let keys = tenants.as_dictionary::<Int32Type>().keys().values();
        let behind_us = self.newest_us.map(|newest_us| newest_us.saturating_add(1));
        let now_us = behind_us.map_or(now_us, |behind_us| behind_us.max(now_us));
        if !keys.is_empty() {
            self.newest_us = Some(now_us);
        }
        let (mut seqs, mut times) = (Vec::new(), Vec::new());
        for key in keys {
            let head = &mut self.heads[heads[*key as usize]];
            head.recorded_at_us = now_us;
            seqs.push(head.next_seq);
            times.push(head.recorded_at_us);
            head.next_seq += 1;
        }
        draft
            .seal(UInt64Array::from(seqs), TimestampMicrosecondArray::from(times))
            .map_err(LakeError::data("sealing events"))
    }

    /// Whether a recovered batch goes on exactly where its tenants' logs end, and was recorded
    /// behind every event of the lake: what others recorded meanwhile may have been given out as
    /// all that there was until then.
    pub(crate) fn continues(&mut self, batch: &RecordBatch) -> bool {
        let tenants = batch.column(at::TENANT_ID);
        let heads = self.heads_of(tenants);
        let keys = tenants.as_dictionary::<Int32Type>().keys().values();
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
        let times = batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>();
        let newest_us = self.newest_us;
        let mut next: HashMap<usize, u64> = HashMap::new();
        keys.iter().zip(seqs).zip(times.values()).all(|((key, seq), time)| {
            let index = heads[*key as usize];
            let head = &self.heads[index];
            let expected = next.entry(index).or_insert(head.next_seq);
            *expected += 1;
            *seq + 1 == *expected && newest_us.is_none_or(|newest_us| *time > newest_us)
        })
    }

    /// Appends the canonical lines of placed events to their logs: the first begins at `start`
    /// of `lines`, and `ends` says where each, with its line end, ends.
    pub(crate) fn append(
        &mut self,
        batch: &RecordBatch,
        lines: &[u8],
        mut start: usize,
        ends: &[usize],
    ) {
        let tenants = batch.column(at::TENANT_ID);
        let heads = self.heads_of(tenants);
        let keys = tenants.as_dictionary::<Int32Type>().keys().values();
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
        let recorded = batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>();
        for (row, end) in ends.iter().enumerate() {
            let index = heads[keys[row] as usize];
            let head = &mut self.heads[index];
            let blocks = &mut head.blocks;
            head.range.append_noting(leaf_hash(&lines[start..end - 1]), |node, hash| {
                if node.level == HEIGHT {
                    blocks.push(hash);
                }
            });
            head.next_seq = head.next_seq.max(seqs[row] + 1);
            head.recorded_at_us = head.recorded_at_us.max(recorded.value(row));
            self.newest_us = self.newest_us.max(Some(recorded.value(row)));
            self.grown.insert(index);
            start = *end;
        }
    }

    /// The heads of the logs that grew since this was last called.
    pub(crate) fn take_grown(&mut self) -> BTreeMap<String, TenantHead> {
        let grown = std::mem::take(&mut self.grown);
        let mut heads = BTreeMap::new();
        for index in grown {
            let head = &mut self.heads[index];
            let blocks = std::mem::take(&mut head.blocks);
            let grown = TenantHead::of(&head.range, head.recorded_at_us, blocks);
            heads.insert(head.tenant.clone(), grown);
        }
        heads
    }
}
