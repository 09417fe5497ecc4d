//! Which segments may hold an answer, judged from the manifest alone: no footer is opened.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray, TimestampMicrosecondArray, UInt64Array};
use auditlake_lake::Segment;
use auditlake_model::columns::schema;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::physical_plan::parquet::{
    ParquetAccessPlan, ParquetFileMetrics, RowGroupAccessPlanFilter,
};
use datafusion::logical_expr::Operator;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, IsNullExpr, NotExpr};
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr::split_conjunction;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::error::QueryError;

/// A segment that may hold an answer.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) segment: Arc<Segment>,
    /// Whether all its events are known to be meant.
    pub(crate) is_whole: bool,
}

/// Those of some segments that a predicate over the event columns does not rule out.
pub(crate) fn candidates(
    all: &[Arc<Segment>],
    predicate: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<Candidate>, QueryError> {
    let Some(predicate) = predicate else {
        let whole = |segment| Candidate { segment: Arc::clone(segment), is_whole: true };
        return Ok(all.iter().map(whole).collect());
    };
    let kept = kept(all, predicate)?;
    // What may hold an event that is not meant is not whole.
    let partial = prune(&kept, unmet(predicate)?)?;
    let kept = kept.into_iter().zip(partial);
    Ok(kept.map(|(segment, partial)| Candidate { segment, is_whole: !partial }).collect())
}

/// The segments that no part of a condition rules out. One part is asked after the other, on
/// what those before it kept; those on time come first, for they are the cheapest and rule
/// out the most.
fn kept(
    all: &[Arc<Segment>],
    predicate: &Arc<dyn PhysicalExpr>,
) -> Result<Vec<Arc<Segment>>, QueryError> {
    let mut parts = split_conjunction(predicate);
    parts.sort_by_key(|part| !is_on_time(part));
    let mut segments = all.to_vec();
    for part in parts {
        let mut kept = prune(&segments, Arc::clone(part))?.into_iter();
        segments.retain(|_| kept.next().unwrap_or(true));
    }
    Ok(segments)
}

fn is_on_time(part: &Arc<dyn PhysicalExpr>) -> bool {
    let times = ["occurred_at", "recorded_at"];
    collect_columns(part).iter().all(|column| times.contains(&column.name()))
}

fn prune(
    segments: &[Arc<Segment>],
    predicate: Arc<dyn PhysicalExpr>,
) -> Result<Vec<bool>, QueryError> {
    let pruning = PruningPredicateBuilder::new().with_file_schema(schema()).try_build(predicate)?;
    Ok(pruning.prune(&Known { segments })?)
}

/// Holds wherever a predicate does not hold, also where it is unknown because of a null.
fn unmet(predicate: &Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>, QueryError> {
    let schema = schema();
    let mut unmet: Arc<dyn PhysicalExpr> = Arc::new(NotExpr::new(Arc::clone(predicate)));
    for column in collect_columns(predicate) {
        if schema.field(column.index()).is_nullable() {
            let is_null = Arc::new(IsNullExpr::new(Arc::new(column)));
            unmet = Arc::new(BinaryExpr::new(unmet, Operator::Or, is_null));
        }
    }
    Ok(PhysicalExprSimplifier::new(&schema).simplify(unmet)?)
}

/// Of a segment's row groups, those that may hold an answer, each with whether all its events
/// are known to be meant.
pub(crate) fn row_groups(
    footer: &ParquetMetaData,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<(usize, bool)>, QueryError> {
    let groups = footer.row_groups();
    let Some(predicate) = predicate else {
        return Ok((0..groups.len()).map(|index| (index, true)).collect());
    };
    let pruning = PruningPredicateBuilder::new()
        .with_file_schema(schema())
        .try_build(Arc::clone(predicate))?;
    let mut filter = RowGroupAccessPlanFilter::new(ParquetAccessPlan::new_all(groups.len()));
    let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
    let columns = footer.file_metadata().schema_descr();
    filter.prune_by_statistics(&schema(), columns, groups, &pruning, &metrics);
    let whole = filter.is_fully_matched();
    Ok(filter.row_group_indexes().map(|index| (index, whole[index])).collect())
}

/// What the manifest knows, as DataFusion asks for it.
struct Known<'a> {
    segments: &'a [Arc<Segment>],
}

/// One side of a range.
#[derive(Clone, Copy)]
enum Side {
    Least,
    Greatest,
}

impl Side {
    fn of<T: Copy>(self, range: (T, T)) -> T {
        match self {
            Self::Least => range.0,
            Self::Greatest => range.1,
        }
    }
}

impl Known<'_> {
    fn bound(&self, column: &Column, side: Side) -> Option<ArrayRef> {
        let times = |range: fn(&Segment) -> (i64, i64)| -> ArrayRef {
            let times = self.segments.iter().map(|segment| side.of(range(segment)));
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
        };
        match column.name.as_str() {
            "occurred_at" => Some(times(Segment::occurred_us)),
            "recorded_at" => Some(times(Segment::recorded_us)),
            "seq" => {
                let spans = |segment: &Segment| {
                    let seqs = segment.tenants.values().map(|span| side.of(span.seq));
                    match side {
                        Side::Least => seqs.min(),
                        Side::Greatest => seqs.max(),
                    }
                };
                let seqs: UInt64Array = self.segments.iter().map(|at| spans(at)).collect();
                Some(Arc::new(seqs))
            }
            "tenant_id" => {
                let names = |segment: &'_ Arc<Segment>| match side {
                    Side::Least => segment.tenants.keys().next().cloned(),
                    Side::Greatest => segment.tenants.keys().next_back().cloned(),
                };
                Some(Arc::new(self.segments.iter().map(names).collect::<StringArray>()))
            }
            name => {
                let texts = self.segments.iter().map(|segment| {
                    let (least, greatest) = segment.columns.get(name)?.0.as_ref()?;
                    Some(side.of((least.as_str(), greatest.as_str())))
                });
                Some(Arc::new(texts.collect::<StringArray>()))
            }
        }
    }
}

impl PruningStatistics for Known<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, Side::Least)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, Side::Greatest)
    }

    fn num_containers(&self) -> usize {
        self.segments.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        // Only one thing is known of nulls: a column without any value has nothing else.
        let counts = self.segments.iter().map(|segment| {
            segment
                .columns
                .get(&column.name)
                .filter(|bounds| bounds.0.is_none())
                .map(|_| segment.rows)
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(UInt64Array::from_iter_values(self.segments.iter().map(|at| at.rows))))
    }

    #[allow(clippy::mutable_key_type)] // The trait's signature.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if column.name != "tenant_id" {
            return None;
        }
        let wanted: HashSet<&str> = values
            .iter()
            .map(|value| value.try_as_str().flatten())
            .collect::<Option<HashSet<&str>>>()?;
        let held = self.segments.iter().map(|segment| {
            match wanted.iter().filter(|name| segment.tenants.contains_key(**name)).count() {
                0 => Some(false),
                all if all == segment.tenants.len() => Some(true),
                _ => None,
            }
        });
        Some(held.collect())
    }
}
