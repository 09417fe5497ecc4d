//! Columns in every form that Arrow allows: built longer than they are and sliced, with and
//! without null buffers, with anything under a null, and with dictionaries that are shared,
//! changed, or only look like the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Int32Type, SchemaRef};
use auditlake_model::columns::{Column, Kind};

use super::choices::Choices;
use super::special::{SPECIAL_TIMES_US, special_numbers, time_after};
use super::text;

const ROWS: [usize; 14] = [1, 2, 3, 0, 5, 7, 8, 9, 16, 17, 33, 40, 64, 100];
const BEFORE: [usize; 8] = [0, 0, 0, 1, 3, 7, 8, 13];
const AFTER: [usize; 4] = [0, 0, 1, 5];
const VALUES: [usize; 10] = [1, 2, 3, 5, 0, 4, 9, 17, 40, 130];

/// How many of a dictionary's values are more than a number.
const RICH_VALUES: usize = 20;

/// Makes the batches of one case.
pub(super) struct Maker<'a> {
    pub(super) choices: Choices<'a>,
    /// How many bytes of text the case may still have.
    room: usize,
    /// The dictionary that each column had last.
    dictionaries: BTreeMap<&'static str, ArrayRef>,
}

/// The rows of an array that is about to be made.
struct Rows {
    nullable: bool,
    /// How many are made only to be sliced off.
    before: usize,
    kept: usize,
    after: usize,
}

impl Rows {
    fn all(&self) -> usize {
        self.before + self.kept + self.after
    }
}

impl<'a> Maker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut choices = Choices::new(bytes);
        // Enough for a mebibyte in one cell, but seldom: most cases shall be quick.
        let room = if choices.one_in(32) { 8 << 20 } else { 128 << 10 };
        Self { choices, room, dictionaries: BTreeMap::new() }
    }

    pub(super) fn batch(&mut self, schema: &SchemaRef, columns: &[&'static Column]) -> RecordBatch {
        let rows = self.choices.pick(&ROWS);
        let arrays = columns
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| self.array(column, field.is_nullable(), rows))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
            .expect("the arrays are those of the schema")
    }

    fn array(&mut self, column: &'static Column, nullable: bool, kept: usize) -> ArrayRef {
        let (before, after) = (self.choices.pick(&BEFORE), self.choices.pick(&AFTER));
        let rows = Rows { nullable, before, kept, after };
        let array = match column.kind {
            Kind::Text => self.texts(&rows, text::text),
            Kind::Json => self.texts(&rows, text::object),
            Kind::Dict => self.dictionary(column.name, &rows),
            Kind::Time => self.times(&rows),
            Kind::Seq => self.numbers(&rows),
        };
        array.slice(before, kept)
    }

    /// Rows that are sliced off may be null even where the column has no nulls.
    fn nulls(&mut self, rows: &Rows) -> Option<NullBuffer> {
        let mut valid = match self.choices.below(6) {
            0 | 1 => return None,
            2 => vec![true; rows.all()],
            3 => vec![false; rows.all()],
            _ => self.choices.bits(rows.all()),
        };
        if !rows.nullable {
            valid[rows.before..rows.before + rows.kept].fill(true);
        }
        Some(NullBuffer::from(valid))
    }

    /// Text under a null stays where it is, for an encoder not to find.
    fn texts(&mut self, rows: &Rows, make: fn(&mut Choices<'_>, usize) -> String) -> ArrayRef {
        let longest = self.longest(rows);
        let count = 1 + self.choices.below(12);
        let pool: Vec<String> = (0..count).map(|_| make(&mut self.choices, longest)).collect();
        let cells: Vec<&str> =
            (0..rows.all()).map(|_| pool[self.choices.below(count)].as_str()).collect();
        self.spend(cells.iter().map(|cell| cell.len()).sum());
        Arc::new(text_array(&cells, self.nulls(rows)))
    }

    fn times(&mut self, rows: &Rows) -> ArrayRef {
        let nulls = self.nulls(rows);
        let under_null = self.choices.pick(&[0, i64::MIN, i64::MAX]);
        let mut time_us = self.choices.pick(SPECIAL_TIMES_US);
        let times: Vec<i64> = (0..rows.all())
            .map(|row| {
                time_us = time_after(time_us, &mut self.choices);
                if is_null(nulls.as_ref(), row) { under_null } else { time_us }
            })
            .collect();
        Arc::new(TimestampMicrosecondArray::new(times.into(), nulls).with_timezone("UTC"))
    }

    fn numbers(&mut self, rows: &Rows) -> ArrayRef {
        let special = special_numbers();
        let nulls = self.nulls(rows);
        let mut number = self.choices.pick(&special);
        let numbers: Vec<u64> = (0..rows.all())
            .map(|_| {
                number = match self.choices.below(4) {
                    2 => self.choices.pick(&special),
                    3 => self.choices.number(),
                    _ => number.wrapping_add(1),
                };
                number
            })
            .collect();
        Arc::new(UInt64Array::new(numbers.into(), nulls))
    }

    fn dictionary(&mut self, name: &'static str, rows: &Rows) -> ArrayRef {
        let longest = self.longest(rows);
        let mut values = self.values(name, longest);
        let mut keys = keys_to(&values, rows.nullable);
        if keys.is_empty() && !rows.nullable {
            values = Arc::new(StringArray::from(vec!["required"]));
            keys = vec![0];
        }
        self.dictionaries.insert(name, Arc::clone(&values));
        let nulls =
            if keys.is_empty() { Some(NullBuffer::new_null(rows.all())) } else { self.nulls(rows) };
        // Sorted events have long runs of one value.
        if !keys.is_empty() && self.choices.one_in(4) {
            keys = vec![self.choices.pick(&keys)];
        }
        // Under a null there need not even be a key.
        let under_null = self.choices.pick(&[0, -1, i32::MAX]);
        let keys: Vec<i32> =
            (0..rows.all())
                .map(|row| {
                    if is_null(nulls.as_ref(), row) { under_null } else { self.choices.pick(&keys) }
                })
                .collect();
        let text = values.as_string::<i32>();
        let used = keys.iter().filter_map(|key| usize::try_from(*key).ok());
        self.spend(used.filter(|key| *key < text.len()).map(|key| text.value(key).len()).sum());
        let keys = Int32Array::new(keys.into(), nulls);
        let array = DictionaryArray::<Int32Type>::try_new(keys, values);
        Arc::new(array.expect("each key has a value"))
    }

    /// The dictionary of the batch before, one that looks like it, another column's, or a new
    /// one.
    fn values(&mut self, name: &str, longest: usize) -> ArrayRef {
        let kind = self.choices.below(10);
        let other = self.choices.below(self.dictionaries.len().max(1));
        let known = match kind {
            3 => self.dictionaries.values().nth(other),
            _ => self.dictionaries.get(name),
        };
        let Some(known) = known.filter(|known| longest_of(known) <= longest).cloned() else {
            return self.new_values(longest);
        };
        let text = known.as_string::<i32>();
        match kind {
            0..=3 => Arc::clone(&known),
            // The same content in other memory.
            4 => Arc::new(text.iter().collect::<StringArray>()),
            // The same content in another order.
            5 => {
                let (first, rest) = (text.iter().take(1), text.iter().skip(1));
                Arc::new(rest.chain(first).collect::<StringArray>())
            }
            // The same memory with other nulls.
            6 => {
                let nulls = NullBuffer::from(self.choices.bits(text.len()));
                let (offsets, bytes) = (text.offsets().clone(), text.values().clone());
                Arc::new(StringArray::new(offsets, bytes, Some(nulls)))
            }
            // The same memory without its first or its last values.
            7 => {
                let cut = self.choices.below(text.len() + 1);
                let start = if self.choices.one_in(2) { cut } else { 0 };
                known.slice(start, text.len() - cut)
            }
            _ => self.new_values(longest),
        }
    }

    /// Values of which some are null, some come twice, and many may be unused.
    fn new_values(&mut self, longest: usize) -> ArrayRef {
        let count = self.choices.pick(&VALUES);
        let mut cells: Vec<String> = Vec::with_capacity(count);
        for index in 0..count {
            let cell = match self.choices.below(8) {
                7 if index > 0 => cells[self.choices.below(index)].clone(),
                0..=5 if index < RICH_VALUES => text::text(&mut self.choices, longest),
                _ => index.to_string(),
            };
            cells.push(cell);
        }
        self.spend(cells.iter().map(String::len).sum());
        let nulls = match self.choices.below(3) {
            0 => None,
            1 => Some(NullBuffer::new_valid(count)),
            _ => Some(NullBuffer::from(self.choices.bits(count))),
        };
        Arc::new(text_array(&cells, nulls))
    }

    /// The longest text that every row may have.
    fn longest(&self, rows: &Rows) -> usize {
        self.room / (rows.all() + 1)
    }

    fn spend(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }
}

fn text_array<T: AsRef<str>>(cells: &[T], nulls: Option<NullBuffer>) -> StringArray {
    let (offsets, bytes, _) = StringArray::from_iter_values(cells).into_parts();
    StringArray::new(offsets, bytes, nulls)
}

fn is_null(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_some_and(|nulls| nulls.is_null(row))
}

/// The keys that a column may have: those of null values only if it may be null.
fn keys_to(values: &ArrayRef, nullable: bool) -> Vec<i32> {
    let usable = (0..values.len()).filter(|index| nullable || values.is_valid(*index));
    usable.map(|index| index as i32).collect()
}

fn longest_of(values: &ArrayRef) -> usize {
    let values = values.as_string::<i32>();
    (0..values.len()).map(|index| values.value(index).len()).max().unwrap_or(0)
}
