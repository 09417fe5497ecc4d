//! Events on their way in: complete but for what only the lake gives (`seq`, `recorded_at`).

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt64Array};

use crate::columns::{at, schema};
use crate::error::ModelError;

/// A batch of valid events that have no position in the log yet.
#[derive(Clone, Debug)]
pub struct Draft {
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Draft {
    /// Takes the columns of the schema in order; those the lake gives are ignored.
    pub(crate) fn new(columns: Vec<ArrayRef>, rows: usize) -> Self {
        Self { columns, rows }
    }

    /// Events whose `seq` and `recorded_at` are to be given anew.
    #[must_use]
    pub fn unseal(batch: &RecordBatch) -> Self {
        Self::new(batch.columns().to_vec(), batch.num_rows())
    }

    /// How many events.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column at one of the positions in [`at`], but for `seq` and `recorded_at`.
    #[must_use]
    pub fn column(&self, position: usize) -> &ArrayRef {
        &self.columns[position]
    }

    /// Some of the events, which follow each other.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let slice = |column: &ArrayRef| Ok::<_, Infallible>(column.slice(rows.start, rows.len()));
        let Ok(draft) = self.map_columns(slice);
        draft
    }

    /// The same kind of draft with each column turned into another of its type.
    pub fn map_columns<E>(
        &self,
        mut change: impl FnMut(&ArrayRef) -> Result<ArrayRef, E>,
    ) -> Result<Self, E> {
        let mut columns = self.columns.clone();
        for (position, column) in columns.iter_mut().enumerate() {
            if position != at::SEQ && position != at::RECORDED_AT {
                *column = change(column)?;
            }
        }
        let rows = columns[at::ID].len();
        Ok(Self { columns, rows })
    }

    /// The events with their place in the log.
    pub fn seal(
        mut self,
        seq: UInt64Array,
        recorded_at: TimestampMicrosecondArray,
    ) -> Result<RecordBatch, ModelError> {
        self.columns[at::SEQ] = Arc::new(seq);
        self.columns[at::RECORDED_AT] = Arc::new(recorded_at.with_timezone("UTC"));
        Ok(RecordBatch::try_new(schema(), self.columns)?)
    }
}
