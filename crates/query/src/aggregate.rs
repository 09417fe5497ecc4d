//! Numbers over the events that are meant: how many, when, and with which values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use auditlake_lake::Snapshot;
use auditlake_model::columns::{COLUMNS, Column, Kind, at, schema};
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use datafusion::functions_aggregate::count::count;
use datafusion::logical_expr::lit;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use futures::TryStreamExt;
use tokio::task::JoinSet;

use crate::engine::{Engine, batch_rows};
use crate::error::QueryError;
use crate::events::EventsTable;
use crate::meant::Meant;

/// The shortest span of time that a histogram counts by.
const MIN_WIDTH_US: i64 = 1_000_000;
/// The most such spans that have an event.
const MAX_BUCKETS: usize = 10_000;
/// The column of a count.
const EVENTS: &str = "events";

impl Engine {
    /// How many events are meant. Segments of which all are meant are not read.
    pub async fn count(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        filter: &Filter,
    ) -> Result<u64, QueryError> {
        let question = Question::new(self, snapshot, scope, filter)?;
        self.apart(async move { question.count().await }).await
    }

    /// How many events each span of `width_us` microseconds has, the oldest first: spans begin at
    /// multiples of their width, and those without an event are left out.
    pub async fn histogram(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        filter: &Filter,
        width_us: i64,
    ) -> Result<Vec<(i64, u64)>, QueryError> {
        if width_us < MIN_WIDTH_US {
            let why = "histogram: an interval has at least one second";
            return Err(QueryError::Invalid(why.to_owned()));
        }
        let question = Question::new(self, snapshot, scope, filter)?;
        self.apart(async move { question.histogram(width_us).await }).await
    }

    /// The values of a column that most events have, with the number of events, and none for
    /// those without a value; equally frequent ones in their order.
    pub async fn facet(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        filter: &Filter,
        column: usize,
        most: usize,
    ) -> Result<Vec<(Option<String>, u64)>, QueryError> {
        let is_text = |column: &&Column| matches!(column.kind, Kind::Text | Kind::Dict);
        let Some(name) = COLUMNS.get(column).filter(is_text).map(|column| column.name) else {
            let names: Vec<_> = COLUMNS.iter().filter(is_text).map(|column| column.name).collect();
            let names = names.join(", ");
            return Err(QueryError::Invalid(format!("facet: only of columns of text: {names}")));
        };
        let question = Question::new(self, snapshot, scope, filter)?;
        self.apart(async move { question.facet(name, most).await }).await
    }

    /// Does something on the threads of queries; dropped, it is broken off.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let mut task = JoinSet::new();
        task.spawn_on(work, &self.threads());
        match task.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(panic)) => Err(QueryError::Internal(panic.to_string())),
            None => Err(QueryError::Internal("a thread that worked on it broke off".to_owned())),
        }
    }
}

/// What is counted.
struct Question {
    engine: Engine,
    snapshot: Snapshot,
    meant: Meant,
}

impl Question {
    fn new(
        engine: &Engine,
        snapshot: &Snapshot,
        scope: &Scope,
        filter: &Filter,
    ) -> Result<Self, QueryError> {
        let meant = engine.meant(scope, filter)?;
        Ok(Self { engine: engine.clone(), snapshot: snapshot.clone(), meant })
    }

    fn session(&self) -> Result<SessionContext, QueryError> {
        let rows = batch_rows(self.snapshot.segments());
        self.engine.session(&self.snapshot, self.engine.partitions(), rows)
    }

    fn table(&self) -> EventsTable {
        let footers = self.engine.footers(&self.snapshot);
        EventsTable::new(self.snapshot.clone(), footers, self.meant.clone())
    }

    async fn count(self) -> Result<u64, QueryError> {
        let context = self.session()?;
        let steps = self.meant.over(&context.state(), &schema())?;
        let (mut known, mut read) = (0, Vec::new());
        for found in steps.candidates(&self.snapshot)? {
            if found.is_whole {
                known += found.segment.rows;
            } else {
                read.push(found.segment);
            }
        }
        if self.meant.is_everything() {
            return Ok(known + self.snapshot.hot_rows());
        }
        if read.is_empty() && self.snapshot.hot().is_empty() {
            return Ok(known);
        }
        let events = context.read_table(Arc::new(self.table().over(read)))?;
        let counted = events.aggregate(Vec::new(), vec![count(lit(1_i64)).alias(EVENTS)])?;
        let counted = collected(counted).await?;
        Ok(known + counted.iter().flat_map(|batch| counts(batch, 0)).sum::<u64>())
    }

    async fn histogram(self, width_us: i64) -> Result<Vec<(i64, u64)>, QueryError> {
        let context = self.session()?;
        let events = context.read_table(Arc::new(self.table()))?;
        let events = events.select_columns(&[COLUMNS[at::OCCURRED_AT].name])?;
        let mut batches = events.execute_stream().await?;
        let mut buckets: BTreeMap<i64, u64> = BTreeMap::new();
        while let Some(batch) = batches.try_next().await? {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>().values();
            let start = |time: i64| time.saturating_sub(time.rem_euclid(width_us));
            // Events lie by time, so that neighbours mostly are of the same span.
            for run in times.chunk_by(|one, other| start(*one) == start(*other)) {
                if let Some(first) = run.first() {
                    *buckets.entry(start(*first)).or_default() += run.len() as u64;
                }
            }
            if buckets.len() > MAX_BUCKETS {
                return Err(QueryError::Invalid(format!(
                    "histogram: more than {MAX_BUCKETS} intervals have events; use a wider interval"
                )));
            }
        }
        Ok(buckets.into_iter().collect())
    }

    async fn facet(
        self,
        name: &'static str,
        most: usize,
    ) -> Result<Vec<(Option<String>, u64)>, QueryError> {
        let context = self.session()?;
        let events = context.read_table(Arc::new(self.table()))?;
        let by_value =
            events.aggregate(vec![ident(name)], vec![count(lit(1_i64)).alias(EVENTS)])?;
        let most_first = vec![ident(EVENTS).sort(false, false), ident(name).sort(true, false)];
        let found = collected(by_value.sort(most_first)?.limit(0, Some(most))?).await?;
        let mut values = Vec::new();
        for batch in &found {
            let texts = cast(batch.column(0), &DataType::Utf8)?;
            let texts = texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned));
            values.extend(texts.zip(counts(batch, 1)));
        }
        Ok(values)
    }
}

async fn collected(frame: DataFrame) -> Result<Vec<RecordBatch>, QueryError> {
    Ok(frame.execute_stream().await?.try_collect().await?)
}

/// A column of numbers of events.
fn counts(batch: &RecordBatch, column: usize) -> impl Iterator<Item = u64> {
    let counts = batch.column(column).as_primitive::<Int64Type>().values();
    counts.iter().map(|count| u64::try_from(*count).unwrap_or(0))
}
