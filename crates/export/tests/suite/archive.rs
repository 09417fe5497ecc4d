//! Archives: what goes in comes out, and nothing that is cut short passes for an archive.

use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

use auditlake_export::Archive;
use zip::{CompressionMethod, ZipArchive};

/// 2026-03-19T12:34:57.5Z.
const A_TIME_US: i64 = 1_773_923_697_500_000;

/// A writer that others can look into, with room for some bytes only. Its error passes, as that
/// of a full disk does when somebody makes room.
#[derive(Clone, Default)]
struct Disk {
    taken: Arc<Mutex<Vec<u8>>>,
    fails_at: Option<usize>,
    has_failed: bool,
}

impl Disk {
    fn bytes(&self) -> Vec<u8> {
        self.taken.lock().unwrap().clone()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.taken.lock().unwrap();
        if !self.has_failed && self.fails_at.is_some_and(|most| taken.len() + bytes.len() > most) {
            self.has_failed = true;
            return Err(ErrorKind::StorageFull.into());
        }
        taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that no compressor makes fewer.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("manifest.json", b"{\"manifest_version\":1}\n".to_vec()),
        ("audit-export-0001.csv.gz", noise(100_000)),
        ("parts/audit-export-0002.csv", b"id,seq\n".repeat(50_000)),
        ("empty.ndjson", Vec::new()),
        ("also empty.ndjson", Vec::new()),
        ("größe.json", b"[\n]\n".to_vec()),
    ]
}

fn fill<W: Write>(archive: &mut Archive<W>) -> io::Result<()> {
    for (name, bytes) in files() {
        archive.begin(name)?;
        for piece in bytes.chunks(7777) {
            archive.write(piece)?;
        }
    }
    Ok(())
}

fn whole() -> Vec<u8> {
    let mut archive = Archive::of_time(Vec::new(), A_TIME_US);
    fill(&mut archive).unwrap();
    archive.finish().unwrap()
}

fn is_archive(bytes: &[u8]) -> bool {
    ZipArchive::new(Cursor::new(bytes)).is_ok()
}

#[test]
fn files_come_out_as_they_went_in() {
    let mut archive = ZipArchive::new(Cursor::new(whole())).unwrap();
    assert_eq!(archive.len(), files().len());
    for (position, (name, bytes)) in files().into_iter().enumerate() {
        let mut file = archive.by_index(position).unwrap();
        assert_eq!(file.name().unwrap(), name);
        assert_eq!(file.size(), bytes.len() as u64);
        assert_eq!(file.compression(), CompressionMethod::Deflated);
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o644);
        assert_eq!(file.last_modified().unwrap().to_string(), "2026-03-19 12:34:56");
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert!(read == bytes, "{name} differs");
    }
}

#[test]
fn the_same_files_make_the_same_archive() {
    assert!(whole() == whole());
    let mut undated = Archive::new(Vec::new());
    fill(&mut undated).unwrap();
    let undated = undated.finish().unwrap();
    assert!(undated != whole());
    for time_us in [i64::MIN, 0, i64::MAX] {
        let mut archive = Archive::of_time(Vec::new(), time_us);
        fill(&mut archive).unwrap();
        assert!(archive.finish().unwrap() == undated, "{time_us} is no time of an archive");
    }
}

#[test]
fn an_archive_of_no_files_is_one() {
    let bytes = Archive::new(Vec::new()).finish().unwrap();
    assert!(ZipArchive::new(Cursor::new(bytes)).unwrap().is_empty());
}

#[test]
fn bytes_leave_while_files_come() {
    let disk = Disk::default();
    let mut archive = Archive::new(disk.clone());
    archive.begin("noise").unwrap();
    let piece = noise(64 << 10);
    for pieces in 1..=8 {
        archive.write(&piece).unwrap();
        // The compressor keeps some of it back.
        assert!(disk.bytes().len() + 2 * piece.len() >= pieces * piece.len());
    }
    archive.begin("text").unwrap();
    let before = disk.bytes().len();
    let text = b"2026-03-19T12:34:56Z,user.signed_in\n".repeat(100_000);
    archive.write(&text).unwrap();
    archive.finish().unwrap();
    let packed = disk.bytes().len() - before;
    assert!(packed < text.len() / 20, "{packed} of {}", text.len());
}

#[test]
fn no_part_is_an_archive() {
    let whole = whole();
    assert!(is_archive(&whole));
    let directory = whole.len() - 1000;
    let cuts = (0..directory).step_by(997).chain(directory..whole.len());
    for cut in cuts {
        assert!(!is_archive(&whole[..cut]), "{cut} of {} bytes pass for all", whole.len());
    }
}

#[test]
fn a_dropped_archive_is_none() {
    for has_open_file in [false, true] {
        let disk = Disk::default();
        let mut archive = Archive::new(disk.clone());
        if has_open_file {
            fill(&mut archive).unwrap();
            archive.begin("last").unwrap();
            archive.write(b"not the end").unwrap();
        }
        let before = disk.bytes();
        drop(archive);
        assert!(disk.bytes() == before, "dropping it wrote something");
        assert!(!is_archive(&before));
    }
}

#[test]
fn a_failed_archive_never_ends() {
    let whole = whole();
    // In headers, in packed bytes, and within the directory.
    let fails = [0, 10, 60, 5000, 100_200, whole.len() - 300, whole.len() - 10, whole.len() - 1];
    for fails_at in fails {
        let disk = Disk { fails_at: Some(fails_at), ..Disk::default() };
        let mut archive = Archive::of_time(disk.clone(), A_TIME_US);
        let refused = match fill(&mut archive) {
            Err(refused) => {
                let before = disk.bytes().len();
                assert!(archive.write(b"more").is_err());
                assert!(archive.begin("more").is_err());
                assert!(archive.finish().is_err());
                assert_eq!(disk.bytes().len(), before);
                refused
            }
            Ok(()) => archive.finish().err().unwrap(),
        };
        assert_eq!(refused.kind(), ErrorKind::StorageFull, "at {fails_at}: {refused}");
        let left = disk.bytes();
        assert!(left.len() <= fails_at);
        assert!(left == whole[..left.len()], "something came after the error at {fails_at}");
        assert!(!is_archive(&left));
    }
}

#[test]
fn names_that_lead_out_or_come_twice_are_refused() {
    for name in [
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "../up",
        "a/../b",
        "a//b",
        "folder/",
        "a\\b",
        "c:d",
        "nul\0",
    ] {
        let mut archive = Archive::new(Vec::new());
        let refused = archive.begin(name).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{name:?}");
        assert!(archive.finish().is_err());
    }
    let mut archive = Archive::new(Vec::new());
    archive.begin("a").unwrap();
    assert!(archive.begin("a").is_err());
    assert!(archive.finish().is_err());
}

#[test]
fn bytes_need_a_file() {
    let mut archive = Archive::new(Vec::new());
    assert!(archive.write(b"whose?").is_err());
    assert!(archive.finish().is_err());
}

#[test]
fn an_archive_moves_between_threads() {
    let mut archive = Archive::new(Vec::new());
    let thread = std::thread::spawn(move || {
        fill(&mut archive).unwrap();
        archive.finish().unwrap()
    });
    assert!(is_archive(&thread.join().unwrap()));
}
