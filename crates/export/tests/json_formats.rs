//! NDJSON and JSON: every line parses and says what the cells say.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod batches;

use std::slice::from_ref;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use auditlake_export::{Compression, CsvOptions, Encoder, ExportError, Format, Options};
use auditlake_model::columns::{COLUMNS, Kind, index_of};
use batches::{
    batch, cell, dict, encode, encode_as, encode_text, events, projection, raw_dict, text,
};
use proptest::prelude::*;
use serde_json::Value;

fn ndjson() -> Options {
    Options::new(Format::Ndjson)
}

fn json() -> Options {
    Options::new(Format::Json)
}

/// Asserts that `event` has the cells of one row, and nothing else.
fn assert_says(event: &Value, batch: &RecordBatch, row: usize) {
    let mut cells = 0;
    for (position, field) in batch.schema().fields().iter().enumerate() {
        let column = COLUMNS[index_of(field.name()).unwrap()];
        let parent = column.group.map_or(Some(event), |group| event.get(group));
        let value = parent.and_then(|parent| parent.get(column.key));
        let wanted = cell(batch, position, row).map(|text| match column.kind {
            Kind::Seq | Kind::Json => serde_json::from_str(&text).unwrap(),
            Kind::Text | Kind::Dict | Kind::Time => Value::String(text),
        });
        cells += usize::from(wanted.is_some());
        assert_eq!(value, wanted.as_ref(), "{} of row {row}", field.name());
    }
    let keys = event.as_object().unwrap().iter();
    let is_group = |key: &String| COLUMNS.iter().any(|column| column.group == Some(key.as_str()));
    let count: usize = keys
        .map(|(key, value)| if is_group(key) { value.as_object().unwrap().len() } else { 1 })
        .sum();
    assert_eq!(count, cells, "keys of row {row}");
}

fn assert_all_say(lines: &[Value], batches: &[RecordBatch]) {
    let mut lines = lines.iter();
    for batch in batches {
        for row in 0..batch.num_rows() {
            assert_says(lines.next().unwrap(), batch, row);
        }
    }
    assert!(lines.next().is_none());
}

fn lines_of(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check(batches: &[RecordBatch]) {
    let lines = encode_text(batches, ndjson());
    assert_all_say(&lines_of(&lines), batches);
    let array = encode_text(batches, json());
    assert_all_say(&serde_json::from_str::<Vec<Value>>(&array).unwrap(), batches);
    // The elements of the array are the lines, so that both hash to the same leaves.
    let joined = lines.trim_end_matches('\n').replace('\n', ",\n");
    let wanted = if joined.is_empty() { "[\n]\n".into() } else { format!("[\n{joined}\n]\n") };
    assert_eq!(array, wanted);
}

#[test]
fn whole_events() {
    check(&[events(0, 50)]);
    check(&[events(0, 3), events(3, 0), events(3, 40), events(43, 1)]);
}

#[test]
fn projections_slices_and_nulls() {
    let nulls = [None, None, None];
    let some = [Some("a\"\\\n\u{1}"), None, Some("")];
    check(&[batch(&[("type", dict(&nulls)), ("reason", text(&nulls))])]);
    check(&[batch(&[("reason", text(&some)), ("actor_id", dict(&some)), ("id", text(&some))])]);
    let whole = events(7, 20);
    check(&[whole.slice(0, 1), whole.slice(1, 12), whole.slice(13, 7)]);
}

#[test]
fn dictionaries_with_nulls_and_unused_values() {
    let values = [Some("a"), None, Some("unused"), Some("b")];
    let keys = [Some(3), Some(1), None, Some(0), Some(3)];
    let whole = batch(&[("type", raw_dict(&keys, &values))]);
    let wanted = "{\"type\":\"b\"}\n{}\n{}\n{\"type\":\"a\"}\n{\"type\":\"b\"}\n";
    assert_eq!(encode_text(from_ref(&whole), ndjson()), wanted);
    assert_eq!(encode_text(&[whole.slice(0, 2), whole.slice(2, 3)], ndjson()), wanted);
    let changed = batch(&[("type", raw_dict(&keys, &[Some("x"), None, None, Some("y")]))]);
    check(&[whole.clone(), changed, whole]);
}

#[test]
fn empty_exports() {
    let schema = projection(&["id"]);
    assert_eq!(encode_as(schema.clone(), &[], ndjson()).0, b"");
    assert_eq!(encode_as(schema, &[], json()).0, b"[\n]\n");
    check(&[events(0, 0)]);
    check(&[events(0, 0), events(0, 1), events(0, 0)]);
}

#[test]
fn an_array_opens_at_the_start() {
    let events = events(0, 2);
    let mut encoder = Encoder::new(events.schema(), json()).unwrap();
    let mut out = Vec::new();
    encoder.start(&mut out).unwrap();
    assert_eq!(out, b"[\n");
    encoder.encode(&events, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert_eq!(out, encode(&[events], json()).0);
}

#[test]
fn columns_that_no_event_has_are_refused() {
    let schema = Schema::new(vec![Field::new("count", DataType::Utf8, true)]);
    let refused = Encoder::new(schema.into(), ndjson()).err().unwrap();
    assert!(matches!(&refused, ExportError::Model(_)), "{refused}");
}

#[test]
fn csv_options_do_not_matter() {
    let batch = batch(&[("reason", text(&[Some("=1+1")]))]);
    for safe in [false, true] {
        let options = Options {
            format: Format::Ndjson,
            compression: Compression::None,
            csv: CsvOptions { safe },
        };
        assert_eq!(encode_text(from_ref(&batch), options), "{\"reason\":\"=1+1\"}\n");
    }
}

proptest! {
    #[test]
    fn any_text(cells in prop::collection::vec(any::<Option<String>>(), 1..12)) {
        let cells: Vec<_> = cells.iter().map(Option::as_deref).collect();
        check(&[batch(&[("type", dict(&cells)), ("reason", text(&cells))])]);
    }
}
