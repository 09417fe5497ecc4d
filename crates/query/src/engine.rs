//! The engine: DataFusion with bounds on memory and disk, shared by all queries.

use std::path::PathBuf;
use std::sync::Arc;

use auditlake_lake::{Segment, Snapshot};
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Runtime;

use crate::error::QueryError;
use crate::events::EventsTable;
use crate::footers::Footers;
use crate::functions;
use crate::ordered::Ahead;
use crate::stream::EventStream;

/// What all queries together may use.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Memory of operators that can be large: sorts, joins, aggregates.
    pub memory_bytes: usize,
    /// Disk that they may spill to.
    pub spill_bytes: u64,
    /// Where they spill; the system's folder for temporary files if none.
    pub spill_dir: Option<PathBuf>,
    /// Partitions that a query works on at a time.
    pub partitions: usize,
    /// What is ready before it is asked for, because a part of an answer was done before the
    /// one in front of it.
    pub ahead_bytes: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let partitions = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            memory_bytes: 96 << 20,
            spill_bytes: 16 << 30,
            spill_dir: None,
            partitions,
            ahead_bytes: 32 << 20,
        }
    }
}

/// Runs queries; cheap to clone. Answers that are still being read break off when the last
/// clone is dropped.
#[derive(Clone, Debug)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    threads: Arc<Threads>,
    partitions: usize,
    ahead: Ahead,
}

/// The threads that queries run on: decoding and sorting would keep those busy that serve
/// connections.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        // The last engine may go within a runtime, which must not wait for another one.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// How many of the largest memory consumers an error names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).unwrap();

impl Engine {
    /// An engine within these bounds.
    pub fn new(config: EngineConfig) -> Result<Self, QueryError> {
        let pool =
            TrackConsumersPool::new(FairSpillPool::new(config.memory_bytes), NAMED_CONSUMERS);
        let mode = match config.spill_dir {
            Some(folder) => DiskManagerMode::Directories(vec![folder]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(config.spill_bytes);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .with_metadata_cache_limit(32 << 20)
            .build_arc()?;
        let partitions = config.partitions.max(1);
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(partitions)
            .thread_name("query")
            .enable_all()
            .build()
            .map_err(|source| QueryError::Internal(format!("starting threads: {source}")))?;
        let threads = Arc::new(Threads(Some(threads)));
        let ahead = Ahead::new(config.ahead_bytes);
        Ok(Self { runtime, threads, partitions, ahead })
    }

    /// A session over a snapshot's store. Memory, disk and footers are shared between
    /// sessions, the store is not: two lakes may name their files alike.
    pub(crate) fn session(
        &self,
        snapshot: &Snapshot,
        partitions: usize,
        batch_rows: usize,
    ) -> Result<SessionContext, QueryError> {
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.runtime)
            .with_object_store_registry(Arc::new(DefaultObjectStoreRegistry::new()))
            .build()?;
        runtime.register_object_store(store_url().as_ref(), Arc::clone(snapshot.store()));
        Ok(session(Arc::new(runtime), partitions, batch_rows))
    }

    /// The footers of a snapshot's segments.
    pub(crate) fn footers(&self, snapshot: &Snapshot) -> Footers {
        Footers::new(&self.runtime, snapshot.store())
    }

    /// How many threads queries run on; more renderers than that are of no use.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// What all answers together may have ready before it is asked for.
    pub(crate) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// The threads that queries run on.
    pub(crate) fn threads(&self) -> tokio::runtime::Handle {
        match &self.threads.0 {
            Some(runtime) => runtime.handle().clone(),
            // Taken only by the drop of the last engine.
            None => tokio::runtime::Handle::current(),
        }
    }

    /// A session without a lake, for data at hand.
    pub(crate) fn bare_session(&self) -> Result<SessionContext, QueryError> {
        let context = session(Arc::clone(&self.runtime), self.partitions, BATCH_ROWS);
        functions::register(&context)?;
        Ok(context)
    }

    /// Answers one read-only SQL statement over the table `events`, which has the events of a
    /// scope and no others.
    pub async fn sql(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        sql: &str,
    ) -> Result<EventStream, QueryError> {
        let context = self.session(snapshot, self.partitions, batch_rows(snapshot.segments()))?;
        functions::register(&context)?;
        let meant = self.meant(scope, &Filter::default())?;
        let table = EventsTable::new(snapshot.clone(), self.footers(snapshot), meant);
        context.register_table("events", Arc::new(table))?;
        let read_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        let frame = context.sql_with_options(sql, read_only).await?;
        let batches = frame.execute_stream().await?;
        Ok(EventStream::ahead(batches, snapshot.clone(), &self.threads()))
    }
}

/// Under which a session knows the lake's store.
pub(crate) fn store_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse("lake://events").unwrap_or_else(|_| ObjectStoreUrl::local_filesystem())
}

/// Rows of a batch of ordinary events.
pub(crate) const BATCH_ROWS: usize = 8192;

/// Rows of a batch that none of these segments makes too wide.
pub(crate) fn batch_rows<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> usize {
    segments.into_iter().map(|segment| segment.batch_rows()).min().unwrap_or(BATCH_ROWS)
}

fn session(runtime: Arc<RuntimeEnv>, partitions: usize, batch_rows: usize) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows)
        .with_information_schema(false)
        // Strings are i32-offset text and dictionaries in files, hot batches and encoders
        // alike; views would mean a conversion at each border.
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    let options = config.options_mut();
    // A gibibyte of each partition by default: an export must not depend on its size.
    options.execution.sort_pushdown_buffer_capacity = 16 << 20;
    // Set aside by each sort that is under way, whatever it sorts: 10 MiB by default.
    options.execution.sort_spill_reservation_bytes = 2 << 20;
    options.sql_parser.map_string_types_to_utf8view = false;
    SessionContext::new_with_config_rt(config, runtime)
}
