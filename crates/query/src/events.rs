//! The table `events`: segments and hot batches of one snapshot, as standard DataFusion
//! nodes, so that any optimizer rule and any distributed engine knows what they are; of a scope
//! behind a barrier that none of them gets through.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use auditlake_lake::{Segment, Snapshot};
use auditlake_model::columns::{COLUMNS, schema};
use auditlake_model::layout::SORT_COLUMNS;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;

use crate::condition::is_plain;
use crate::engine::store_url;
use crate::footers::{Footers, file};
use crate::meant::{Meant, Steps};
use crate::scoped::ScopeExec;

/// The events of a snapshot that are meant, for SQL.
#[derive(Debug)]
pub(crate) struct EventsTable {
    snapshot: Snapshot,
    footers: Footers,
    /// What no question to the table can widen.
    meant: Meant,
    /// The segments that are read, when it is known; those that may hold an answer otherwise.
    segments: Option<Vec<Arc<Segment>>>,
}

impl EventsTable {
    pub(crate) fn new(snapshot: Snapshot, footers: Footers, meant: Meant) -> Self {
        Self { snapshot, footers, meant, segments: None }
    }

    /// The same of hot events and these segments alone.
    pub(crate) fn over(self, segments: Vec<Arc<Segment>>) -> Self {
        Self { segments: Some(segments), ..self }
    }

    /// The segments that a condition does not rule out.
    fn candidates(&self, steps: &Steps) -> Result<Vec<Arc<Segment>>> {
        if let Some(segments) = &self.segments {
            return Ok(segments.clone());
        }
        let found = steps.candidates(&self.snapshot);
        let found = found.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(found.into_iter().map(|found| found.segment).collect())
    }

    /// Segments and hot events, of which the scan leaves out what it can by statistics.
    fn inputs(
        &self,
        session: &dyn Session,
        files: &Files<'_>,
        segments: &[Arc<Segment>],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut inputs = Vec::with_capacity(2);
        if !segments.is_empty() {
            let partitions = session.config().target_partitions();
            let sealed = files.unordered(segments, partitions, limit)?;
            // What lies behind the barrier no rule splits any further.
            let split = if self.meant.is_everything() {
                None
            } else {
                sealed.repartitioned(partitions, session.config_options())?
            };
            inputs.push(split.unwrap_or(sealed));
        }
        if !self.snapshot.hot().is_empty() {
            let hot: Vec<RecordBatch> =
                self.snapshot.hot().iter().map(|hot| hot.batch.clone()).collect();
            inputs.push(hot_scan(hot, files.projection)?);
        }
        if inputs.is_empty() {
            return Ok(Arc::new(EmptyExec::new(projected(files.projection)?)));
        }
        UnionExec::try_new(inputs)
    }

    /// The plan below which nothing of the question gets: what is meant, and of that what is
    /// asked for. The filters of the question are plain, and only leave out files and pages.
    fn behind_barrier(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..COLUMNS.len()).collect();
        let given = projection.unwrap_or(&all);
        let read: BTreeSet<usize> = self.meant.columns().into_iter().chain(given.clone()).collect();
        let read: Vec<usize> = read.into_iter().collect();
        let narrow = projected(Some(&read))?;
        let steps = self.meant.over(session, &narrow)?;
        let asked = self.meant.clone().and(filters.iter().cloned());
        let asked = asked.over(session, &narrow)?;
        let segments = self.candidates(&asked)?;
        let condition = asked.pruning.as_ref().map_or(Condition::None, Condition::Prunes);
        let files = Files { footers: &self.footers, projection: Some(&read), condition };
        let plan = self.inputs(session, &files, &segments, None)?;
        let plan = steps.filtered(plan, session.config().batch_size())?;
        let given = given.iter().filter_map(|column| read.iter().position(|at| at == column));
        Ok(Arc::new(ScopeExec::new(narrowed(plan, &given.collect::<Vec<_>>())?)))
    }
}

#[async_trait]
impl TableProvider for EventsTable {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // They prune segments, row groups and pages; what is left is still filtered above. Of a
        // scope only those that cannot fail come near the events of others.
        let support = |filter: &&Expr| {
            if self.meant.is_everything() || is_plain(filter) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.meant.is_everything() {
            return self.behind_barrier(session, projection, filters);
        }
        let asked = Meant::default().and(filters.iter().cloned()).over(session, &schema())?;
        let segments = self.candidates(&asked)?;
        // The filter above hands its condition down to the scan by itself.
        let files = Files { footers: &self.footers, projection, condition: Condition::None };
        self.inputs(session, &files, &segments, limit)
    }
}

/// Some of a plan's columns, by their positions in it.
pub(crate) fn narrowed(
    input: Arc<dyn ExecutionPlan>,
    given: &[usize],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = input.schema();
    if given.iter().copied().eq(0..schema.fields().len()) {
        return Ok(input);
    }
    let columns = given.iter().map(|position| {
        let name = schema.field(*position).name();
        Ok((col(name, &schema)?, name.clone()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, input)?))
}

/// The schema of some of the event's columns.
pub(crate) fn projected(projection: Option<&Vec<usize>>) -> Result<SchemaRef> {
    Ok(match projection {
        Some(columns) => Arc::new(schema().project(columns)?),
        None => schema(),
    })
}

/// Hot batches as a plan.
pub(crate) fn hot_scan(
    batches: Vec<RecordBatch>,
    projection: Option<&Vec<usize>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(MemorySourceConfig::try_new_exec(&[batches], schema(), projection.cloned())?)
}

/// A scan of segments.
pub(crate) struct Files<'a> {
    pub(crate) footers: &'a Footers,
    pub(crate) projection: Option<&'a Vec<usize>>,
    pub(crate) condition: Condition<'a>,
}

/// What a scan does with a condition over the event's columns.
#[derive(Clone, Copy)]
pub(crate) enum Condition<'a> {
    /// There is none.
    None,
    /// Leaves out row groups and pages that cannot hold an answer.
    Prunes(&'a Arc<dyn PhysicalExpr>),
    /// Decodes its columns first, and of the others only the rows that it holds for.
    Filters(&'a Arc<dyn PhysicalExpr>),
}

impl Files<'_> {
    /// In any order, over about so many partitions.
    fn unordered(
        &self,
        segments: &[Arc<Segment>],
        partitions: usize,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut groups = vec![Vec::new(); partitions.min(segments.len()).max(1)];
        for (place, segment) in segments.iter().enumerate() {
            let group = place % groups.len();
            groups[group].push(file(segment));
        }
        let config =
            self.config()?.with_file_groups(groups.into_iter().map(FileGroup::new).collect());
        Ok(DataSourceExec::from_data_source(config.with_limit(limit).build()))
    }

    /// Each segment a partition of its own, whose order is known to be that of segments.
    pub(crate) fn ordered(&self, segments: &[Arc<Segment>]) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = segments.iter().map(|segment| FileGroup::new(vec![file(segment)]));
        self.in_order(groups.collect())
    }

    /// Rows of one of a segment's row groups.
    pub(crate) fn row_group(
        &self,
        segment: &Segment,
        group: &RowGroupPart,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut access = ParquetAccessPlan::new_none(group.groups);
        access.scan(group.index);
        if group.rows.len() < group.all_rows {
            let before = RowSelector::skip(group.rows.start);
            let behind = RowSelector::skip(group.all_rows - group.rows.end);
            let rows = vec![before, RowSelector::select(group.rows.len()), behind];
            access.scan_selection(group.index, RowSelection::from(rows));
        }
        self.in_order(vec![FileGroup::new(vec![file(segment).with_extension(access)])])
    }

    fn in_order(&self, groups: Vec<FileGroup>) -> Result<Arc<dyn ExecutionPlan>> {
        let config = self.config()?.with_file_groups(groups);
        let config = match segment_order(&schema())? {
            Some(order) => config.with_output_ordering(vec![order]),
            None => config,
        };
        Ok(DataSourceExec::from_data_source(config.with_preserve_order(true).build()))
    }

    fn config(&self) -> Result<FileScanConfigBuilder> {
        let source = ParquetSource::new(schema())
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
            .with_parquet_file_reader_factory(self.footers.files());
        let source = match self.condition {
            Condition::None => source,
            Condition::Prunes(condition) => source.with_predicate(Arc::clone(condition)),
            Condition::Filters(condition) => source
                .with_predicate(Arc::clone(condition))
                .with_pushdown_filters(true)
                .with_reorder_filters(true),
        };
        FileScanConfigBuilder::new(store_url(), Arc::new(source))
            .with_projection_indices(self.projection.cloned())
    }
}

/// Rows of a row group.
#[derive(Clone, Debug)]
pub(crate) struct RowGroupPart {
    /// Its place among those of its segment.
    pub(crate) index: usize,
    /// How many of them there are.
    pub(crate) groups: usize,
    pub(crate) rows: Range<usize>,
    /// How many rows it has.
    pub(crate) all_rows: usize,
}

/// The order of rows in a segment, as far as the schema has its columns.
pub(crate) fn segment_order(schema: &Schema) -> Result<Option<LexOrdering>> {
    let columns = SORT_COLUMNS.iter().take_while(|name| schema.index_of(name).is_ok());
    let order = columns.map(|name| Ok(PhysicalSortExpr::new_default(col(name, schema)?)));
    Ok(LexOrdering::new(order.collect::<Result<Vec<_>>>()?))
}
