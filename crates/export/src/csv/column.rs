//! One column of one batch, typed once so that no row asks again.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_model::dictionary::{Dictionary, fixed_value};
use auditlake_model::digits::put_u64;
use auditlake_model::page::{Page, Piece};
use auditlake_model::time::{TEXT_BYTES, TimeText};

use super::cell::Style;

/// What one column keeps from batch to batch.
pub(super) struct Slot {
    style: Style,
    dictionary: Dictionary,
    time: TimeText,
}

/// The cells of one column of one batch, or of several that are the same in every row.
pub(super) struct Column<'a> {
    cells: Cells<'a>,
    nulls: Option<&'a NullBuffer>,
    style: Style,
}

enum Cells<'a> {
    Fixed(Piece),
    Text(&'a StringArray),
    Dictionary { keys: &'a [i32], values: &'a mut Dictionary },
    Time { values: &'a [i64], text: &'a mut TimeText },
    Number(&'a [u64]),
}

impl Slot {
    pub(super) fn new(style: Style) -> Self {
        Self { style, dictionary: Dictionary::default(), time: TimeText::new(style.end) }
    }

    /// The cells of an array; the caller has made sure that its type is one of these.
    fn cells<'a>(&'a mut self, array: &'a ArrayRef) -> Cells<'a> {
        let style = self.style;
        let fixed = |value: Option<&str>| {
            let mut page = Page::default();
            style.cell(value, &mut page);
            Cells::Fixed(Piece::new(&page))
        };
        match array.data_type() {
            _ if array.null_count() == array.len() => fixed(None),
            DataType::Dictionary(_, _) => {
                let array = array.as_dictionary::<Int32Type>();
                if let Some(value) = fixed_value(array) {
                    return fixed(value);
                }
                self.dictionary.turn_to(array.values().as_string());
                Cells::Dictionary { keys: array.keys().values(), values: &mut self.dictionary }
            }
            DataType::Timestamp(_, _) => {
                let values = array.as_primitive::<TimestampMicrosecondType>().values();
                Cells::Time { values, text: &mut self.time }
            }
            DataType::UInt64 => Cells::Number(array.as_primitive::<UInt64Type>().values()),
            _ => Cells::Text(array.as_string()),
        }
    }
}

/// The columns of a batch; neighbours that are the same in every row are joined.
pub(super) fn columns<'a>(slots: &'a mut [Slot], arrays: &'a [ArrayRef]) -> Vec<Column<'a>> {
    let mut columns: Vec<Column<'a>> = Vec::with_capacity(slots.len());
    for (slot, array) in slots.iter_mut().zip(arrays) {
        let style = slot.style;
        let cells = slot.cells(array);
        if let (Cells::Fixed(text), Some(Column { cells: Cells::Fixed(before), .. })) =
            (&cells, columns.last_mut())
        {
            before.extend(text);
            continue;
        }
        let nulls = if matches!(cells, Cells::Fixed(_)) { None } else { array.nulls() };
        columns.push(Column { cells, nulls, style });
    }
    columns
}

impl Column<'_> {
    /// Writes the cell of one row and what follows it.
    #[inline]
    pub(super) fn put(&mut self, row: usize, page: &mut Page) {
        let style = self.style;
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return style.null(page);
        }
        match &mut self.cells {
            Cells::Fixed(text) => page.put_piece(text),
            Cells::Dictionary { keys, values } => {
                values.put(keys[row] as usize, page, |value, page| style.cell(value, page));
            }
            Cells::Text(array) => {
                let offsets = array.value_offsets();
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                style.part(array.value_data(), start, end, page);
            }
            Cells::Time { values, text } => {
                page.put_block(text.block(values[row]), TEXT_BYTES + 1);
            }
            Cells::Number(values) => {
                put_u64(values[row], page);
                page.push(style.end);
            }
        }
    }
}
