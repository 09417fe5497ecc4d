//! The barrier between what a caller may see and what a caller asks.
//!
//! Below it lies a plan that gives nothing but the events of the caller's scope. It is a leaf to
//! everybody else: no rule of an optimizer can move a filter, a projection, a limit or a bound
//! found at run time below it, where it would meet events of others; and neither EXPLAIN nor
//! the metrics of a run tell how many of those there are. Above it not even a dictionary has
//! values of theirs: functions are evaluated on dictionaries value by value.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
};
use arrow::compute::filter;
use arrow::datatypes::Int32Type;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, SchedulingType, reset_plan_states,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

/// The events of a scope, as their plan gives them.
pub(crate) struct ScopeExec {
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl ScopeExec {
    pub(crate) fn new(inner: Arc<dyn ExecutionPlan>) -> Self {
        // What the plan knows of its values and of their order is left out: it may come from
        // the statistics of all events.
        let partitions = inner.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(inner.schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { inner, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for ScopeExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeExec").finish_non_exhaustive()
    }
}

impl DisplayAs for ScopeExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => Ok(()),
            _ => f.write_str("ScopeExec"),
        }
    }
}

impl ExecutionPlan for ScopeExec {
    fn name(&self) -> &'static str {
        "ScopeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(reset_plan_states(Arc::clone(&self.inner))?)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let events = self.inner.execute(partition, context)?;
        let schema = events.schema();
        let events = events.map(|batch| own_values(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, events)))
    }
}

/// A batch whose dictionaries have no values but those of its events.
fn own_values(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(own_values_of).collect::<Result<Vec<_>>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &rows)?)
}

fn own_values_of(column: &ArrayRef) -> Result<ArrayRef> {
    let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else {
        return Ok(Arc::clone(column));
    };
    let used = dictionary.occupancy();
    if used.count_set_bits() == used.len() {
        return Ok(Arc::clone(column));
    }
    // Each value moves to the front by as many as are left out before it.
    let mut next = 0;
    let places: Vec<i32> = used
        .iter()
        .map(|is_used| {
            let place = next;
            next += i32::from(is_used);
            place
        })
        .collect();
    let place = |key: i32| usize::try_from(key).ok().and_then(|key| places.get(key).copied());
    let keys: Int32Array = dictionary.keys().unary(|key| place(key).unwrap_or_default());
    let values = filter(dictionary.values(), &BooleanArray::new(used, None))?;
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}
