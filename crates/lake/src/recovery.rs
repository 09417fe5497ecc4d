//! Reading the WAL back: what is found there is exactly what was acknowledged but is in no
//! segment. Writers and readers go the same way, so both see the same events.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{max, take};
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_model::Draft;
use auditlake_model::columns::{at, schema};
use auditlake_model::line::LineWriter;
use auditlake_model::parse::parse_lines;
use auditlake_model::time::day_of;
use object_store::ObjectStore;

use crate::dedup::{Dedup, keys_of};
use crate::error::LakeError;
use crate::hot::{HotBatch, push, split_days};
use crate::manifest::Manifest;
use crate::sequencer::Sequencer;
use crate::snapshot::Snapshot;
use crate::wal::{WalTail, read_after, read_writer_id, wal_files};

/// What the WAL held behind the manifest.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) hot: Vec<Arc<HotBatch>>,
    /// Bytes of their lines.
    pub(crate) bytes: usize,
    /// The tenants' logs, grown by them.
    pub(crate) sequencer: Sequencer,
    pub(crate) tail: WalTail,
}

/// Reads the frames behind `applied` on top of a manifest.
pub(crate) async fn replay(
    folder: &Path,
    manifest: &Arc<Manifest>,
    applied: u64,
    store: &Arc<dyn ObjectStore>,
) -> Result<Recovered, LakeError> {
    let mut frames = Vec::new();
    let tail = read_after(folder, applied, |position, payload| {
        frames.push((position, payload.to_vec()));
        Ok(())
    })?;
    let mut replay = Replay {
        sequencer: Sequencer::new(&manifest.tenants)?,
        dedup: Dedup::new(usize::MAX),
        snapshot: Snapshot::new(Arc::clone(manifest), Arc::from([]), Arc::clone(store)),
    };
    let mut lines = LineWriter::new(&schema()).map_err(LakeError::data("recovery"))?;
    let (mut hot, mut bytes) = (Vec::new(), 0);
    for (position, payload) in frames {
        let batch = parse_lines(&payload).map_err(|source| {
            LakeError::damaged(folder.display(), format!("frame {position}: {source}"))
        })?;
        let batch = replay.place(batch).await?;
        let (mut rendered, mut ends) = (Vec::with_capacity(payload.len()), Vec::new());
        lines.write_each(&batch, &mut rendered, &mut ends);
        replay.sequencer.append(&batch, &rendered, 0, &ends);
        bytes += rendered.len();
        for day in split_days(&batch)? {
            push(&mut hot, day)?;
        }
    }
    Ok(Recovered { hot, bytes, sequencer: replay.sequencer, tail })
}

struct Replay {
    sequencer: Sequencer,
    /// Only for this replay: it does not learn the ids of frames that need no new place.
    dedup: Dedup,
    snapshot: Snapshot,
}

impl Replay {
    /// Gives a frame's events the places they have, or new ones when those were given to
    /// others: another writer took the lake over while this one held acknowledged events.
    /// What that writer got as well, from a client that tried again, is left out. The outcome
    /// depends on nothing but what is stored, so it is the same at each replay.
    async fn place(&mut self, batch: RecordBatch) -> Result<RecordBatch, LakeError> {
        if self.sequencer.continues(&batch) {
            return Ok(batch);
        }
        let time = |column: usize| batch.column(column).as_primitive::<TimestampMicrosecondType>();
        let days = time(at::OCCURRED_AT).values().iter().map(|time| day_of(*time));
        let days: Vec<i32> = days.collect();
        let distinct: BTreeSet<i32> = days.iter().copied().collect();
        let snapshot = self.snapshot.clone();
        self.dedup.load(distinct, || snapshot.clone()).await?;
        let keys = keys_of(batch.column(at::TENANT_ID), batch.column(at::ID));
        let fresh = (0..batch.num_rows()).filter(|row| self.dedup.insert(days[*row], keys[*row]));
        let fresh: UInt32Array = fresh.map(|row| row as u32).collect();
        let draft = Draft::unseal(&batch)
            .map_columns(|column| take(column, &fresh, None))
            .map_err(LakeError::data("recovery"))?;
        self.sequencer.place(draft, max(time(at::RECORDED_AT)).unwrap_or(i64::MIN))
    }
}

/// A torn newest commit may be left out only when the WAL in this folder still has what it might
/// have named: when it is the WAL of the writer before that commit, and reaches back to it. What
/// another writer had committed and shown would be gone, and its places given to other events.
pub(crate) fn check_covered(
    folder: &Path,
    newest_writer: &str,
    applied: impl Fn(&str) -> u64,
    torn: u64,
) -> Result<(), LakeError> {
    let files = if folder.is_dir() { wal_files(folder)? } else { Vec::new() };
    // Before the first commit there is no other writer.
    let is_its = |writer: &String| newest_writer.is_empty() || writer == newest_writer;
    let writer = read_writer_id(folder).filter(is_its);
    let reaches_back = |applied: u64| files.first().is_some_and(|(first, _)| *first <= applied + 1);
    if writer.is_some_and(|writer| reaches_back(applied(&writer))) {
        return Ok(());
    }
    let detail = "it is torn, and the WAL is not that of the writer before it or does not reach \
                  back far enough to leave it out; restore the file from a backup";
    Err(LakeError::damaged(crate::paths::commit(torn), detail))
}
