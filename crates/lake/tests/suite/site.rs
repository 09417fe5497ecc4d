//! A place where a lake lives and may be broken, and what the lake holds there, read back
//! the plain way: whole Parquet files, canonical lines, and a Merkle root made from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use auditlake_lake::{Lake, LakeConfig, LakeError, Root, Snapshot};
use auditlake_model::Draft;
use auditlake_model::env::{Environment, SystemEntropy};
use auditlake_model::id::FreshIds;
use auditlake_model::line::LineWriter;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::time::{DAY_US, format_day, format_rfc3339};
use auditlake_testkit::ManualClock;
use auditlake_tlog::{CompactRange, Hash, leaf_hash};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// 2026-03-01T00:00:00Z, where the clock starts; events of day 0 are of this day.
pub(crate) const START_US: i64 = 1_772_323_200_000_000;

/// A root, and the WAL folder, key and clock of one writer on it.
pub(crate) struct Site {
    /// Is removed with this.
    _folder: TempDir,
    root: Root,
    pub(crate) wal_dir: PathBuf,
    pub(crate) key_dir: PathBuf,
    pub(crate) clock: Arc<ManualClock>,
}

impl Site {
    /// A lake in a folder of its own.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let location = folder.path().join("lake");
        let location = location.to_str().expect("a path that is text");
        let root = Root::open(location, true, []).expect("a root in a folder");
        let LakeConfig { wal_dir, key_dir, .. } = LakeConfig::new(root.clone());
        Self {
            _folder: folder,
            root,
            wal_dir,
            key_dir,
            clock: Arc::new(ManualClock::new(START_US)),
        }
    }

    /// A lake in a store that others may use too, with a WAL folder of its own.
    pub(crate) fn on(store: Arc<dyn ObjectStore>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (wal_dir, key_dir) = (folder.path().join("wal"), folder.path().join("keys"));
        let root = Root::of(store, "a shared store");
        Self {
            _folder: folder,
            root,
            wal_dir,
            key_dir,
            clock: Arc::new(ManualClock::new(START_US)),
        }
    }

    /// Nothing happens by itself, and nothing waits long.
    pub(crate) fn config(&self) -> LakeConfig {
        LakeConfig {
            wal_dir: self.wal_dir.clone(),
            key_dir: self.key_dir.clone(),
            flush_interval: Duration::from_secs(3600),
            compact_segments: usize::MAX,
            retry_wait: Duration::from_millis(1),
            ..LakeConfig::new(self.root.clone())
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        let clock = Arc::clone(&self.clock);
        Environment { clock, entropy: Arc::new(SystemEntropy) }
    }

    pub(crate) async fn try_open(&self) -> Result<Lake, LakeError> {
        Lake::open(self.config(), self.environment()).await
    }

    pub(crate) async fn open(&self) -> Lake {
        self.try_open().await.expect("the lake opens")
    }

    /// Abandons a lake, as a crash of its process would, and opens it again.
    pub(crate) async fn reopen(&self, lake: Lake) -> Lake {
        drop(lake);
        self.open().await
    }

    /// The root's folder, of a lake that has one.
    pub(crate) fn lake_dir(&self) -> &FsPath {
        self.root.folder().expect("a root in a folder")
    }

    /// The WAL's files, oldest first.
    pub(crate) fn wal_files(&self) -> Vec<PathBuf> {
        files_in(&self.wal_dir, "wal")
    }

    /// The manifest's commits, oldest first.
    pub(crate) fn commits(&self) -> Vec<PathBuf> {
        files_in(&self.lake_dir().join("log"), "json")
    }

    /// The manifest's snapshots, oldest first.
    pub(crate) fn manifest_snapshots(&self) -> Vec<PathBuf> {
        files_in(&self.lake_dir().join("log/snapshots"), "zst")
    }
}

fn files_in(folder: &FsPath, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|is| is == extension)).collect();
    files.sort();
    files
}

/// An event of a day, counted from [`START_US`], as a client sends it.
pub(crate) fn event(tenant: &str, day: i64, id: &str) -> String {
    let at = format_rfc3339(START_US + day * DAY_US + 3_600_000_000);
    format!(
        r#"{{"id":"{id}","type":"user.signed_in","occurred_at":"{at}","tenant_id":"{tenant}","actor":{{"id":"{id}@example.com"}},"data":{{"of":"{id}"}}}}"#
    )
}

pub(crate) fn draft(events: &[String]) -> Draft {
    let environment = Environment::system();
    let mut options = ParseOptions {
        unknown: UnknownKeys::Refuse,
        tenant: TenantRule::Named,
        partial: false,
        ids: &mut FreshIds(&environment),
    };
    let array = format!("[{}]", events.join(","));
    parse_events(array.as_bytes(), &mut options).expect("good events").draft
}

/// Events of one tenant and day with these ids.
pub(crate) fn batch(tenant: &str, day: i64, ids: &[&str]) -> Draft {
    draft(&ids.iter().map(|id| event(tenant, day, id)).collect::<Vec<_>>())
}

/// Events of one tenant and day, with ids made of numbers.
pub(crate) fn numbered(tenant: &str, day: i64, numbers: std::ops::Range<u32>) -> Draft {
    draft(&numbers.map(|number| event(tenant, day, &id(number))).collect::<Vec<_>>())
}

/// The id that [`numbered`] gives.
pub(crate) fn id(number: u32) -> String {
    format!("e{number:05}")
}

/// The ids that [`numbered`] gives.
pub(crate) fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(id).collect()
}

/// One event as a reader finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) occurred_at: String,
    pub(crate) recorded_at: String,
    /// The canonical line, without its line end.
    pub(crate) line: Vec<u8>,
}

/// Every event of a snapshot, by tenant and in the order of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) tenants: BTreeMap<String, Vec<Row>>,
}

impl Content {
    pub(crate) fn ids(&self, tenant: &str) -> Vec<String> {
        self.rows(tenant).iter().map(|row| row.id.clone()).collect()
    }

    pub(crate) fn rows(&self, tenant: &str) -> &[Row] {
        self.tenants.get(tenant).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn len(&self) -> usize {
        self.tenants.values().map(Vec::len).sum()
    }
}

fn log_of(rows: &[Row]) -> CompactRange {
    let mut log = CompactRange::default();
    rows.iter().for_each(|row| log.append(leaf_hash(&row.line)));
    log
}

/// The Merkle root over the canonical lines of events.
pub(crate) fn root_of(rows: &[Row]) -> Hash {
    log_of(rows).root()
}

/// Reads everything a snapshot shows, and checks what must hold for any lake at any time:
/// each event lies in its own day, none is there twice, each tenant's `seq` has no gap,
/// `recorded_at` never runs backwards, and the heads in the manifest are those of the lines.
pub(crate) async fn read(snapshot: &Snapshot, what: &str) -> Content {
    let mut batches: Vec<(i32, RecordBatch)> =
        snapshot.hot().iter().map(|hot| (hot.day, hot.batch.clone())).collect();
    for segment in snapshot.segments() {
        let path = Path::from(segment.path.as_str());
        let found = snapshot.store().get(&path).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        let bytes = found.bytes().await.expect("the bytes of a segment");
        assert_eq!(bytes.len() as u64, segment.bytes, "{what}: length of {path}");
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        assert_eq!(sha256, segment.sha256, "{what}: hash of {path}");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .and_then(|builder| builder.build())
            .unwrap_or_else(|e| panic!("{what}: {path}: {e}"));
        let read: Vec<RecordBatch> = reader.map(|batch| batch.expect("a batch")).collect();
        let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows as u64, segment.rows, "{what}: rows of {path}");
        let spans: u64 = segment.tenants.values().map(|span| span.rows).sum();
        assert_eq!(spans, segment.rows, "{what}: rows of the tenants of {path}");
        batches.extend(read.into_iter().map(|batch| (segment.day, batch)));
    }
    let content = collect(&batches, what);
    check(&content, what);
    for (tenant, head) in &snapshot.manifest().tenants {
        let rows = content.rows(tenant);
        let size = head.size as usize;
        assert!(size <= rows.len(), "{what}: {tenant} has {} of {size} events", rows.len());
        let log = log_of(&rows[..size]);
        assert_eq!(log.root(), head.root, "{what}: root of {tenant}");
        assert_eq!(log.peaks(), head.peaks, "{what}: peaks of {tenant}");
    }
    content
}

fn collect(batches: &[(i32, RecordBatch)], what: &str) -> Content {
    let mut content = Content::default();
    for (day, batch) in batches {
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        let mut writer = LineWriter::new(&batch.schema()).expect("a batch of events");
        writer.write_each(batch, &mut lines, &mut ends);
        let mut start = 0;
        for end in ends {
            let line = lines[start..end - 1].to_vec();
            start = end;
            let value: serde_json::Value = serde_json::from_slice(&line).expect("a JSON line");
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            let row = Row {
                seq: value["seq"].as_u64().expect("a seq"),
                id: text("id"),
                occurred_at: text("occurred_at"),
                recorded_at: text("recorded_at"),
                line,
            };
            assert_eq!(row.occurred_at[..10], format_day(*day), "{what}: day of {}", row.id);
            content.tenants.entry(text("tenant_id")).or_default().push(row);
        }
    }
    content.tenants.values_mut().for_each(|rows| rows.sort_by_key(|row| row.seq));
    content
}

fn check(content: &Content, what: &str) {
    for (tenant, rows) in &content.tenants {
        let mut seen = BTreeSet::new();
        for (place, row) in rows.iter().enumerate() {
            let key = (&row.id, &row.occurred_at[..10]);
            assert!(seen.insert(key), "{what}: {tenant} has {} twice", row.id);
            assert_eq!(row.seq, place as u64, "{what}: seq of {tenant} has a gap or double");
        }
        for pair in rows.windows(2) {
            let (before, after) = (&pair[0].recorded_at, &pair[1].recorded_at);
            assert!(before <= after, "{what}: recorded_at of {tenant}: {before} then {after}");
        }
    }
}

/// Reads a lake whose every event is in segments, so that its heads cover all of them.
pub(crate) async fn read_flushed(lake: &Lake, what: &str) -> Content {
    let snapshot = lake.snapshot();
    assert_eq!(snapshot.hot_rows(), 0, "{what}: nothing is hot after a flush");
    let content = read(&snapshot, what).await;
    let sizes: BTreeMap<&String, u64> =
        snapshot.manifest().tenants.iter().map(|(tenant, head)| (tenant, head.size)).collect();
    let rows: BTreeMap<&String, u64> =
        content.tenants.iter().map(|(tenant, rows)| (tenant, rows.len() as u64)).collect();
    assert_eq!(sizes, rows, "{what}: the heads cover every event");
    content
}
