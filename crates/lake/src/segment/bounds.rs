//! Spans and bounds of a segment's columns, gathered batch by batch as it is written.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_model::columns::{COLUMNS, Kind, at};
use serde::{Deserialize, Serialize};

use super::WIDTH_ROWS;

/// What one tenant's events in a segment span, each first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How many events.
    pub rows: u64,
    /// Positions in the tenant log.
    pub seq: (u64, u64),
    /// When they happened, in microseconds.
    pub occurred_us: (i64, i64),
    /// When the lake took them, in microseconds.
    pub recorded_us: (i64, i64),
}

/// The least and greatest text of a column; none when all cells are null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bounds(pub Option<(String, String)>);

/// One wide event alone does not speak for a thousand.
const FEWEST_ROWS: usize = 16;
/// A bound longer than this is not kept: it would make the manifest heavy.
const MAX_BOUND_BYTES: usize = 128;

/// What is gathered over the batches of one segment.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) rows: u64,
    /// See [`super::Segment::widest_bytes`].
    pub(crate) widest_bytes: u64,
    tenants: BTreeMap<String, Span>,
    /// By column position.
    texts: BTreeMap<usize, Option<(String, String)>>,
}

impl Summary {
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        self.add_spans(batch);
        let ends = batch.column(at::DATA).as_string::<i32>().value_offsets();
        for start in (0..batch.num_rows()).step_by(WIDTH_ROWS) {
            let end = batch.num_rows().min(start + WIDTH_ROWS);
            // A compaction adds batches of fewer rows: what they have stands for all of it.
            let rows = (end - start).max(FEWEST_ROWS) as u64;
            let bytes = u64::try_from(ends[end] - ends[start]).unwrap_or(0);
            self.widest_bytes = self.widest_bytes.max(bytes * WIDTH_ROWS as u64 / rows);
        }
        for (position, column) in COLUMNS.iter().enumerate() {
            if column.kind == Kind::Dict {
                let dictionary = batch.column(position).as_dictionary::<Int32Type>();
                let values = dictionary.values().as_string::<i32>();
                let mut used = vec![false; values.len()];
                for key in dictionary.keys().iter().flatten() {
                    used[key as usize] = true;
                }
                let used = (0..values.len()).filter(|index| used[*index]);
                self.add_texts(position, values, used);
            } else if column.kind == Kind::Text {
                let values = batch.column(position).as_string::<i32>();
                self.add_texts(position, values, 0..values.len());
            }
        }
    }

    fn add_texts(
        &mut self,
        position: usize,
        values: &StringArray,
        indexes: impl Iterator<Item = usize>,
    ) {
        let bounds = self.texts.entry(position).or_default();
        for index in indexes.filter(|index| values.is_valid(*index)) {
            let text = values.value(index);
            match bounds {
                None => *bounds = Some((text.to_owned(), text.to_owned())),
                Some((least, greatest)) => {
                    if text < least.as_str() {
                        text.clone_into(least);
                    } else if text > greatest.as_str() {
                        text.clone_into(greatest);
                    }
                }
            }
        }
    }

    fn add_spans(&mut self, batch: &RecordBatch) {
        let tenants = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
        let names = tenants.values().as_string::<i32>();
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
        let time = |position: usize| {
            batch.column(position).as_primitive::<TimestampMicrosecondType>().values()
        };
        let (occurred, recorded) = (time(at::OCCURRED_AT), time(at::RECORDED_AT));
        let mut spans: Vec<Option<Span>> = vec![None; names.len()];
        for (row, key) in tenants.keys().values().iter().enumerate() {
            let (seq, occurred, recorded) = (seqs[row], occurred[row], recorded[row]);
            let span = spans[*key as usize].get_or_insert(Span {
                rows: 0,
                seq: (seq, seq),
                occurred_us: (occurred, occurred),
                recorded_us: (recorded, recorded),
            });
            span.rows += 1;
            span.seq = (span.seq.0.min(seq), span.seq.1.max(seq));
            span.occurred_us = (span.occurred_us.0.min(occurred), span.occurred_us.1.max(occurred));
            span.recorded_us = (span.recorded_us.0.min(recorded), span.recorded_us.1.max(recorded));
        }
        for (index, span) in spans.into_iter().enumerate() {
            let Some(span) = span else { continue };
            self.tenants
                .entry(names.value(index).to_owned())
                .and_modify(|known| {
                    known.rows += span.rows;
                    known.seq = (known.seq.0.min(span.seq.0), known.seq.1.max(span.seq.1));
                    known.occurred_us = join(known.occurred_us, span.occurred_us);
                    known.recorded_us = join(known.recorded_us, span.recorded_us);
                })
                .or_insert(span);
        }
    }

    /// The tenants' spans and the columns' bounds.
    pub(crate) fn finish(self) -> (BTreeMap<String, Span>, BTreeMap<String, Bounds>) {
        let columns = self.texts.into_iter().filter(|(_, bounds)| {
            bounds.as_ref().is_none_or(|(least, greatest)| {
                least.len() <= MAX_BOUND_BYTES && greatest.len() <= MAX_BOUND_BYTES
            })
        });
        let columns =
            columns.map(|(position, bounds)| (COLUMNS[position].name.to_owned(), Bounds(bounds)));
        (self.tenants, columns.collect())
    }
}

fn join(a: (i64, i64), b: (i64, i64)) -> (i64, i64) {
    (a.0.min(b.0), a.1.max(b.1))
}
