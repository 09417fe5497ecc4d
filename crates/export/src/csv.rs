//! CSV as crate `csv` writes it with `QuoteStyle::Necessary` and LF line ends, with two
//! additions: a null is empty and an empty string is `""`, and a cell that a spreadsheet
//! would run as a formula gets a `'` in front.
//!
//! A line is never blank, because readers skip blank lines and the event would be gone: in a
//! file of one column a null is `""` too.

mod cell;
mod column;
mod dictionary;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Schema, TimeUnit};

use crate::error::ExportError;
use crate::options::CsvOptions;

pub use cell::unguard;
use cell::{Style, write_text};
use column::Column;
use dictionary::Dictionary;

/// Writes batches of one schema as lines.
pub(crate) struct CsvEncoder {
    header: Vec<u8>,
    columns: Vec<Kept>,
}

/// What one column keeps from batch to batch.
struct Kept {
    style: Style,
    dictionary: Dictionary,
}

impl CsvEncoder {
    pub(crate) fn new(schema: &Schema, options: CsvOptions) -> Result<Self, ExportError> {
        let count = schema.fields().len();
        let mut header = Vec::new();
        let mut columns = Vec::with_capacity(count);
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
            // The name says that the cell is JSON text: in the other formats it is an object.
            let name = if field.name() == "data" { "data_json" } else { field.name() };
            write_text(name, false, &mut header);
            header.push(end);
            let style = Style { safe: options.safe, end, alone: count == 1 };
            columns.push(Kept { style, dictionary: Dictionary::default() });
        }
        if count == 0 {
            header.extend_from_slice(NO_COLUMNS);
        }
        Ok(Self { header, columns })
    }

    pub(crate) fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header);
    }

    /// Appends a line per row. The types are those of the schema; the caller has checked.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let rows = batch.num_rows();
        for (kept, array) in self.columns.iter_mut().zip(batch.columns()) {
            if let Some(array) = array.as_dictionary_opt::<Int32Type>() {
                kept.dictionary.prepare(array.values().as_string(), rows, kept.style);
            }
        }
        let columns: Vec<_> = self
            .columns
            .iter()
            .zip(batch.columns())
            .map(|(kept, array)| Column::new(array, &kept.dictionary, kept.style))
            .collect();
        for row in 0..rows {
            for column in &columns {
                column.write(row, out);
            }
            if columns.is_empty() {
                out.extend_from_slice(NO_COLUMNS);
            }
        }
    }
}

/// A line without any cell.
const NO_COLUMNS: &[u8] = b"\"\"\n";

fn is_writable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::UInt64 | DataType::Timestamp(TimeUnit::Microsecond, _) => true,
        DataType::Dictionary(key, value) => **key == DataType::Int32 && **value == DataType::Utf8,
        _ => false,
    }
}
