//! Compression: what comes out decompresses to what went in, early and complete.

use std::io::{Read, Write};
use std::slice::from_ref;

use arrow::array::RecordBatch;
use auditlake_export::{Compression, Encoder, Format};

use crate::batches::{self, encode, events, options};

const COMPRESSIONS: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

fn decompress(bytes: &[u8], compression: Compression) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    match compression {
        Compression::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut all)?,
        Compression::Zstd => zstd::stream::read::Decoder::new(bytes)?.read_to_end(&mut all)?,
        Compression::None => bytes.take(u64::MAX).read_to_end(&mut all)?,
    };
    Ok(all)
}

/// What a reader of an unfinished stream sees.
fn decompress_so_far(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut decoder = flate2::write::GzDecoder::new(Vec::new());
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
            decoder.get_ref().clone()
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::write::Decoder::new(Vec::new()).unwrap();
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
            decoder.get_ref().clone()
        }
        Compression::None => bytes.to_vec(),
    }
}

fn written() -> Vec<RecordBatch> {
    (0..8).map(|batch| events(batch * 1000, 1000)).collect()
}

#[test]
fn files_decompress_to_the_same_bytes() {
    let written = written();
    for format in [Format::Csv, Format::Ndjson, Format::Json] {
        let (plain, totals) = encode(&written, options(format, Compression::None));
        for compression in COMPRESSIONS {
            let (packed, packed_totals) = encode(&written, options(format, compression));
            assert_eq!(packed_totals.rows, totals.rows);
            assert!(packed_totals.bytes < totals.bytes / 4, "{format} {compression}");
            let unpacked = decompress(&packed, compression).unwrap();
            assert!(unpacked == plain, "{format} {compression} differs");
        }
    }
}

#[test]
fn empty_exports_are_complete_files() {
    let none = [events(0, 0)];
    for format in [Format::Csv, Format::Ndjson, Format::Json] {
        let (plain, _) = encode(&none, options(format, Compression::None));
        for compression in COMPRESSIONS {
            let (packed, _) = encode(&none, options(format, compression));
            assert_eq!(decompress(&packed, compression).unwrap(), plain);
        }
    }
}

#[test]
fn a_start_can_be_read_at_once() {
    for compression in COMPRESSIONS {
        let events = events(0, 1);
        for (format, wanted) in [(Format::Csv, "id,seq,type,"), (Format::Json, "[\n")] {
            let options = options(format, compression);
            let mut encoder = Encoder::new(events.schema(), options).unwrap();
            let mut out: Vec<u8> = Vec::new();
            encoder.start(&mut out).unwrap();
            let seen = decompress_so_far(&out, compression);
            assert!(seen.starts_with(wanted.as_bytes()), "{format} {compression}: {seen:?}");
            encoder.encode(&events, &mut out).unwrap();
            let totals = encoder.finish(&mut out).unwrap();
            assert_eq!(totals.bytes, out.len() as u64);
            let (plain, _) = encode(from_ref(&events), batches::options(format, Compression::None));
            assert_eq!(decompress(&out, compression).unwrap(), plain);
        }
    }
}

#[test]
fn bytes_leave_while_batches_come() {
    let batch = events(0, 4096);
    for compression in COMPRESSIONS {
        let options = options(Format::Ndjson, compression);
        let mut encoder = Encoder::new(batch.schema(), options).unwrap();
        let mut out: Vec<u8> = Vec::new();
        let mut given = 0;
        for _ in 0..4 {
            encoder.encode(&batch, &mut out).unwrap();
            given += out.len();
            out.clear();
        }
        let totals = encoder.finish(&mut out).unwrap();
        assert_eq!(totals.bytes, (given + out.len()) as u64);
        assert!(given > out.len(), "{compression} held back {} of {given}", out.len());
    }
}

#[test]
fn an_unfinished_stream_is_no_file() {
    let batch = events(0, 100);
    for compression in COMPRESSIONS {
        let options = options(Format::Ndjson, compression);
        let mut encoder = Encoder::new(batch.schema(), options).unwrap();
        let mut out: Vec<u8> = Vec::new();
        encoder.start(&mut out).unwrap();
        encoder.encode(&batch, &mut out).unwrap();
        drop(encoder);
        assert!(decompress(&out, compression).is_err(), "{compression} looks complete");
    }
}
