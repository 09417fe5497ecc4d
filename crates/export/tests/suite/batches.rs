//! Batches written down by hand for the tests of this crate, and their way through an encoder.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::datatypes::{Field, Int32Type, Schema, SchemaRef};
use auditlake_export::{Compression, CsvOptions, Encoder, Format, Options, Totals};
use auditlake_model::columns::{COLUMNS, Column, Kind, index_of, schema};

/// 2026-05-17T08:00:00Z.
pub(crate) const NOON_ISH: i64 = 1_779_004_800_000_000;

pub(crate) fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(crate) fn dict(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<DictionaryArray<Int32Type>>())
}

/// A dictionary whose keys and values are given, so that values may be unused or null.
pub(crate) fn raw_dict(keys: &[Option<i32>], values: &[Option<&str>]) -> ArrayRef {
    let keys = Int32Array::from(keys.to_vec());
    Arc::new(DictionaryArray::<Int32Type>::try_new(keys, text(values)).unwrap())
}

pub(crate) fn times(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

pub(crate) fn numbers(values: &[Option<u64>]) -> ArrayRef {
    Arc::new(UInt64Array::from(values.to_vec()))
}

/// The named event columns, all of them nullable.
pub(crate) fn projection(names: &[&str]) -> SchemaRef {
    let field =
        |name: &&str| -> Field { COLUMNS[index_of(name).unwrap()].field().with_nullable(true) };
    Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
    RecordBatch::try_new(projection(&names), arrays).unwrap()
}

/// `rows` events with every column, from number `first` on; optional cells are null in some.
pub(crate) fn events(first: usize, rows: usize) -> RecordBatch {
    let arrays = COLUMNS.iter().enumerate().map(|(at, column)| column_of(at, column, first, rows));
    RecordBatch::try_new(schema(), arrays.collect()).unwrap()
}

fn column_of(at: usize, column: &Column, first: usize, rows: usize) -> ArrayRef {
    let range = first..first + rows;
    let present = |row: usize| column.required || !(row + at).is_multiple_of(3);
    let strings = |value: &dyn Fn(usize) -> String| -> Vec<Option<String>> {
        range.clone().map(|row| present(row).then(|| value(row))).collect()
    };
    match column.kind {
        Kind::Text => {
            let values = strings(&|row| format!("{} {row}", column.name));
            Arc::new(StringArray::from(values))
        }
        Kind::Json => {
            let values = strings(&|row| format!(r#"{{"n":{row},"text":"a,\"b\"\n"}}"#));
            Arc::new(StringArray::from(values))
        }
        Kind::Dict => {
            let values = strings(&|row| format!("{}, {}", column.name, row % 5));
            let values = values.iter().map(Option::as_deref);
            Arc::new(values.collect::<DictionaryArray<Int32Type>>())
        }
        Kind::Time => {
            let step = |row: usize| Some(NOON_ISH + 1_234_567 * row as i64);
            times(&range.map(step).collect::<Vec<_>>())
        }
        Kind::Seq => numbers(&range.map(|row| Some(row as u64)).collect::<Vec<_>>()),
    }
}

pub(crate) fn options(format: Format, compression: Compression) -> Options {
    Options { format, compression, csv: CsvOptions { safe: true } }
}

/// Encodes batches of one schema, taking the bytes out after every call as a server does.
pub(crate) fn encode(batches: &[RecordBatch], options: Options) -> (Vec<u8>, Totals) {
    encode_as(batches[0].schema(), batches, options)
}

pub(crate) fn encode_as(
    schema: SchemaRef,
    batches: &[RecordBatch],
    options: Options,
) -> (Vec<u8>, Totals) {
    let mut encoder = Encoder::new(schema, options).unwrap();
    let (mut all, mut out) = (Vec::<u8>::new(), Vec::<u8>::new());
    for batch in batches {
        encoder.encode(batch, &mut out).unwrap();
        all.append(&mut out);
    }
    let totals = encoder.finish(&mut out).unwrap();
    all.append(&mut out);
    assert_eq!(totals.bytes, all.len() as u64);
    assert_eq!(totals.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    (all, totals)
}

/// The same as text.
pub(crate) fn encode_text(batches: &[RecordBatch], options: Options) -> String {
    String::from_utf8(encode(batches, options).0).unwrap()
}
