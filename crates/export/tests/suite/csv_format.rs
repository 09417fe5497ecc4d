//! CSV, byte for byte where a person can read it. That any batches are written so is checked
//! beside other people's code in `encoders.rs`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use auditlake_export::{CsvOptions, Encoder, ExportError, Format, Options, unguard};
use auditlake_model::columns::{COLUMNS, schema};

use crate::batches::{
    NOON_ISH, batch, dict, encode, encode_as, encode_text, events, numbers, projection, text, times,
};

fn csv() -> Options {
    Options::new(Format::Csv)
}

#[test]
fn a_null_is_empty_and_an_empty_string_is_quoted() {
    let batches = [batch(&[
        ("type", dict(&[Some(""), None, Some("t")])),
        ("reason", text(&[None, Some(""), Some("r")])),
        ("seq", numbers(&[None, Some(0), Some(u64::MAX)])),
        ("occurred_at", times(&[None, Some(0), Some(NOON_ISH)])),
    ])];
    let wanted = "type,reason,seq,occurred_at\n\
                  \"\",,,\n\
                  ,\"\",0,1970-01-01T00:00:00.000000Z\n\
                  t,r,18446744073709551615,2026-05-17T08:00:00.000000Z\n";
    assert_eq!(encode_text(&batches, csv()), wanted);
}

#[test]
fn rows_without_any_value_stay() {
    let nulls = [None, None];
    let batches = [batch(&[
        ("type", dict(&nulls)),
        ("reason", text(&nulls)),
        ("seq", numbers(&[None, None])),
    ])];
    assert_eq!(encode_text(&batches, csv()), "type,reason,seq\n,,\n,,\n");
    // A blank line would be skipped by readers.
    let alone = [batch(&[("type", dict(&[Some("a"), None, Some("b")]))])];
    assert_eq!(encode_text(&alone, csv()), "type\na\n\"\"\nb\n");
    let alone = [batch(&[("reason", text(&nulls))])];
    assert_eq!(encode_text(&alone, csv()), "reason\n\"\"\n\"\"\n");
}

#[test]
fn rows_without_any_column_stay() {
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let schema = Arc::new(Schema::empty());
    let batch = RecordBatch::try_new_with_options(schema, vec![], &options).unwrap();
    assert_eq!(encode_text(&[batch], csv()), "\"\"\n\"\"\n\"\"\n\"\"\n");
}

#[test]
fn the_header_has_the_columns_in_order() {
    assert_eq!(encode_as(projection(&["data", "id"]), &[], csv()).0, b"data_json,id\n");
    let names = COLUMNS.map(|column| column.name).join(",").replace("data", "data_json");
    assert_eq!(encode_as(schema(), &[], csv()).0, format!("{names}\n").as_bytes());
    assert_eq!(encode_text(&[events(0, 0)], csv()), format!("{names}\n"));
}

#[test]
fn columns_may_have_any_name_and_no_time_zone() {
    let fields = vec![
        Field::new("a,\"b\"", DataType::Utf8, true),
        Field::new("=1", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("", DataType::Utf8, true),
    ];
    let clock: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-1_i64]));
    let arrays = vec![text(&[Some("a\nb")]), clock, text(&[Some("c \"d\"")])];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let wanted = "\"a,\"\"b\"\"\",=1,\"\"\n\
                  \"a\nb\",1969-12-31T23:59:59.999999Z,\"c \"\"d\"\"\"\n";
    assert_eq!(encode_text(&[batch], csv()), wanted);
}

#[test]
fn formulas_are_guarded_unless_a_machine_reads() {
    let values = ["=1+1", "-2", "'@x", "\t,", "＝1", "plain"].map(Some);
    let batches = [batch(&[("type", dict(&values)), ("reason", text(&values))])];
    let wanted = "type,reason\n'=1+1,'=1+1\n'-2,'-2\n''@x,''@x\n\"'\t,\",\"'\t,\"\n'＝1,'＝1\n\
                  plain,plain\n";
    assert_eq!(encode_text(&batches, csv()), wanted);
    let bare = "type,reason\n=1+1,=1+1\n-2,-2\n'@x,'@x\n\"\t,\",\"\t,\"\n＝1,＝1\nplain,plain\n";
    let machine = Options { csv: CsvOptions { safe: false }, ..csv() };
    assert_eq!(encode_text(&batches, machine), bare);
    assert_eq!(["'=1+1", "''@x", "'plain"].map(unguard), ["=1+1", "'@x", "'plain"]);
}

#[test]
fn a_start_is_the_header_and_comes_once() {
    let events = events(0, 2);
    let mut encoder = Encoder::new(events.schema(), csv()).unwrap();
    let mut out: Vec<u8> = Vec::new();
    encoder.start(&mut out).unwrap();
    assert_eq!(out, encode_as(schema(), &[], csv()).0);
    encoder.start(&mut out).unwrap();
    encoder.encode(&events, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert_eq!(out, encode(&[events], csv()).0);
}

#[test]
fn a_column_of_another_type_is_refused() {
    let schema = Schema::new(vec![Field::new("count", DataType::Float64, true)]);
    let refused = Encoder::new(Arc::new(schema), csv()).err().unwrap();
    assert!(matches!(&refused, ExportError::Schema(_)));
    assert!(refused.to_string().contains("count is Float64, and csv takes Utf8"), "{refused}");
}
