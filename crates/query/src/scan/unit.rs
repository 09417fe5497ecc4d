//! The plan of one day: segments and hot events, filtered, in order, projected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use auditlake_lake::{Segment, Snapshot};
use auditlake_model::columns::COLUMNS;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;

use super::{Day, Order, ScanRequest, TIME_ORDER};
use crate::engine::{BATCH_ROWS, batch_rows};
use crate::error::QueryError;
use crate::events::{Condition, Files, RowGroupPart, hot_scan, narrowed, projected, segment_order};
use crate::footers::Footers;
use crate::meant::{Meant, Steps};
use crate::pruning::{Candidate, row_groups};

/// A limit up to which the first rows are kept in memory rather than sorted with the rest.
const KEPT_ROWS: usize = 10_000;

/// A condition is selective when it holds for less than one row in so many.
const SELECTIVE: u64 = 8;

/// What all days' plans have in common.
pub(super) struct Planner {
    /// Positions of the columns that are read: those given, filtered and sorted by.
    read: Vec<usize>,
    /// Which events are meant.
    steps: Steps,
    /// Positions, among those read, of the columns that are given.
    given: Vec<usize>,
    /// Over the columns that are read.
    order: LexOrdering,
    /// Whether segments lie in that order already.
    is_segment_order: bool,
    footers: Footers,
    /// How many rows of the parts done so far were looked at, and how many of them were meant.
    seen_rows: AtomicU64,
    meant_rows: AtomicU64,
}

impl Planner {
    pub(super) fn new(
        state: &SessionState,
        meant: &Meant,
        request: &ScanRequest,
        footers: Footers,
    ) -> Result<Self> {
        let given: Vec<usize> =
            request.columns.clone().unwrap_or_else(|| (0..COLUMNS.len()).collect());
        let read: BTreeSet<usize> =
            given.iter().copied().chain(meant.columns()).chain(TIME_ORDER).collect();
        let read: Vec<usize> = read.into_iter().collect();
        let narrow = projected(Some(&read))?;
        let is_segment_order = request.lies_in_segment_order();
        let order = if is_segment_order {
            segment_order(&narrow)?
        } else {
            time_order(&narrow, request.order == Order::NewestFirst)?
        };
        let order = order.ok_or_else(|| {
            datafusion::error::DataFusionError::Internal("an order without columns".to_owned())
        })?;
        let given = given.iter().filter_map(|column| read.iter().position(|at| at == column));
        let given = given.collect();
        let steps = meant.over(state, &narrow)?;
        let (seen_rows, meant_rows) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { given, steps, order, is_segment_order, read, footers, seen_rows, meant_rows })
    }

    /// The segments of a snapshot that may hold an answer.
    pub(super) fn candidates(&self, snapshot: &Snapshot) -> Result<Vec<Candidate>, QueryError> {
        self.steps.candidates(snapshot)
    }

    /// Of a segment's row groups, those that may hold an answer, each with whether all its
    /// events are known to be meant.
    pub(super) fn row_groups(
        &self,
        footer: &ParquetMetaData,
    ) -> Result<Vec<(usize, bool)>, QueryError> {
        let mut groups = row_groups(footer, self.steps.pruning.as_ref())?;
        if !self.steps.can_be_proven() {
            groups.iter_mut().for_each(|(_, is_whole)| *is_whole = false);
        }
        Ok(groups)
    }

    /// The footers of the segments.
    pub(super) fn footers(&self) -> &Footers {
        &self.footers
    }

    /// Whether a segment's events, as they lie there, are a part of the answer.
    pub(super) fn keeps_segment_order(&self) -> bool {
        self.is_segment_order
    }

    /// Positions, among the event's columns, of those that are given, in their order.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.given.iter().map(|position| self.read[*position])
    }

    /// The plan of rows of one row group of a segment, of one partition.
    pub(super) fn plan_row_group(
        &self,
        segment: &Segment,
        group: &RowGroupPart,
        is_whole: bool,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.files(is_whole).row_group(segment, group)?;
        let plan = if is_whole { plan } else { self.steps.filtered(plan, segment.batch_rows())? };
        narrowed(plan, &self.given)
    }

    /// The plan of one day, of one partition, giving at most `limit` rows.
    pub(super) fn plan(&self, day: &Day, limit: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let fetch = Some(limit).filter(|limit| *limit < usize::MAX);
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        if !day.segments.is_empty() {
            let is_whole = day.segments.iter().all(|found| found.is_whole);
            let segments: Vec<_> =
                day.segments.iter().map(|found| Arc::clone(&found.segment)).collect();
            let sealed = self.files(is_whole).ordered(&segments)?;
            let sealed = if is_whole {
                sealed
            } else {
                self.steps.filtered(sealed, batch_rows(&segments))?
            };
            inputs.push(if self.is_segment_order { sealed } else { self.sorted(sealed, fetch) });
        }
        if !day.hot.is_empty() {
            let hot = day.hot.iter().map(|hot| hot.batch.clone()).collect();
            let hot = self.steps.filtered(hot_scan(hot, Some(&self.read))?, BATCH_ROWS)?;
            inputs.push(self.sorted(hot, fetch));
        }
        if inputs.is_empty() {
            return Ok(Arc::new(EmptyExec::new(projected(Some(&self.read))?)));
        }
        let mut plan = UnionExec::try_new(inputs)?;
        if plan.properties().output_partitioning().partition_count() > 1 {
            plan =
                Arc::new(SortPreservingMergeExec::new(self.order.clone(), plan).with_fetch(fetch));
        }
        narrowed(plan, &self.given)
    }

    /// Notes how many of a part's rows were looked at, and how many were meant.
    pub(super) fn learn(&self, seen: u64, meant: u64) {
        self.seen_rows.fetch_add(seen, Ordering::Relaxed);
        self.meant_rows.fetch_add(meant, Ordering::Relaxed);
    }

    /// Whether so few rows are meant that it pays to decode those of the other columns only:
    /// to skip rows costs about as much as to decode a few of them.
    fn is_selective(&self) -> bool {
        let (seen, meant) = (&self.seen_rows, &self.meant_rows);
        let (seen, meant) = (seen.load(Ordering::Relaxed), meant.load(Ordering::Relaxed));
        meant.saturating_mul(SELECTIVE) < seen
    }

    /// Scans of the columns that are read; where all events are meant, nothing is pruned.
    fn files(&self, is_whole: bool) -> Files<'_> {
        let condition = match &self.steps.pruning {
            Some(pruning) if !is_whole && self.is_selective() => Condition::Filters(pruning),
            Some(pruning) if !is_whole => Condition::Prunes(pruning),
            _ => Condition::None,
        };
        Files { footers: &self.footers, projection: Some(&self.read), condition }
    }

    fn sorted(
        &self,
        input: Arc<dyn ExecutionPlan>,
        fetch: Option<usize>,
    ) -> Arc<dyn ExecutionPlan> {
        let input: Arc<dyn ExecutionPlan> =
            if input.properties().output_partitioning().partition_count() > 1 {
                Arc::new(CoalescePartitionsExec::new(input))
            } else {
                input
            };
        // With a limit a sort keeps its rows in memory; without one it may spill. The limit
        // itself is held by whoever walks the days.
        let fetch = fetch.filter(|rows| *rows <= KEPT_ROWS);
        Arc::new(SortExec::new(self.order.clone(), input).with_fetch(fetch))
    }
}

fn time_order(schema: &Schema, descending: bool) -> Result<Option<LexOrdering>> {
    let options = SortOptions { descending, nulls_first: !descending };
    let columns = TIME_ORDER
        .map(|position| Ok(PhysicalSortExpr::new(col(COLUMNS[position].name, schema)?, options)));
    Ok(LexOrdering::new(columns.into_iter().collect::<Result<Vec<_>>>()?))
}
