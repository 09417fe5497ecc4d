//! What batches look like as text, by the plainest code and by other people's: crates `csv` and
//! `serde_json`, `arrow-csv` and `arrow-json`, and chrono for times. The encoders are compared
//! with these, so nothing here may use them.

mod foreign;

use std::iter;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimestampMicrosecondType, UInt64Type};
use arrow::temporal_conversions::timestamp_us_to_datetime;
use auditlake_model::columns::{COLUMNS, Column, Kind};

pub use foreign::{arrow_csv, arrow_json, copied};

/// The cells of one row as text, in the order of the schema; none for null.
pub type Row = Vec<Option<String>>;

const RFC3339: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// One cell as text, none for null.
#[must_use]
pub fn cell(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column);
    match array.data_type() {
        _ if array.is_null(row) => None,
        DataType::Utf8 => Some(array.as_string::<i32>().value(row).to_owned()),
        DataType::UInt64 => Some(array.as_primitive::<UInt64Type>().value(row).to_string()),
        DataType::Timestamp(_, _) => {
            Some(rfc3339(array.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        DataType::Dictionary(_, _) => {
            let array = array.as_dictionary::<Int32Type>();
            let values = array.values().as_string::<i32>();
            let key = array.key(row)?;
            // The key may stand for a value that is null itself.
            values.is_valid(key).then(|| values.value(key).to_owned())
        }
        other => panic!("no event column is {other}"),
    }
}

/// Every row of the batches.
#[must_use]
pub fn cells(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            rows.push((0..batch.num_columns()).map(|column| cell(batch, column, row)).collect());
        }
    }
    rows
}

/// A time as chrono writes it.
#[must_use]
pub fn rfc3339(time_us: i64) -> String {
    let time = timestamp_us_to_datetime(time_us).expect("a time within chrono's calendar");
    time.format(RFC3339).to_string()
}

/// A CSV file with each cell as crate `csv` writes it. Crate `csv` has no nulls: a null is
/// empty, and so an empty string is `""`, as is a null that has its line for itself.
#[must_use]
pub fn csv(schema: &Schema, rows: &[Row]) -> Vec<u8> {
    let names: Row = schema.fields().iter().map(|field| Some(csv_name(field).to_owned())).collect();
    let mut pairs = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Necessary)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    let mut file = Vec::new();
    for row in iter::once(&names).chain(rows) {
        for (position, cell) in row.iter().enumerate() {
            if position > 0 {
                file.push(b',');
            }
            match cell.as_deref() {
                Some("") => file.extend_from_slice(b"\"\""),
                Some(text) => push_cell(&mut pairs, text, &mut file),
                None if row.len() == 1 => file.extend_from_slice(b"\"\""),
                None => {}
            }
        }
        if row.is_empty() {
            file.extend_from_slice(b"\"\"");
        }
        file.push(b'\n');
    }
    file
}

/// Lets crate `csv` write the cell in front of another one, and takes that off again.
fn push_cell(pairs: &mut csv::Writer<Vec<u8>>, cell: &str, file: &mut Vec<u8>) {
    let start = pairs.get_ref().len();
    pairs.write_record([cell, "x"]).expect("memory takes every record");
    pairs.flush().expect("memory takes every byte");
    let line = &pairs.get_ref()[start..];
    file.extend_from_slice(line.strip_suffix(b",x\n").expect("a line of two cells"));
}

/// The name says that the cell is JSON text.
fn csv_name(field: &Field) -> &str {
    if field.name() == "data" { "data_json" } else { field.name() }
}

/// The canonical line of each row, without its line end, with each string as `serde_json` writes
/// it.
#[must_use]
pub fn lines(schema: &Schema, rows: &[Row]) -> Vec<String> {
    let place = |column: &'static Column| Some((column, schema.index_of(column.name).ok()?));
    let places: Vec<_> = COLUMNS.iter().filter_map(place).collect();
    rows.iter().map(|row| line(&places, row)).collect()
}

fn line(places: &[(&Column, usize)], row: &[Option<String>]) -> String {
    let mut groups: Vec<(Option<&str>, Vec<String>)> = Vec::new();
    for (column, position) in places {
        let Some(cell) = &row[*position] else { continue };
        let value = match column.kind {
            Kind::Seq | Kind::Json => cell.clone(),
            Kind::Text | Kind::Dict | Kind::Time => {
                serde_json::to_string(cell).expect("any text is a JSON string")
            }
        };
        let member = format!("\"{}\":{value}", column.key);
        match groups.last_mut() {
            Some((group, members)) if *group == column.group => members.push(member),
            _ => groups.push((column.group, vec![member])),
        }
    }
    let parts = groups.into_iter().map(|(group, members)| match group {
        Some(group) => format!("\"{group}\":{{{}}}", members.join(",")),
        None => members.join(","),
    });
    format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
}
