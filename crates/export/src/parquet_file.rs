//! Parquet in the layout of the lake's segments. A row group is either encoded, bounded in
//! rows and bytes like those of segments, or taken over as it lies in one.

use std::mem;

use arrow::array::{Array, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use auditlake_model::layout::{
    ROW_GROUP_BYTES, ROW_GROUP_ROWS, RowGroup, SORT_COLUMNS, writer_properties,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::error::ExportError;

/// Writes batches and row groups as one Parquet file.
pub(crate) struct ParquetEncoder {
    writer: SerializedFileWriter<Vec<u8>>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// The row group that is being encoded, if one is.
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
    order: Option<SegmentOrder>,
}

impl ParquetEncoder {
    /// With `is_sorted`, batches come in the order of segments but for where a new day begins.
    pub(crate) fn new(schema: &SchemaRef, is_sorted: bool) -> Result<Self, ExportError> {
        if schema.fields().is_empty() {
            // A file without columns has no rows either: it could not say how many there were.
            return Err(ExportError::Schema("parquet needs at least one column".to_owned()));
        }
        let order = if is_sorted { SegmentOrder::of(schema)? } else { None };
        let properties = writer_properties(schema, order.is_some());
        let writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties))?;
        let (writer, factory) = writer.into_serialized_writer()?;
        let (schema, columns) = (SchemaRef::clone(schema), Vec::new());
        Ok(Self { writer, factory, schema, columns, rows: 0, order })
    }

    /// Whether row groups of the lake can be taken over: they are in its order.
    pub(crate) fn copies(&self) -> bool {
        self.order.is_some()
    }

    /// The magic bytes.
    pub(crate) fn start(&mut self) -> Result<Vec<u8>, ExportError> {
        self.take()
    }

    /// Encodes a batch; gives the row groups that it has completed.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ExportError> {
        let goes_on = self.order.as_mut().map_or(Ok(true), |order| order.goes_on(batch))?;
        if !goes_on {
            self.end_row_group()?;
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (batch.num_rows() - start).min(ROW_GROUP_ROWS - self.rows);
            self.write(&batch.slice(start, rows))?;
            start += rows;
            let bytes: usize =
                self.columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
            if self.rows == ROW_GROUP_ROWS || bytes >= ROW_GROUP_BYTES {
                self.end_row_group()?;
            }
        }
        self.take()
    }

    /// Takes over a row group of the lake.
    pub(crate) fn row_group(&mut self, group: RowGroup) -> Result<Vec<u8>, ExportError> {
        self.end_row_group()?;
        if let Some(order) = &mut self.order {
            order.last = None;
        }
        self.writer.inner_mut().reserve(group.bytes());
        group.append_to(&mut self.writer)?;
        self.take()
    }

    /// The last row group and the footer.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, ExportError> {
        self.end_row_group()?;
        self.writer.finish()?;
        self.take()
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportError> {
        if self.columns.is_empty() {
            let index = self.writer.flushed_row_groups().len();
            self.columns = self.factory.create_column_writers(index)?;
        }
        let mut columns = self.columns.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array)? {
                if let Some(column) = columns.next() {
                    column.write(&leaf)?;
                }
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn end_row_group(&mut self) -> Result<(), ExportError> {
        if mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in mem::take(&mut self.columns) {
            column.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// What the writer has ready.
    fn take(&mut self) -> Result<Vec<u8>, ExportError> {
        self.writer.flush().map_err(ParquetError::from)?;
        Ok(mem::take(self.writer.inner_mut()))
    }
}

/// Watches over the order that the file promises of its row groups.
struct SegmentOrder {
    converter: RowConverter,
    columns: Vec<usize>,
    /// The sort key of the last row of the open row group.
    last: Option<OwnedRow>,
}

impl SegmentOrder {
    /// None if the columns that make the order are not all there.
    fn of(schema: &Schema) -> Result<Option<Self>, ExportError> {
        let columns = SORT_COLUMNS.iter().map(|name| schema.index_of(name).ok());
        let Some(columns) = columns.collect::<Option<Vec<usize>>>() else { return Ok(None) };
        let options = SortOptions { descending: false, nulls_first: true };
        let fields = columns.iter().map(|column| {
            SortField::new_with_options(schema.field(*column).data_type().clone(), options)
        });
        let converter = RowConverter::new(fields.collect()).map_err(ParquetError::from)?;
        Ok(Some(Self { converter, columns, last: None }))
    }

    /// Whether a batch, itself in order, comes after what came before.
    fn goes_on(&mut self, batch: &RecordBatch) -> Result<bool, ExportError> {
        let Some(last) = batch.num_rows().checked_sub(1) else { return Ok(true) };
        let first = self.key(batch, 0)?;
        let goes_on = self.last.as_ref().is_none_or(|before| *before <= first);
        self.last = Some(self.key(batch, last)?);
        Ok(goes_on)
    }

    fn key(&mut self, batch: &RecordBatch, row: usize) -> Result<OwnedRow, ExportError> {
        let cells: Vec<_> =
            self.columns.iter().map(|column| batch.column(*column).slice(row, 1)).collect();
        let rows = self.converter.convert_columns(&cells).map_err(ParquetError::from)?;
        Ok(rows.row(0).owned())
    }
}
