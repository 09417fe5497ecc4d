//! NDJSON and JSON, byte for byte where a person can read it. That any batches are written so is
//! checked beside other people's code in `encoders.rs`.

use std::slice::from_ref;

use arrow::datatypes::{DataType, Field, Schema};
use auditlake_export::{CsvOptions, Encoder, ExportError, Format, Options};

use crate::batches::{
    NOON_ISH, batch, dict, encode, encode_as, encode_text, events, numbers, projection, text, times,
};

fn ndjson() -> Options {
    Options::new(Format::Ndjson)
}

fn json() -> Options {
    Options::new(Format::Json)
}

#[test]
fn keys_have_one_order_and_nulls_are_left_out() {
    let batch = batch(&[
        ("data", text(&[Some("{\"n\":1.50,\"u\":\"\\u00e9\"}"), None, None])),
        ("target_id", text(&[Some("t"), None, None])),
        ("actor_label", dict(&[Some("Ann \"A\""), Some(""), None])),
        ("reason", text(&[Some("a\\\n\u{1}\u{7f}é"), None, None])),
        ("actor_id", dict(&[Some("ann"), None, None])),
        ("occurred_at", times(&[Some(NOON_ISH), Some(-1), None])),
        ("seq", numbers(&[Some(u64::MAX), Some(0), None])),
    ]);
    let lines = [
        "{\"seq\":18446744073709551615,\"occurred_at\":\"2026-05-17T08:00:00.000000Z\",\
         \"actor\":{\"id\":\"ann\",\"label\":\"Ann \\\"A\\\"\"},\"target\":{\"id\":\"t\"},\
         \"reason\":\"a\\\\\\n\\u0001\u{7f}é\",\"data\":{\"n\":1.50,\"u\":\"\\u00e9\"}}",
        "{\"seq\":0,\"occurred_at\":\"1969-12-31T23:59:59.999999Z\",\"actor\":{\"label\":\"\"}}",
        "{}",
    ];
    assert_eq!(encode_text(from_ref(&batch), ndjson()), format!("{}\n", lines.join("\n")));
    assert_eq!(encode_text(&[batch], json()), format!("[\n{}\n]\n", lines.join(",\n")));
}

#[test]
fn an_export_without_events_is_whole() {
    let schema = projection(&["id"]);
    assert_eq!(encode_as(schema.clone(), &[], ndjson()).0, b"");
    assert_eq!(encode_as(schema, &[], json()).0, b"[\n]\n");
}

#[test]
fn an_array_opens_at_the_start() {
    let events = events(0, 2);
    let mut encoder = Encoder::new(events.schema(), json()).unwrap();
    let mut out: Vec<u8> = Vec::new();
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
        let options = Options { csv: CsvOptions { safe }, ..ndjson() };
        assert_eq!(encode_text(from_ref(&batch), options), "{\"reason\":\"=1+1\"}\n");
    }
}
