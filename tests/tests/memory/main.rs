//! An export's memory does not depend on its size: five million events in every format, from
//! the command line and from a server, and a client that leaves in the middle.

mod fill;
mod peak;
mod wide;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use auditlake_tests::{Site, Target};
use parquet::file::reader::{FileReader, SerializedFileReader};

const EVENTS: u64 = 5_000_000;
/// What a process may have resident at most, whatever it exports.
const LIMIT_KIB: u64 = 256 << 10;
/// The events that the lake was filled with: exports are events as well.
const SAMPLE: &str = "to=2026-10-01";

const FORMATS: [&str; 4] = ["ndjson", "csv", "json", "parquet"];

/// Far from a folder in memory, which would be part of what is measured.
fn site() -> Site {
    Site::within(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_million_events_fit_through_a_quarter_gibibyte() {
    let site = site();
    fill::fill(site.lake(), EVENTS).await;
    for format in FORMATS {
        assert_small(&format!("export to {format}"), by_command(&site, format));
    }
    for format in FORMATS {
        // A server each, so that a peak has one cause.
        let server = site.start().await;
        by_server(&server.target(), format, &site.folder().join("received")).await;
        let peak = peak::resident_kib(server.id()).expect("the server still runs");
        assert_small(&format!("a server that gives {format}"), peak);
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_events_take_no_more() {
    const WIDE: u64 = 4000;
    let site = site();
    wide::fill(site.lake(), WIDE, 200 << 10).await;
    let output = site.folder().join("export.ndjson.zst").display().to_string();
    let mut command = site.command(["export", "--order", "log", "-o", &output]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary starts");
    let peak = peak::until_end(&mut child, Duration::from_secs(120));
    assert_small("an export of wide events", peak);
    let text = File::open(&output).map(zstd::Decoder::new).expect("the export").expect("zstd");
    let mut ends = LineEnds::default();
    let (mut text, mut chunk) = (text, vec![0; 1 << 20]);
    loop {
        let read = text.read(&mut chunk).expect("the export can be read");
        if read == 0 {
            break;
        }
        ends.count(&chunk[..read], "ndjson");
    }
    assert_eq!(ends.count, WIDE);
}

fn assert_small(what: &str, peak_kib: u64) {
    println!("{what}: at most {} MiB", peak_kib >> 10);
    assert!(peak_kib < LIMIT_KIB, "{what} took {} MiB", peak_kib >> 10);
}

/// Exports to a file, checks that it is whole, and answers the peak of the process.
fn by_command(site: &Site, format: &str) -> u64 {
    let file = site.folder().join(format!("export.{format}"));
    let output = file.display().to_string();
    let mut command = site.command(["export", "--format", format, "-o", &output]);
    let log = File::create(site.folder().join("export.log")).expect("a log file");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = command.spawn().expect("the binary starts");
    let peak = peak::until_end(&mut child, Duration::from_secs(600));
    if format == "parquet" {
        assert_rows_of(&file);
    } else {
        let mut ends = LineEnds::default();
        let (mut from, mut chunk) = (File::open(&file).expect("the export"), vec![0; 1 << 20]);
        loop {
            let read = from.read(&mut chunk).expect("the export can be read");
            if read == 0 {
                break;
            }
            ends.count(&chunk[..read], format);
        }
        ends.assert_all(format);
    }
    std::fs::remove_file(file).expect("the export");
    peak
}

/// Receives an export, and checks that it is whole.
async fn by_server(target: &Target, format: &str, file: &Path) {
    let path = format!("/v1/events/export?format={format}&{SAMPLE}");
    let mut response = target.open(&path).await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200, "{format}");
    let (mut ends, mut parquet) = (LineEnds::default(), None);
    if format == "parquet" {
        parquet = Some(File::create(file).expect("a file for what is received"));
    }
    while let Some(chunk) = response.chunk().await.expect("an export that does not break off") {
        match &mut parquet {
            Some(file) => file.write_all(&chunk).expect("room for what is received"),
            None => ends.count(&chunk, format),
        }
    }
    if parquet.is_some() {
        assert_rows_of(file);
        std::fs::remove_file(file).expect("what was received");
    } else {
        ends.assert_all(format);
    }
}

fn assert_rows_of(file: &Path) {
    let reader = SerializedFileReader::new(File::open(file).expect("a Parquet file"));
    let metadata = reader.expect("a whole Parquet file").metadata().file_metadata().clone();
    assert_eq!(metadata.num_rows(), i64::try_from(EVENTS).expect("a number of rows"));
}

/// Counts the line ends that end a row: in CSV, a cell between quotes may have its own.
#[derive(Default)]
struct LineEnds {
    count: u64,
    is_quoted: bool,
}

impl LineEnds {
    fn count(&mut self, text: &[u8], format: &str) {
        if format != "csv" {
            self.count += memchr::memchr_iter(b'\n', text).count() as u64;
            return;
        }
        for at in memchr::memchr2_iter(b'\n', b'"', text) {
            if text[at] == b'"' {
                self.is_quoted = !self.is_quoted;
            } else if !self.is_quoted {
                self.count += 1;
            }
        }
    }

    fn assert_all(&self, format: &str) {
        let around = match format {
            "csv" => 1,
            // The brackets stand on lines of their own.
            "json" => 2,
            _ => 0,
        };
        assert_eq!(self.count, EVENTS + around, "lines of {format}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_ends_when_its_client_leaves() {
    /// More than fits between an encoder and a client that reads nothing.
    const ENOUGH: u64 = 500_000;
    let site = site();
    fill::fill(site.lake(), ENOUGH).await;
    let server = site.start().await;
    let target = server.target();
    for format in FORMATS {
        let path = format!("/v1/events/export?format={format}&{SAMPLE}");
        let mut response = target.open(&path).await.expect("an answer");
        let first = response.chunk().await.expect("the export begins");
        assert!(first.is_some_and(|chunk| !chunk.is_empty()), "{format} begins with nothing");
        assert_eq!(running(&target).await, 1, "{format}: the export was over at once");
        drop(response);
        let left = Instant::now();
        while running(&target).await > 0 {
            let waited = left.elapsed();
            assert!(waited < Duration::from_secs(1), "{format} goes on after {waited:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("{format} ended {:?} after its client had left", left.elapsed());
    }
}

/// How many exports a server says it has running.
async fn running(target: &Target) -> u64 {
    let answer = target.get("/metrics").await.expect("an answer");
    let text = String::from_utf8(answer.body).expect("metrics are text");
    let gauge = text.lines().find_map(|line| line.strip_prefix("auditlake_exports_running "));
    let gauge = gauge.unwrap_or_else(|| panic!("no gauge of exports in {text}"));
    gauge.trim().parse().expect("a gauge is a number")
}
