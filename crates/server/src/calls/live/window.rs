//! The events of one span of recorded time, as many of them as fit into memory.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_lake::Snapshot;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::line::LineWriter;
use auditlake_model::scope::Scope;
use auditlake_query::ScanRequest;
use futures::StreamExt;

use super::mark::Mark;
use crate::problem::Problem;
use crate::state::AppState;

/// What one window holds at most.
const MAX_EVENTS: usize = 1000;
const MAX_BYTES: usize = 4 << 20;

/// The first events behind a mark, in the order of recording.
#[derive(Default)]
pub(super) struct Window {
    pub(super) events: Vec<(Mark, Vec<u8>)>,
    /// Whether others of the same span follow, for which there was no room.
    pub(super) is_cut: bool,
}

/// The lines that come first so far; a scan gives events in another order.
#[derive(Default)]
struct First {
    lines: BTreeMap<Mark, Vec<u8>>,
    bytes: usize,
    is_cut: bool,
}

impl Window {
    /// Reads what was recorded behind `mark` and before `to_us`.
    pub(super) async fn read(
        state: &AppState,
        snapshot: &Snapshot,
        (scope, filter): (&Scope, &Filter),
        mark: &Mark,
        to_us: i64,
    ) -> Result<Self, Problem> {
        let mut filter = filter.clone();
        let recorded = &mut filter.recorded;
        // The mark of a tail that began with an empty lake is no time.
        let from_us = Some(mark.recorded_us()).filter(|from_us| *from_us > i64::MIN);
        recorded.from_us = recorded.from_us.max(from_us);
        recorded.to_us = Some(recorded.to_us.map_or(to_us, |own| own.min(to_us)));
        if recorded.from_us >= recorded.to_us {
            return Ok(Self::default());
        }
        let scan = ScanRequest { filter, ..ScanRequest::of(scope.clone()) };
        let mut events = state.engine().scan(snapshot, &scan).await?;
        let mut writer = LineWriter::new(&events.schema())?;
        let mut first = First::default();
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        while let Some(batch) = events.next().await.transpose()? {
            lines.clear();
            ends.clear();
            writer.write_each(&batch, &mut lines, &mut ends);
            first.take(&batch, &lines, &ends, mark);
        }
        Ok(Self { is_cut: first.is_cut, events: first.lines.into_iter().collect() })
    }
}

impl First {
    /// Keeps of a batch what belongs to the first events behind a mark.
    fn take(&mut self, batch: &RecordBatch, lines: &[u8], ends: &[usize], behind: &Mark) {
        let times = batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>();
        let tenants = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
        let names = tenants.values().as_string::<i32>();
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>();
        let mut start = 0;
        for (row, end) in ends.iter().enumerate() {
            let line = &lines[start..end - 1];
            start = *end;
            let tenant_id = tenants.key(row).map_or("", |key| names.value(key));
            let mark = Mark::behind(times.value(row), tenant_id, seqs.value(row));
            if mark > *behind {
                self.insert(mark, line);
            }
        }
    }

    fn insert(&mut self, mark: Mark, line: &[u8]) {
        let is_behind = self.lines.last_key_value().is_some_and(|(last, _)| mark > *last);
        // Once something was left out, so is whatever comes behind it.
        if is_behind && (self.is_cut || self.is_full()) {
            self.is_cut = true;
            return;
        }
        self.bytes += line.len();
        self.lines.insert(mark, line.to_vec());
        while self.lines.len() > 1 && self.is_over() {
            if let Some((_, line)) = self.lines.pop_last() {
                self.bytes -= line.len();
                self.is_cut = true;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES
    }

    fn is_over(&self) -> bool {
        self.lines.len() > MAX_EVENTS || self.bytes > MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_are_kept_in_whatever_order_they_come() {
        let mut first = First::default();
        let count = 3 * MAX_EVENTS as u64;
        // A walk over all of them that jumps to and fro: 7 shares no divisor with their number.
        for step in 0..count {
            let seq = step * 7 % count;
            first.insert(Mark::behind(1, "acme", seq), seq.to_string().as_bytes());
        }
        assert!(first.is_cut);
        let kept: Vec<_> = first.lines.keys().cloned().collect();
        let wanted: Vec<_> =
            (0..MAX_EVENTS as u64).map(|seq| Mark::behind(1, "acme", seq)).collect();
        assert_eq!(kept, wanted);
    }

    #[test]
    fn one_line_is_kept_however_long_it_is() {
        let mut first = First::default();
        let line = vec![b'x'; MAX_BYTES + 1];
        first.insert(Mark::behind(2, "acme", 2), &line);
        first.insert(Mark::behind(1, "acme", 1), &line);
        assert!(first.is_cut);
        let kept: Vec<_> = first.lines.keys().cloned().collect();
        assert_eq!(kept, [Mark::behind(1, "acme", 1)]);
    }
}
