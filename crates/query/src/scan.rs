//! Ordered scans: day after day, each day a small plan of its own.
//!
//! Segments hold one day each, so a day is the natural unit: memory and planning depend on
//! the largest day, not on the lake; a limit stops before later days are opened; and the
//! order is the same whether a day is one segment, many, or still hot. A day that is one
//! segment comes in order as it lies, so that its row groups are parts of their own.

mod part;
mod unit;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use auditlake_lake::{HotBatch, Snapshot};
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::render::Render;
use auditlake_model::scope::Scope;
use auditlake_model::time::{day_of, day_start};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::displayable;
use datafusion::prelude::ident;
use futures::StreamExt;

use crate::engine::{BATCH_ROWS, Engine, batch_rows};
use crate::error::QueryError;
use crate::events::projected;
use crate::ordered::{self, Ordered};
use crate::predicate::{instant, text};
use crate::pruning::Candidate;
use crate::stream::EventStream;
use part::{Batches, PartsOfDays, Rendering};
use unit::Planner;

/// In which order events come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By day, and within it by tenant, time and seq: how segments lie. For one tenant this
    /// is the order of time.
    #[default]
    Log,
    /// By time, tenant and seq.
    OldestFirst,
    /// The reverse.
    NewestFirst,
}

impl std::str::FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "log" => Ok(Self::Log),
            "asc" => Ok(Self::OldestFirst),
            "desc" => Ok(Self::NewestFirst),
            _ => Err(format!("{text:?} is no order; allowed are log, asc, desc")),
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::OldestFirst => "asc",
            Self::NewestFirst => "desc",
        })
    }
}

/// A place in any order of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the event happened, in microseconds.
    pub occurred_at_us: i64,
    /// Whose it is.
    pub tenant_id: String,
    /// Its place in that tenant's log.
    pub seq: u64,
}

/// Which events, which of their columns, and in which order.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// The events that the caller may see; no other ever takes part.
    pub scope: Scope,
    /// The events that are meant.
    pub filter: Filter,
    /// Positions of the columns to give, in this order; all if none.
    pub columns: Option<Vec<usize>>,
    /// In which order.
    pub order: Order,
    /// How many at most.
    pub limit: Option<usize>,
    /// Only events behind this one, in the order that is asked for.
    pub after: Option<Position>,
}

impl ScanRequest {
    /// All events of a scope.
    #[must_use]
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            filter: Filter::default(),
            columns: None,
            order: Order::default(),
            limit: None,
            after: None,
        }
    }

    /// The schema of the columns that are given.
    pub fn schema(&self) -> Result<SchemaRef, QueryError> {
        Ok(projected(self.columns.as_ref())?)
    }

    /// Whether the events come day after day and each day as its segments lie, by and large
    /// whole: only a range of time, a range of positions or a tenant is left out.
    #[must_use]
    pub fn keeps_segment_order(&self) -> bool {
        let (filter, scope) = (&self.filter, &self.scope);
        let bounds = scope.bounds().map(|(column, _)| column);
        let mut columns = filter.terms.iter().map(|term| term.column).chain(bounds);
        self.lies_in_segment_order()
            && columns.all(|column| column == at::TENANT_ID)
            && filter.contains.is_empty()
            && filter.conditions.is_empty()
    }

    /// One tenant's events lie in the order of time.
    fn lies_in_segment_order(&self) -> bool {
        let (filter, scope) = (&self.filter, &self.scope);
        let of_tenant = || filter.exactly(at::TENANT_ID).or(scope.exactly(at::TENANT_ID)).is_some();
        self.order == Order::Log || (self.order == Order::OldestFirst && of_tenant())
    }
}

/// What one day has to offer.
#[derive(Default)]
struct Day {
    segments: Vec<Candidate>,
    hot: Vec<Arc<HotBatch>>,
}

impl Engine {
    /// Streams the events that are meant, in order.
    pub async fn scan(
        &self,
        snapshot: &Snapshot,
        request: &ScanRequest,
    ) -> Result<EventStream, QueryError> {
        let schema = request.schema()?;
        let batches = self.render(snapshot, request, [Batches]).await?;
        Ok(EventStream::of(schema, batches.boxed()))
    }

    /// Lets each of `renderers` make something of parts of the events that are meant, side by
    /// side; what they make comes in order. With a limit one of them does all the work: only
    /// who has seen the events before knows when there are enough.
    pub async fn render<R: Render>(
        &self,
        snapshot: &Snapshot,
        request: &ScanRequest,
        renderers: impl IntoIterator<Item = R>,
    ) -> Result<Ordered<R::Item>, QueryError> {
        let (engine, planned, meant) = (self.clone(), snapshot.clone(), request.clone());
        // Over many segments planning takes a while, and not one of the reactor's threads.
        let plan = self.threads().spawn(async move { engine.plan(&planned, &meant) });
        let plan = plan.await.map_err(|panic| QueryError::Internal(panic.to_string()))??;
        let most = if request.limit.is_some() { 1 } else { plan.most_workers() };
        let renderers: Vec<R> = renderers.into_iter().take(most).collect();
        // Who takes whole row groups is not to get parts of them.
        let copies = renderers.iter().any(|renderer| renderer.copies_from_rows().is_some());
        let splits = renderers.len() > 1 && !copies;
        let workers: Vec<_> = renderers
            .into_iter()
            .map(|renderer| Rendering::new(Arc::clone(&plan.scan), renderer, request.limit))
            .collect();
        let parts =
            PartsOfDays { scan: plan.scan, days: plan.days, ready: VecDeque::new(), splits };
        Ok(ordered::start(parts, workers, self.ahead(), &self.threads()))
    }

    /// Plans a scan from the manifest alone: no segment is opened.
    pub fn plan(&self, snapshot: &Snapshot, request: &ScanRequest) -> Result<Plan, QueryError> {
        let state = self.session(snapshot, 1, BATCH_ROWS)?.state();
        let after = request.after.as_ref().map(|after| behind(after, request.order));
        let meant = self.meant(&request.scope, &request.filter)?.and(after);
        let planner = Planner::new(&state, &meant, request, self.footers(snapshot))?;
        let days = days(snapshot, &planner, request.order)?;
        let segments = days.iter().flat_map(|day| &day.segments).map(|found| &found.segment);
        let task = self.session(snapshot, 1, batch_rows(segments))?.task_ctx();
        Ok(Plan { scan: Arc::new(Scan { planner, task, snapshot: snapshot.clone() }), days })
    }
}

/// Sorts of hot events that one scan runs at a time.
const SORTS: usize = 2;

/// What a scan is going to read.
pub struct Plan {
    scan: Arc<Scan>,
    days: VecDeque<Day>,
}

impl Plan {
    /// How many segments may hold an answer.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.days.iter().map(|day| day.segments.len()).sum()
    }

    /// How many days can be worked on side by side. Sorting takes memory, which all queries
    /// share; events that are hot come unsorted.
    fn most_workers(&self) -> usize {
        if !self.scan.planner.keeps_segment_order() {
            1
        } else if self.days.iter().any(|day| !day.hot.is_empty()) {
            SORTS
        } else {
            usize::MAX
        }
    }

    /// How the first day is read, for people.
    pub fn explain(&self) -> Result<String, QueryError> {
        let Some(day) = self.days.front() else { return Ok("nothing is read\n".to_owned()) };
        let plan = self.scan.planner.plan(day, usize::MAX)?;
        Ok(displayable(plan.as_ref()).indent(false).to_string())
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, segments) = (self.days.len(), self.segments());
        f.debug_struct("Plan").field("days", &days).field("segments", &segments).finish()
    }
}

/// What all parts of a scan have in common.
struct Scan {
    planner: Planner,
    task: Arc<TaskContext>,
    snapshot: Snapshot,
}

/// Holds for events behind a position; a bound on time alone, in front, is for pruning.
fn behind(after: &Position, order: Order) -> Expr {
    let (time, tenant, seq) = (ident("occurred_at"), ident("tenant_id"), ident("seq"));
    let at = || instant(after.occurred_at_us);
    let name = || text(at::TENANT_ID, &after.tenant_id);
    match order {
        Order::Log => {
            let day = day_of(after.occurred_at_us);
            let (begins, ends) = (instant(day_start(day)), instant(day_start(day + 1)));
            let same_time = time.clone().eq(at()).and(seq.gt(lit(after.seq)));
            let of_tenant = tenant.clone().eq(name()).and(time.clone().gt(at()).or(same_time));
            let of_day = tenant.gt(name()).or(of_tenant);
            time.clone().gt_eq(begins).and(time.gt_eq(ends).or(of_day))
        }
        Order::OldestFirst => {
            let of_tenant = tenant.clone().eq(name()).and(seq.gt(lit(after.seq)));
            let same_time = tenant.gt(name()).or(of_tenant);
            time.clone().gt_eq(at()).and(time.gt(at()).or(same_time))
        }
        Order::NewestFirst => {
            let of_tenant = tenant.clone().eq(name()).and(seq.lt(lit(after.seq)));
            let same_time = tenant.lt(name()).or(of_tenant);
            time.clone().lt_eq(at()).and(time.lt(at()).or(same_time))
        }
    }
}

/// The days that may hold an answer, in the order asked for.
fn days(snapshot: &Snapshot, planner: &Planner, order: Order) -> Result<VecDeque<Day>, QueryError> {
    let mut days: BTreeMap<i32, Day> = BTreeMap::new();
    for found in planner.candidates(snapshot)? {
        days.entry(found.segment.day).or_default().segments.push(found);
    }
    for hot in snapshot.hot() {
        days.entry(hot.day).or_default().hot.push(Arc::clone(hot));
    }
    let days: VecDeque<Day> = days.into_values().collect();
    Ok(if order == Order::NewestFirst { days.into_iter().rev().collect() } else { days })
}

/// The columns that order events by time.
const TIME_ORDER: [usize; 3] = [at::OCCURRED_AT, at::TENANT_ID, at::SEQ];
