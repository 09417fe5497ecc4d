//! A lake open for writing, and a lake open for reading only.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::thread::JoinHandle;

use auditlake_model::Draft;
use auditlake_model::columns::schema;
use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use auditlake_model::line::LineWriter;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use crate::config::LakeConfig;
use crate::dedup::Dedup;
use crate::documents::Documents;
use crate::durable::sync_parent;
use crate::error::LakeError;
use crate::maintenance::{Compacted, Maintenance};
use crate::manifest::{Commit, CommitKind, Loaded, Manifest, ManifestLog};
use crate::recovery::{self, Replay, read_wal};
use crate::sequencer::Sequencer;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::wal::{WalWriter, wal_files};
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
    background: Background,
    closing: Arc<Notify>,
    writer: SyncMutex<Option<JoinHandle<()>>>,
    /// Held while the lake is open.
    _lock: File,
}

impl Lake {
    /// Opens a lake, making it when there is none, and takes it over from any earlier writer.
    pub async fn open(config: LakeConfig, environment: Environment) -> Result<Self, LakeError> {
        let lock = lock(&config.wal_dir)?;
        let writer_id = writer_id(&config.wal_dir, &environment)?;
        let log = manifest_log(&config);
        let Loaded { manifest, torn } = log.load().await?;
        let applied = recovery::applied(&manifest.wal_applied, Some(&writer_id));
        if let Some(newest) = torn.last() {
            check_covered(&config.wal_dir, applied, *newest)?;
        }
        let mut sequencer = Sequencer::new(&manifest.tenants)?;
        let mut replay = Replay {
            sequencer: &mut sequencer,
            dedup: Dedup::new(usize::MAX),
            snapshot: Snapshot::new(
                Arc::new(manifest.clone()),
                Arc::from([]),
                Arc::clone(config.store()),
            ),
            now_us: environment.clock.now_us(),
        };
        let recovered = replay.run(&config.wal_dir, applied).await?;
        let wal = WalWriter::open(&config.wal_dir, &recovered.tail)?;
        let epoch = manifest.epoch + 1;
        let open = Commit {
            version: 0,
            id: new_ulid(&environment).to_string(),
            kind: CommitKind::Open,
            prev: String::new(),
            writer: writer_id.clone(),
            epoch,
            at_us: environment.clock.now_us(),
            void: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            wal_applied: applied,
            tenants: std::collections::BTreeMap::new(),
        };
        let manifest = log.append(&manifest, &torn, open).await?;
        let hot = (recovered.hot, recovered.bytes);
        let shared = Arc::new(Shared::new(Arc::clone(config.store()), manifest, hot, &config));
        let (commands, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            shared: Arc::clone(&shared),
            clock: Arc::clone(&environment.clock),
            wal,
            sequencer,
            dedup: Dedup::new(DEDUP_KEYS),
            lines: LineWriter::new(&schema()).map_err(LakeError::data("opening the lake"))?,
            runtime: tokio::runtime::Handle::current(),
        };
        let thread = std::thread::Builder::new()
            .name("lake-writer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(LakeError::io(&config.wal_dir))?;
        let documents = Documents::new(Arc::clone(config.store()));
        let flush_interval = config.flush_interval;
        let compact_segments = config.compact_segments;
        let maintenance = Arc::new(Mutex::new(Maintenance {
            config,
            environment,
            shared: Arc::clone(&shared),
            log,
            writer_id,
            epoch,
            commands: commands.clone(),
            pending: None,
        }));
        let closing = Arc::new(Notify::new());
        let task = tokio::spawn(tend(
            Arc::clone(&shared),
            Arc::clone(&maintenance),
            Arc::clone(&closing),
            flush_interval,
            compact_segments,
        ));
        let background =
            Background { task: SyncMutex::new(Some(task)), shared: Arc::clone(&shared) };
        Ok(Self {
            shared,
            commands,
            maintenance,
            documents,
            background,
            closing,
            writer: SyncMutex::new(Some(thread)),
            _lock: lock,
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
        let maintenance = Arc::clone(&self.maintenance);
        to_the_end(async move { maintenance.lock().await.flush().await }).await
    }

    /// Merges the segments of each day that has at least `at_least` of them (and two).
    pub async fn compact(&self, at_least: usize) -> Result<Compacted, LakeError> {
        let maintenance = Arc::clone(&self.maintenance);
        to_the_end(async move { maintenance.lock().await.compact(at_least).await }).await
    }

    /// Deletes removed files past their grace; answers how many.
    pub async fn sweep(&self) -> Result<u64, LakeError> {
        let maintenance = Arc::clone(&self.maintenance);
        to_the_end(async move { maintenance.lock().await.sweep().await }).await
    }

    /// Keys, and later destinations, schedules, jobs and holds.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Flushes, and ends the threads and tasks. Events appended meanwhile are refused or, if
    /// acknowledged, safe in the WAL.
    pub async fn close(self) -> Result<(), LakeError> {
        self.closing.notify_one();
        let background = take(&self.background.task);
        if let Some(background) = background {
            background.await.map_err(LakeError::data("closing the lake"))?;
        }
        let flushed = match self.check_running() {
            Ok(()) => self.flush().await,
            Err(stopped) => Err(stopped),
        };
        let writer = take(&self.writer);
        drop(self.commands);
        drop(self.maintenance);
        if let Some(writer) = writer {
            let joined = tokio::task::spawn_blocking(move || writer.join()).await;
            joined.map_err(LakeError::data("closing the lake"))?.ok();
        }
        flushed
    }
}

/// The task that tends a lake. It ends with the lake, also when that is dropped unclosed:
/// whoever opens the WAL folder next must not meet it there.
#[derive(Debug)]
struct Background {
    task: SyncMutex<Option<tokio::task::JoinHandle<()>>>,
    shared: Arc<Shared>,
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(task) = take(&self.task) {
            task.abort();
            self.shared.stop("it was dropped without being closed");
        }
    }
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

/// Flushes, compacts and sweeps until the lake closes.
async fn tend(
    shared: Arc<Shared>,
    maintenance: Arc<Mutex<Maintenance>>,
    closing: Arc<Notify>,
    flush_interval: std::time::Duration,
    compact_segments: usize,
) {
    if let Err(error) = maintenance.lock().await.sweep_orphans().await {
        tracing::warn!(%error, "looking for uncommitted segments failed");
    }
    loop {
        tokio::select! {
            () = closing.notified() => return,
            () = shared.flush_wanted.notified() => {}
            () = tokio::time::sleep(flush_interval) => {}
        }
        if shared.check_running().is_err() {
            continue;
        }
        let mut maintenance = maintenance.lock().await;
        let tended = async {
            maintenance.flush().await?;
            maintenance.compact(compact_segments).await?;
            maintenance.sweep().await
        };
        if let Err(error) = tended.await {
            tracing::warn!(%error, "maintenance failed; what is hot stays hot");
        }
    }
}

fn manifest_log(config: &LakeConfig) -> ManifestLog {
    ManifestLog::new(Arc::clone(config.store()), config.retry())
}

/// Takes the WAL folder for this process.
fn lock(wal_dir: &Path) -> Result<File, LakeError> {
    std::fs::create_dir_all(wal_dir).map_err(LakeError::io(wal_dir))?;
    sync_parent(wal_dir).map_err(LakeError::io(wal_dir))?;
    let path = wal_dir.join("LOCK");
    let file = File::create(&path).map_err(LakeError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(LakeError::Locked(path)),
        Err(std::fs::TryLockError::Error(source)) => Err(LakeError::Io { path, source }),
    }
}

fn writer_path(wal_dir: &Path) -> PathBuf {
    wal_dir.join("WRITER")
}

fn read_writer_id(wal_dir: &Path) -> Option<String> {
    let id = std::fs::read_to_string(writer_path(wal_dir)).ok()?;
    Some(id.trim().to_owned()).filter(|id| id.len() == 26)
}

/// The name of this WAL folder's writer, given at its first use.
fn writer_id(wal_dir: &Path, environment: &Environment) -> Result<String, LakeError> {
    if let Some(id) = read_writer_id(wal_dir) {
        return Ok(id);
    }
    let path = writer_path(wal_dir);
    if !wal_files(wal_dir)?.is_empty() {
        let detail = "the WAL has files but the name of their writer is lost";
        return Err(LakeError::damaged(path.display(), detail));
    }
    let id = new_ulid(environment).to_string();
    std::fs::write(&path, &id)
        .and_then(|()| File::open(&path)?.sync_all())
        .and_then(|()| sync_parent(&path))
        .map_err(LakeError::io(&path))?;
    Ok(id)
}

/// A torn newest commit may be left out only when the WAL still has what it might have named.
fn check_covered(wal_dir: &Path, applied: u64, torn: u64) -> Result<(), LakeError> {
    match wal_files(wal_dir)?.first() {
        Some((first, _)) if *first <= applied + 1 => {
            tracing::warn!("commit {torn} is torn; the WAL has its events, so it is left out");
            Ok(())
        }
        _ => Err(torn_commit(torn)),
    }
}

fn torn_commit(version: u64) -> LakeError {
    let detail = "it is torn, and the WAL does not reach back far enough to leave it out; \
                  restore the file from a backup";
    LakeError::damaged(crate::paths::commit(version), detail)
}

/// A lake open for reading, beside any writer.
#[derive(Clone, Debug)]
pub struct LakeReader {
    config: LakeConfig,
}

impl LakeReader {
    /// Opens a lake that exists.
    pub async fn open(config: LakeConfig) -> Result<Self, LakeError> {
        let reader = Self { config };
        if reader.load().await?.manifest.version == 0 {
            let location = reader.config.root.location();
            return Err(LakeError::Invalid(format!("there is no lake at {location}")));
        }
        Ok(reader)
    }

    async fn load(&self) -> Result<Loaded, LakeError> {
        let loaded = manifest_log(&self.config).load().await?;
        let Some(newest) = loaded.torn.last() else { return Ok(loaded) };
        let folder = &self.config.wal_dir;
        if !folder.is_dir() {
            return Err(torn_commit(*newest));
        }
        let writer = read_writer_id(folder);
        let applied = recovery::applied(&loaded.manifest.wal_applied, writer.as_deref());
        check_covered(folder, applied, *newest)?;
        Ok(loaded)
    }

    /// The lake as it is now: its segments, and what the writer's WAL holds behind them when
    /// its folder is at hand.
    ///
    /// The writer may flush between our looks at manifest and WAL; so we look again until
    /// both belong together.
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        const LOOKS: u32 = 20;
        let mut before = self.load().await?.manifest;
        for _ in 0..LOOKS {
            let hot = self.read_hot(&before);
            let after = self.load().await?.manifest;
            if after.version == before.version {
                let (manifest, store) = (Arc::new(after), Arc::clone(self.config.store()));
                return Ok(Snapshot::new(manifest, Arc::from(hot?), store));
            }
            before = after;
        }
        Err(LakeError::Invalid("the lake changes faster than it can be read".to_owned()))
    }

    fn read_hot(&self, manifest: &Manifest) -> Result<Vec<Arc<crate::hot::HotBatch>>, LakeError> {
        let folder = &self.config.wal_dir;
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let writer = read_writer_id(folder);
        let applied = recovery::applied(&manifest.wal_applied, writer.as_deref());
        Ok(read_wal(folder, applied)?.hot)
    }
}
