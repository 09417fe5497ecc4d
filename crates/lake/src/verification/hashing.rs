//! Rows into leaves: each wanted event is rendered as its canonical line again, and the hash of
//! that put into its place in the window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use auditlake_model::line::LineWriter;
use auditlake_tlog::leaf_hash;

use super::findings::{Found, LakeFinding, LakeFindingKind};
use super::reading::Sink;
use super::sift::{Places, Wanted};
use super::window::{Event, Window};

/// So many events that stand where others do are named; the rest is counted.
const MOST_DOUBLES: usize = 1_000;

/// Hashes the events of a window.
pub(super) struct Hashing {
    window: Arc<Window>,
    wanted: Wanted,
    /// What renders lines, one for each thread that does.
    benches: Mutex<Vec<Bench>>,
    doubles: Mutex<Doubles>,
}

/// What is needed to render the lines of batches, and reused.
struct Bench {
    schema: SchemaRef,
    writer: LineWriter,
    lines: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Default)]
struct Doubles {
    /// In any order: segments are read side by side.
    named: Vec<Double>,
    more: u64,
}

struct Double {
    tenant: String,
    seq: u64,
    id: Option<String>,
    path: String,
}

impl Hashing {
    pub(super) fn new(window: &Arc<Window>) -> Self {
        let (benches, doubles) = (Mutex::default(), Mutex::default());
        Self { window: Arc::clone(window), wanted: window.wanted(), benches, doubles }
    }

    /// Reports events that stand where others do, once all were read.
    pub(super) fn finish(&self, found: &mut Found) {
        let mut doubles = self.doubles.lock().unwrap_or_else(PoisonError::into_inner);
        let Doubles { mut named, more } = std::mem::take(&mut *doubles);
        named.sort_by(|a, b| (&a.tenant, a.seq, &a.id).cmp(&(&b.tenant, b.seq, &b.id)));
        for Double { tenant, seq, id, path } in named {
            let detail = format!("another event has the same place, seq {seq}");
            let finding = LakeFinding::new(LakeFindingKind::Duplicate, detail);
            let finding = finding.at(path).of(&tenant).within(seq..seq.saturating_add(1));
            found.add(finding.with_id(id));
        }
        found.left_out += more;
    }

    fn bench(&self, batch: &RecordBatch) -> Result<Bench, String> {
        let free = self.benches.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let schema = batch.schema();
        match free {
            Some(bench) if bench.schema == schema => Ok(bench),
            _ => {
                let writer = LineWriter::new(&schema).map_err(|source| source.to_string())?;
                Ok(Bench { schema, writer, lines: Vec::new(), ends: Vec::new() })
            }
        }
    }

    fn note_doubles(&self, log: usize, seqs: &[u64], batch: &RecordBatch, path: &str) {
        let Some(places) = Places::of(batch) else { return };
        let ids = batch.column_by_name("id").and_then(|ids| ids.as_string_opt::<i32>());
        let mut doubles = self.doubles.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, place) in places.rows(|name| self.wanted.log(name)).enumerate() {
            let Some((of, seq)) = place else { continue };
            if of != Some(log) || seqs.binary_search(&seq).is_err() {
                continue;
            }
            if doubles.named.len() >= MOST_DOUBLES {
                doubles.more += 1;
                continue;
            }
            let id = ids.filter(|ids| ids.is_valid(row)).map(|ids| ids.value(row).to_owned());
            let tenant = places.tenant(row).unwrap_or_default().to_owned();
            doubles.named.push(Double { tenant, seq, id, path: path.to_owned() });
        }
    }
}

impl Sink for Hashing {
    fn columns(&self) -> Option<&'static [&'static str]> {
        None
    }

    fn take(&self, batch: &RecordBatch, path: &str) -> Result<(), String> {
        let places = Places::of(batch).ok_or("tenant_id or seq is not as in segments")?;
        let recorded = batch
            .column_by_name("recorded_at")
            .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or("recorded_at is not as in segments")?
            .values();
        let mut bench = self.bench(batch)?;
        bench.lines.clear();
        bench.ends.clear();
        bench.writer.write_each(batch, &mut bench.lines, &mut bench.ends);
        // Rows are sorted by tenant, so there is mostly one log in a batch.
        let mut logs: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
        let mut run: Option<(usize, Vec<Event>)> = None;
        let mut start = 0;
        let rows = places.rows(|name| self.wanted.log(name)).zip(recorded);
        for ((place, recorded_at_us), end) in rows.zip(&bench.ends) {
            let line = &bench.lines[start..end - 1];
            start = *end;
            let Some((Some(log), seq)) = place else { continue };
            let event = Event { seq, leaf: leaf_hash(line), recorded_at_us: *recorded_at_us };
            match &mut run {
                Some((of, events)) if *of == log => events.push(event),
                _ => {
                    if let Some((of, events)) = run.replace((log, vec![event])) {
                        logs.entry(of).or_default().extend(events);
                    }
                }
            }
        }
        if let Some((of, events)) = run {
            logs.entry(of).or_default().extend(events);
        }
        self.benches.lock().unwrap_or_else(PoisonError::into_inner).push(bench);
        for (log, events) in &logs {
            let mut there = self.window.take(*log, events);
            if !there.is_empty() {
                there.sort_unstable();
                self.note_doubles(*log, &there, batch, path);
            }
        }
        Ok(())
    }
}
