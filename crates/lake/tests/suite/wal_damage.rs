//! What a start makes of a write-ahead log that is torn, zeroed, changed or incomplete: a
//! torn tail was never acknowledged and is cut, anything else is refused by file and offset.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use auditlake_lake::{Lake, LakeError};
use object_store::memory::InMemory;

use crate::site::{Site, ids, numbered, read};

/// What a WAL file opens with.
const FILE_HEADER_BYTES: usize = 8;
/// Magic, length, position and checksum of a frame.
const FRAME_HEADER_BYTES: usize = 20;
/// Frames, of one event each, in the log that the tests break.
const FRAMES: u32 = 5;

/// A whole log in one file, and the name of its writer.
struct Log {
    /// The store, which knows the writer but has none of the events.
    store: InMemory,
    wal: Vec<u8>,
    writer: Vec<u8>,
    frames: Vec<Range<usize>>,
}

impl Log {
    async fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let site = Site::on(store.clone());
        let lake = site.open().await;
        for number in 0..FRAMES {
            lake.append(numbered("acme", 0, number..number + 1)).await.expect("an append");
        }
        drop(lake);
        let wal = std::fs::read(&site.wal_files()[0]).expect("the log");
        let writer = std::fs::read(site.wal_dir.join("WRITER")).expect("the writer's name");
        let frames = frames(&wal);
        assert_eq!(frames.len(), FRAMES as usize, "one frame for each append");
        Self { store: store.fork(), wal, writer, frames }
    }

    /// A new place with nothing but these WAL files, each named by its first position.
    fn place(&self, files: &[(u64, &[u8])]) -> Site {
        let site = Site::on(Arc::new(self.store.fork()));
        std::fs::create_dir_all(&site.wal_dir).expect("a WAL folder");
        std::fs::write(site.wal_dir.join("WRITER"), &self.writer).expect("the writer's name");
        for (first, bytes) in files {
            std::fs::write(site.wal_dir.join(file_name(*first)), bytes).expect("a WAL file");
        }
        site
    }

    /// A file that holds these frames.
    fn file(&self, frames: Range<usize>) -> Vec<u8> {
        let body = self.frames[frames.start].start..self.frames[frames.end - 1].end;
        [&self.wal[..FILE_HEADER_BYTES], &self.wal[body]].concat()
    }
}

fn file_name(first: u64) -> String {
    format!("{first:020}.wal")
}

fn frames(wal: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), FILE_HEADER_BYTES);
    while at < wal.len() {
        assert_eq!(&wal[at..at + 4], b"\xa7LWF", "a frame opens at byte {at}");
        let length: [u8; 4] = wal[at + 4..at + 8].try_into().expect("four bytes");
        let end = at + FRAME_HEADER_BYTES + u32::from_le_bytes(length) as usize;
        found.push(at..end);
        at = end;
    }
    found
}

/// The lake opens with the first `whole` events, goes on, and is the same after a restart.
async fn opens_with(site: &Site, whole: u32, what: &str) {
    let lake = site.try_open().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(read(&lake.snapshot(), what).await.ids("acme"), ids(0..whole), "{what}");
    // The event behind the tail was never acknowledged, so that it counts as new.
    let receipt = lake.append(numbered("acme", 0, whole..whole + 1)).await.expect("an append");
    assert_eq!((receipt.accepted, receipt.duplicates), (1, 0), "{what}");
    let lake = site.reopen(lake).await;
    let found = read(&lake.snapshot(), what).await.ids("acme");
    assert_eq!(found, ids(0..whole + 1), "{what}, restarted");
}

/// The lake does not open, says which file and where, and leaves the files as they are.
async fn refused(site: &Site, file: &str, at: Option<usize>, what: &str) -> String {
    let contents = || -> Vec<Vec<u8>> {
        site.wal_files().iter().map(|path| std::fs::read(path).expect("a WAL file")).collect()
    };
    let before = contents();
    let opened: Result<Lake, LakeError> = site.try_open().await;
    match opened {
        Err(LakeError::Damaged { path, offset, detail }) => {
            let name = Path::new(&path).file_name().and_then(|name| name.to_str());
            assert_eq!(name, Some(file), "{what}: {detail}");
            assert_eq!(offset, at.map(|at| at as u64), "{what}: {detail}");
            assert!(contents() == before, "{what}: evidence was changed");
            detail
        }
        Err(other) => panic!("{what}: refused for another reason: {other}"),
        Ok(_) => panic!("{what}: opened"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_torn_at_any_byte_is_cut() {
    let log = Log::new().await;
    let last = log.frames.last().unwrap().clone();
    for cut in last {
        let site = log.place(&[(1, &log.wal[..cut])]);
        opens_with(&site, FRAMES - 1, &format!("cut at byte {cut}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_frame_torn_at_any_byte_leaves_an_empty_lake() {
    let log = Log::new().await;
    for cut in (0..log.frames[0].end).step_by(9) {
        let site = log.place(&[(1, &log.wal[..cut])]);
        opens_with(&site, 0, &format!("cut at byte {cut}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zeroed_tail_is_cut() {
    let log = Log::new().await;
    let last = log.frames.last().unwrap().clone();
    for zeroed_from in last.step_by(13) {
        let mut wal = log.wal[..zeroed_from].to_vec();
        wal.resize(log.wal.len() + 4096, 0);
        let site = log.place(&[(1, &wal[..])]);
        opens_with(&site, FRAMES - 1, &format!("zeroes from byte {zeroed_from}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_behind_the_last_frame_is_cut() {
    let log = Log::new().await;
    let part_of_a_frame = &log.wal[log.frames[0].start..log.frames[0].end - 1];
    let garbage: [&[u8]; 6] =
        [b"\0", b"{}\n", b"\xa7LWF", &[0xa7; 100], &[0xff; 5000], part_of_a_frame];
    for (number, garbage) in garbage.into_iter().enumerate() {
        let wal = [&log.wal[..], garbage].concat();
        let site = log.place(&[(1, &wal[..])]);
        opens_with(&site, FRAMES, &format!("garbage {number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_middle_is_refused() {
    let log = Log::new().await;
    for at in log.frames[1].clone() {
        let mut wal = log.wal.clone();
        wal[at] ^= 1 << (at % 8);
        let site = log.place(&[(1, &wal[..])]);
        let what = format!("byte {at} flipped");
        let detail = refused(&site, &file_name(1), Some(log.frames[1].start), &what).await;
        assert!(detail.contains("restore"), "what to do about it: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_but_the_last_is_guarded() {
    let log = Log::new().await;
    for frame in &log.frames[..log.frames.len() - 1] {
        let mut wal = log.wal.clone();
        wal[frame.end - 2] ^= 0x20;
        let site = log.place(&[(1, &wal[..])]);
        let what = format!("frame at {} changed", frame.start);
        refused(&site, &file_name(1), Some(frame.start), &what).await;
    }
    let mut header = log.wal.clone();
    header[3] ^= 1;
    refused(&log.place(&[(1, &header[..])]), &file_name(1), Some(0), "header changed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_missing_double_or_swapped_are_refused() {
    let log = Log::new().await;
    let frame = |number: usize| &log.wal[log.frames[number].clone()];
    let header = &log.wal[..FILE_HEADER_BYTES];
    let (first, second) = (log.frames[0].start, log.frames[1].start);
    for (what, order, at) in [
        ("one is missing", vec![0, 2, 3], second),
        ("one is there twice", vec![0, 0, 1], second),
        ("two are swapped", vec![1, 0, 2], first),
    ] {
        let body: Vec<u8> = order.into_iter().flat_map(|n| frame(n).to_vec()).collect();
        let wal = [header, &body[..]].concat();
        refused(&log.place(&[(1, &wal[..])]), &file_name(1), Some(at), what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_one_log() {
    let log = Log::new().await;
    let (one, two, three) = (log.file(0..2), log.file(2..4), log.file(4..5));
    let site = log.place(&[(1, &one[..]), (3, &two[..]), (5, &three[..])]);
    opens_with(&site, FRAMES, "three files").await;

    let site = log.place(&[(1, &one[..]), (5, &three[..])]);
    let detail = refused(&site, &file_name(5), None, "the middle file is missing").await;
    assert!(detail.contains("3 to 4"), "{detail}");
    let site = log.place(&[(3, &two[..]), (5, &three[..])]);
    let detail = refused(&site, &file_name(3), None, "the first file is missing").await;
    assert!(detail.contains("1 to 2"), "{detail}");

    let torn = &two[..two.len() - 1];
    let at = FILE_HEADER_BYTES + log.frames[2].len();
    let site = log.place(&[(1, &one[..]), (3, torn), (5, &three[..])]);
    refused(&site, &file_name(3), Some(at), "a tail is torn, but not the last").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_file_without_frames_is_no_loss() {
    let log = Log::new().await;
    let one = log.file(0..5);
    for length in 0..=FILE_HEADER_BYTES {
        let site = log.place(&[(1, &one[..]), (6, &log.wal[..length])]);
        opens_with(&site, FRAMES, &format!("{length} bytes of a header")).await;
    }
    let site = log.place(&[(1, &one[..]), (6, &[0; FILE_HEADER_BYTES][..])]);
    opens_with(&site, FRAMES, "a zeroed header").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_writers_name_is_refused() {
    let log = Log::new().await;
    let site = log.place(&[(1, &log.wal[..])]);
    std::fs::remove_file(site.wal_dir.join("WRITER")).unwrap();
    refused(&site, "WRITER", None, "whose events these are is not known").await;
    std::fs::write(site.wal_dir.join("WRITER"), &log.writer).unwrap();
    opens_with(&site, FRAMES, "the name is back").await;
}
