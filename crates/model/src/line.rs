//! The canonical line: an event as one line of JSON with fixed key order, nulls omitted,
//! times in RFC 3339 with microseconds, minimal escapes, and `data` verbatim. The same
//! bytes are the NDJSON export, the WAL record and (without the line end) the leaf of the
//! tenant log, so nothing may ever render an event another way.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Schema, TimestampMicrosecondType, UInt64Type};

use crate::columns::{COLUMNS, Column, Kind};
use crate::error::ModelError;
use crate::text::escape_into;
use crate::time::write_rfc3339;

/// Renders batches of one schema (any projection of the event's columns) as lines.
#[derive(Debug)]
pub struct LineWriter {
    /// The columns to write, in canonical order, with their position in the batch.
    slots: Vec<Slot>,
    /// Each dictionary's values, rendered; reused from batch to batch.
    rendered: Vec<Rendered>,
}

#[derive(Debug)]
struct Slot {
    column: &'static Column,
    position: usize,
    /// `"key":`, ready to copy.
    key: Vec<u8>,
}

/// The values of one dictionary as JSON strings with their key in front.
#[derive(Debug, Default)]
struct Rendered {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Rendered {
    fn fill(&mut self, key: &[u8], values: &StringArray) {
        self.bytes.clear();
        self.ends.clear();
        for index in 0..values.len() {
            if values.is_valid(index) {
                self.bytes.extend_from_slice(key);
                self.bytes.push(b'"');
                escape_into(values.value(index), &mut self.bytes);
                self.bytes.push(b'"');
            }
            self.ends.push(self.bytes.len());
        }
    }

    /// Empty for a null value.
    #[inline]
    fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

/// One column of one batch, typed once so that no row asks again.
enum Cells<'a> {
    Text(&'a StringArray),
    Json(&'a StringArray),
    Rendered { keys: &'a arrow::array::Int32Array, values: &'a Rendered },
    Dict { keys: &'a arrow::array::Int32Array, values: &'a StringArray },
    Time(&'a arrow::array::TimestampMicrosecondArray),
    Seq(&'a arrow::array::UInt64Array),
}

impl LineWriter {
    /// A writer for batches of `schema`, whose columns must be event columns.
    pub fn new(schema: &Schema) -> Result<Self, ModelError> {
        let mut slots = Vec::with_capacity(schema.fields().len());
        for (position, field) in schema.fields().iter().enumerate() {
            let column = COLUMNS
                .iter()
                .find(|column| column.name == field.name())
                .ok_or_else(|| ModelError::Schema(format!("no column {}", field.name())))?;
            if &column.data_type() != field.data_type() {
                let (is, wanted) = (field.data_type(), column.data_type());
                return Err(ModelError::Schema(format!("{} is {is}, not {wanted}", column.name)));
            }
            let key = format!("\"{}\":", column.key).into_bytes();
            slots.push(Slot { column, position, key });
        }
        slots.sort_by_key(|slot| COLUMNS.iter().position(|column| column.name == slot.column.name));
        let rendered = slots.iter().map(|_| Rendered::default()).collect();
        Ok(Self { slots, rendered })
    }

    /// Appends one line, with its line end, per row.
    pub fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        self.write_rows(batch, out, |_| {});
    }

    /// Appends one line per row and, for each, where it ends in `out` (after its line end).
    pub fn write_each(&mut self, batch: &RecordBatch, out: &mut Vec<u8>, ends: &mut Vec<usize>) {
        self.write_rows(batch, out, |end| ends.push(end));
    }

    fn write_rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>, mut ended: impl FnMut(usize)) {
        for (slot, rendered) in self.slots.iter().zip(&mut self.rendered) {
            if let Some(values) = worth_rendering(batch, slot) {
                rendered.fill(&slot.key, values);
            }
        }
        let cells: Vec<_> = self
            .slots
            .iter()
            .zip(&self.rendered)
            .map(|(slot, rendered)| (slot, Cells::new(batch, slot, rendered)))
            .collect();
        for row in 0..batch.num_rows() {
            write_row(&cells, row, out);
            ended(out.len());
        }
    }
}

/// A dictionary smaller than its batch is rendered once; a larger one, row by row.
fn worth_rendering<'a>(batch: &'a RecordBatch, slot: &Slot) -> Option<&'a StringArray> {
    let dictionary = batch.column(slot.position).as_dictionary_opt::<Int32Type>()?;
    let values = dictionary.values().as_string::<i32>();
    (values.len() <= batch.num_rows()).then_some(values)
}

impl<'a> Cells<'a> {
    fn new(batch: &'a RecordBatch, slot: &Slot, rendered: &'a Rendered) -> Self {
        let array = batch.column(slot.position);
        match slot.column.kind {
            Kind::Text => Self::Text(array.as_string()),
            Kind::Json => Self::Json(array.as_string()),
            Kind::Time => Self::Time(array.as_primitive::<TimestampMicrosecondType>()),
            Kind::Seq => Self::Seq(array.as_primitive::<UInt64Type>()),
            Kind::Dict => {
                let dictionary = array.as_dictionary::<Int32Type>();
                match worth_rendering(batch, slot) {
                    Some(_) => Self::Rendered { keys: dictionary.keys(), values: rendered },
                    None => Self::Dict {
                        keys: dictionary.keys(),
                        values: dictionary.values().as_string(),
                    },
                }
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(array) | Self::Json(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Seq(array) => array.is_null(row),
            Self::Rendered { keys, values } => {
                keys.is_null(row) || values.get(keys.value(row) as usize).is_empty()
            }
            Self::Dict { keys, values } => {
                keys.is_null(row) || values.is_null(keys.value(row) as usize)
            }
        }
    }

    /// Appends `"key":value`; the cell is not null.
    #[inline]
    fn write(&self, key: &[u8], row: usize, out: &mut Vec<u8>) {
        let text = match self {
            Self::Rendered { keys, values } => {
                out.extend_from_slice(values.get(keys.value(row) as usize));
                return;
            }
            Self::Json(array) => {
                out.extend_from_slice(key);
                out.extend_from_slice(array.value(row).as_bytes());
                return;
            }
            Self::Seq(array) => {
                out.extend_from_slice(key);
                write_u64(array.value(row), out);
                return;
            }
            Self::Time(array) => {
                out.extend_from_slice(key);
                out.push(b'"');
                write_rfc3339(array.value(row), out);
                out.push(b'"');
                return;
            }
            Self::Text(array) => array.value(row),
            Self::Dict { keys, values } => values.value(keys.value(row) as usize),
        };
        out.extend_from_slice(key);
        out.push(b'"');
        escape_into(text, out);
        out.push(b'"');
    }
}

fn write_row(cells: &[(&Slot, Cells<'_>)], row: usize, out: &mut Vec<u8>) {
    let mut open: Option<&'static str> = None;
    let mut first = true;
    out.push(b'{');
    for (slot, cell) in cells {
        if cell.is_null(row) {
            continue;
        }
        let group = slot.column.group;
        if group != open {
            if open.is_some() {
                out.push(b'}');
            }
            if let Some(name) = group {
                if !first {
                    out.push(b',');
                }
                out.push(b'"');
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":{");
                first = true;
            }
            open = group;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        cell.write(&slot.key, row, out);
    }
    if open.is_some() {
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a number in decimal.
#[inline]
pub fn write_u64(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
