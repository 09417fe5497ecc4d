//! Durable events that are not in segments yet, as batches of one day each.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_model::columns::{at, schema};
use auditlake_model::time::day_of;

use crate::error::LakeError;

/// Events of one day, in the order of the log.
#[derive(Clone, Debug)]
pub struct HotBatch {
    /// The day they happened on.
    pub day: i32,
    /// The events.
    pub batch: RecordBatch,
}

/// Splits a batch by day, keeping the order within each.
pub(crate) fn split_days(batch: &RecordBatch) -> Result<Vec<HotBatch>, LakeError> {
    let times = batch.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>().values();
    let Some(first) = times.first().map(|time| day_of(*time)) else { return Ok(Vec::new()) };
    if times.iter().all(|time| day_of(*time) == first) {
        return Ok(vec![HotBatch { day: first, batch: batch.clone() }]);
    }
    let mut rows: std::collections::BTreeMap<i32, Vec<u32>> = std::collections::BTreeMap::new();
    for (row, time) in times.iter().enumerate() {
        rows.entry(day_of(*time)).or_default().push(row as u32);
    }
    let split = rows.into_iter().map(|(day, rows)| {
        let batch = take_record_batch(batch, &UInt32Array::from(rows))
            .map_err(LakeError::data("splitting events by day"))?;
        Ok(HotBatch { day, batch })
    });
    split.collect()
}

/// Appends a batch, joining small neighbours of its day so that thousands of single-event
/// requests do not become thousands of batches. Each row is copied at most log(n) times.
pub(crate) fn push(hot: &mut Vec<Arc<HotBatch>>, new: HotBatch) -> Result<(), LakeError> {
    const JOINED_ROWS: usize = 8192;
    const JOINED_BYTES: usize = 4 << 20;
    let mut new = new;
    while let Some(last) = hot.last() {
        let (last_rows, rows) = (last.batch.num_rows(), new.batch.num_rows());
        let is_wide = last.batch.get_array_memory_size() > JOINED_BYTES;
        if last.day != new.day || last_rows > 2 * rows || last_rows + rows > JOINED_ROWS || is_wide
        {
            break;
        }
        new.batch = concat_batches(&schema(), [&last.batch, &new.batch])
            .map_err(LakeError::data("joining hot events"))?;
        hot.pop();
    }
    hot.push(Arc::new(new));
    Ok(())
}
