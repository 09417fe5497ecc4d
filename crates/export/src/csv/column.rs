//! One column of one batch, typed once so that no row asks again.

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_model::line::write_u64;
use auditlake_model::time::write_rfc3339;

use super::cell::Style;
use super::dictionary::Dictionary;

/// The cells of one column of one batch.
pub(super) struct Column<'a> {
    cells: Cells<'a>,
    style: Style,
}

enum Cells<'a> {
    /// Every row is null: many of an event's columns are, in most batches.
    Nulls,
    Text(&'a StringArray),
    Rendered {
        keys: &'a Int32Array,
        cells: &'a Dictionary,
    },
    Dict {
        keys: &'a Int32Array,
        values: &'a StringArray,
    },
    Time(&'a TimestampMicrosecondArray),
    Number(&'a UInt64Array),
}

impl<'a> Column<'a> {
    /// The caller has made sure that the type is one of these.
    pub(super) fn new(array: &'a ArrayRef, dictionary: &'a Dictionary, style: Style) -> Self {
        let cells = match array.data_type() {
            _ if array.null_count() == array.len() => Cells::Nulls,
            DataType::Dictionary(_, _) => {
                let array = array.as_dictionary::<Int32Type>();
                let (keys, values) = (array.keys(), array.values().as_string());
                if dictionary.has(values) {
                    Cells::Rendered { keys, cells: dictionary }
                } else {
                    Cells::Dict { keys, values }
                }
            }
            DataType::Timestamp(_, _) => {
                Cells::Time(array.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::UInt64 => Cells::Number(array.as_primitive::<UInt64Type>()),
            _ => Cells::Text(array.as_string()),
        };
        Self { cells, style }
    }

    /// Appends the cell of one row and what follows it.
    #[inline]
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        let style = self.style;
        match &self.cells {
            Cells::Rendered { keys, cells } if keys.is_valid(row) => {
                out.extend_from_slice(cells.cell(keys.value(row) as usize));
            }
            Cells::Text(array) if array.is_valid(row) => style.text(array.value(row), out),
            Cells::Time(array) if array.is_valid(row) => {
                write_rfc3339(array.value(row), out);
                out.push(style.end);
            }
            Cells::Number(array) if array.is_valid(row) => {
                write_u64(array.value(row), out);
                out.push(style.end);
            }
            // A key may stand for a value that is null itself.
            Cells::Dict { keys, values } if is_valid(keys, values, row) => {
                style.text(values.value(keys.value(row) as usize), out);
            }
            _ => style.null(out),
        }
    }
}

fn is_valid(keys: &Int32Array, values: &StringArray, row: usize) -> bool {
    keys.is_valid(row) && values.is_valid(keys.value(row) as usize)
}
