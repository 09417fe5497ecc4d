//! CSV: byte for byte what crate `csv` writes, and back.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod batches;

use std::slice::from_ref;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use auditlake_export::{Compression, CsvOptions, Encoder, ExportError, Format, Options, unguard};
use batches::{
    NOON_ISH, batch, cells, dict, encode, encode_as, encode_text, events, numbers, projection,
    raw_dict, text, times,
};

fn csv() -> Options {
    Options::new(Format::Csv)
}

/// What crate `csv` makes of the same cells, nulls as empty ones.
fn reference(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Necessary)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    let schema = batches[0].schema();
    let names = schema.fields().iter().map(|field| match field.name().as_str() {
        "data" => "data_json",
        name => name,
    });
    writer.write_record(names).unwrap();
    for row in cells(batches) {
        writer.write_record(row.iter().map(|cell| cell.as_deref().unwrap_or(""))).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let record = |record: csv::Result<csv::StringRecord>| -> Vec<String> {
        record.unwrap().iter().map(str::to_owned).collect()
    };
    reader.records().map(record).collect()
}

#[test]
fn whole_events_equal_the_reference() {
    let batches = [events(0, 100), events(100, 1), events(101, 57)];
    let (bytes, totals) = encode(&batches, csv());
    assert_eq!(bytes, reference(&batches));
    assert_eq!(totals.rows, 158);
    let rows = read(&bytes);
    assert_eq!(rows[0][0], "id");
    assert_eq!(rows[0][30], "data_json");
    for (read, wanted) in rows[1..].iter().zip(cells(&batches)) {
        let wanted: Vec<_> = wanted.into_iter().map(Option::unwrap_or_default).collect();
        assert_eq!(read, &wanted);
    }
}

#[test]
fn awkward_text_equals_the_reference() {
    let awkward: Vec<Option<&str>> = [
        "a,b",
        "\"",
        "\"\"",
        "say \"hi\"",
        "a\nb",
        "a\r\nb",
        "a\rb",
        "x\n",
        "\u{1}\u{7f}\0x",
        "a\tb",
        " lead",
        "trail ",
        "é ü 漢字 🦀",
        "{\"a\":\"b,c\"}",
        "'",
        "'tis",
        "a=b",
        "#x",
        "\\",
        "NULL",
    ]
    .map(Some)
    .to_vec();
    let batches = [batch(&[("type", dict(&awkward)), ("reason", text(&awkward))])];
    assert_eq!(encode(&batches, csv()).0, reference(&batches));
    // Rendered per row, because each slice is smaller than its dictionary.
    let slices: Vec<_> = (0..awkward.len()).map(|row| batches[0].slice(row, 1)).collect();
    assert_eq!(encode(&slices, csv()).0, reference(&batches));
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
fn times_before_1970_and_up_to_9999() {
    let values = [Some(-1), Some(-62_135_596_800_000_000), Some(253_402_300_799_999_999)];
    let batches = [batch(&[("occurred_at", times(&values)), ("type", dict(&[None, None, None]))])];
    let wanted = "occurred_at,type\n\
                  1969-12-31T23:59:59.999999Z,\n\
                  0001-01-01T00:00:00.000000Z,\n\
                  9999-12-31T23:59:59.999999Z,\n";
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
    assert_eq!(encode(&alone, csv()).0, reference(&alone));
    assert_eq!(encode_text(&alone, csv()), "type\na\n\"\"\nb\n");
    assert_eq!(encode_text(&[alone[0].slice(1, 1)], csv()), "type\n\"\"\n");
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
fn empty_exports_have_a_header() {
    let schema = projection(&["id", "data"]);
    assert_eq!(encode_as(schema, &[], csv()).0, b"id,data_json\n");
    assert_eq!(encode(&[events(0, 1).slice(0, 0)], csv()).0, reference(&[events(0, 0)]));
}

#[test]
fn slices_equal_the_whole() {
    let whole = events(0, 40);
    let slices = [whole.slice(0, 3), whole.slice(3, 0), whole.slice(3, 30), whole.slice(33, 7)];
    assert_eq!(encode(&slices, csv()).0, encode(&[whole], csv()).0);
}

#[test]
fn dictionaries_with_nulls_and_unused_values() {
    let values = [Some("a,b"), None, Some("unused"), Some("=x"), Some("")];
    let keys = [Some(3), None, Some(1), Some(0), Some(4), Some(0)];
    let whole = batch(&[("type", raw_dict(&keys, &values)), ("tool", dict(&[None; 6]))]);
    let wanted = "type,tool\n'=x,\n,\n,\n\"a,b\",\n\"\",\n\"a,b\",\n";
    assert_eq!(encode_text(from_ref(&whole), csv()), wanted);
    let slices: Vec<_> = (0..3).map(|pair| whole.slice(2 * pair, 2)).collect();
    assert_eq!(encode_text(&slices, csv()), wanted);
    let empty = batch(&[("type", raw_dict(&[None, None], &[])), ("tool", dict(&[None, None]))]);
    assert_eq!(encode_text(&[empty], csv()), "type,tool\n,\n,\n");
}

#[test]
fn dictionaries_may_change_between_batches() {
    let make = |values: &[Option<&str>], keys: &[Option<i32>]| {
        batch(&[("type", raw_dict(keys, values)), ("seq", numbers(&vec![Some(1); keys.len()]))])
    };
    let first = make(&[Some("a"), Some("b")], &[Some(0), Some(1)]);
    let second = make(&[Some("b"), Some("a")], &[Some(0), Some(1)]);
    // More values than rows: none is rendered ahead, nor taken from the batch before.
    let third = make(&[Some("x"), Some("y"), Some("z")], &[Some(2)]);
    let batches = [first.clone(), first.clone(), second, third, first];
    let wanted = "type,seq\na,1\nb,1\na,1\nb,1\nb,1\na,1\nz,1\na,1\nb,1\n";
    assert_eq!(encode_text(&batches, csv()), wanted);
}

#[test]
fn formulas_are_guarded_unless_a_machine_reads() {
    let values = ["=1+1", "-2", "'@x", "\t,", "＝1", "plain"].map(Some);
    let batches = [batch(&[("type", dict(&values)), ("reason", text(&values))])];
    let rows = read(&encode(&batches, csv()).0);
    for (row, value) in rows[1..].iter().zip(values.map(Option::unwrap)) {
        let wanted = if value == "plain" { "plain".to_owned() } else { format!("'{value}") };
        assert_eq!(row, &[wanted.clone(), wanted.clone()]);
        assert_eq!(unguard(&wanted), value);
    }
    let unsafe_csv = Options { csv: CsvOptions { safe: false }, ..csv() };
    assert_eq!(encode(&batches, unsafe_csv).0, reference(&batches));
}

#[test]
fn a_start_is_the_header_and_comes_once() {
    let events = events(0, 2);
    let options = batches::options(Format::Csv, Compression::None);
    let mut encoder = Encoder::new(events.schema(), options).unwrap();
    let mut out = Vec::new();
    encoder.start(&mut out).unwrap();
    assert_eq!(out, reference(&[events.slice(0, 0)]));
    encoder.start(&mut out).unwrap();
    encoder.encode(&events, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert_eq!(out, reference(&[events]));
}

#[test]
fn a_column_of_another_type_is_refused() {
    use arrow::datatypes::{DataType, Field};
    let schema = Schema::new(vec![Field::new("count", DataType::Float64, true)]);
    let refused = Encoder::new(Arc::new(schema), csv()).err().unwrap();
    assert!(matches!(&refused, ExportError::Schema(_)));
    assert!(refused.to_string().contains("count is Float64, and csv takes Utf8"), "{refused}");
}
