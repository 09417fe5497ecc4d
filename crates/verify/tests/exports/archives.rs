//! Zip archives: those that unpack to the same files everywhere are read, whoever wrote them, and
//! those that could unpack to other files than the ones that are checked are refused.

use std::io::Write;
use std::path::{Path, PathBuf};

use auditlake_export::{Format, Options};
use auditlake_verify::{FindingKind, Trust, Verdict, VerifyError, verify_export};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use tempfile::TempDir;

use crate::made::{Export, Log, one, write_zip};
use crate::{assert_good, of_kind, only};

/// The end record, which is the same everywhere.
const END_BYTES: usize = 22;

fn export() -> Export {
    Export::lines(&[(&Log::new("acme", 300), &one(100, 200))])
}

fn files() -> Vec<(String, Vec<u8>)> {
    let export = export();
    export.bundle(&export.manifest())
}

fn check(path: &Path) -> Result<Verdict, VerifyError> {
    verify_export(path, &Trust::default(), &|_| {})
}

/// A bundle as it comes from auditlake, in bytes.
fn streamed(folder: &Path) -> Vec<u8> {
    let path = folder.join("streamed.zip");
    write_zip(&path, &files());
    std::fs::read(path).unwrap()
}

fn write(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("bundle.zip");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[track_caller]
fn assert_refused(folder: &Path, bytes: &[u8], reason: &str) {
    let error = check(&write(folder, bytes)).unwrap_err();
    assert!(matches!(error, VerifyError::Archive { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

/// A file of an archive that another program wrote.
struct Member {
    name: String,
    /// The name in front of the data.
    local_name: String,
    packed: Vec<u8>,
    is_deflated: bool,
    size: usize,
    crc: u32,
    /// What stands behind the data.
    behind: Vec<u8>,
}

impl Member {
    fn new(name: &str, bytes: &[u8], is_deflated: bool) -> Self {
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut packed = bytes.to_vec();
        if is_deflated {
            let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
            packer.write_all(bytes).unwrap();
            packed = packer.finish().unwrap();
        }
        let (name, size, crc) = (name.to_owned(), bytes.len(), crc.sum());
        let (local_name, behind) = (name.clone(), Vec::new());
        Self { name, local_name, packed, is_deflated, size, crc, behind }
    }

    /// What the header and the directory have in common.
    fn fields(&self, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let method: u16 = if self.is_deflated { 8 } else { 0 };
        for short in [20, 0, method, 0, 33] {
            bytes.extend(short.to_le_bytes());
        }
        for long in [self.crc, number(self.packed.len()), number(self.size)] {
            bytes.extend(long.to_le_bytes());
        }
        bytes.extend(number(name.len()).to_le_bytes());
        bytes
    }
}

fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

/// All files of a bundle as members, every other one deflated.
fn members() -> Vec<Member> {
    let files = files();
    let members = files.iter().zip([true, false].into_iter().cycle());
    members.map(|((name, bytes), is_deflated)| Member::new(name, bytes, is_deflated)).collect()
}

/// An archive as programs write it that can go back in their file.
fn zip(members: &[Member]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::<u8>::new(), Vec::<u8>::new());
    for member in members {
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(member.fields(&member.name));
        directory.extend([0_u8; 10]);
        directory.extend(number(bytes.len()).to_le_bytes());
        directory.extend(member.name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(member.fields(&member.local_name));
        bytes.extend(member.local_name.as_bytes());
        bytes.extend(&member.packed);
        bytes.extend(&member.behind);
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let start = number(bytes.len()).to_le_bytes();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend(number(directory.len()).to_le_bytes());
    bytes.extend(start);
    bytes.extend([0_u8; 2]);
    bytes
}

/// Puts bytes in front of the directory, where a stream of files goes on.
fn with_hidden(mut archive: Vec<u8>, hidden: &[u8]) -> Vec<u8> {
    let at = archive.len() - 6;
    let start = u32::from_le_bytes(archive[at..at + 4].try_into().unwrap());
    archive[at..at + 4].copy_from_slice(&(start + number(hidden.len())).to_le_bytes());
    let start = usize::try_from(start).unwrap();
    [&archive[..start], hidden, &archive[start..]].concat()
}

/// A record of an archive that is in no directory: other events under the same name.
fn hidden() -> Vec<u8> {
    let archive = zip(&[Member::new("events.ndjson", b"{}\n", false)]);
    let end = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    archive[..end].to_vec()
}

#[test]
fn archives_of_other_programs_are_read() {
    let folder = TempDir::new().unwrap();
    assert_good(&check(&write(folder.path(), &zip(&members()))).unwrap(), 100);
}

#[test]
fn what_is_in_no_directory_is_refused() {
    let folder = TempDir::new().unwrap();
    for archive in [streamed(folder.path()), zip(&members())] {
        let with = with_hidden(archive.clone(), &hidden());
        assert_refused(folder.path(), &with, "is not in its directory");
        let with = [hidden(), archive.clone()].concat();
        assert_refused(folder.path(), &with, "its directory is not where");
        let at = archive.len() - END_BYTES;
        let with = [&archive[..at], b"abc".as_slice(), &archive[at..]].concat();
        assert_refused(folder.path(), &with, "its directory is not where");
    }
    let mut between = members();
    between[0].behind = hidden();
    assert_refused(folder.path(), &zip(&between), "is not in its directory");
    let mut first = members();
    first[0].behind = vec![0];
    assert_refused(folder.path(), &zip(&first), "is not in its directory");
}

#[test]
fn nothing_stands_behind_an_archive() {
    let folder = TempDir::new().unwrap();
    let mut archive = streamed(folder.path());
    archive.push(b'\n');
    assert_refused(folder.path(), &archive, "does not end with its directory");
    archive.pop();
    let at = archive.len() - 2;
    archive[at] = 3;
    archive.extend(b"abc");
    assert_refused(folder.path(), &archive, "does not end with its directory");
}

#[test]
fn headers_say_what_the_directory_says() {
    let folder = TempDir::new().unwrap();
    let archive = streamed(folder.path());
    let name = b"events.ndjson";
    let at = archive.windows(name.len()).position(|bytes| bytes == name).unwrap();
    // The name, the method, the flags and the checksum in front of the data.
    for (place, is) in [(at, b'E'), (at - 22, 0), (at - 23, 8), (at - 24, 0), (at - 16, 1)] {
        let mut archive = archive.clone();
        archive[place] = is;
        assert_refused(folder.path(), &archive, "stands something else than in its directory");
    }
    let mut members = members();
    members[1].local_name = "Events.json".to_owned();
    assert_refused(folder.path(), &zip(&members), "stands something else than in its directory");
}

#[test]
fn a_name_is_there_once() {
    let folder = TempDir::new().unwrap();
    let mut members = members();
    members.push(Member::new("events.ndjson", b"{}\n", true));
    assert_refused(folder.path(), &zip(&members), "several files under the name");
}

#[test]
fn files_are_as_long_as_the_archive_says() {
    let folder = TempDir::new().unwrap();
    let changed = |name: &str, change: &dyn Fn(&mut Member)| {
        let mut members: Vec<Member> =
            files().iter().map(|(name, bytes)| Member::new(name, bytes, true)).collect();
        change(members.iter_mut().find(|member| member.name == name).unwrap());
        check(&write(folder.path(), &zip(&members))).unwrap()
    };
    assert_good(&changed("events.ndjson", &|_| {}), 100);
    // Where the deflated stream ends, others look for the next file.
    for name in ["events.ndjson", "README.txt", "verify.html", "checkpoint.txt"] {
        let verdict = changed(name, &|member| member.packed.extend(hidden()));
        let mut found = verdict.findings.iter().filter(|found| found.file.as_deref() == Some(name));
        assert!(found.any(|found| found.detail.contains("does not unpack")), "{verdict:#?}");
        assert!(!changed(name, &|member| member.size -= 1).is_good());
        assert!(!changed(name, &|member| member.size += 1).is_good());
        assert!(!changed(name, &|member| member.crc ^= 1).is_good());
    }
}

#[test]
fn a_bundle_without_its_manifest_is_none() {
    let folder = TempDir::new().unwrap();
    let mut members = members();
    members.retain(|member| member.name != "manifest.json");
    let verdict = check(&write(folder.path(), &zip(&members))).unwrap();
    let finding = only(&verdict, FindingKind::Manifest);
    assert_eq!(finding.file.as_deref(), Some("manifest.json"));
    assert!(finding.detail.contains("not there"), "{}", finding.detail);
}

#[test]
fn no_more_of_a_table_is_unpacked_than_there_should_be() {
    let log = Log::new("acme", 300);
    let export = Export::of(&[(&log, &one(100, 200))], Options::new(Format::Parquet));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bundle.zip");
    let mut manifest = export.manifest();
    write_zip(&path, &export.bundle(&manifest));
    assert_good(&check(&path).unwrap(), 100);
    (manifest.files[0].bytes, manifest.bytes) = (1000, 1000);
    write_zip(&path, &export.bundle(&manifest));
    let verdict = check(&path).unwrap();
    let files = of_kind(&verdict, FindingKind::File);
    assert!(files.iter().any(|found| found.detail.contains("the 1000 bytes")), "{files:#?}");
}
