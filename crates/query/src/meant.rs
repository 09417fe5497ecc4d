//! Which events a question is about, in the two steps in which that is evaluated.
//!
//! First what cannot fail on any event: the scope of who asks, the filter, and the plain parts
//! of its SQL expressions. Only on the events for which that holds, the rest of the expressions
//! is evaluated, in a step of its own: it may fail, and it must not on an event that the
//! caller may not see.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use auditlake_lake::{Segment, Snapshot};
use auditlake_model::columns::schema;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;

use crate::condition::Conditions;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::guarded::{Guarded, flat};
use crate::predicate::{all_of, of_filter, of_scope};
use crate::pruning::{Candidate, candidates};

/// The conditions over the event's columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meant {
    /// What cannot fail on any event.
    pub(crate) sure: Option<Expr>,
    /// What is evaluated only where that holds, over texts in place of dictionaries.
    pub(crate) rest: Option<Expr>,
}

impl Engine {
    /// What a caller of this scope means by a filter.
    pub(crate) fn meant(&self, scope: &Scope, filter: &Filter) -> Result<Meant, QueryError> {
        let conditions = if filter.conditions.is_empty() {
            Conditions::default()
        } else {
            Conditions::read(&self.bare_session()?.state(), &filter.conditions)?
        };
        let sure = of_scope(scope).chain(of_filter(filter)).chain(conditions.plain);
        Ok(Meant { sure: all_of(sure), rest: all_of(conditions.other) })
    }

    /// Whether the SQL expressions of a filter are right; the error says what is not.
    pub fn check(&self, filter: &Filter) -> Result<(), QueryError> {
        self.meant(&Scope::everything(), filter).map(drop)
    }
}

impl Meant {
    /// Whether every event is meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.sure.is_none() && self.rest.is_none()
    }

    /// The same, narrowed by what cannot fail either.
    pub(crate) fn and(self, narrowed: impl IntoIterator<Item = Expr>) -> Self {
        Self { sure: all_of(self.sure.into_iter().chain(narrowed)), rest: self.rest }
    }

    /// Positions of the event's columns that the conditions look at.
    pub(crate) fn columns(&self) -> BTreeSet<usize> {
        let conditions = self.sure.iter().chain(&self.rest);
        let columns = conditions.flat_map(Expr::column_refs);
        columns.filter_map(|column| schema().index_of(&column.name).ok()).collect()
    }

    /// The conditions over some of the event's columns, and for pruning.
    pub(crate) fn over(&self, session: &dyn Session, read: &SchemaRef) -> Result<Steps> {
        let rest = physical(session, self.rest.as_ref(), &flat(read))?;
        Ok(Steps {
            pruning: physical(session, self.sure.as_ref(), &schema())?,
            sure: physical(session, self.sure.as_ref(), read)?,
            rest: rest.map(|rest| Arc::new(Guarded::new(rest)) as Arc<dyn PhysicalExpr>),
        })
    }
}

/// An expression over columns of the event, to be evaluated.
fn physical(
    session: &dyn Session,
    condition: Option<&Expr>,
    columns: &Schema,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let columns = DFSchema::try_from(Schema::clone(columns))?;
    let condition = condition.cloned();
    condition.map(|condition| session.create_physical_expr(condition, &columns)).transpose()
}

/// The conditions as plans have them.
#[derive(Debug)]
pub(crate) struct Steps {
    /// What cannot fail, over all of the event's columns.
    pub(crate) pruning: Option<Arc<dyn PhysicalExpr>>,
    /// The same over the columns that are read.
    sure: Option<Arc<dyn PhysicalExpr>>,
    /// What may fail, over the columns that are read.
    rest: Option<Arc<dyn PhysicalExpr>>,
}

impl Steps {
    /// Whether all of a part's events are meant when its statistics prove the first step.
    pub(crate) fn can_be_proven(&self) -> bool {
        self.rest.is_none()
    }

    /// The segments of a snapshot that may hold an event that is meant.
    pub(crate) fn candidates(&self, snapshot: &Snapshot) -> Result<Vec<Candidate>, QueryError> {
        self.candidates_of(snapshot.segments())
    }

    /// Those of some segments that may hold an event that is meant.
    pub(crate) fn candidates_of(
        &self,
        segments: &[Arc<Segment>],
    ) -> Result<Vec<Candidate>, QueryError> {
        let mut found = candidates(segments, self.pruning.as_ref())?;
        if !self.can_be_proven() {
            found.iter_mut().for_each(|candidate| candidate.is_whole = false);
        }
        Ok(found)
    }

    /// For how many events of a batch, which has all columns, the first step holds.
    pub(crate) fn surely(&self, batch: &RecordBatch) -> Result<u64> {
        let Some(sure) = &self.pruning else { return Ok(batch.num_rows() as u64) };
        let held = sure.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(as_boolean_array(&held)?.true_count() as u64)
    }

    /// The events of a plan that are meant, in batches of about so many. One filter lies over
    /// the other, and whoever optimizes this must leave it so.
    pub(crate) fn filtered(
        &self,
        input: Arc<dyn ExecutionPlan>,
        batch_rows: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = input;
        for condition in self.sure.iter().chain(&self.rest) {
            let filter = FilterExecBuilder::new(Arc::clone(condition), plan);
            plan = Arc::new(filter.with_batch_size(batch_rows).build()?);
        }
        Ok(plan)
    }
}
