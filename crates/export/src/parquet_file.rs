//! Parquet in the layout of the lake's segments. The writer holds one row group, bounded in
//! rows and bytes; whatever it writes is moved out after each call.

use std::mem;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use auditlake_model::layout;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::ExportError;

/// The properties of an exported Parquet file: those of a segment, but without the promise
/// of an order, because an export may come in any.
#[must_use]
pub fn parquet_properties(schema: &Schema) -> WriterProperties {
    layout::writer_properties(schema, false)
}

/// Writes batches as one Parquet file.
pub(crate) struct ParquetEncoder {
    writer: ArrowWriter<Vec<u8>>,
}

impl ParquetEncoder {
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, ExportError> {
        if schema.fields().is_empty() {
            // A file without columns has no rows either: it could not say how many there were.
            return Err(ExportError::Schema("parquet needs at least one column".to_owned()));
        }
        let properties = parquet_properties(schema);
        let writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties))?;
        Ok(Self { writer })
    }

    /// Appends what the writer has ready: at first the magic bytes.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.with(out, |_| Ok(()))
    }

    pub(crate) fn encode(
        &mut self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
    ) -> Result<(), ExportError> {
        self.with(out, |writer| writer.write(batch))
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.with(out, |writer| writer.finish().map(|_| ()))
    }

    /// Lends `out` to the writer as its file for the time of one call. The writer counts its
    /// offsets itself, so what stood in `out` before, or was taken out, does not matter.
    fn with(
        &mut self,
        out: &mut Vec<u8>,
        call: impl FnOnce(&mut ArrowWriter<Vec<u8>>) -> Result<(), ParquetError>,
    ) -> Result<(), ExportError> {
        mem::swap(self.writer.inner_mut(), out);
        let called = call(&mut self.writer);
        // The writer buffers before its file: what it holds must land in this `out`.
        let synced = self.writer.sync();
        mem::swap(self.writer.inner_mut(), out);
        called?;
        synced.map_err(ParquetError::from)?;
        Ok(())
    }
}
