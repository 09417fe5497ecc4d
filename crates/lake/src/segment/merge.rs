//! Merging sorted streams into one, with a batch of each in memory at a time.

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::row::{RowConverter, Rows, SortField};
use auditlake_model::columns::{COLUMNS, at};
use futures::TryStreamExt;

use super::read::Batches;
use crate::error::LakeError;

const SORTED_BY: [usize; 3] = [at::TENANT_ID, at::OCCURRED_AT, at::SEQ];

/// One stream's current batch and how far it has been taken.
struct Cursor {
    stream: Batches,
    keys: Rows,
    row: usize,
    /// The place of its batch among those that rows are taken from.
    batch: usize,
}

/// Merges streams of event batches, each in segment order, and hands on batches of
/// `output_rows` in that order.
pub(crate) async fn merge(
    streams: Vec<Batches>,
    output_rows: usize,
    mut emit: impl AsyncFnMut(RecordBatch) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let fields = SORTED_BY.map(|at| SortField::new(COLUMNS[at].data_type())).to_vec();
    let converter = RowConverter::new(fields).map_err(LakeError::data("merging segments"))?;
    let mut merger = Merger { converter, batches: Vec::new(), picked: Vec::new() };
    let mut cursors = Vec::with_capacity(streams.len());
    for stream in streams {
        cursors.extend(merger.next_batch(stream).await?);
    }
    while !cursors.is_empty() {
        // Few streams, long runs: a linear look for the two least beats a heap.
        let least = least_of(&cursors, None);
        let bound = (cursors.len() > 1).then(|| least_of(&cursors, Some(least)));
        let run_end = run_end(&cursors, least, bound);
        let cursor = &mut cursors[least];
        let end = run_end.min(cursor.row + output_rows - merger.picked.len());
        merger.picked.extend((cursor.row..end).map(|row| (cursor.batch, row)));
        cursor.row = end;
        let exhausted = cursor.row == cursor.keys.num_rows();
        if merger.picked.len() == output_rows {
            emit(merger.take(&mut cursors)?).await?;
        }
        if exhausted {
            let stream = cursors.swap_remove(least).stream;
            cursors.extend(merger.next_batch(stream).await?);
        }
    }
    if merger.picked.is_empty() { Ok(()) } else { emit(merger.take(&mut cursors)?).await }
}

/// The cursor with the least key, leaving one out.
fn least_of(cursors: &[Cursor], without: Option<usize>) -> usize {
    let mut candidates = (0..cursors.len()).filter(|index| Some(*index) != without);
    let first = candidates.next().unwrap_or(0);
    candidates.fold(first, |least, index| {
        let (a, b) = (&cursors[index], &cursors[least]);
        if a.keys.row(a.row) < b.keys.row(b.row) { index } else { least }
    })
}

/// Up to where the least cursor's rows come before the next one's.
fn run_end(cursors: &[Cursor], least: usize, bound: Option<usize>) -> usize {
    let cursor = &cursors[least];
    let Some(bound) = bound else { return cursor.keys.num_rows() };
    let limit = cursors[bound].keys.row(cursors[bound].row);
    let rest = cursor.row + 1..cursor.keys.num_rows();
    rest.into_iter().find(|row| cursor.keys.row(*row) > limit).unwrap_or(cursor.keys.num_rows())
}

struct Merger {
    converter: RowConverter,
    /// Batches that rows are taken from; some are already exhausted.
    batches: Vec<RecordBatch>,
    /// Batch and row of the next output.
    picked: Vec<(usize, usize)>,
}

impl Merger {
    /// Reads a stream's next batch that has rows; none at its end.
    async fn next_batch(&mut self, mut stream: Batches) -> Result<Option<Cursor>, LakeError> {
        while let Some(batch) = stream.try_next().await? {
            if batch.num_rows() == 0 {
                continue;
            }
            let columns = SORTED_BY.map(|at| batch.column(at).clone());
            let keys = self
                .converter
                .convert_columns(&columns)
                .map_err(LakeError::data("merging segments"))?;
            self.batches.push(batch);
            return Ok(Some(Cursor { stream, keys, row: 0, batch: self.batches.len() - 1 }));
        }
        Ok(None)
    }

    /// The picked rows as a batch; forgets the batches that no cursor stands in.
    fn take(&mut self, cursors: &mut [Cursor]) -> Result<RecordBatch, LakeError> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let merged = interleave_record_batch(&batches, &self.picked)
            .map_err(LakeError::data("merging segments"))?;
        self.picked.clear();
        let kept = cursors.iter().map(|cursor| self.batches[cursor.batch].clone()).collect();
        self.batches = kept;
        for (place, cursor) in cursors.iter_mut().enumerate() {
            cursor.batch = place;
        }
        Ok(merged)
    }
}
