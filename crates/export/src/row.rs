//! One event of a batch as a [`Shape`](crate::Shape) sees it: its cells by their column, each
//! where it lies in the batch.

use arrow::array::{Array, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_model::columns::at;

/// One event. Columns are named by their position, see [`auditlake_model::columns::at`]; all
/// of them are there.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [Values<'a>],
    at: usize,
    line: &'a [u8],
}

/// The values of one column of one batch, typed once so that no row asks again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    Text(&'a StringArray),
    Dictionary { keys: &'a DictionaryArray<Int32Type>, values: &'a StringArray },
    Time(&'a [i64]),
    Number(&'a [u64]),
}

/// The columns of a batch of events; the caller has made sure that it is one.
pub(crate) fn columns_of(batch: &RecordBatch) -> Vec<Values<'_>> {
    let values = batch.columns().iter().map(|array| match array.data_type() {
        DataType::Dictionary(_, _) => {
            let keys = array.as_dictionary::<Int32Type>();
            Values::Dictionary { keys, values: keys.values().as_string() }
        }
        DataType::Timestamp(_, _) => {
            Values::Time(array.as_primitive::<TimestampMicrosecondType>().values())
        }
        DataType::UInt64 => Values::Number(array.as_primitive::<UInt64Type>().values()),
        _ => Values::Text(array.as_string()),
    });
    values.collect()
}

impl<'a> Row<'a> {
    pub(crate) fn new(columns: &'a [Values<'a>], at: usize, line: &'a [u8]) -> Self {
        Self { columns, at, line }
    }

    /// The text in a column; none for a null, and for times and numbers, which are no text.
    #[must_use]
    pub fn text(&self, column: usize) -> Option<&'a str> {
        match *self.columns.get(column)? {
            Values::Text(array) => array.is_valid(self.at).then(|| array.value(self.at)),
            Values::Dictionary { keys, values } => {
                // The key may stand for a value that is null itself.
                let key = keys.key(self.at)?;
                values.is_valid(key).then(|| values.value(key))
            }
            Values::Time(_) | Values::Number(_) => None,
        }
    }

    /// The time in a column, in microseconds since 1970-01-01 UTC: every event has one when it
    /// occurred and one when it was recorded. 0 for a column that holds no times.
    #[must_use]
    pub fn micros(&self, column: usize) -> i64 {
        match self.columns.get(column) {
            Some(Values::Time(values)) => values[self.at],
            _ => 0,
        }
    }

    /// The event's place in the log of its tenant.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self.columns.get(at::SEQ) {
            Some(Values::Number(values)) => values[self.at],
            _ => 0,
        }
    }

    /// The canonical line without its line end, the bytes that the tenant's log has hashed.
    /// Empty unless [`Shape::needs_line`](crate::Shape::needs_line) says so.
    #[must_use]
    pub fn line(&self) -> &'a [u8] {
        self.line
    }
}
