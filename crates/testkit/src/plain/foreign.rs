//! The same batches through arrow's own writers, and in other memory.

use std::iter;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{
    DataType, Field, Int32Type, Schema, SchemaRef, TimestampMicrosecondType, UInt64Type,
};
use arrow::json::writer::LineDelimited;

use super::{RFC3339, cell, csv_name};

/// The CSV file that `arrow-csv` writes of batches that have columns.
#[must_use]
pub fn arrow_csv(schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow::csv::WriterBuilder::new()
        .with_timestamp_tz_format(RFC3339.to_owned())
        .build(Vec::new());
    // It writes the header with the first batch.
    let none = RecordBatch::new_empty(Arc::clone(schema));
    for batch in iter::once(&none).chain(batches) {
        writer.write(&adapted(batch, false)).expect("arrow-csv takes these types");
    }
    writer.into_inner()
}

/// The lines that `arrow-json` writes of batches that have columns, but no groups and no `data`:
/// it knows nothing of either.
#[must_use]
pub fn arrow_json(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow::json::WriterBuilder::new()
        .with_timestamp_tz_format(RFC3339.to_owned())
        .build::<_, LineDelimited>(Vec::new());
    for batch in batches {
        // Of a key whose value is null it writes an empty string, so it gets no dictionaries.
        writer.write(&adapted(batch, true)).expect("arrow-json takes these types");
    }
    writer.finish().expect("memory takes every byte");
    writer.into_inner()
}

/// The batch as arrow's writers need it: they know UTC by that name only together with a
/// database of time zones, which we do not build in.
fn adapted(batch: &RecordBatch, unpack: bool) -> RecordBatch {
    let column = |(position, field): (usize, &Arc<Field>)| -> (Field, ArrayRef) {
        let array = batch.column(position);
        let array: ArrayRef = match array.data_type() {
            DataType::Timestamp(_, _) => {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                Arc::new(times.clone().with_timezone("+00:00"))
            }
            DataType::Dictionary(_, _) if unpack => {
                let texts = (0..batch.num_rows()).map(|row| cell(batch, position, row));
                Arc::new(texts.collect::<StringArray>())
            }
            _ => Arc::clone(array),
        };
        (Field::new(csv_name(field), array.data_type().clone(), true), array)
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
        batch.schema_ref().fields().iter().enumerate().map(column).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("arrays of their fields")
}

/// The same rows in memory of their own. What tells dictionaries apart by their address is wrong
/// once such a batch is gone and the next one takes its place.
#[must_use]
pub fn copied(batch: &RecordBatch) -> RecordBatch {
    let arrays = batch.columns().iter().map(copied_array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), arrays, &options)
        .expect("arrays of the same types")
}

fn copied_array(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8 => Arc::new(array.as_string::<i32>().iter().collect::<StringArray>()),
        DataType::UInt64 => {
            Arc::new(array.as_primitive::<UInt64Type>().iter().collect::<UInt64Array>())
        }
        DataType::Timestamp(_, _) => {
            let times = array.as_primitive::<TimestampMicrosecondType>().iter();
            let times = times.collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_data_type(array.data_type().clone()))
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_dictionary::<Int32Type>();
            let keys = dictionary.keys().iter().collect::<Int32Array>();
            let values = copied_array(dictionary.values());
            let copy = DictionaryArray::<Int32Type>::try_new(keys, values);
            Arc::new(copy.expect("the same keys of the same values"))
        }
        other => panic!("no event column is {other}"),
    }
}
