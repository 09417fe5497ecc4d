//! The plan of one day: segments and hot events, filtered, in order, projected.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use auditlake_model::columns::{COLUMNS, at, schema};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;

use super::{Day, Order, ScanRequest, TIME_ORDER};
use crate::events::{Files, hot_scan, segment_order};

/// A limit up to which the first rows are kept in memory rather than sorted with the rest.
const KEPT_ROWS: usize = 10_000;

/// What all days' plans have in common.
pub(super) struct Planner {
    /// Positions of the columns that are read: those given, filtered and sorted by.
    read: Vec<usize>,
    /// The condition over the event's columns, for pruning.
    pruning: Option<Arc<dyn PhysicalExpr>>,
    /// The condition over the columns that are read.
    condition: Option<Arc<dyn PhysicalExpr>>,
    /// Positions, among those read, of the columns that are given.
    given: Vec<usize>,
    /// Over the columns that are read.
    order: LexOrdering,
    /// Whether segments lie in that order already.
    is_segment_order: bool,
}

impl Planner {
    pub(super) fn new(
        state: &SessionState,
        condition: Option<Expr>,
        request: &ScanRequest,
    ) -> Result<Self> {
        let given: Vec<usize> =
            request.columns.clone().unwrap_or_else(|| (0..COLUMNS.len()).collect());
        let filtered = condition.as_ref().map(Expr::column_refs).unwrap_or_default();
        let filtered = filtered.iter().filter_map(|column| schema().index_of(&column.name).ok());
        let read: BTreeSet<usize> =
            given.iter().copied().chain(filtered).chain(TIME_ORDER).collect();
        let read: Vec<usize> = read.into_iter().collect();
        let narrow = schema().project(&read)?;
        let over = |schema: &Schema| {
            let columns = DFSchema::try_from(schema.clone())?;
            let condition = condition.clone();
            condition.map(|expr| state.create_physical_expr(expr, &columns)).transpose()
        };
        // One tenant's events lie in the order of time.
        let is_segment_order = request.order == Order::Log
            || (request.order == Order::OldestFirst
                && request.filter.exactly(at::TENANT_ID).is_some());
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
        let (pruning, condition) = (over(&schema())?, over(&narrow)?);
        Ok(Self { given, pruning, condition, order, is_segment_order, read })
    }

    /// The condition over the event's columns, for pruning.
    pub(super) fn predicate(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.pruning.as_ref()
    }

    /// The plan of one day, of one partition, giving at most `limit` rows.
    pub(super) fn plan(&self, day: &Day, limit: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let fetch = Some(limit).filter(|limit| *limit < usize::MAX);
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        if !day.segments.is_empty() {
            let files = Files {
                segments: &day.segments,
                projection: Some(&self.read),
                predicate: self.pruning.as_ref(),
            };
            let sealed = self.filtered(files.ordered()?)?;
            inputs.push(if self.is_segment_order { sealed } else { self.sorted(sealed, fetch) });
        }
        if !day.hot.is_empty() {
            let hot = day.hot.iter().map(|hot| hot.batch.clone()).collect();
            let hot = self.filtered(hot_scan(hot, Some(&self.read))?)?;
            inputs.push(self.sorted(hot, fetch));
        }
        if inputs.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(schema().project(&self.read)?))));
        }
        let mut plan = UnionExec::try_new(inputs)?;
        if plan.properties().output_partitioning().partition_count() > 1 {
            plan =
                Arc::new(SortPreservingMergeExec::new(self.order.clone(), plan).with_fetch(fetch));
        }
        self.projected(plan)
    }

    fn filtered(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match &self.condition {
            Some(condition) => Arc::new(FilterExec::try_new(Arc::clone(condition), input)?),
            None => input,
        })
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

    fn projected(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if self.given.iter().copied().eq(0..self.read.len()) {
            return Ok(input);
        }
        let narrow = input.schema();
        let columns = self.given.iter().map(|position| {
            let name = narrow.field(*position).name();
            Ok((col(name, &narrow)?, name.clone()))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(columns, input)?))
    }
}

fn time_order(schema: &Schema, descending: bool) -> Result<Option<LexOrdering>> {
    let options = SortOptions { descending, nulls_first: !descending };
    let columns = TIME_ORDER
        .map(|position| Ok(PhysicalSortExpr::new(col(COLUMNS[position].name, schema)?, options)));
    Ok(LexOrdering::new(columns.into_iter().collect::<Result<Vec<_>>>()?))
}
