//! Reading the WAL back: what a start finds there is exactly what was acknowledged but is in
//! no segment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_model::Draft;
use auditlake_model::columns::{at, schema};
use auditlake_model::line::LineWriter;
use auditlake_model::parse::parse_lines;
use auditlake_model::time::day_of;

use crate::dedup::{Dedup, keys_of};
use crate::error::LakeError;
use crate::hot::{HotBatch, push, split_days};
use crate::sequencer::Sequencer;
use crate::snapshot::Snapshot;
use crate::wal::{WalTail, read_after};

/// What the WAL held behind the manifest.
pub(crate) struct Recovered {
    pub(crate) hot: Vec<Arc<HotBatch>>,
    /// Bytes of their lines.
    pub(crate) bytes: usize,
    pub(crate) tail: WalTail,
}

/// Reads the frames behind `applied`, without judging where their events belong.
pub(crate) fn read_wal(folder: &Path, applied: u64) -> Result<Recovered, LakeError> {
    let (mut hot, mut bytes) = (Vec::new(), 0);
    let tail = read_after(folder, applied, |position, payload| {
        let batch = parse_frame(folder, position, payload)?;
        bytes += payload.len();
        for day in split_days(&batch)? {
            push(&mut hot, day)?;
        }
        Ok(())
    })?;
    Ok(Recovered { hot, bytes, tail })
}

fn parse_frame(folder: &Path, position: u64, payload: &[u8]) -> Result<RecordBatch, LakeError> {
    parse_lines(payload).map_err(|source| {
        LakeError::damaged(folder.display(), format!("frame {position}: {source}"))
    })
}

/// Replays the WAL for a writer: the logs grow by what it holds.
///
/// Events whose places were given to others meanwhile (another writer took the lake over
/// while this one held acknowledged events) get new places, unless the lake has them.
pub(crate) struct Replay<'a> {
    pub(crate) sequencer: &'a mut Sequencer,
    /// Only for this replay: it does not learn the ids of frames that need no new place.
    pub(crate) dedup: Dedup,
    pub(crate) snapshot: Snapshot,
    pub(crate) now_us: i64,
}

impl Replay<'_> {
    pub(crate) async fn run(&mut self, folder: &Path, applied: u64) -> Result<Recovered, LakeError> {
        let mut frames = Vec::new();
        let tail = read_after(folder, applied, |position, payload| {
            frames.push((position, payload.to_vec()));
            Ok(())
        })?;
        if tail.torn_bytes > 0 {
            tracing::warn!(
                "the last {} bytes of the WAL are torn and were never acknowledged: cut",
                tail.torn_bytes
            );
        }
        let mut lines = LineWriter::new(&schema()).map_err(LakeError::data("recovery"))?;
        let (mut hot, mut bytes) = (Vec::new(), 0);
        for (position, payload) in frames {
            let mut batch = parse_frame(folder, position, &payload)?;
            if !self.sequencer.continues(&batch) {
                batch = self.place_anew(&batch).await?;
            }
            let (mut rendered, mut ends) = (Vec::with_capacity(payload.len()), Vec::new());
            lines.write_each(&batch, &mut rendered, &mut ends);
            self.sequencer.append(&batch, &rendered, 0, &ends);
            bytes += rendered.len();
            for day in split_days(&batch)? {
                push(&mut hot, day)?;
            }
        }
        Ok(Recovered { hot, bytes, tail })
    }

    async fn place_anew(&mut self, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        let times = batch.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>();
        let days: Vec<i32> = times.values().iter().map(|time| day_of(*time)).collect();
        let distinct: BTreeSet<i32> = days.iter().copied().collect();
        let snapshot = self.snapshot.clone();
        self.dedup.load(distinct, || snapshot.clone()).await?;
        let keys = keys_of(batch.column(at::TENANT_ID), batch.column(at::ID));
        let fresh = (0..batch.num_rows()).filter(|row| self.dedup.insert(days[*row], keys[*row]));
        let fresh: UInt32Array = fresh.map(|row| row as u32).collect();
        tracing::warn!(
            "{} of {} events of the WAL get a new place: another writer used theirs",
            fresh.len(),
            batch.num_rows()
        );
        let draft = Draft::unseal(batch)
            .map_columns(|column| take(column, &fresh, None))
            .map_err(LakeError::data("recovery"))?;
        self.sequencer.place(draft, self.now_us)
    }
}

/// How much of a writer's WAL a manifest has in segments.
pub(crate) fn applied(wal_applied: &BTreeMap<String, u64>, writer_id: Option<&str>) -> u64 {
    writer_id.and_then(|id| wal_applied.get(id)).copied().unwrap_or(0)
}
