//! Which rows of a segment are wanted, and whether it has the rows that the manifest says.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, BooleanBufferBuilder, Int32Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::datatypes::{Int32Type, UInt64Type};
use arrow::error::ArrowError;

use super::findings::{LakeFinding, LakeFindingKind};
use crate::segment::{Segment, Span};

/// Events by tenant and place.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// By tenant: its number, in the order given, and the places, in order.
    logs: HashMap<String, (usize, Vec<Range<u64>>)>,
}

impl Wanted {
    /// Events of these logs, each given once, at these places, which are in order.
    pub(super) fn new(logs: impl Iterator<Item = (String, Vec<Range<u64>>)>) -> Self {
        let numbered = logs.enumerate();
        Self { logs: numbered.map(|(number, (name, at))| (name, (number, at))).collect() }
    }

    /// The number of a tenant's log.
    pub(super) fn log(&self, tenant: &str) -> Option<usize> {
        self.logs.get(tenant).map(|(number, _)| *number)
    }

    /// The places in a tenant's log.
    pub(super) fn places(&self, tenant: &str) -> &[Range<u64>] {
        self.logs.get(tenant).map_or(&[], |(_, places)| places)
    }

    /// Whether the segment may hold wanted events, as far as the manifest knows.
    pub(super) fn may_be_in(&self, segment: &Segment) -> bool {
        segment.tenants.iter().any(|(tenant, span)| {
            let (first, last) = span.seq;
            self.places(tenant).iter().any(|range| range.start <= last && first < range.end)
        })
    }

    /// Whether all events of the segment are wanted, as far as the manifest knows.
    pub(super) fn is_all_of(&self, segment: &Segment) -> bool {
        segment.tenants.iter().all(|(tenant, span)| {
            let (first, last) = span.seq;
            self.places(tenant).iter().any(|range| range.start <= first && last < range.end)
        })
    }
}

/// Where the rows of a batch belong.
pub(super) struct Places<'a> {
    keys: &'a Int32Array,
    names: &'a StringArray,
    seqs: &'a UInt64Array,
}

impl<'a> Places<'a> {
    /// The columns that say so; none if they are not those of events.
    pub(super) fn of(batch: &'a RecordBatch) -> Option<Self> {
        let tenants = batch.column_by_name("tenant_id")?.as_dictionary_opt::<Int32Type>()?;
        let names = tenants.values().as_string_opt::<i32>()?;
        let seqs = batch.column_by_name("seq")?.as_primitive_opt::<UInt64Type>()?;
        Some(Self { keys: tenants.keys(), names, seqs })
    }

    /// The tenant of a row.
    pub(super) fn tenant(&self, row: usize) -> Option<&str> {
        let name = usize::try_from(*self.keys.values().get(row)?).ok()?;
        (name < self.names.len()).then(|| self.names.value(name))
    }

    /// For each row, what `of_name` makes of its tenant, asked once for each name, and its seq;
    /// none for a row without either.
    pub(super) fn rows<T: Copy>(
        &self,
        mut of_name: impl FnMut(&str) -> T,
    ) -> impl Iterator<Item = Option<(T, u64)>> {
        let mut known: Vec<Option<T>> = vec![None; self.names.len()];
        (0..self.keys.len()).map(move |row| {
            if self.keys.is_null(row) || self.seqs.is_null(row) {
                return None;
            }
            let name = usize::try_from(self.keys.value(row)).ok()?;
            let slot = known.get_mut(name)?;
            let made = match *slot {
                Some(made) => made,
                None if self.names.is_null(name) => return None,
                None => *slot.insert(of_name(self.names.value(name))),
            };
            Some((made, self.seqs.value(row)))
        })
    }
}

/// Which of the ranges, which are in order, a place is in.
pub(super) fn range_of(ranges: &[Range<u64>], seq: u64) -> Option<usize> {
    let index = ranges.partition_point(|range| range.end <= seq);
    ranges.get(index).filter(|range| range.start <= seq).map(|_| index)
}

/// Looks at every row of one segment.
pub(super) struct Sift {
    segment: Arc<Segment>,
    wanted: Arc<Wanted>,
    /// For each tenant of the segment, its place among the spans.
    by_name: HashMap<String, usize>,
    spans: Vec<Span>,
    /// How many rows there are within each span.
    rows: Vec<u64>,
    all_rows: u64,
    /// Rows that the manifest does not know of, and the `seq` of the first.
    strays: u64,
    first_stray: Option<u64>,
}

impl Sift {
    pub(super) fn new(segment: &Arc<Segment>, wanted: &Arc<Wanted>) -> Self {
        let names = segment.tenants.keys().cloned();
        Self {
            segment: Arc::clone(segment),
            wanted: Arc::clone(wanted),
            by_name: names.zip(0..).collect(),
            spans: segment.tenants.values().copied().collect(),
            rows: vec![0; segment.tenants.len()],
            all_rows: 0,
            strays: 0,
            first_stray: None,
        }
    }

    /// Which rows are wanted. Rows that the manifest does not know of are not: nobody would find
    /// them.
    pub(super) fn look(&mut self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let Some(places) = Places::of(batch) else {
            let reason = "tenant_id or seq is not as in segments";
            return Err(ArrowError::SchemaError(reason.to_owned()));
        };
        let (by_name, wanted) = (&self.by_name, &self.wanted);
        let tenant_of = |name: &str| (by_name.get(name).copied(), wanted.places(name));
        let mut mask = BooleanBufferBuilder::new(batch.num_rows());
        for row in places.rows(tenant_of) {
            let tenant = match row {
                Some(((Some(tenant), places), seq)) => Some((tenant, places, seq)),
                _ => None,
            };
            let known = tenant.filter(|(tenant, _, seq)| {
                let (first, last) = self.spans[*tenant].seq;
                (first..=last).contains(seq)
            });
            match known {
                Some((tenant, places, seq)) => {
                    self.rows[tenant] += 1;
                    mask.append(range_of(places, seq).is_some());
                }
                None => {
                    self.strays += 1;
                    self.first_stray = self.first_stray.or(row.map(|(_, seq)| seq));
                    mask.append(false);
                }
            }
        }
        self.all_rows += batch.num_rows() as u64;
        Ok(BooleanArray::new(mask.finish(), None))
    }

    /// What is not as the manifest says, once all rows were looked at.
    pub(super) fn differences(&self) -> Vec<LakeFinding> {
        let wrong = |detail: String| {
            LakeFinding::new(LakeFindingKind::Segment, detail).at(&self.segment.path)
        };
        let mut findings = Vec::new();
        for ((tenant, span), rows) in self.segment.tenants.iter().zip(&self.rows) {
            if span.rows != *rows {
                let detail = format!(
                    "the segment has {rows} events from seq {} to {} of {tenant}, the manifest \
                     says {}",
                    span.seq.0, span.seq.1, span.rows
                );
                let seqs = span.seq.0..span.seq.1.saturating_add(1);
                findings.push(wrong(detail).of(tenant).within(seqs));
            }
        }
        if self.strays > 0 {
            let first = self.first_stray.map(|seq| format!(", the first with seq {seq}"));
            findings.push(wrong(format!(
                "the segment has {} events that the manifest does not know of{}",
                self.strays,
                first.unwrap_or_default()
            )));
        }
        if findings.is_empty() && self.all_rows != self.segment.rows {
            findings.push(wrong(format!(
                "the segment has {} events, the manifest says {}",
                self.all_rows, self.segment.rows
            )));
        }
        findings
    }
}
