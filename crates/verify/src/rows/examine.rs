//! Examines pieces of a file: hashes each event as its log has it, and holds it against what the
//! proof expects. This is what all cores do.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use auditlake_model::columns;
use auditlake_model::line::LineWriter;
use auditlake_tlog::{Hash, leaf_hash};
use memchr::memchr_iter;

use super::Layout;
use super::cells::Cells;
use super::line::{Head, Named, head, unescaped};
use crate::claims::Logs;
use crate::findings::Findings;
use crate::verdict::{Finding, FindingKind};

/// A piece of a file that begins and ends between events.
pub(super) enum Piece {
    /// NDJSON.
    Lines { text: Vec<u8>, is_last: bool },
    /// What stands in a JSON array; the last piece has its end.
    Elements { text: Vec<u8>, is_last: bool },
    /// CSV.
    Records { text: Vec<u8>, is_last: bool },
    /// Parquet.
    Batch(RecordBatch),
}

/// What came of a piece. Lines count from 1 at the beginning of the piece.
#[derive(Default)]
pub(super) struct Examined {
    /// The events as lines, one behind the other.
    pub(super) text: Vec<u8>,
    pub(super) rows: Vec<Row>,
    pub(super) findings: Findings,
    pub(super) lines: u64,
    pub(super) events: u64,
}

/// An event at a position that the proof speaks of.
pub(super) struct Row {
    pub(super) log: usize,
    pub(super) seq: u64,
    pub(super) leaf: Hash,
    /// Whether the proof's hint is that of another event.
    pub(super) is_denied: bool,
    pub(super) line: u64,
    /// Where its line is in the text.
    pub(super) place: Range<usize>,
}

/// What one worker has.
pub(super) struct Examiner<'a> {
    logs: &'a Logs<'a>,
    layout: Layout,
    /// None only if the table of columns is not one that lines can be made of.
    writer: Option<LineWriter>,
    cells: Cells,
    /// The tenant of the event before, and its place among the logs: most events follow one of
    /// the same tenant.
    tenant: Vec<u8>,
    place: Option<Option<usize>>,
}

impl<'a> Examiner<'a> {
    pub(super) fn new(logs: &'a Logs<'a>, layout: Layout) -> Self {
        let writer = LineWriter::new(&columns::schema()).ok();
        let cells = Cells::new(layout.is_safe);
        Self { logs, layout, writer, cells, tenant: Vec::new(), place: None }
    }

    /// Examines a piece. A piece that was made to break the reading of it is a finding.
    pub(super) fn examine(&mut self, piece: Piece) -> Examined {
        let examined = catch_unwind(AssertUnwindSafe(|| self.examined(piece)));
        examined.unwrap_or_else(|_| {
            *self = Self::new(self.logs, self.layout);
            let mut examined = Examined::default();
            examined.findings.add(FindingKind::File, "a part of it cannot be read as events");
            examined
        })
    }

    fn examined(&mut self, piece: Piece) -> Examined {
        match piece {
            Piece::Lines { text, is_last } => self.lines(text, is_last),
            Piece::Elements { text, is_last } => self.elements(text, is_last),
            Piece::Records { text, is_last } => self.records(&text, is_last),
            Piece::Batch(batch) => {
                let lines = (1..=batch.num_rows() as u64).collect();
                let count = batch.num_rows() as u64;
                Examined { lines: count, ..self.batch(&batch, lines) }
            }
        }
    }

    fn lines(&mut self, text: Vec<u8>, is_last: bool) -> Examined {
        let mut examined = Examined::default();
        for place in lines_of(&text) {
            examined.lines += 1;
            self.row(&text, place, examined.lines, &mut examined);
        }
        if is_last && !text.is_empty() && !text.ends_with(b"\n") {
            examined.note_torn_end();
        }
        Examined { text, ..examined }
    }

    /// Every element but the last has a comma behind it.
    fn elements(&mut self, mut text: Vec<u8>, is_last: bool) -> Examined {
        let mut examined = Examined::default();
        let is_closed = is_last && (text == b"]\n" || text.ends_with(b"\n]\n"));
        if is_closed {
            text.truncate(text.len() - 2);
        }
        let end = text.len();
        for place in lines_of(&text) {
            examined.lines += 1;
            let is_final = is_closed && place.end + 1 == end;
            let element = match text[place.clone()].strip_suffix(b",") {
                Some(element) if !is_final => place.start..place.start + element.len(),
                None if is_final => place,
                _ => {
                    let wrong = if is_final { "has a comma behind it" } else { "lacks a comma" };
                    let detail = format!("this element of the array {wrong}");
                    examined.note(FindingKind::Malformed, examined.lines, detail);
                    place
                }
            };
            self.row(&text, element, examined.lines, &mut examined);
        }
        if is_last && !is_closed {
            examined.note_torn_end();
        }
        Examined { text, ..examined }
    }

    fn records(&mut self, text: &[u8], is_last: bool) -> Examined {
        let records = self.cells.read(text);
        let mut examined = match records.batch {
            Ok(batch) => self.batch(&batch, records.lines),
            Err(error) => {
                let mut examined = Examined::default();
                examined.findings.add(FindingKind::File, format!("not a table of events: {error}"));
                examined
            }
        };
        examined.lines = memchr_iter(b'\n', text).count() as u64;
        for (line, fault) in records.faults {
            examined.events += 1;
            examined.note(FindingKind::Malformed, line, fault);
        }
        if is_last && !text.is_empty() && !text.ends_with(b"\n") {
            examined.lines += 1;
            examined.note_torn_end();
        }
        examined
    }

    /// Events as columns, each with the line that it came from.
    fn batch(&mut self, batch: &RecordBatch, lines: Vec<u64>) -> Examined {
        let mut examined = Examined::default();
        let Some(writer) = &mut self.writer else {
            examined.findings.add(FindingKind::File, "no lines can be made of it");
            return examined;
        };
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(batch.num_rows()));
        writer.write_each(batch, &mut text, &mut ends);
        let mut start = 0;
        for (end, line) in ends.into_iter().zip(lines) {
            self.row(&text, start..end - 1, line, &mut examined);
            start = end;
        }
        Examined { text, ..examined }
    }

    /// Examines one event, whose line is `text[place]`, and which stands on `line` of the file.
    fn row(&mut self, text: &[u8], place: Range<usize>, line: u64, examined: &mut Examined) {
        examined.events += 1;
        let event = &text[place.clone()];
        let Some(head) = head(event) else {
            return examined.refuse(FindingKind::Malformed, line, &Named::of(event), NOT_CANONICAL);
        };
        let refuse = |kind, examined: &mut Examined, detail: &str| {
            examined.refuse(kind, line, &named(&head), detail);
        };
        let Some(log) = self.log(head.tenant) else {
            return refuse(FindingKind::Unexpected, examined, "the proof has no log of its tenant");
        };
        // Of a log that contradicts itself nothing can be expected.
        let Some(log) = log else { return };
        let Some(expected) = self.logs.sound.get(log).map(|log| &log.expected) else { return };
        let Some(rank) = expected.rank(head.seq) else {
            return refuse(FindingKind::Unexpected, examined, NOT_EXPECTED);
        };
        if !expected.has_time(head.recorded_at) {
            refuse(FindingKind::Incomplete, examined, OUT_OF_TIME);
        }
        let leaf = leaf_hash(event);
        let is_denied = expected.denies(rank, &leaf);
        examined.rows.push(Row { log, seq: head.seq, leaf, is_denied, line, place });
    }

    /// See [`Logs::place`].
    fn log(&mut self, tenant: &[u8]) -> Option<Option<usize>> {
        if self.place.is_none() || self.tenant != tenant {
            self.place = self.logs.place(tenant);
            self.tenant.clear();
            self.tenant.extend_from_slice(tenant);
        }
        self.place
    }
}

const NOT_CANONICAL: &str = "this is not an event as an export writes it";
const NOT_EXPECTED: &str = "the proof says nothing of an event at this position: it was added, or \
                            its seq was changed";
const OUT_OF_TIME: &str = "it was recorded outside of the times that are claimed to be complete";

impl Examined {
    fn refuse(&mut self, kind: FindingKind, line: u64, named: &Named, detail: &str) {
        self.findings.add_with(|| Finding {
            line: Some(line),
            tenant_id: named.tenant_id.clone(),
            seq: named.seq,
            id: named.id.clone(),
            ..Finding::new(kind, detail)
        });
    }

    fn note(&mut self, kind: FindingKind, line: u64, detail: String) {
        self.findings.push(Finding { line: Some(line), ..Finding::new(kind, detail) });
    }

    fn note_torn_end(&mut self) {
        let detail = "the file does not end as an export does: it was cut off here, or changed";
        self.note(FindingKind::File, self.lines.max(1), detail.to_owned());
    }
}

fn named(head: &Head<'_>) -> Named {
    Named {
        id: Some(unescaped(head.id)),
        seq: Some(head.seq),
        tenant_id: Some(unescaped(head.tenant)),
    }
}

/// The lines of a text, without their line ends.
fn lines_of(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let torn = text.len() - text.iter().rev().take_while(|byte| **byte != b'\n').count();
    let tail = (torn < text.len()).then_some(text.len());
    memchr_iter(b'\n', text).chain(tail).map(move |end| {
        let line = start..end;
        start = end + 1;
        line
    })
}
