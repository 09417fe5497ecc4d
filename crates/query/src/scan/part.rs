//! The parts of a scan: days, or halves of the row groups of a day that is one segment.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use auditlake_lake::Segment;
use auditlake_model::layout::{ROW_GROUP_ROWS, RowGroup};
use auditlake_model::render::{Made, Render};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use futures::TryStreamExt;
use object_store::path::Path;

use super::{Day, Scan};
use crate::error::QueryError;
use crate::events::RowGroupPart;
use crate::ordered::{Outlet, Parts, Stopped, Worker};

/// Rows of a part at most. What is made of a part may have to wait for the one in front of it,
/// and with larger ones a thread would wait for room meanwhile; of smaller ones more pages
/// would be decoded twice.
const PART_ROWS: usize = ROW_GROUP_ROWS / 2;

/// A part of a scan that can be worked on by itself.
pub(super) enum Part {
    Day(Day),
    RowGroup { segment: Arc<Segment>, group: RowGroupPart, is_whole: bool },
}

/// The days of a scan, the large ones split.
pub(super) struct PartsOfDays {
    pub(super) scan: Arc<Scan>,
    pub(super) days: VecDeque<Day>,
    /// Parts of the day taken last.
    pub(super) ready: VecDeque<Part>,
    /// Whether it is any use to split days.
    pub(super) splits: bool,
}

impl Parts for PartsOfDays {
    type Part = Part;

    async fn next(&mut self) -> Result<Option<Part>, QueryError> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            let Some(day) = self.days.pop_front() else { return Ok(None) };
            match self.scan.alone(&day) {
                Some(segment) if self.splits && segment.rows > PART_ROWS as u64 => {
                    let footer = self.scan.planner.footers().of(segment).await?;
                    for (index, is_whole) in self.scan.planner.row_groups(&footer)? {
                        for group in parts_of(&footer, index) {
                            let segment = Arc::clone(segment);
                            self.ready.push_back(Part::RowGroup { segment, group, is_whole });
                        }
                    }
                }
                _ => return Ok(Some(Part::Day(day))),
            }
        }
    }
}

/// The rows of a row group, in parts that are not too large.
fn parts_of(footer: &ParquetMetaData, index: usize) -> impl Iterator<Item = RowGroupPart> {
    let (groups, all_rows) = (footer.num_row_groups(), rows_of(footer, index));
    (0..all_rows).step_by(PART_ROWS).map(move |start| {
        let rows = start..all_rows.min(start + PART_ROWS);
        RowGroupPart { index, groups, rows, all_rows }
    })
}

fn rows_of(footer: &ParquetMetaData, index: usize) -> usize {
    usize::try_from(footer.row_group(index).num_rows()).unwrap_or(0)
}

impl Scan {
    /// The segment that a day consists of, if it is one and comes in the order it lies in.
    fn alone<'a>(&self, day: &'a Day) -> Option<&'a Arc<Segment>> {
        match day.segments.as_slice() {
            [found] if day.hot.is_empty() && self.planner.keeps_segment_order() => {
                Some(&found.segment)
            }
            _ => None,
        }
    }

    /// A row group as it lies in its file, of the columns that are given.
    async fn copy(
        &self,
        segment: &Segment,
        footer: &ParquetMetaData,
        index: usize,
    ) -> Result<RowGroup, QueryError> {
        let columns: Vec<usize> = self.planner.columns().collect();
        let ranges = RowGroup::ranges(footer, index, &columns);
        let path = Path::from(segment.path.as_str());
        let bytes = self.snapshot.store().get_ranges(&path, &ranges).await;
        let failed = |source: &dyn std::error::Error| {
            QueryError::Internal(format!("reading {}: {source}", segment.path))
        };
        let bytes = bytes.map_err(|source| failed(&source))?;
        RowGroup::new(footer, index, &columns, bytes).map_err(|source| failed(&source))
    }
}

fn unrendered(source: impl std::error::Error) -> QueryError {
    QueryError::Internal(format!("rendering events: {source}"))
}

/// Hands batches on as they are.
pub(super) struct Batches;

impl Render for Batches {
    type Item = RecordBatch;
    type Error = QueryError;

    fn batch(&mut self, batch: RecordBatch) -> Result<Made<RecordBatch>, QueryError> {
        let bytes = batch.get_array_memory_size();
        Ok(Made { item: batch, bytes })
    }

    fn row_group(&mut self, _: RowGroup) -> Result<Made<RecordBatch>, QueryError> {
        Err(QueryError::Internal("a row group is no batch".to_owned()))
    }
}

/// A renderer at work.
pub(super) struct Rendering<R> {
    scan: Arc<Scan>,
    renderer: R,
    /// How many events may still come.
    left: usize,
}

impl<R: Render> Rendering<R> {
    pub(super) fn new(scan: Arc<Scan>, renderer: R, limit: Option<usize>) -> Self {
        Self { scan, renderer, left: limit.unwrap_or(usize::MAX) }
    }

    /// Makes something of what a plan gives.
    async fn render(
        &mut self,
        plan: Arc<dyn ExecutionPlan>,
        outlet: &mut Outlet<R::Item>,
    ) -> Result<(), Stopped> {
        let mut batches = Arc::clone(&plan).execute(0, Arc::clone(&self.scan.task))?;
        let mut meant = 0;
        while self.left > 0
            && let Some(batch) = batches.try_next().await?
        {
            let batch = batch.slice(0, batch.num_rows().min(self.left));
            self.left -= batch.num_rows();
            meant += batch.num_rows() as u64;
            self.slices(&batch, outlet).await?;
        }
        self.scan.planner.learn(looked_at(plan.as_ref()), meant);
        Ok(())
    }

    async fn slices(
        &mut self,
        batch: &RecordBatch,
        outlet: &mut Outlet<R::Item>,
    ) -> Result<(), Stopped> {
        let (rows, most) = (batch.num_rows(), self.renderer.most_rows().max(1));
        for start in (0..rows).step_by(most) {
            let slice = batch.slice(start, most.min(rows - start));
            let made = self.renderer.batch(slice).map_err(unrendered)?;
            outlet.put(made).await?;
        }
        Ok(())
    }

    /// Copies of a day what can be copied, and renders the rest.
    async fn copy(
        &mut self,
        segment: &Segment,
        from_rows: usize,
        outlet: &mut Outlet<R::Item>,
    ) -> Result<(), Stopped> {
        let scan = Arc::clone(&self.scan);
        let footer = scan.planner.footers().of(segment).await?;
        let groups = footer.num_row_groups();
        for (index, is_whole) in scan.planner.row_groups(&footer)? {
            let rows = rows_of(&footer, index);
            if is_whole && rows >= from_rows && rows <= self.left {
                let group = scan.copy(segment, &footer, index).await?;
                self.left -= rows;
                let made = self.renderer.row_group(group).map_err(unrendered)?;
                outlet.put(made).await?;
            } else {
                let group = RowGroupPart { index, groups, rows: 0..rows, all_rows: rows };
                let plan = scan.planner.plan_row_group(segment, &group, is_whole)?;
                self.render(plan, outlet).await?;
            }
        }
        Ok(())
    }
}

/// How many rows a plan that was run has tried its condition on: of those in row groups and pages
/// that were left out beforehand, nothing is learnt.
fn looked_at(plan: &dyn ExecutionPlan) -> u64 {
    let inputs = plan.children();
    if !inputs.is_empty() {
        return inputs.into_iter().map(|input| looked_at(input.as_ref())).sum();
    }
    let metrics = plan.metrics().unwrap_or_default();
    let pruned = metrics.sum_by_name("pushdown_rows_pruned").map_or(0, |count| count.as_usize());
    // Hot events are not counted as they are read, but it is known how many they are.
    let at_hand = || {
        let known = StatisticsContext::new().compute(plan, &StatisticsArgs::new()).ok()?;
        known.num_rows.get_value().copied()
    };
    (metrics.output_rows().or_else(at_hand).unwrap_or(0) + pruned) as u64
}

impl<R: Render> Worker<Part> for Rendering<R> {
    type Item = R::Item;

    async fn work(&mut self, part: Part, outlet: &mut Outlet<R::Item>) -> Result<(), Stopped> {
        if self.left == 0 {
            return Ok(());
        }
        let scan = Arc::clone(&self.scan);
        match part {
            Part::Day(day) => match (self.renderer.copies_from_rows(), scan.alone(&day)) {
                (Some(from_rows), Some(segment)) => self.copy(segment, from_rows, outlet).await,
                _ => {
                    let plan = scan.planner.plan(&day, self.left)?;
                    self.render(plan, outlet).await
                }
            },
            Part::RowGroup { segment, group, is_whole } => {
                let plan = scan.planner.plan_row_group(&segment, &group, is_whole)?;
                self.render(plan, outlet).await
            }
        }
    }
}
