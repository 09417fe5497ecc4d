//! Ordered scans: day after day, each day a small plan of its own.
//!
//! Segments hold one day each, so a day is the natural unit: memory and planning depend on
//! the largest day, not on the lake; a limit stops before later days are opened; and the
//! order is the same whether a day is one segment, many, or still hot.

mod unit;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use auditlake_lake::{HotBatch, Segment, Snapshot};
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use futures::TryStreamExt;

use crate::engine::{BATCH_ROWS, Engine, batch_rows};
use crate::error::QueryError;
use crate::events::projected;
use crate::predicate::{all_of, instant, of_filter};
use crate::pruning::candidates;
use crate::stream::EventStream;
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

/// A place in the order of time.
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
#[derive(Clone, Debug, Default)]
pub struct ScanRequest {
    /// The events that are meant.
    pub filter: Filter,
    /// Positions of the columns to give, in this order; all if none.
    pub columns: Option<Vec<usize>>,
    /// In which order.
    pub order: Order,
    /// How many at most.
    pub limit: Option<usize>,
    /// Only events behind this one, in the order of time that is asked for.
    pub after: Option<Position>,
}

/// What one day has to offer.
#[derive(Default)]
struct Day {
    segments: Vec<Arc<Segment>>,
    hot: Vec<Arc<HotBatch>>,
}

impl Engine {
    /// Streams the events that are meant, in order.
    pub async fn scan(
        &self,
        snapshot: &Snapshot,
        request: &ScanRequest,
    ) -> Result<EventStream, QueryError> {
        let output = projected(request.columns.as_ref())?;
        let state = self.session(snapshot, 1, BATCH_ROWS)?.state();
        let condition = all_of(
            of_filter(&request.filter)
                .into_iter()
                .chain(request.after.as_ref().map(|after| behind(after, request.order))),
        );
        let planner = Planner::new(&state, condition, request)?;
        let days = days(snapshot, &planner, request.order)?;
        let rows = batch_rows(days.iter().flat_map(|day| &day.segments));
        let task = self.session(snapshot, 1, rows)?.task_ctx();
        let batches = day_after_day(planner, days, task, request.limit);
        Ok(EventStream::of(output, batches, snapshot.clone(), &self.threads()))
    }
}

/// Holds for events behind a position; the bound on time alone is for pruning.
fn behind(after: &Position, order: Order) -> Expr {
    let (time, tenant, seq) = (ident("occurred_at"), ident("tenant_id"), ident("seq"));
    let at = || instant(after.occurred_at_us);
    let name = || lit(after.tenant_id.as_str());
    if order == Order::NewestFirst {
        let same_time = tenant.clone().lt(name()).or(tenant.eq(name()).and(seq.lt(lit(after.seq))));
        return time.clone().lt_eq(at()).and(time.lt(at()).or(same_time));
    }
    let same_time = tenant.clone().gt(name()).or(tenant.eq(name()).and(seq.gt(lit(after.seq))));
    time.clone().gt_eq(at()).and(time.gt(at()).or(same_time))
}

/// The days that may hold an answer, in the order asked for.
fn days(snapshot: &Snapshot, planner: &Planner, order: Order) -> Result<VecDeque<Day>, QueryError> {
    let mut days: BTreeMap<i32, Day> = BTreeMap::new();
    for segment in candidates(snapshot, planner.predicate())? {
        days.entry(segment.day).or_default().segments.push(segment);
    }
    for hot in snapshot.hot() {
        days.entry(hot.day).or_default().hot.push(Arc::clone(hot));
    }
    let days: VecDeque<Day> = days.into_values().collect();
    Ok(if order == Order::NewestFirst { days.into_iter().rev().collect() } else { days })
}

/// Runs one day's plan after the other until the limit is reached.
fn day_after_day(
    planner: Planner,
    days: VecDeque<Day>,
    task: Arc<TaskContext>,
    limit: Option<usize>,
) -> impl futures::Stream<Item = Result<RecordBatch, QueryError>> + Send {
    struct Walk {
        planner: Planner,
        days: VecDeque<Day>,
        task: Arc<TaskContext>,
        left: usize,
        current: Option<datafusion::execution::SendableRecordBatchStream>,
    }
    let left = limit.unwrap_or(usize::MAX);
    let walk = Walk { planner, days, task, left, current: None };
    futures::stream::try_unfold(walk, |mut walk| async move {
        while walk.left > 0 {
            if walk.current.is_none() {
                let Some(day) = walk.days.pop_front() else { return Ok(None) };
                let plan = walk.planner.plan(&day, walk.left)?;
                walk.current = Some(plan.execute(0, Arc::clone(&walk.task))?);
            }
            let Some(current) = &mut walk.current else { continue };
            match current.try_next().await? {
                None => walk.current = None,
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    let batch = batch.slice(0, batch.num_rows().min(walk.left));
                    walk.left -= batch.num_rows();
                    return Ok(Some((batch, walk)));
                }
            }
        }
        Ok(None)
    })
}

/// The columns that order events by time.
const TIME_ORDER: [usize; 3] = [at::OCCURRED_AT, at::TENANT_ID, at::SEQ];
