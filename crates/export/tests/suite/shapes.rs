//! Shaped exports: other names for the same events, written by the same rules.

use std::borrow::Cow;
use std::io::Read;
use std::iter;
use std::slice::from_ref;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use auditlake_export::{
    Cell, Compression, CsvOptions, Encoder, Envelope, ExportError, Format, Options, Row, Shape,
};
use auditlake_model::columns::{at, schema};
use auditlake_model::render::Render;
use auditlake_testkit::generated::SPECIAL_TEXTS;
use auditlake_testkit::plain;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::batches::{NOON_ISH, dict, encode, events, options, raw_dict, text};
use crate::checks;

const TEXT_FORMATS: [Format; 3] = [Format::Csv, Format::Ndjson, Format::Json];

/// A shape with every kind of cell.
#[derive(Debug)]
struct Story;

impl Shape for Story {
    fn columns(&self) -> &'static [&'static str] {
        &["say \"who\"", "number", "words", "payload", "made", "never"]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        let data = event.text(at::DATA);
        cells.push(Cell::text(event.text(at::ACTOR_ID)));
        cells.push(Cell::Number(event.seq()));
        cells.push(Cell::text(event.text(at::REASON)));
        cells.push(data.map_or(Cell::Null, |data| Cell::Json(Cow::Borrowed(data))));
        cells.push(Cell::Text(Cow::Owned(format!("-{}", event.micros(at::OCCURRED_AT)))));
        cells.push(Cell::Null);
    }
}

/// A shape with the digest of the canonical line.
#[derive(Debug)]
struct Sealed;

impl Shape for Sealed {
    fn columns(&self) -> &'static [&'static str] {
        &["seq", "checksum"]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        let checksum = format!("sha256:{:x}", Sha256::digest(event.line()));
        cells.push(Cell::Number(event.seq()));
        cells.push(Cell::Text(Cow::Owned(checksum)));
    }

    fn needs_line(&self) -> bool {
        true
    }
}

/// A shape of one column.
#[derive(Debug)]
struct Reasons;

impl Shape for Reasons {
    fn columns(&self) -> &'static [&'static str] {
        &["reason"]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        assert!(event.line().is_empty(), "nobody asked for the line");
        cells.push(Cell::text(event.text(at::REASON)));
    }
}

/// A shape that does not keep its promise, or promises nothing.
#[derive(Debug)]
struct Wrong {
    columns: &'static [&'static str],
    cells: usize,
}

impl Shape for Wrong {
    fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    fn cells<'a>(&self, _: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        cells.extend(iter::repeat_n(Cell::Null, self.cells));
    }
}

fn csv_options(safe: bool) -> Options {
    Options { csv: CsvOptions { safe }, ..Options::new(Format::Csv) }
}

/// Events with all columns, some of them replaced.
fn with(rows: usize, replaced: &[(usize, ArrayRef)]) -> RecordBatch {
    let mut columns = events(0, rows).columns().to_vec();
    for (column, array) in replaced {
        columns[*column] = Arc::clone(array);
    }
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn three() -> RecordBatch {
    let reasons = [Some("=1+\"x\""), None, Some("line\nand\tcontrol\u{1} é🦀")];
    with(
        3,
        &[
            (at::ACTOR_ID, dict(&[Some("ann"), None, Some("")])),
            (at::REASON, text(&reasons)),
            (at::DATA, text(&[Some("{\"a\":\"b,c\"}"), None, Some("{}")])),
        ],
    )
}

/// Events whose reasons are every special text, with nulls between them.
fn special() -> RecordBatch {
    let texts = SPECIAL_TEXTS.iter().flat_map(|text| [Some(*text), None]);
    let texts: Vec<Option<&str>> = texts.chain([Some("")]).collect();
    with(texts.len(), &[(at::REASON, text(&texts))])
}

fn encode_shaped(
    shape: &Arc<dyn Shape>,
    batches: &[RecordBatch],
    options: Options,
    envelope: Envelope,
) -> Vec<u8> {
    let mut encoder = Encoder::shaped(Arc::clone(shape), options, envelope).unwrap();
    let mut out: Vec<u8> = Vec::new();
    for batch in batches {
        encoder.encode(batch, &mut out).unwrap();
    }
    let totals = encoder.finish(&mut out).unwrap();
    assert_eq!(totals.bytes, out.len() as u64);
    assert_eq!(totals.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    out
}

fn text_of(shape: impl Shape + 'static, batches: &[RecordBatch], options: Options) -> String {
    let shape: Arc<dyn Shape> = Arc::new(shape);
    String::from_utf8(encode_shaped(&shape, batches, options, Envelope::array())).unwrap()
}

#[test]
fn json_has_every_column_of_every_event() {
    let lines = [
        concat!(
            r#"{"say \"who\"":"ann","number":0,"words":"=1+\"x\"","payload":{"a":"b,c"},"#,
            r#""made":"-1779004800000000","never":null}"#,
        ),
        concat!(
            r#"{"say \"who\"":null,"number":1,"words":null,"payload":null,"#,
            r#""made":"-1779004801234567","never":null}"#,
        ),
        concat!(
            r#"{"say \"who\"":"","number":2,"words":"line\nand\tcontrol\u0001 é🦀","payload":{},"#,
            r#""made":"-1779004802469134","never":null}"#,
        ),
    ];
    let ndjson = text_of(Story, &[three()], Options::new(Format::Ndjson));
    assert_eq!(ndjson, format!("{}\n", lines.join("\n")));
    let json = text_of(Story, &[three()], Options::new(Format::Json));
    assert_eq!(json, format!("[\n{}\n]\n", lines.join(",\n")));
    let elements: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(elements[0]["say \"who\""], "ann");
}

#[test]
fn csv_is_quoted_and_guarded_like_any_other() {
    let lines = [
        r#""say ""who""",number,words,payload,made,never"#,
        r#"ann,0,"'=1+""x""","{""a"":""b,c""}",'-1779004800000000,"#,
        r#",1,,,'-1779004801234567,"#,
        "\"\",2,\"line\nand\tcontrol\u{1} é🦀\",{},'-1779004802469134,",
    ];
    let safe = format!("{}\n", lines.join("\n"));
    assert_eq!(text_of(Story, &[three()], csv_options(true)), safe);
    assert_eq!(text_of(Story, &[three()], csv_options(false)), safe.replace('\'', ""));
}

#[test]
fn special_texts_are_written_as_others_write_them() {
    let batch = special();
    let reasons: Vec<Option<String>> =
        (0..batch.num_rows()).map(|row| plain::cell(&batch, at::REASON, row)).collect();

    let lines = reasons.iter().map(|reason| match reason {
        Some(text) => format!("{{\"reason\":{}}}", serde_json::to_string(text).unwrap()),
        None => "{\"reason\":null}".to_owned(),
    });
    let lines: Vec<String> = lines.collect();
    let ndjson = text_of(Reasons, from_ref(&batch), Options::new(Format::Ndjson));
    assert_eq!(ndjson, format!("{}\n", lines.join("\n")));

    let schema = Schema::new(vec![Field::new("reason", DataType::Utf8, true)]);
    let bare: Vec<plain::Row> = reasons.iter().map(|reason| vec![reason.clone()]).collect();
    let guarded: Vec<plain::Row> =
        reasons.iter().map(|reason| vec![checks::guarded(reason)]).collect();
    for (safe, rows) in [(false, bare), (true, guarded)] {
        let csv = text_of(Reasons, from_ref(&batch), csv_options(safe));
        assert_eq!(csv.as_bytes(), plain::csv(&schema, &rows));
    }
}

#[test]
fn no_line_of_csv_is_blank() {
    let batch = with(2, &[(at::REASON, text(&[None, Some("")]))]);
    assert_eq!(text_of(Reasons, &[batch], csv_options(true)), "reason\n\"\"\n\"\"\n");
}

#[test]
fn a_dictionary_may_hold_a_null() {
    let keys = [Some(1), Some(0), None];
    let batch = with(3, &[(at::ACTOR_ID, raw_dict(&keys, &[Some("ann"), None]))]);
    let lines = text_of(Story, &[batch], Options::new(Format::Ndjson));
    let given: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["say \"who\""].clone())
        .collect();
    assert_eq!(given, [Value::Null, "ann".into(), Value::Null]);
}

#[test]
fn a_row_knows_what_its_columns_are() {
    /// Asks for what is not there.
    #[derive(Debug)]
    struct Curious;
    impl Shape for Curious {
        fn columns(&self) -> &'static [&'static str] {
            &["recorded"]
        }
        fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
            assert_eq!(event.text(at::SEQ), None);
            assert_eq!(event.text(at::RECORDED_AT), None);
            assert_eq!(event.text(usize::MAX), None);
            assert_eq!(event.micros(at::REASON), 0);
            assert!(event.text(at::ID).is_some());
            cells.push(Cell::Number(event.micros(at::RECORDED_AT).unsigned_abs()));
        }
    }
    let csv = text_of(Curious, &[events(0, 1)], csv_options(true));
    assert_eq!(csv, format!("recorded\n{NOON_ISH}\n"));
}

#[test]
fn a_checksum_is_that_of_the_canonical_line() {
    let batches = [events(0, 700), events(700, 3), special()];
    let (canonical, _) = encode(&batches, options(Format::Ndjson, Compression::None));
    let canonical = String::from_utf8(canonical).unwrap();
    let wanted: Vec<String> = canonical
        .lines()
        .map(|line| format!("sha256:{:x}", Sha256::digest(line.as_bytes())))
        .collect();
    assert_eq!(wanted.len(), batches.iter().map(RecordBatch::num_rows).sum::<usize>());
    let given: Vec<String> = text_of(Sealed, &batches, csv_options(true))
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap().1.to_owned())
        .collect();
    assert_eq!(given, wanted);
}

#[test]
fn an_export_without_events_is_whole() {
    for batches in [vec![], vec![events(0, 0)]] {
        let csv = text_of(Reasons, &batches, csv_options(true));
        assert_eq!(csv, "reason\n");
        assert_eq!(text_of(Reasons, &batches, Options::new(Format::Ndjson)), "");
        assert_eq!(text_of(Reasons, &batches, Options::new(Format::Json)), "[\n]\n");
    }
}

#[test]
fn an_envelope_stands_around_the_elements() {
    let envelope = Envelope {
        before: "{\"total\":3,\"records\":[".to_owned(),
        after: "],\"end\":true}\n".to_owned(),
    };
    let shape: Arc<dyn Shape> = Arc::new(Story);
    let json = Options::new(Format::Json);
    let file = encode_shaped(&shape, &[events(0, 0), three()], json, envelope.clone());
    assert!(file.starts_with(b"{\"total\":3,\"records\":[{\"say"));
    assert!(file.ends_with(b"}\n],\"end\":true}\n"));
    let whole: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(whole["records"].as_array().unwrap().len(), 3);
    assert_eq!(whole["end"], true);

    let empty = encode_shaped(&shape, &[], json, envelope.clone());
    assert_eq!(empty, b"{\"total\":3,\"records\":[],\"end\":true}\n");

    // Other formats do without.
    for options in [csv_options(true), Options::new(Format::Ndjson)] {
        let file = encode_shaped(&shape, &[three()], options, envelope.clone());
        assert_eq!(file, encode_shaped(&shape, &[three()], options, Envelope::array()));
    }
}

#[test]
fn what_stands_before_comes_at_the_start() {
    let before = "{\"records\":[";
    for (format, wanted) in [(Format::Csv, "reason\n"), (Format::Json, before)] {
        let envelope = Envelope { before: before.to_owned(), after: "]}".to_owned() };
        let mut encoder =
            Encoder::shaped(Arc::new(Reasons), Options::new(format), envelope).unwrap();
        let mut out: Vec<u8> = Vec::new();
        encoder.start(&mut out).unwrap();
        encoder.start(&mut out).unwrap();
        assert_eq!(out, wanted.as_bytes());
    }
}

#[test]
fn renderers_side_by_side_make_the_same_file() {
    let batches = [events(0, 0), events(0, 300), three(), events(0, 0), special()];
    let shapes: [Arc<dyn Shape>; 3] = [Arc::new(Story), Arc::new(Sealed), Arc::new(Reasons)];
    for (shape, format) in shapes.iter().flat_map(|shape| TEXT_FORMATS.map(|of| (shape, of))) {
        let options = Options::new(format);
        let whole = encode_shaped(shape, &batches, options, Envelope::array());
        let mut encoder = Encoder::shaped(Arc::clone(shape), options, Envelope::array()).unwrap();
        let renderers = encoder.renderers(batches.len()).unwrap();
        assert_eq!(renderers.len(), batches.len());
        let threads: Vec<_> = iter::zip(renderers, batches.clone())
            .map(|(mut renderer, batch)| {
                assert!(renderer.copies_from_rows().is_none());
                std::thread::spawn(move || renderer.batch(batch).unwrap().item)
            })
            .collect();
        let mut out: Vec<u8> = Vec::new();
        for thread in threads {
            encoder.add(thread.join().unwrap(), &mut out).unwrap();
        }
        encoder.finish(&mut out).unwrap();
        assert!(out == whole, "{format} in {shape:?} differs");
    }
}

#[test]
fn shaped_files_are_compressed_like_others() {
    let shape: Arc<dyn Shape> = Arc::new(Story);
    for format in TEXT_FORMATS {
        let plain = options(format, Compression::None);
        let plain = encode_shaped(&shape, &[events(0, 2000)], plain, Envelope::array());
        let gzip = options(format, Compression::Gzip);
        let gzip = encode_shaped(&shape, &[events(0, 2000)], gzip, Envelope::array());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain, "{format} differs");
    }
}

#[test]
fn there_is_no_shaped_parquet() {
    let options = Options::new(Format::Parquet);
    let refused = Encoder::shaped(Arc::new(Story), options, Envelope::array()).err().unwrap();
    assert!(matches!(&refused, ExportError::Option { name: "format", .. }));
    let wanted = "format \"parquet\" is not allowed, use csv, ndjson or json";
    assert_eq!(refused.to_string(), wanted);
}

#[test]
fn a_shape_without_columns_is_refused() {
    for format in TEXT_FORMATS {
        let shape = Arc::new(Wrong { columns: &[], cells: 0 });
        let refused = Encoder::shaped(shape, Options::new(format), Envelope::array());
        assert!(matches!(refused.err().unwrap(), ExportError::Schema(_)));
    }
}

#[test]
fn a_wrong_event_breaks_the_file() {
    let columns: &[&str] = &["one", "two"];
    for (format, cells) in [(Format::Csv, 1), (Format::Ndjson, 3), (Format::Json, 0)] {
        let shape = Arc::new(Wrong { columns, cells });
        let encoder = Encoder::shaped(shape, Options::new(format), Envelope::array()).unwrap();
        assert_breaks(encoder, &events(0, 1));
    }
    for format in TEXT_FORMATS {
        let encoder =
            Encoder::shaped(Arc::new(Story), Options::new(format), Envelope::array()).unwrap();
        let narrow = events(0, 1).project(&[at::ID, at::SEQ]).unwrap();
        assert_breaks(encoder, &narrow);
    }
}

fn assert_breaks(mut encoder: Encoder, batch: &RecordBatch) {
    let mut out: Vec<u8> = Vec::new();
    let refused = encoder.encode(batch, &mut out).unwrap_err();
    assert!(matches!(refused, ExportError::Schema(_)), "{refused}");
    assert!(matches!(encoder.finish(&mut out), Err(ExportError::Incomplete)));
    assert!(out.is_empty());
}

#[test]
fn a_slice_of_a_batch_has_its_own_rows() {
    let all = special();
    let (from, rows) = (7, 9);
    let slice = all.slice(from, rows);
    assert_eq!(slice.column(at::REASON).len(), rows);
    let shapes: [Arc<dyn Shape>; 2] = [Arc::new(Story), Arc::new(Sealed)];
    for shape in &shapes {
        let ndjson = |batch: &RecordBatch| {
            let options = Options::new(Format::Ndjson);
            let file = encode_shaped(shape, from_ref(batch), options, Envelope::array());
            String::from_utf8(file).unwrap()
        };
        let (whole, part) = (ndjson(&all), ndjson(&slice));
        let wanted: Vec<&str> = whole.lines().skip(from).take(rows).collect();
        assert_eq!(part.lines().collect::<Vec<_>>(), wanted);
    }
}
