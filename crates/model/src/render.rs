//! What a query lets others make of its events, on its own threads.

use arrow::array::RecordBatch;

use crate::layout::RowGroup;

/// Makes something of batches of events. Each renderer works on parts of an answer of its own,
/// one after the other, and sees a part's batches in their order.
pub trait Render: Send + 'static {
    /// What it makes.
    type Item: Send + 'static;
    /// Why it cannot.
    type Error: std::error::Error;

    /// How many rows a batch may have at most.
    fn most_rows(&self) -> usize {
        usize::MAX
    }

    /// From how many rows on a row group of which every event is meant may come as it lies in
    /// its segment, if at all.
    fn copies_from_rows(&self) -> Option<usize> {
        None
    }

    /// Makes something of a batch.
    fn batch(&mut self, batch: RecordBatch) -> Result<Made<Self::Item>, Self::Error>;

    /// Makes something of a row group, its columns those that were asked for. Comes only to
    /// those who said that it may.
    fn row_group(&mut self, group: RowGroup) -> Result<Made<Self::Item>, Self::Error>;
}

/// What was made of some events, and about how much memory it takes.
#[derive(Debug)]
pub struct Made<T> {
    /// What it is.
    pub item: T,
    /// About how much memory it takes.
    pub bytes: usize,
}
