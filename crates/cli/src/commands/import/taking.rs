//! How a lake takes what is imported: appended as it comes, and flushed where a day ends.
//!
//! Files tend to be in the order of time. A flush that cuts a day in two leaves two segments of
//! it, which are then decoded, merged and encoded once more; one between two days does not. What
//! comes in another order is flushed by the lake itself, by size.

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_lake::{Flushing, Lake, LakeError};
use auditlake_model::Draft;
use auditlake_model::columns::at;
use auditlake_model::time::day_of;

/// Fewer events are not worth a commit and files of their own. What has many more in one day is
/// flushed by the lake meanwhile.
const FLUSHED_EVENTS: usize = 16_384;

/// What became of events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
}

/// A lake that takes events, and what became of them.
#[derive(Debug)]
pub(crate) struct Taking<'a> {
    lake: &'a Lake,
    taken: Taken,
    /// The newest day that was met.
    newest: i32,
    /// Events since the last flush was begun.
    unflushed: usize,
    flushing: Option<Flushing>,
}

impl<'a> Taking<'a> {
    pub(crate) fn new(lake: &'a Lake) -> Self {
        let (taken, newest) = (Taken::default(), i32::MIN);
        Self { lake, taken, newest, unflushed: 0, flushing: None }
    }

    /// Appends events; answers when they are durable.
    pub(crate) async fn take(&mut self, draft: Draft) -> anyhow::Result<()> {
        let times = draft.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>();
        let days: Vec<i32> = times.values().iter().map(|time| day_of(*time)).collect();
        let mut start = 0;
        for (row, day) in days.iter().enumerate() {
            if *day <= self.newest {
                continue;
            }
            self.newest = *day;
            if self.unflushed + (row - start) >= FLUSHED_EVENTS {
                self.append(draft.slice(start..row)).await?;
                self.flush().await;
                start = row;
            }
        }
        self.append(draft.slice(start..days.len())).await
    }

    async fn append(&mut self, draft: Draft) -> anyhow::Result<()> {
        self.unflushed += draft.rows();
        let receipt = self.lake.append(draft).await?;
        self.taken.accepted += receipt.accepted;
        self.taken.duplicates += receipt.duplicates;
        Ok(())
    }

    /// Begins a flush. There is one at a time: what two of them held would be twice as much.
    async fn flush(&mut self) {
        self.flushed().await;
        self.unflushed = 0;
        match self.lake.begin_flush().await {
            Ok(flushing) => self.flushing = Some(flushing),
            Err(error) => warn(&error),
        }
    }

    /// Waits for the flush under way, if one is.
    async fn flushed(&mut self) {
        if let Some(flushing) = self.flushing.take()
            && let Err(error) = flushing.done().await
        {
            warn(&error);
        }
    }

    /// Says what became of all events.
    pub(crate) async fn end(mut self) -> Taken {
        self.flushed().await;
        self.taken
    }
}

/// A flush that failed costs nothing but time: what it could not write stays hot for the next one,
/// and a lake that takes no more says so to the next append.
fn warn(error: &LakeError) {
    tracing::warn!(%error, "a flush failed; what is hot stays hot");
}
