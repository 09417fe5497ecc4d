//! Names of options, what goes together, and encoders that have failed.

use auditlake_export::{Compression, CsvOptions, Encoder, ExportError, Format, Options};

use crate::batches::{batch, events, numbers, options, projection, text};

#[test]
fn formats_have_names() {
    for (format, name) in [
        (Format::Csv, "csv"),
        (Format::Ndjson, "ndjson"),
        (Format::Json, "json"),
        (Format::Parquet, "parquet"),
    ] {
        assert_eq!(name.parse::<Format>().unwrap(), format);
        assert_eq!(format.to_string(), name);
        assert_eq!(format.extension(), name);
        assert!(format.content_type().contains('/'));
    }
    let refused = "xlsx".parse::<Format>().unwrap_err().to_string();
    assert_eq!(refused, "format \"xlsx\" is not allowed, use csv, ndjson, json or parquet");
}

#[test]
fn compressions_have_names() {
    for (compression, name, extension) in [
        (Compression::None, "none", ""),
        (Compression::Gzip, "gzip", ".gz"),
        (Compression::Zstd, "zstd", ".zst"),
    ] {
        assert_eq!(name.parse::<Compression>().unwrap(), compression);
        assert_eq!(compression.to_string(), name);
        assert_eq!(compression.extension(), extension);
    }
    let refused = "bzip2".parse::<Compression>().unwrap_err().to_string();
    assert_eq!(refused, "compression \"bzip2\" is not allowed, use none, gzip or zstd");
}

#[test]
fn csv_is_safe_unless_told_otherwise() {
    assert!(CsvOptions::default().safe);
    assert!(Options::new(Format::Csv).csv.safe);
}

#[test]
fn parquet_is_not_compressed_twice() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let options = options(Format::Parquet, compression);
        let refused = Encoder::new(projection(&["id"]), options).err().unwrap();
        assert!(matches!(&refused, ExportError::Option { name: "compression", .. }));
        let wanted = format!(
            "compression \"{compression}\" is not allowed, \
             use none: format parquet compresses its own pages"
        );
        assert_eq!(refused.to_string(), wanted);
        assert!(options.check().is_err());
    }
    assert!(options(Format::Parquet, Compression::None).check().is_ok());
}

#[test]
fn parquet_needs_a_column() {
    let refused = Encoder::new(projection(&[]), Options::new(Format::Parquet)).err().unwrap();
    assert!(matches!(refused, ExportError::Schema(_)));
}

#[test]
fn a_failed_encoder_never_ends_its_file() {
    let good = batch(&[("id", text(&[Some("a")])), ("reason", text(&[None]))]);
    let swapped = batch(&[("reason", text(&[None])), ("id", text(&[Some("a")]))]);
    let narrow = batch(&[("id", text(&[Some("a")]))]);
    let other = batch(&[("id", text(&[Some("a")])), ("seq", numbers(&[Some(1)]))]);
    for format in [Format::Csv, Format::Ndjson, Format::Json, Format::Parquet] {
        for wrong in [&swapped, &narrow, &other] {
            let mut encoder = Encoder::new(good.schema(), Options::new(format)).unwrap();
            let mut out: Vec<u8> = Vec::new();
            encoder.encode(&good, &mut out).unwrap();
            let refused = encoder.encode(wrong, &mut out).unwrap_err();
            assert!(matches!(refused, ExportError::Schema(_)), "{format}: {refused}");
            let before = out.len();
            let refused = encoder.encode(&good, &mut out).unwrap_err();
            assert!(matches!(refused, ExportError::Incomplete), "{format}: {refused}");
            assert!(matches!(encoder.start(&mut out), Err(ExportError::Incomplete)));
            assert!(matches!(encoder.finish(&mut out), Err(ExportError::Incomplete)));
            assert_eq!(out.len(), before);
        }
    }
}

#[test]
fn an_encoder_moves_between_threads() {
    let events = events(0, 3);
    let mut encoder = Encoder::new(events.schema(), Options::new(Format::Parquet)).unwrap();
    let totals = std::thread::spawn(move || {
        let mut out: Vec<u8> = Vec::new();
        encoder.encode(&events, &mut out).unwrap();
        encoder.finish(&mut out).unwrap()
    });
    assert_eq!(totals.join().unwrap().rows, 3);
}
