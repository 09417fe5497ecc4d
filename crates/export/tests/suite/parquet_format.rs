//! Parquet: reading back gives the cells and the types, in the layout of the lake.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use auditlake_export::{Encoder, ExportError, Format, Options};
use auditlake_model::columns::{COLUMNS, schema};
use auditlake_model::layout::{BLOOM_COLUMNS, CREATED_BY, Encoding, ROW_GROUP_ROWS, encoding_of};
use auditlake_testkit::plain::cells;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression as Codec, Encoding as PageEncoding};
use parquet::file::metadata::ParquetMetaData;

use crate::batches::{
    NOON_ISH, batch, dict, encode, encode_as, events, numbers, projection, raw_dict, text, times,
};

fn options() -> Options {
    Options::new(Format::Parquet)
}

fn read(bytes: Vec<u8>) -> (SchemaRef, Vec<RecordBatch>, Arc<ParquetMetaData>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    let schema = Arc::clone(reader.schema());
    let metadata = Arc::clone(reader.metadata());
    // A divisor of the row group, or the reader must merge dictionaries.
    let batches = reader.with_batch_size(8192).build().unwrap();
    (schema, batches.map(Result::unwrap).collect(), metadata)
}

fn check(written: &[RecordBatch]) -> Arc<ParquetMetaData> {
    let (bytes, _) = encode(written, options());
    let (schema, batches, metadata) = read(bytes);
    assert_eq!(schema.fields(), written[0].schema().fields());
    for batch in &batches {
        assert_eq!(batch.schema().fields(), schema.fields());
    }
    assert_eq!(cells(&batches), cells(written));
    metadata
}

#[test]
fn whole_events_come_back_with_their_types() {
    let metadata = check(&[events(0, 100), events(100, 0), events(100, 57)]);
    assert_eq!(metadata.file_metadata().num_rows(), 157);
    assert_eq!(metadata.file_metadata().created_by(), Some(CREATED_BY));
}

#[test]
fn columns_are_encoded_as_the_layout_says() {
    let metadata = check(&[events(0, 500)]);
    let group = metadata.row_group(0);
    assert!(group.sorting_columns().is_none());
    for (leaf, column) in group.columns().iter().zip(&COLUMNS) {
        let name = column.name;
        assert_eq!(leaf.column_path().string(), name);
        assert!(matches!(leaf.compression(), Codec::ZSTD(_)), "{name}");
        let encodings: Vec<_> = leaf.encodings().collect();
        let wanted = match encoding_of(column.kind) {
            Encoding::Dictionary => PageEncoding::RLE_DICTIONARY,
            Encoding::DeltaBinary => PageEncoding::DELTA_BINARY_PACKED,
            Encoding::DeltaLength => PageEncoding::DELTA_LENGTH_BYTE_ARRAY,
        };
        assert!(encodings.contains(&wanted), "{name}: {encodings:?}");
        let bloom = leaf.bloom_filter_offset().is_some();
        assert_eq!(bloom, BLOOM_COLUMNS.contains(&name), "{name}");
        assert!(leaf.column_index_offset().is_some(), "{name} has no page index");
        assert!(leaf.offset_index_offset().is_some(), "{name} has no page index");
    }
}

#[test]
fn row_groups_leave_the_encoder_when_they_are_full() {
    let rows = 50_000;
    let make = |first: u64| {
        let range = first..first + rows;
        let seq: Vec<_> = range.clone().map(Some).collect();
        let at: Vec<_> = range.clone().map(|row| Some(NOON_ISH + row as i64)).collect();
        let types: Vec<_> = range.map(|row| Some(["a", "b", "c"][row as usize % 3])).collect();
        batch(&[("seq", numbers(&seq)), ("occurred_at", times(&at)), ("type", dict(&types))])
    };
    let written: Vec<_> = (0..3).map(|number| make(number * rows)).collect();
    let mut encoder = Encoder::new(written[0].schema(), options()).unwrap();
    let mut out: Vec<u8> = Vec::new();
    encoder.start(&mut out).unwrap();
    assert_eq!(out, b"PAR1");
    let mut sizes = Vec::new();
    for batch in &written {
        encoder.encode(batch, &mut out).unwrap();
        sizes.push(out.len());
    }
    assert_eq!(sizes[..2], [4, 4], "the row group is not full yet");
    assert!(sizes[2] > 4, "a full row group was held back");
    let totals = encoder.finish(&mut out).unwrap();
    assert_eq!((totals.rows, totals.bytes), (3 * rows, out.len() as u64));

    let (_, batches, metadata) = read(out);
    let groups: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    let full = ROW_GROUP_ROWS as i64;
    assert_eq!(groups, [full, 3 * rows as i64 - full]);
    assert_eq!(cells(&batches), cells(&written));
}

#[test]
fn slices_nulls_and_odd_dictionaries() {
    let whole = events(0, 40);
    check(&[whole.slice(0, 3), whole.slice(3, 30), whole.slice(33, 7)]);
    let nulls = [None, None];
    check(&[batch(&[("type", dict(&nulls)), ("reason", text(&nulls))])]);
    let values = [Some("a"), None, Some("unused"), Some("")];
    let keys = [Some(3), Some(1), None, Some(0), Some(3)];
    let odd = batch(&[("type", raw_dict(&keys, &values))]);
    let changed = batch(&[("type", raw_dict(&keys, &[Some("x"), Some("y"), None, None]))]);
    check(&[odd.clone(), odd.slice(1, 3), changed, odd]);
}

#[test]
fn text_and_times_at_their_bounds() {
    let odd = [Some("\0\u{1}\r\n\"',"), Some(""), Some("é 🦀")];
    let at = [Some(-1), Some(-62_135_596_800_000_000), Some(253_402_300_799_999_999)];
    let seq = [Some(0), Some(u64::MAX), None];
    check(&[batch(&[
        ("id", text(&odd)),
        ("type", dict(&odd)),
        ("occurred_at", times(&at)),
        ("seq", numbers(&seq)),
    ])]);
}

#[test]
fn empty_exports_are_files_too() {
    let (bytes, totals) = encode_as(schema(), &[], options());
    assert_eq!(totals.rows, 0);
    let (read_schema, batches, metadata) = read(bytes);
    assert_eq!(read_schema.fields(), schema().fields());
    assert_eq!(metadata.num_row_groups(), 0);
    assert!(batches.is_empty());
    check(&[events(0, 0)]);
}

#[test]
fn a_required_column_with_nulls_is_refused() {
    let options = options();
    let mut encoder = Encoder::new(schema(), options).unwrap();
    let mut arrays = events(0, 1).columns().to_vec();
    arrays[2] = raw_dict(&[Some(0)], &[None]);
    let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
    let batch = RecordBatch::try_new(projection(&names), arrays).unwrap();
    let refused = encoder.encode(&batch, &mut Vec::<u8>::new()).unwrap_err();
    assert!(matches!(&refused, ExportError::Schema(_)));
    assert!(refused.to_string().contains("column type has nulls"), "{refused}");
}
