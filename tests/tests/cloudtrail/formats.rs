//! The exports, read back with our own readers: every format says the same.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use auditlake_export::unguard;
use auditlake_model::columns::{COLUMNS, schema};
use auditlake_model::line::LineWriter;
use auditlake_model::parse::parse_lines;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{FILES, cell};

/// The events in lines.
pub(crate) fn events(lines: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(lines).expect("lines are UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Holds every file of a folder against the lines of the NDJSON export.
pub(crate) fn assert_all(folder: &Path, lines: &[u8]) {
    assert_parser_agrees(lines);
    assert_json(&read(folder, "events.json"), lines);
    assert_parquet(&folder.join("events.parquet"), lines);
    assert_csv(&read(folder, "events.csv"), lines);
    for name in FILES {
        let (plain, unpacked) = match name.rsplit_once('.') {
            Some((plain, "gz")) => {
                let (packed, mut unpacked) = (read(folder, name), Vec::new());
                let mut gzip = MultiGzDecoder::new(packed.as_slice());
                gzip.read_to_end(&mut unpacked).expect("a gzip file");
                (plain, unpacked)
            }
            Some((plain, "zst")) => {
                let packed = read(folder, name);
                (plain, zstd::decode_all(packed.as_slice()).expect("a zstd file"))
            }
            _ => continue,
        };
        assert!(unpacked == read(folder, plain), "{name} is not {plain}, compressed");
    }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).expect("an export")
}

/// The lines parse into columns, and those render as the same lines.
fn assert_parser_agrees(lines: &[u8]) {
    let batch = parse_lines(lines).expect("our own lines parse");
    let mut again = Vec::new();
    let mut writer = LineWriter::new(&batch.schema()).expect("a batch of events");
    writer.write(&batch, &mut again);
    assert!(again == lines, "lines that were parsed render otherwise");
}

/// The elements of the array are the lines, byte for byte.
fn assert_json(json: &[u8], lines: &[u8]) {
    let elements: Vec<&RawValue> = serde_json::from_slice(json).expect("a JSON array");
    let mut joined = String::new();
    for element in elements {
        joined.push_str(element.get());
        joined.push('\n');
    }
    assert!(joined.as_bytes() == lines, "the elements of the array are not the lines");
}

/// The file has the columns of an event, and its rows render as the lines.
fn assert_parquet(file: &Path, lines: &[u8]) {
    let file = File::open(file).expect("a Parquet file");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    for (wanted, found) in schema().fields().iter().zip(builder.schema().fields()) {
        assert_eq!(wanted.name(), found.name());
        assert_eq!(wanted.data_type(), found.data_type(), "type of {}", wanted.name());
    }
    let mut writer = LineWriter::new(builder.schema()).expect("columns of events");
    let mut rendered = Vec::new();
    for batch in builder.build().expect("a reader") {
        writer.write(&batch.expect("a batch"), &mut rendered);
    }
    assert!(rendered == lines, "the rows of the Parquet file are not the lines");
}

/// Each cell, its guard taken off, is the text that the line has there.
fn assert_csv(csv: &[u8], lines: &[u8]) {
    let mut reader = csv::Reader::from_reader(csv);
    let names = COLUMNS.iter().map(|column| match column.name {
        "data" => "data_json",
        name => name,
    });
    let names: Vec<&str> = names.collect();
    assert_eq!(reader.headers().expect("a header").iter().collect::<Vec<_>>(), names);
    let text = std::str::from_utf8(lines).expect("lines are UTF-8");
    let mut rows = 0;
    for (record, line) in reader.records().zip(text.lines()) {
        let record = record.expect("a record");
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        let members: std::collections::HashMap<&str, &RawValue> =
            serde_json::from_str(line).expect("a line is an object");
        for (column, found) in COLUMNS.iter().zip(&record) {
            let wanted = match column.name {
                // As it stands in the line, not as a parser would write it.
                "data" => members.get("data").map(|data| data.get().to_owned()),
                _ => cell(&event, column),
            };
            let id = &event["id"];
            assert_eq!(unguard(found), wanted.unwrap_or_default(), "{} of {id}", column.name);
        }
        rows += 1;
    }
    assert_eq!(rows, text.lines().count(), "rows of the CSV file");
}
