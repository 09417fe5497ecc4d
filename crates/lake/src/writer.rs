//! The one thread that appends: drops duplicates, gives places, writes the WAL, and only
//! then shows events and acknowledges them. Requests that arrive during a sync form the
//! next group, so that the number of syncs does not grow with the number of clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_model::Draft;
use auditlake_model::columns::{at, schema};
use auditlake_model::env::Clock;
use auditlake_model::line::LineWriter;
use auditlake_model::time::day_of;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::dedup::{Dedup, keys_of};
use crate::error::LakeError;
use crate::failpoint;
use crate::hot::{HotBatch, split_days};
use crate::manifest::TenantHead;
use crate::sequencer::Sequencer;
use crate::shared::Shared;
use crate::wal::WalWriter;

/// What became of a request's events, all of which are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that are new.
    pub accepted: u64,
    /// Events that the lake had already.
    pub duplicates: u64,
    /// The first and last `seq` of the new ones, when they are of one tenant.
    pub seqs: Option<(u64, u64)>,
}

/// Hot events that are to become segments.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) batches: Vec<Arc<HotBatch>>,
    /// The last frame of the WAL that is in them.
    pub(crate) position: u64,
    /// The logs that grew by them.
    pub(crate) tenants: BTreeMap<String, TenantHead>,
}

/// What the writer is asked to do.
pub(crate) enum Command {
    Append {
        draft: Draft,
        reply: oneshot::Sender<Result<Receipt, LakeError>>,
    },
    /// Wakes the writer to look for a request to seal.
    Seal,
}

/// A group is closed when its lines take this many bytes.
const GROUP_BYTES: usize = 1 << 20;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wal: WalWriter,
    pub(crate) sequencer: Sequencer,
    pub(crate) dedup: Dedup,
    pub(crate) lines: LineWriter,
    /// For reading ids of days from the store.
    pub(crate) runtime: Handle,
}

type Reply = oneshot::Sender<Result<Receipt, LakeError>>;
type Outcome = Result<Placed, LakeError>;

/// A request on its way through a group.
struct Placed {
    batch: RecordBatch,
    receipt: Receipt,
}

impl Writer {
    /// Serves commands until every sender is gone.
    pub(crate) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        // However this thread ends, also by a panic, nobody is to wait for it.
        let _ended = StopAtEnd(Arc::clone(&self.shared));
        let mut next = commands.blocking_recv();
        while let Some(command) = next.take() {
            if let Command::Append { draft, reply } = command {
                next = self.group(draft, reply, &mut commands);
            }
            if let Some(reply) = self.shared.take_seal_request() {
                // A gone receiver means the lake is gone; what is sealed is in the WAL.
                let _ = reply.send(self.seal());
            }
            if next.is_none() {
                next = commands.blocking_recv();
            }
        }
    }

    /// Commits one group; answers the command that closed it, if any did.
    fn group(
        &mut self,
        first: Draft,
        reply: oneshot::Sender<Result<Receipt, LakeError>>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<Command> {
        while let Some(reply) = self.shared.wait_for_room() {
            let _ = reply.send(self.seal());
        }
        self.dedup.begin_group();
        self.wal.begin();
        let mut waiting = Vec::new();
        self.take(first, reply, &mut waiting);
        let mut closer = None;
        while self.wal.pending_bytes() < GROUP_BYTES {
            match commands.try_recv() {
                Ok(Command::Append { draft, reply }) => self.take(draft, reply, &mut waiting),
                Ok(seal) => {
                    closer = Some(seal);
                    break;
                }
                Err(_) => break,
            }
        }
        let durable =
            self.make_durable(waiting.iter().filter_map(|(placed, _)| placed.as_ref().ok()));
        for (placed, reply) in waiting {
            let answer = placed.and_then(|placed| match &durable {
                Ok(()) => Ok(placed.receipt),
                Err(why) => Err(LakeError::Stopped(why.clone())),
            });
            // A client that went away does not undo what is durable.
            let _ = reply.send(answer);
        }
        closer
    }

    /// Places a request, unless whoever sent it has given up: it was told that the outcome is
    /// open, and what it sends again must not come twice.
    fn take(&mut self, draft: Draft, reply: Reply, waiting: &mut Vec<(Outcome, Reply)>) {
        if !reply.is_closed() {
            waiting.push((self.place(draft), reply));
        }
    }

    /// Drops duplicates, gives places, and appends lines to the frame being built.
    fn place(&mut self, draft: Draft) -> Result<Placed, LakeError> {
        self.shared.check_running()?;
        let days: Vec<i32> = draft
            .column(at::OCCURRED_AT)
            .as_primitive::<TimestampMicrosecondType>()
            .values()
            .iter()
            .map(|time| day_of(*time))
            .collect();
        let distinct: BTreeSet<i32> = days.iter().copied().collect();
        let shared = Arc::clone(&self.shared);
        // Nothing has been changed yet: when ids cannot be read, only this request fails.
        self.runtime.block_on(self.dedup.load(distinct, || shared.snapshot()))?;
        self.place_new(draft, &days).inspect_err(|error| {
            // The index already knows the ids; a retry would be taken for a duplicate.
            self.shared.stop(&error.to_string());
        })
    }

    fn place_new(&mut self, draft: Draft, days: &[i32]) -> Result<Placed, LakeError> {
        let rows = draft.rows() as u64;
        let fresh = self.fresh(draft, days)?;
        let batch = self.sequencer.place(fresh, self.clock.now_us())?;
        self.render(&batch);
        let accepted = batch.num_rows() as u64;
        let receipt = Receipt { accepted, duplicates: rows - accepted, seqs: seqs_of(&batch) };
        Ok(Placed { batch, receipt })
    }

    /// The events of a draft that the lake does not have.
    fn fresh(&mut self, draft: Draft, days: &[i32]) -> Result<Draft, LakeError> {
        let keys = keys_of(draft.column(at::TENANT_ID), draft.column(at::ID));
        let mut kept = Vec::with_capacity(keys.len());
        for (row, (key, day)) in keys.iter().zip(days).enumerate() {
            if self.dedup.insert(*day, *key) {
                kept.push(row as u32);
            }
        }
        if kept.len() == draft.rows() {
            return Ok(draft);
        }
        let kept = UInt32Array::from(kept);
        draft
            .map_columns(|column| take(column, &kept, None))
            .map_err(LakeError::data("dropping duplicates"))
    }

    /// Appends a batch's lines to the frame being built and to the logs.
    fn render(&mut self, batch: &RecordBatch) {
        let mut ends = Vec::with_capacity(batch.num_rows());
        let frame = self.wal.frame();
        let start = frame.len();
        self.lines.write_each(batch, frame, &mut ends);
        self.sequencer.append(batch, frame, start, &ends);
    }

    /// Writes and syncs the frame, then shows its events.
    fn make_durable<'a>(&mut self, placed: impl Iterator<Item = &'a Placed>) -> Result<(), String> {
        let bytes = self.wal.pending_bytes();
        if bytes == 0 {
            return Ok(());
        }
        let batches: Vec<&RecordBatch> =
            placed.map(|placed| &placed.batch).filter(|batch| batch.num_rows() > 0).collect();
        let outcome = self.wal.commit().and_then(|_| {
            failpoint::hit("append::synced").map_err(LakeError::io("append"))?;
            let group = arrow::compute::concat_batches(&schema(), batches)
                .map_err(LakeError::data("joining a group"))?;
            self.shared.publish_hot(split_days(&group)?, bytes)
        });
        outcome.map_err(|error| {
            self.shared.stop(&error.to_string());
            error.to_string()
        })
    }

    /// Hands over what is hot, at a frame's border.
    fn seal(&mut self) -> Result<Sealed, LakeError> {
        self.shared.check_running()?;
        self.wal.rotate().inspect_err(|error| self.shared.stop(&error.to_string()))?;
        Ok(Sealed {
            batches: self.shared.seal_hot(),
            position: self.wal.position(),
            tenants: self.sequencer.take_grown(),
        })
    }
}

/// Stops the lake when it goes.
struct StopAtEnd(Arc<Shared>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop("its writer has ended");
    }
}

fn seqs_of(batch: &RecordBatch) -> Option<(u64, u64)> {
    let tenants = batch.column(at::TENANT_ID).as_dictionary::<arrow::datatypes::Int32Type>();
    let keys = tenants.keys().values();
    let one_tenant = keys.iter().all(|key| key == &keys[0]);
    let seqs = batch.column(at::SEQ).as_primitive::<arrow::datatypes::UInt64Type>().values();
    Some((*seqs.first()?, *seqs.last()?)).filter(|_| one_tenant)
}
