//! The events of a file: one thread reads and digests it, the caller's unpacks it and cuts it
//! into pieces at the borders of events, workers on all cores turn pieces into leaves, and the
//! caller's puts these together in the order of the file. In memory are a few pieces.

mod cells;
mod cut;
mod examine;
pub(crate) mod line;
mod pull;
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use auditlake_export::{Compression, Format};
use auditlake_tlog::{Hash, Leaves};

use crate::claims::Logs;
use crate::findings::Findings;
use crate::source::Source;
use crate::verdict::{Finding, FindingKind};
use cut::{Borders, Cutter};
use examine::{Examined, Examiner, Piece, Row};
use line::{head, unescaped};
use pull::{Blocks, pull};

/// How the files of an export are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    /// Whether formulas in cells are guarded.
    pub(crate) is_safe: bool,
}

/// What was seen of a log in all files.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The events that may be those of the log.
    pub(crate) leaves: Leaves,
    /// Events that the hints deny. Hints are not signed: the root decides who is right.
    pub(crate) denied: Vec<(u64, Hash)>,
    /// Whether there were more of these than are kept.
    pub(crate) is_overfull: bool,
    /// What is to be said of them if the hints are right.
    pub(crate) suspects: Findings,
}

/// Denied events of a log that are kept: with as many, hints or events are wrong altogether.
const MOST_DENIED: usize = 1 << 20;

/// A file that was read to its end.
#[derive(Debug)]
pub(crate) struct FileRead {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Where the events of files go.
pub(crate) struct Sink<'a> {
    pub(crate) seen: &'a mut [Seen],
    pub(crate) findings: &'a mut Findings,
    pub(crate) progress: &'a dyn Fn(u64),
}

/// Which file it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) source: &'a Source,
    pub(crate) name: &'a str,
    /// How long the manifest says that it is.
    pub(crate) bytes: Option<u64>,
}

/// Reads a file and takes in its events. It fails only if the file cannot be opened; what else
/// is wrong with it becomes findings.
pub(crate) fn read(
    place: Place<'_>,
    layout: Layout,
    logs: &Logs<'_>,
    sink: &mut Sink<'_>,
) -> io::Result<FileRead> {
    let Place { source, name, .. } = place;
    thread::scope(|scope| {
        let (blocks, pulled) = sync_channel(pull::BLOCKS);
        let puller = scope.spawn(move || source.with(name, |input| pull(input, &blocks)));
        let mut merge = Merge::new(name, sink);
        let events = Events { place, layout, logs };
        // What is left of the file when this ends is still read, for the digest.
        if let Err(reason) = events.read(Blocks::new(pulled), &mut merge) {
            merge.findings.add(FindingKind::File, format!("its events cannot be read: {reason}"));
        }
        let (mut findings, rows) = merge.end();
        let pulled =
            puller.join().unwrap_or_else(|_| Err(io::Error::other("reading it failed")))?;
        findings.sort();
        sink.findings.append(findings, |finding| finding.in_file(name));
        Ok(FileRead { rows, bytes: pulled.bytes, sha256: pulled.sha256 })
    })
}

/// The events of one file, to be read.
struct Events<'a> {
    place: Place<'a>,
    layout: Layout,
    logs: &'a Logs<'a>,
}

impl Events<'_> {
    fn read(&self, blocks: Blocks, merge: &mut Merge<'_, '_>) -> Result<(), String> {
        let unpacked =
            blocks.unpacked(self.layout.compression).map_err(|error| error.to_string())?;
        match self.layout.format {
            Format::Ndjson => {
                let cutter = Cutter::new(unpacked, Borders::Lines);
                self.text(cutter, |text, is_last| Piece::Lines { text, is_last }, merge)
            }
            Format::Csv => {
                let mut cutter = Cutter::new(unpacked, Borders::Records);
                cells::check_header(&cutter.first_line()?)?;
                merge.lines = 1;
                self.text(cutter, |text, is_last| Piece::Records { text, is_last }, merge)
            }
            Format::Json => {
                let mut cutter = Cutter::new(unpacked, Borders::Elements);
                if cutter.first_line()? != b"[\n" {
                    return Err("it does not begin with a line that is [".to_owned());
                }
                merge.lines = 1;
                self.text(cutter, |text, is_last| Piece::Elements { text, is_last }, merge)
            }
            Format::Parquet if self.layout.compression == Compression::None => {
                self.table(unpacked, merge)
            }
            Format::Parquet => Err("Parquet is never compressed as a whole".to_owned()),
        }
    }

    fn text<R: Read>(
        &self,
        mut cutter: Cutter<R>,
        piece: fn(Vec<u8>, bool) -> Piece,
        merge: &mut Merge<'_, '_>,
    ) -> Result<(), String> {
        self.work(|| Ok(cutter.next_piece()?.map(|(text, is_last)| piece(text, is_last))), merge)
    }

    /// Parquet is read from its end, so what lies in an archive is unpacked to a file without a
    /// name first: as much of it as there should be, or a small archive could fill a disk.
    fn table(&self, packed: impl Read, merge: &mut Merge<'_, '_>) -> Result<(), String> {
        let said = |error: io::Error| error.to_string();
        let Place { source, name, bytes } = self.place;
        let file = match source.path(name) {
            Some(path) => {
                drop(packed);
                File::open(path).map_err(said)?
            }
            None => {
                let bytes = [bytes, source.size(name)].into_iter().flatten().min().unwrap_or(0);
                let mut file = tempfile::tempfile().map_err(said)?;
                let mut packed = packed.take(bytes.saturating_add(1));
                if io::copy(&mut packed, &mut file).map_err(said)? > bytes {
                    return Err(format!("it has more than the {bytes} bytes that it should have"));
                }
                file.rewind().map_err(said)?;
                file
            }
        };
        let mut batches = guarded(|| table::batches(file))?;
        let mut batch = || batches.next().transpose().map_err(|error| error.to_string());
        self.work(|| Ok(guarded(&mut batch)?.map(Piece::Batch)), merge)
    }

    /// Has the workers examine pieces until there are no more, or none can be made.
    fn work(
        &self,
        mut next: impl FnMut() -> Result<Option<Piece>, String>,
        merge: &mut Merge<'_, '_>,
    ) -> Result<(), String> {
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let (jobs, queue) = sync_channel::<(u64, Piece)>(workers);
        let queue = Mutex::new(queue);
        let (done, results) = channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    let mut examiner = Examiner::new(self.logs, self.layout);
                    while let Some((number, piece)) = taken(queue) {
                        if done.send((number, examiner.examine(piece))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut outcome = Ok(());
            for number in 0.. {
                match next() {
                    Ok(Some(piece)) => {
                        if jobs.send((number, piece)).is_err() {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(reason) => {
                        outcome = Err(reason);
                        break;
                    }
                }
                results.try_iter().for_each(|(number, examined)| merge.add(number, examined));
            }
            drop(jobs);
            results.iter().for_each(|(number, examined)| merge.add(number, examined));
            outcome
        })
    }
}

/// The next piece for a worker, which all of them wait for.
fn taken(queue: &Mutex<Receiver<(u64, Piece)>>) -> Option<(u64, Piece)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// The reader of Parquet is not ours, and a file may be made to break it: that is a fault of the
/// file, and no reason to end without a verdict.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let broke = |_| Err("its pages contradict each other".to_owned());
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(broke)
}

/// Puts what workers made of pieces together, in the order of the file.
struct Merge<'a, 'b> {
    name: &'a str,
    sink: &'a mut Sink<'b>,
    findings: Findings,
    /// Lines of the pieces that were added, and of what was read before them.
    lines: u64,
    rows: u64,
    /// The number of the next piece to add, and those that came before their turn.
    turn: u64,
    early: BTreeMap<u64, Examined>,
}

impl<'a, 'b> Merge<'a, 'b> {
    fn new(name: &'a str, sink: &'a mut Sink<'b>) -> Self {
        let (findings, early) = (Findings::default(), BTreeMap::new());
        Self { name, sink, findings, lines: 0, rows: 0, turn: 0, early }
    }

    fn end(self) -> (Findings, u64) {
        (self.findings, self.rows)
    }

    fn add(&mut self, number: u64, examined: Examined) {
        self.early.insert(number, examined);
        while let Some(examined) = self.early.remove(&self.turn) {
            self.turn += 1;
            self.take(examined);
        }
    }

    fn take(&mut self, examined: Examined) {
        let before = self.lines;
        self.findings.append(examined.findings, |finding| {
            let line = finding.line.map(|line| before + line);
            Finding { line, ..finding }
        });
        for row in examined.rows {
            let Some(seen) = self.sink.seen.get_mut(row.log) else { continue };
            let text = &examined.text;
            if row.is_denied {
                seen.suspects.add_with(|| {
                    let finding = named(FindingKind::Changed, NOT_THE_SAME, &row, before, text);
                    finding.in_file(self.name)
                });
                if seen.denied.len() < MOST_DENIED {
                    seen.denied.push((row.seq, row.leaf));
                } else {
                    seen.is_overfull = true;
                }
            } else if !seen.leaves.insert(row.seq, row.leaf) {
                let again = || named(FindingKind::Duplicate, AGAIN, &row, before, text);
                self.findings.add_with(again);
            }
        }
        self.lines += examined.lines;
        self.rows += examined.events;
        (self.sink.progress)(examined.events);
    }
}

const NOT_THE_SAME: &str = "this is not the event that the log has at this position: it was \
                            changed after it was exported";
const AGAIN: &str = "an event at this position stands in the files already";

/// A finding about a row whose piece begins behind so many lines.
fn named(kind: FindingKind, detail: &str, row: &Row, before: u64, text: &[u8]) -> Finding {
    let head = head(text.get(row.place.clone()).unwrap_or_default());
    let tenant = head.map(|head| unescaped(head.tenant)).unwrap_or_default();
    Finding {
        line: Some(before + row.line),
        id: head.map(|head| unescaped(head.id)),
        ..Finding::new(kind, detail).of_log(&tenant).at(row.seq)
    }
}
