//! A lake open for writing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::thread::JoinHandle;

use auditlake_model::Draft;
use auditlake_model::columns::schema;
use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use auditlake_model::line::LineWriter;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::config::LakeConfig;
use crate::dedup::Dedup;
use crate::documents::Documents;
use crate::durable::DurableStore;
use crate::error::LakeError;
use crate::exports::ExportFiles;
use crate::log::{LogKey, Logs};
use crate::maintenance::{Compacted, Compactor, Maintenance};
use crate::manifest::{Commit, CommitKind, Loaded, Manifest, ManifestLog, TenantHead};
use crate::recovery::{Recovered, check_covered, replay};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::tending::{Pace, Tending};
use crate::wal::{WalFolder, WalWriter};
use crate::writer::{Command, Receipt, Writer};

/// How many ids of recent days are kept in memory, at about 34 bytes each.
const DEDUP_KEYS: usize = 2_000_000;
/// Requests that may wait for the writer.
const QUEUE: usize = 1024;

/// A lake open for writing: the only one on its WAL folder, and the newest on its root.
///
/// Durability: [`Lake::append`] answers only when the events would survive a power cut.
/// Concurrency: all methods may be called from any task. Retries: a caller may repeat an
/// append whose answer it did not get; events with the same tenant and id count once.
#[derive(Debug)]
pub struct Lake {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    maintenance: Arc<Mutex<Maintenance>>,
    documents: Documents,
    logs: Logs,
    key: Arc<LogKey>,
    compactor: Arc<Mutex<Compactor>>,
    tending: Tending,
    writer: SyncMutex<Option<JoinHandle<()>>>,
    /// Locked while the lake is open.
    _folder: WalFolder,
}

impl Lake {
    /// Opens a lake, making it when there is none, and takes it over from any earlier writer.
    /// A lake that has no signing key is given one.
    pub async fn open(config: LakeConfig, environment: Environment) -> Result<Self, LakeError> {
        let folder = WalFolder::lock(&config.wal_dir, &environment)?;
        if let Some(root) = config.root.folder() {
            DurableStore::sweep_staged(root).map_err(LakeError::io(root))?;
        }
        let documents = Documents::new(Arc::clone(config.store()));
        // Before anybody is overtaken: a key that is refused leaves the lake as it was.
        let key = Arc::new(LogKey::open(&config, &environment, &documents).await?);
        let log = ManifestLog::new(Arc::clone(config.store()), config.retry());
        let opened = loop {
            match take_over(&config, &environment, &folder, &log, &key).await {
                // The writer before us committed once more while we looked; it cannot again.
                Err(LakeError::Fenced { ours, theirs }) if theirs < ours => {}
                opened => break opened?,
            }
        };
        let wal = WalWriter::open(&config.wal_dir, &opened.recovered.tail)?;
        let (epoch, hot) = (opened.manifest.epoch, opened.recovered.hot);
        let hot = (hot, opened.recovered.bytes);
        let store = Arc::clone(config.store());
        let shared = Arc::new(Shared::new(store, opened.manifest, hot, &config));
        let (commands, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            shared: Arc::clone(&shared),
            clock: Arc::clone(&environment.clock),
            wal,
            sequencer: opened.recovered.sequencer,
            dedup: Dedup::new(DEDUP_KEYS),
            lines: LineWriter::new(&schema()).map_err(LakeError::data("opening the lake"))?,
            runtime: tokio::runtime::Handle::current(),
        };
        let thread = std::thread::Builder::new()
            .name("lake-writer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(LakeError::io(&config.wal_dir))?;
        let logs = Logs::new(config.store());
        let (pace, writer_id) = (Pace::of(&config), folder.writer_id().to_owned());
        let ulids = environment.clone();
        let maintenance = Arc::new(Mutex::new(Maintenance {
            config,
            environment,
            shared: Arc::clone(&shared),
            log,
            key: Arc::clone(&key),
            writer_id,
            epoch,
            commands: commands.clone(),
            pending: None,
        }));
        let compactor = Arc::new(Mutex::new(Compactor {
            store: Arc::clone(shared.store()),
            environment: ulids,
            shared: Arc::clone(&shared),
            maintenance: Arc::clone(&maintenance),
        }));
        let tending = Tending::start(&shared, &maintenance, &compactor, pace);
        let writer = SyncMutex::new(Some(thread));
        Ok(Self {
            shared,
            commands,
            maintenance,
            documents,
            logs,
            key,
            compactor,
            tending,
            writer,
            _folder: folder,
        })
    }

    /// Appends events; answers when they are durable. All of them, or none.
    pub async fn append(&self, draft: Draft) -> Result<Receipt, LakeError> {
        self.shared.check_running()?;
        if draft.rows() == 0 {
            return Ok(Receipt::default());
        }
        let ended = || LakeError::Stopped("it is closing".to_owned());
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Append { draft, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// The lake as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Whether events are taken; if not, the error says why.
    pub fn check_running(&self) -> Result<(), LakeError> {
        self.shared.check_running()
    }

    /// Bytes of lines that are durable but in no segment.
    #[must_use]
    pub fn hot_bytes(&self) -> usize {
        self.shared.hot_bytes()
    }

    /// Moves everything acknowledged so far into segments.
    pub async fn flush(&self) -> Result<(), LakeError> {
        self.begin_flush().await?.done().await
    }

    /// Begins to do so; what is appended from now on is not among it.
    pub async fn begin_flush(&self) -> Result<Flushing, LakeError> {
        let maintenance = Arc::clone(&self.maintenance);
        to_the_end(async move {
            let mut maintenance = maintenance.lock_owned().await;
            maintenance.seal().await?;
            Ok(Flushing(tokio::spawn(async move { maintenance.flush_sealed().await })))
        })
        .await
    }

    /// Merges segments of each day that has at least `at_least` of them: with two, into one;
    /// with more, the small ones, until there are fewer.
    pub async fn compact(&self, at_least: usize) -> Result<Compacted, LakeError> {
        let compactor = Arc::clone(&self.compactor);
        to_the_end(async move { compactor.lock().await.compact(at_least).await }).await
    }

    /// Deletes removed files past their grace; answers how many.
    pub async fn sweep(&self) -> Result<u64, LakeError> {
        let maintenance = Arc::clone(&self.maintenance);
        to_the_end(async move { maintenance.lock().await.sweep().await }).await
    }

    /// Keys, jobs, saved queries, and later destinations, schedules and holds.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The tenants' logs as others may check them.
    #[must_use]
    pub fn log(&self) -> Logs {
        self.logs.clone()
    }

    /// A secret for a purpose that is not in the lake's storage: it follows from the private key
    /// that signs the logs. Whoever opens the lake with the same key gets the same.
    #[must_use]
    pub fn derived_secret(&self, purpose: &str) -> [u8; 32] {
        self.key.derived(purpose)
    }

    /// What export jobs left.
    #[must_use]
    pub fn exports(&self) -> ExportFiles {
        ExportFiles::new(Arc::clone(self.shared.store()))
    }

    /// Flushes, and ends the threads and tasks. Events appended meanwhile are refused or, if
    /// acknowledged, safe in the WAL.
    pub async fn close(self) -> Result<(), LakeError> {
        self.tending.end().await?;
        let flushed = match self.check_running() {
            Ok(()) => self.flush().await,
            Err(stopped) => Err(stopped),
        };
        // A writer that waits for room would wait for ever.
        self.shared.stop("it is closing");
        let writer = take(&self.writer);
        drop(self.commands);
        drop(self.compactor);
        drop(self.maintenance);
        if let Some(writer) = writer {
            let joined = tokio::task::spawn_blocking(move || writer.join()).await;
            joined.map_err(LakeError::data("closing the lake"))?.ok();
        }
        flushed
    }
}

/// A flush under way. It goes on whether or not anybody waits for it.
#[derive(Debug)]
pub struct Flushing(tokio::task::JoinHandle<Result<(), LakeError>>);

impl Flushing {
    /// Waits for its end.
    pub async fn done(self) -> Result<(), LakeError> {
        self.0.await.map_err(LakeError::data("maintenance"))?
    }
}

/// A lake that this writer has taken over.
struct TakenOver {
    manifest: Manifest,
    recovered: Recovered,
}

/// Reads what is there, replays the WAL, and commits a new epoch: from then on every older
/// writer is refused.
async fn take_over(
    config: &LakeConfig,
    environment: &Environment,
    folder: &WalFolder,
    log: &ManifestLog,
    key: &LogKey,
) -> Result<TakenOver, LakeError> {
    let Loaded { manifest, torn } = log.load().await?;
    let applied = manifest.applied(Some(folder.writer_id()));
    if torn.is_empty() {
        folder.check_belongs_to(&manifest)?;
    }
    if let Some(newest) = torn.last() {
        let applied = |writer: &str| manifest.applied(Some(writer));
        check_covered(folder.path(), &manifest.writer, applied, *newest)?;
        tracing::warn!("commit {newest} is torn; the WAL has its events, so it is left out");
    }
    let manifest = Arc::new(manifest);
    let recovered = replay(folder.path(), &manifest, applied, config.store()).await?;
    if recovered.tail.torn_bytes > 0 {
        tracing::warn!(
            "the last {} bytes of the WAL are torn and were never acknowledged: cut",
            recovered.tail.torn_bytes
        );
    }
    let open = Commit {
        version: 0,
        id: new_ulid(environment).to_string(),
        kind: CommitKind::Open,
        prev: String::new(),
        writer: folder.writer_id().to_owned(),
        epoch: manifest.epoch + 1,
        at_us: environment.clock.now_us(),
        void: Vec::new(),
        add: Vec::new(),
        remove: Vec::new(),
        wal_applied: applied,
        tenants: unsigned(&manifest, key)?,
    };
    let manifest = log.append(&manifest, &torn, open).await?;
    Ok(TakenOver { manifest, recovered })
}

/// The heads that nobody signed, signed: those of logs that have not grown since there are keys.
fn unsigned(manifest: &Manifest, key: &LogKey) -> Result<BTreeMap<String, TenantHead>, LakeError> {
    let heads = manifest.tenants.iter().filter(|(_, head)| head.signature.is_none());
    let signed = heads.map(|(tenant, head)| {
        let signature = Some(key.sign(tenant, head)?);
        Ok((tenant.clone(), TenantHead { signature, blocks: Vec::new(), ..head.clone() }))
    });
    signed.collect()
}

/// Runs a change of the manifest to its end, even when its caller stops waiting for it: half
/// a flush would have taken events from the hot ones and put them nowhere.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, LakeError>> + Send + 'static,
) -> Result<T, LakeError> {
    tokio::spawn(change).await.map_err(LakeError::data("maintenance"))?
}

fn take<T>(slot: &SyncMutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
