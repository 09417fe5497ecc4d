//! What holds of the encoders whatever the batches. The tests of this crate check it, and so
//! does `fuzz/`, which takes this very file, for batches that a fuzzer finds.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use auditlake_export::{CsvOptions, Encoder, Format, Options, unguard};
use auditlake_model::columns::{COLUMNS, Kind};
use auditlake_model::line::LineWriter;
use auditlake_model::render::Render;
use auditlake_testkit::generated::Case;
use auditlake_testkit::plain::{self, Row};
use serde_json::value::RawValue;

/// Every check there is.
pub(crate) fn all(case: &Case) {
    csv(case);
    lines(case);
    batching(case);
}

/// CSV is what crate `csv` and `arrow-csv` write, and reading it gives the cells back.
pub(crate) fn csv(case: &Case) {
    let rows = plain::cells(&case.batches);
    let bare = encode(&case.schema, case.batches.iter().cloned(), csv_options(false));
    same("crate csv", &bare, &plain::csv(&case.schema, &rows));

    let guarded: Vec<Row> = rows.iter().map(|row| row.iter().map(guarded).collect()).collect();
    let safe = encode(&case.schema, case.batches.iter().cloned(), csv_options(true));
    same("crate csv with guards", &safe, &plain::csv(&case.schema, &guarded));

    // A line without any cell reads as one cell.
    if !case.schema.fields().is_empty() {
        assert_reads_back(&bare, &rows, |cell| cell);
        assert_reads_back(&safe, &rows, unguard);
        assert_arrow_csv(case, &rows, &bare);
    }
}

/// NDJSON is what `serde_json` and `arrow-json` write, and JSON is an array of its lines.
pub(crate) fn lines(case: &Case) {
    let wanted = plain::lines(&case.schema, &plain::cells(&case.batches));
    let ndjson: String = wanted.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let given = encode(&case.schema, case.batches.iter().cloned(), Options::new(Format::Ndjson));
    same("serde_json", &given, ndjson.as_bytes());

    let array = encode(&case.schema, case.batches.iter().cloned(), Options::new(Format::Json));
    let end = if wanted.is_empty() { "]\n" } else { "\n]\n" };
    let joined = format!("[\n{}{end}", wanted.join(",\n"));
    same("an array of the lines", &array, joined.as_bytes());
    let elements: Vec<&RawValue> = serde_json::from_slice(&array).unwrap();
    assert!(elements.iter().map(|element| element.get()).eq(wanted.iter().map(String::as_str)));

    let mut writer = LineWriter::new(&case.schema).unwrap();
    let (mut out, mut ends) = (b"before".to_vec(), Vec::new());
    for batch in &case.batches {
        writer.write_each(batch, &mut out, &mut ends);
    }
    same("the lines", &out[b"before".len()..], ndjson.as_bytes());
    let starts = [b"before".len()].into_iter().chain(ends.iter().copied());
    let lengths = starts.zip(&ends).map(|(start, end)| end - start);
    assert!(lengths.eq(wanted.iter().map(|line| line.len() + 1)));

    assert_arrow_json(case);
}

/// How rows come in batches, where in memory they lie, and when bytes are taken out do not
/// matter.
pub(crate) fn batching(case: &Case) {
    for options in [csv_options(true), Options::new(Format::Ndjson), Options::new(Format::Json)] {
        let format = options.format;
        let whole = encode(&case.schema, case.batches.iter().cloned(), options);
        let pieces = encode_in_steps(&case.schema, case.pieces(), options);
        same(&format!("{format} of the same rows in other batches"), &pieces, &whole);
        // Each copy is gone when the next one is made, in the same memory as likely as not.
        let copies = case.batches.iter().map(plain::copied);
        let copies = encode(&case.schema, copies, options);
        same(&format!("{format} of the same batches in other memory"), &copies, &whole);
        let shared = encode_shared(&case.schema, case.pieces(), options);
        same(&format!("{format} by one renderer"), &shared, &whole);
    }
}

/// The file of these batches, of which only one is held at a time.
fn encode(
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
    options: Options,
) -> Vec<u8> {
    let mut encoder = Encoder::new(Arc::clone(schema), options).unwrap();
    let (mut file, mut rows) = (Vec::<u8>::new(), 0);
    for batch in batches {
        rows += batch.num_rows() as u64;
        encoder.encode(&batch, &mut file).unwrap();
    }
    let totals = encoder.finish(&mut file).unwrap();
    assert_eq!((totals.rows, totals.bytes), (rows, file.len() as u64));
    file
}

/// The same with a start, and with all bytes taken out after each call.
fn encode_in_steps(schema: &SchemaRef, batches: Vec<RecordBatch>, options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(Arc::clone(schema), options).unwrap();
    let (mut file, mut out) = (Vec::<u8>::new(), Vec::<u8>::new());
    encoder.start(&mut out).unwrap();
    for batch in &batches {
        file.append(&mut out);
        encoder.encode(batch, &mut out).unwrap();
    }
    file.append(&mut out);
    encoder.finish(&mut out).unwrap();
    file.append(&mut out);
    file
}

/// The same with the batches rendered by several, of which each sees only some of them.
fn encode_shared(schema: &SchemaRef, batches: Vec<RecordBatch>, options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(Arc::clone(schema), options).unwrap();
    let mut renderers = encoder.renderers(3).unwrap();
    let mut file = Vec::<u8>::new();
    for (number, batch) in batches.into_iter().enumerate() {
        let rendered = renderers[number % 3].batch(batch).unwrap();
        encoder.add(rendered.item, &mut file).unwrap();
    }
    encoder.finish(&mut file).unwrap();
    file
}

fn csv_options(safe: bool) -> Options {
    Options { csv: CsvOptions { safe }, ..Options::new(Format::Csv) }
}

/// The rule of the guard, written a second time.
pub(crate) fn guarded(cell: &Option<String>) -> Option<String> {
    let text = cell.as_ref()?;
    let first = text.trim_start_matches('\'').chars().next();
    let is_formula = first.is_some_and(|first| "=+-@\t\r\n＝＋－＠".contains(first));
    Some(if is_formula { format!("'{text}") } else { text.clone() })
}

fn read(file: &[u8]) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(file);
    reader.records().map(Result::unwrap).collect()
}

/// A reader of CSV cannot tell a null from an empty string.
#[track_caller]
fn assert_reads_back(file: &[u8], rows: &[Row], original: impl Fn(&str) -> &str) {
    let records = read(file);
    assert_eq!(records.len(), 1 + rows.len(), "a header and the rows");
    for (number, (record, row)) in records[1..].iter().zip(rows).enumerate() {
        let found = record.iter().map(&original);
        let wanted = row.iter().map(|cell| cell.as_deref().unwrap_or(""));
        assert!(found.eq(wanted), "row {number} is {row:?} and reads as {record:?}");
    }
}

/// `arrow-csv` writes an empty string as nothing, as it does a null, where there is more than one
/// column; else it writes our bytes.
#[track_caller]
fn assert_arrow_csv(case: &Case, rows: &[Row], given: &[u8]) {
    let theirs = plain::arrow_csv(&case.schema, &case.batches);
    let is_empty = |cell: &Option<String>| cell.as_deref() == Some("");
    if rows.iter().any(|row| row.len() > 1 && row.iter().any(is_empty)) {
        assert!(read(given) == read(&theirs), "not the cells that arrow-csv writes");
    } else {
        same("arrow-csv", given, &theirs);
    }
}

/// `arrow-json` has no groups, writes `data` as a string, and keeps the order of the schema: what
/// is left without those, in our order, has our bytes.
#[track_caller]
fn assert_arrow_json(case: &Case) {
    let flat: Vec<usize> = COLUMNS
        .iter()
        .filter(|column| column.group.is_none() && column.kind != Kind::Json)
        .filter_map(|column| case.schema.index_of(column.name).ok())
        .collect();
    if flat.is_empty() {
        return;
    }
    let schema = Arc::new(case.schema.project(&flat).unwrap());
    let batches: Vec<_> = case.batches.iter().map(|batch| batch.project(&flat).unwrap()).collect();
    let given = encode(&schema, batches.iter().cloned(), Options::new(Format::Ndjson));
    same("arrow-json", &given, &plain::arrow_json(&batches));
}

/// Compares files that may be too long to print.
#[track_caller]
fn same(whose: &str, given: &[u8], wanted: &[u8]) {
    if given == wanted {
        return;
    }
    let at = given.iter().zip(wanted).take_while(|(left, right)| left == right).count();
    let around = |file: &[u8]| {
        let part = &file[at.saturating_sub(80)..file.len().min(at + 80)];
        String::from_utf8_lossy(part).into_owned()
    };
    let (given, wanted) = (around(given), around(wanted));
    panic!("not {whose} from byte {at} on:\n given {given:?}\nwanted {wanted:?}");
}
