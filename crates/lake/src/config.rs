//! Where a lake lives and how it behaves, checked once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;

use crate::retry::Retry;
use crate::root::Root;

/// How a lake behaves; the defaults suit a server.
#[derive(Clone, Debug)]
pub struct LakeConfig {
    /// Where the lake lives.
    pub root: Root,
    /// The folder of this writer's write-ahead log.
    pub wal_dir: PathBuf,
    /// The folder of the key that signs the tenants' logs. It is the one secret of a lake: keep
    /// it out of backups that others may read.
    pub key_dir: PathBuf,
    /// What the lake is called in the checkpoints of its logs, once and for all; made up when
    /// a lake is made without one.
    pub origin: Option<String>,
    /// Hot events are flushed to segments when they take this many bytes of lines.
    pub flush_bytes: usize,
    /// Hot events are flushed at the latest after this long.
    pub flush_interval: Duration,
    /// Appends wait while this many bytes of lines are hot.
    pub max_hot_bytes: usize,
    /// A day with this many segments is compacted.
    pub compact_segments: usize,
    /// How long a file stays after the commit that removed it: queries may still read it.
    pub removal_grace: Duration,
    /// A snapshot of the manifest is written every so many commits.
    pub snapshot_every: u64,
    /// How often a failing write is tried again before it is given up.
    pub store_retries: u32,
    /// The first wait between two tries; each further one doubles it.
    pub retry_wait: Duration,
}

impl LakeConfig {
    /// The defaults for a lake at this root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        let (wal_dir, key_dir) = match root.folder() {
            Some(folder) => (folder.join("wal"), folder.join("keys")),
            // One folder for each lake: a WAL holds events of one lake only, and a key is for
            // the logs of one lake.
            None => {
                let location = root.location();
                let name = location.replace(|char: char| !char.is_ascii_alphanumeric(), "-");
                let of = |folder: &str| PathBuf::from(folder).join(&name);
                (of("auditlake-wal"), of("auditlake-keys"))
            }
        };
        Self {
            root,
            wal_dir,
            key_dir,
            origin: None,
            flush_bytes: 64 << 20,
            flush_interval: Duration::from_secs(60),
            max_hot_bytes: 256 << 20,
            compact_segments: 8,
            removal_grace: Duration::from_secs(15 * 60),
            snapshot_every: 64,
            store_retries: 6,
            retry_wait: Duration::from_millis(100),
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry { attempts: self.store_retries, wait: self.retry_wait }
    }

    /// The store that holds everything but the write-ahead log.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        self.root.store()
    }
}
