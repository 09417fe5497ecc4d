//! How a lake takes what is imported: appended as it comes, and flushed where a day ends.
//!
//! Files tend to be in the order of time. A flush that cuts a day in two leaves two segments of
//! it, which are then decoded, merged and encoded once more; one between two days does not.

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_lake::{Flushing, Lake};
use auditlake_model::Draft;
use auditlake_model::columns::at;
use auditlake_model::time::day_of;

/// Fewer events are not worth a commit and files of their own. What has many more in one day is
/// flushed by the lake meanwhile.
const FLUSHED_EVENTS: usize = 16_384;

/// A lake that takes events, and what became of them.
#[derive(Debug)]
pub(crate) struct Taking<'a> {
    lake: &'a Lake,
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    /// The newest day that was met.
    newest: i32,
    /// Events since the last flush was begun.
    unflushed: usize,
    flushing: Option<Flushing>,
}

impl<'a> Taking<'a> {
    pub(crate) fn new(lake: &'a Lake) -> Self {
        let (accepted, duplicates, unflushed) = (0, 0, 0);
        Self { lake, accepted, duplicates, newest: i32::MIN, unflushed, flushing: None }
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
                self.flush().await?;
                start = row;
            }
        }
        self.append(draft.slice(start..days.len())).await
    }

    async fn append(&mut self, draft: Draft) -> anyhow::Result<()> {
        self.unflushed += draft.rows();
        let receipt = self.lake.append(draft).await?;
        self.accepted += receipt.accepted;
        self.duplicates += receipt.duplicates;
        Ok(())
    }

    /// Begins a flush. There is one at a time: what two of them held would be twice as much.
    async fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(before) = self.flushing.take() {
            before.done().await?;
        }
        self.flushing = Some(self.lake.begin_flush().await?);
        self.unflushed = 0;
        Ok(())
    }
}
