//! CSV as crate `csv` writes it with `QuoteStyle::Necessary` and LF line ends, with two
//! additions: a null is empty and an empty string is `""`, and a cell that a spreadsheet
//! would run as a formula gets a `'` in front.
//!
//! A line is never blank, because readers skip blank lines and the event would be gone: in a
//! file of one column a null is `""` too.

mod cell;
mod column;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use auditlake_model::page::Page;

use crate::error::ExportError;
use crate::options::CsvOptions;

pub use cell::unguard;
use cell::{Style, put_text};
use column::{Slot, columns};

/// Writes batches of one schema as lines.
pub(crate) struct CsvWriter {
    slots: Vec<Slot>,
}

/// The first line: the names of the columns.
pub(crate) fn put_header(schema: &Schema, page: &mut Page) {
    for (position, field) in schema.fields().iter().enumerate() {
        if position > 0 {
            page.push(b',');
        }
        // The name says that the cell is JSON text: in the other formats it is an object.
        let name = if field.name() == "data" { "data_json" } else { field.name() };
        put_text(name.as_bytes(), 0, name.len(), false, page);
    }
    if schema.fields().is_empty() {
        page.put(NO_CELLS);
    }
    page.push(b'\n');
}

impl CsvWriter {
    pub(crate) fn new(schema: &Schema, options: CsvOptions) -> Result<Self, ExportError> {
        let count = schema.fields().len();
        let mut slots = Vec::with_capacity(count);
        for (position, field) in schema.fields().iter().enumerate() {
            if !is_writable(field.data_type()) {
                return Err(ExportError::Schema(format!(
                    "column {} is {}, and csv takes Utf8, Dictionary(Int32, Utf8), \
                     Timestamp(Microsecond) and UInt64",
                    field.name(),
                    field.data_type()
                )));
            }
            let end = if position + 1 == count { b'\n' } else { b',' };
            slots.push(Slot::new(Style { safe: options.safe, end, alone: count == 1 }));
        }
        Ok(Self { slots })
    }

    /// Writes a line per row. The types are those of the schema; the caller has checked.
    pub(crate) fn render(&mut self, batch: &RecordBatch, page: &mut Page) {
        let mut columns = columns(&mut self.slots, batch.columns());
        for row in 0..batch.num_rows() {
            for column in &mut columns {
                column.put(row, page);
            }
            if columns.is_empty() {
                page.put(NO_CELLS);
                page.push(b'\n');
            }
        }
    }
}

/// A line without any cell.
const NO_CELLS: &[u8] = b"\"\"";

fn is_writable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::UInt64 | DataType::Timestamp(TimeUnit::Microsecond, _) => true,
        DataType::Dictionary(key, value) => **key == DataType::Int32 && **value == DataType::Utf8,
        _ => false,
    }
}
