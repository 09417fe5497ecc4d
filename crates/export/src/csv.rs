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
use auditlake_model::digits::put_u64;
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

/// The first line of a file of events.
pub(crate) fn header_of(schema: &Schema) -> Vec<u8> {
    header(schema.fields().iter().map(|field| match field.name().as_str() {
        // The name says that the cell is JSON text: in the other formats it is an object.
        "data" => "data_json",
        name => name,
    }))
}

/// A first line: the names of the columns.
pub(crate) fn header<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut page = Page::default();
    for (position, name) in names.enumerate() {
        if position > 0 {
            page.push(b',');
        }
        put_text(name.as_bytes(), 0, name.len(), false, &mut page);
    }
    if page.is_empty() {
        page.put(NO_CELLS);
    }
    page.push(b'\n');
    page.to_vec()
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
            slots.push(Slot::new(style(position, count, options)));
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

/// Writes lines cell by cell, for those who have no arrays of them.
pub(crate) struct CellWriter {
    count: usize,
    options: CsvOptions,
}

impl CellWriter {
    /// For lines of `count` cells.
    pub(crate) fn new(count: usize, options: CsvOptions) -> Self {
        Self { count, options }
    }

    /// Writes the cell at a position of its line, and what follows it.
    #[inline]
    pub(crate) fn text(&self, position: usize, text: Option<&str>, page: &mut Page) {
        style(position, self.count, self.options).cell(text, page);
    }

    /// Writes a number as [`Self::text`] writes text.
    #[inline]
    pub(crate) fn number(&self, position: usize, number: u64, page: &mut Page) {
        put_u64(number, page);
        page.push(style(position, self.count, self.options).end);
    }
}

/// How the cell at a position of a line of `count` is written.
fn style(position: usize, count: usize, options: CsvOptions) -> Style {
    let end = if position + 1 == count { b'\n' } else { b',' };
    Style { safe: options.safe, end, alone: count == 1 }
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
