//! The files of a lake as somebody changes them who can write to its disk and has read how they
//! are made: segments are written anew, commits get the digests of what lies there now, and the
//! chain of commits is made to fit again.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::UInt64Type;
use auditlake_lake::{Commit, Segment};
use auditlake_model::columns::at;
use auditlake_model::layout::writer_properties;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

/// The segments of a lake, by their paths.
pub(crate) fn segments(lake: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for day in entries(&lake.join("events")) {
        found.extend(entries(&day).into_iter().filter(|path| has_extension(path, "parquet")));
    }
    found.sort();
    found
}

/// The commits of a lake, oldest first.
pub(crate) fn commits(lake: &Path) -> Vec<PathBuf> {
    let mut found = entries(&lake.join("log"));
    found.retain(|path| has_extension(path, "json"));
    found.sort();
    found
}

/// The path of a file as the lake and its verifier name it.
pub(crate) fn within(lake: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(lake).expect("a file of the lake");
    inner.to_str().expect("a path that is text").to_owned()
}

/// A copy of a folder and of all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for path in entries(from) {
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the lake");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}

/// All events of a segment.
pub(crate) fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).expect("a segment");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let schema = builder.schema().clone();
    let batches = builder.build().expect("a reader").map(|batch| batch.expect("a batch"));
    concat_batches(&schema, &batches.collect::<Vec<_>>()).expect("one batch")
}

/// Writes a segment as the lake would have written it.
pub(crate) fn write(path: &Path, events: &RecordBatch) {
    let schema = events.schema();
    let properties = writer_properties(&schema, true);
    let file = File::create(path).expect("a segment");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).expect("a writer");
    writer.write(events).expect("a row group");
    writer.close().expect("a footer");
}

/// Where the event with this id stands in a segment.
pub(crate) fn row_of(events: &RecordBatch, id: &str) -> usize {
    let ids = events.column(at::ID).as_string::<i32>();
    (0..ids.len()).find(|row| ids.value(*row) == id).expect("an event of the segment")
}

/// The events with another text in one cell.
pub(crate) fn with_text(
    events: &RecordBatch,
    column: usize,
    row: usize,
    text: &str,
) -> RecordBatch {
    let texts = events.column(column).as_string::<i32>();
    let kept = |at: usize| texts.is_valid(at).then(|| texts.value(at));
    let edited: StringArray =
        (0..texts.len()).map(|at| if at == row { Some(text) } else { kept(at) }).collect();
    with_column(events, column, std::sync::Arc::new(edited))
}

/// The events with the places of two of them in the log exchanged.
pub(crate) fn with_swapped_seq(events: &RecordBatch, one: usize, other: usize) -> RecordBatch {
    let mut seqs = events.column(at::SEQ).as_primitive::<UInt64Type>().values().to_vec();
    seqs.swap(one, other);
    with_column(events, at::SEQ, std::sync::Arc::new(UInt64Array::from(seqs)))
}

/// The events without one of them.
pub(crate) fn without(events: &RecordBatch, row: usize) -> RecordBatch {
    let (before, behind) = (events.slice(0, row), row + 1);
    let behind = events.slice(behind, events.num_rows() - behind);
    concat_batches(&events.schema(), &[before, behind]).expect("one batch")
}

fn with_column(events: &RecordBatch, column: usize, values: ArrayRef) -> RecordBatch {
    let mut columns = events.columns().to_vec();
    columns[column] = values;
    RecordBatch::try_new(events.schema(), columns).expect("the columns of an event")
}

/// Makes every commit say what `change` makes of it, with a checksum and a chain that hold.
pub(crate) fn rewrite_log(lake: &Path, mut change: impl FnMut(&mut Commit)) {
    let mut prev = String::new();
    for path in commits(lake) {
        let bytes = std::fs::read(&path).expect("a commit");
        let mut commit: Commit = serde_json::from_slice(&bytes).expect("a commit");
        assert_eq!(sealed(&commit), bytes, "the test writes commits as the lake does");
        change(&mut commit);
        if !prev.is_empty() {
            commit.prev.clone_from(&prev);
        }
        let bytes = sealed(&commit);
        prev = format!("{:x}", Sha256::digest(&bytes));
        std::fs::write(&path, bytes).expect("a commit");
    }
}

/// Has the commit that added a segment know the bytes that lie there now, after `change` of what
/// else it says of it.
pub(crate) fn adopt(lake: &Path, path: &Path, change: impl Fn(&mut Segment)) {
    let bytes = std::fs::read(path).expect("a segment");
    let (name, mut adopted) = (within(lake, path), 0);
    rewrite_log(lake, |commit| {
        for segment in commit.add.iter_mut().filter(|segment| segment.path == name) {
            segment.sha256 = format!("{:x}", Sha256::digest(&bytes));
            segment.bytes = bytes.len() as u64;
            change(segment);
            adopted += 1;
        }
    });
    assert_eq!(adopted, 1, "one commit has added {name}");
}

/// A commit's bytes: its JSON, and at the end the checksum of all that stands before it.
fn sealed(commit: &Commit) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(commit).expect("a commit is JSON");
    bytes.pop();
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend(format!(",\"crc\":\"{checksum:08x}\"}}").into_bytes());
    bytes
}
