//! Writing a segment: sorted batches in, Parquet bytes and the manifest's entry out.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use auditlake_model::columns::{at, schema};
use auditlake_model::layout::writer_properties;
use parquet::arrow::ArrowWriter;
use sha2::{Digest, Sha256};

use super::{Segment, Summary};
use crate::error::LakeError;
use crate::hex;

/// A batch in the order of segments: tenant, time, seq.
pub(crate) fn sort(batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
    let options = Some(SortOptions { descending: false, nulls_first: true });
    let columns = [at::TENANT_ID, at::OCCURRED_AT, at::SEQ]
        .map(|position| SortColumn { values: batch.column(position).clone(), options });
    let order = lexsort_to_indices(&columns, None).map_err(LakeError::data("sorting events"))?;
    take_record_batch(batch, &order).map_err(LakeError::data("sorting events"))
}

/// The writer ends a page only between such pieces, and a page is read whole.
const SLICE_BYTES: i32 = 1 << 20;

/// Encodes the sorted batches of one segment; its bytes can be taken as they are made.
pub(crate) struct SegmentWriter {
    writer: ArrowWriter<Vec<u8>>,
    summary: Summary,
    hash: Sha256,
    bytes: u64,
}

/// What is known of a segment once it is written, but for its name and day.
pub(crate) struct Encoded {
    pub(crate) segment: Segment,
    /// The bytes not taken yet: the footer, and all that came before it if none were.
    pub(crate) rest: Vec<u8>,
}

impl SegmentWriter {
    pub(crate) fn new() -> Result<Self, LakeError> {
        let schema = schema();
        let properties = writer_properties(&schema, true);
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))
            .map_err(LakeError::data("writing a segment"))?;
        Ok(Self { writer, summary: Summary::default(), hash: Sha256::new(), bytes: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.summary.add(batch);
        let ends = batch.column(at::DATA).as_string::<i32>().value_offsets();
        let mut start = 0;
        while start < batch.num_rows() {
            let wide = |end: &usize| ends[*end] - ends[start] < SLICE_BYTES;
            let end = (start + 1..=batch.num_rows()).take_while(wide).last().unwrap_or(start + 1);
            let slice = batch.slice(start, end - start);
            self.writer.write(&slice).map_err(LakeError::data("writing a segment"))?;
            start = end;
        }
        Ok(())
    }

    /// Takes the bytes made so far.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(self.writer.inner_mut());
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        bytes
    }

    pub(crate) fn finish(mut self, day: i32, path: String) -> Result<Encoded, LakeError> {
        self.writer.finish().map_err(LakeError::data("writing a segment"))?;
        let rest = self.take();
        let (rows, widest_bytes) = (self.summary.rows, self.summary.widest_bytes);
        let (tenants, columns) = self.summary.finish();
        let sha256 = hex::encode(&self.hash.finalize());
        let bytes = self.bytes;
        let segment = Segment { path, bytes, sha256, rows, day, tenants, widest_bytes, columns };
        Ok(Encoded { segment, rest })
    }
}
