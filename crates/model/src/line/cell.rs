//! One column of one batch, typed once so that no row asks again.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt64Type};

use crate::columns::{Column, Kind};
use crate::dictionary::{Dictionary, fixed_value};
use crate::digits::put_u64;
use crate::page::{Page, Piece};
use crate::text::put_escaped;
use crate::time::{TEXT_BYTES, TimeText};

/// A column's place in the row, and what it keeps from batch to batch.
#[derive(Debug)]
pub(super) struct Slot {
    kind: Kind,
    /// Where it stands in the batch.
    position: usize,
    /// `,"key":`, and the quote that opens a string.
    key: Piece,
    dictionary: Dictionary,
    time: TimeText,
}

/// The cells of one column of one batch, or what stands around them.
pub(super) enum Cell<'a> {
    /// The same in every row.
    Fixed(Piece),
    /// An object of that name begins.
    Open(&'a Piece),
    /// And ends; it is left out when it is empty.
    Close,
    Dictionary {
        keys: &'a [i32],
        nulls: Option<&'a NullBuffer>,
        key: &'a Piece,
        values: &'a mut Dictionary,
    },
    Text {
        array: &'a StringArray,
        key: &'a Piece,
    },
    Json {
        array: &'a StringArray,
        key: &'a Piece,
    },
    Time {
        values: &'a [i64],
        nulls: Option<&'a NullBuffer>,
        key: &'a Piece,
        text: &'a mut TimeText,
    },
    Seq {
        values: &'a [u64],
        nulls: Option<&'a NullBuffer>,
        key: &'a Piece,
    },
}

impl Slot {
    pub(super) fn new(column: &Column, position: usize) -> Self {
        let quote = match column.kind {
            Kind::Text | Kind::Dict | Kind::Time => "\"",
            Kind::Seq | Kind::Json => "",
        };
        let key = Piece::new(format!(",\"{}\":{quote}", column.key).as_bytes());
        let (dictionary, time) = (Dictionary::default(), TimeText::new(b'"'));
        Self { kind: column.kind, position, key, dictionary, time }
    }

    /// The column's cells in a batch; none if it has no value in any row.
    pub(super) fn cell<'a>(&'a mut self, batch: &'a RecordBatch) -> Option<Cell<'a>> {
        let array = batch.column(self.position);
        let (key, nulls) = (&self.key, array.nulls());
        if array.null_count() == array.len() {
            return None;
        }
        Some(match self.kind {
            Kind::Text => Cell::Text { array: array.as_string(), key },
            Kind::Json => Cell::Json { array: array.as_string(), key },
            Kind::Time => {
                let values = array.as_primitive::<TimestampMicrosecondType>().values();
                Cell::Time { values, nulls, key, text: &mut self.time }
            }
            Kind::Seq => {
                Cell::Seq { values: array.as_primitive::<UInt64Type>().values(), nulls, key }
            }
            Kind::Dict => {
                let array = array.as_dictionary::<Int32Type>();
                if let Some(value) = fixed_value(array) {
                    let mut page = Page::default();
                    put_value(key, value, &mut page);
                    return (!page.is_empty()).then(|| Cell::Fixed(Piece::new(&page)));
                }
                self.dictionary.turn_to(array.values().as_string());
                let keys = array.keys().values();
                Cell::Dictionary { keys, nulls, key, values: &mut self.dictionary }
            }
        })
    }
}

impl Cell<'_> {
    /// Writes `,"key":value`, or nothing for a null.
    #[inline]
    pub(super) fn put(&mut self, row: usize, page: &mut Page) {
        match self {
            Self::Fixed(text) => page.put_piece(text),
            Self::Dictionary { keys, nulls, key, values } if !is_null(*nulls, row) => {
                values.put(keys[row] as usize, page, |value, page| put_value(key, value, page));
            }
            Self::Text { array, key } if !is_null(array.nulls(), row) => {
                let (start, end) = span(array, row);
                page.put_piece(key);
                put_escaped(array.value_data(), start, end, page);
                page.push(b'"');
            }
            Self::Json { array, key } if !is_null(array.nulls(), row) => {
                let (start, end) = span(array, row);
                page.put_piece(key);
                page.put_part(array.value_data(), start, end);
            }
            Self::Time { values, nulls, key, text } if !is_null(*nulls, row) => {
                page.put_piece(key);
                page.put_block(text.block(values[row]), TEXT_BYTES + 1);
            }
            Self::Seq { values, nulls, key } if !is_null(*nulls, row) => {
                page.put_piece(key);
                put_u64(values[row], page);
            }
            _ => {}
        }
    }
}

/// A dictionary's value with its key; nothing for a null.
fn put_value(key: &Piece, value: Option<&str>, page: &mut Page) {
    if let Some(value) = value {
        page.put_piece(key);
        put_escaped(value.as_bytes(), 0, value.len(), page);
        page.push(b'"');
    }
}

#[inline]
fn is_null(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_some_and(|nulls| nulls.is_null(row))
}

/// Where a row's text lies among the bytes of its array.
#[inline]
fn span(array: &StringArray, row: usize) -> (usize, usize) {
    let offsets = array.value_offsets();
    (offsets[row] as usize, offsets[row + 1] as usize)
}
