//! A lake open for reading only, beside any writer.

use std::sync::Arc;

use crate::config::LakeConfig;
use crate::documents::Documents;
use crate::error::LakeError;
use crate::hot::HotBatch;
use crate::log::Logs;
use crate::manifest::{Loaded, Manifest, ManifestLog};
use crate::recovery::{check_covered, replay};
use crate::snapshot::Snapshot;
use crate::wal::{check_belongs_to, read_writer_id};

/// A lake open for reading, beside any writer.
#[derive(Clone, Debug)]
pub struct LakeReader {
    config: LakeConfig,
    logs: Logs,
    /// The lake as it was when it was opened: what came later is read on top of it.
    opened: Arc<Manifest>,
}

impl LakeReader {
    /// Opens a lake that exists.
    pub async fn open(config: LakeConfig) -> Result<Self, LakeError> {
        let found = checked(&config, manifest_log(&config).load().await?)?;
        if found.version == 0 {
            let location = config.root.location();
            return Err(LakeError::Invalid(format!("there is no lake at {location}")));
        }
        let logs = Logs::new(config.store());
        Ok(Self { config, logs, opened: Arc::new(found) })
    }

    /// The lake's documents. They need no writer: every change is a version that only one of
    /// several can write.
    #[must_use]
    pub fn documents(&self) -> Documents {
        Documents::new(Arc::clone(self.config.store()))
    }

    /// The tenants' logs as others may check them.
    #[must_use]
    pub fn log(&self) -> Logs {
        self.logs.clone()
    }

    /// The lake as it is now, from what it was.
    async fn newest(&self, before: &Manifest) -> Result<Manifest, LakeError> {
        let log = manifest_log(&self.config);
        checked(&self.config, log.catch_up(before.clone()).await?)
    }

    /// The lake as it is now: its segments, and what the writer's WAL holds behind them when
    /// its folder is at hand.
    ///
    /// The writer may flush between our looks at manifest and WAL; so we look again until
    /// both belong together.
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        const LOOKS: u32 = 20;
        let mut before = Arc::new(self.newest(&self.opened).await?);
        for _ in 0..LOOKS {
            let hot = self.read_hot(&before).await;
            let after = Arc::new(self.newest(&before).await?);
            if after.version == before.version {
                let store = Arc::clone(self.config.store());
                return Ok(Snapshot::new(after, Arc::from(hot?), store));
            }
            before = after;
        }
        Err(LakeError::Invalid("the lake changes faster than it can be read".to_owned()))
    }

    async fn read_hot(&self, manifest: &Arc<Manifest>) -> Result<Vec<Arc<HotBatch>>, LakeError> {
        let folder = &self.config.wal_dir;
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let Some(writer) = read_writer_id(folder) else { return Ok(Vec::new()) };
        check_belongs_to(folder, &writer, manifest)?;
        let applied = manifest.applied(Some(&writer));
        Ok(replay(folder, manifest, applied, self.config.store()).await?.hot)
    }
}

fn manifest_log(config: &LakeConfig) -> ManifestLog {
    ManifestLog::new(Arc::clone(config.store()), config.retry())
}

/// A state that may be read: behind it is no torn commit that somebody may have seen.
fn checked(config: &LakeConfig, loaded: Loaded) -> Result<Manifest, LakeError> {
    let Loaded { manifest, torn } = loaded;
    if let Some(newest) = torn.last() {
        let applied = |writer: &str| manifest.applied(Some(writer));
        check_covered(&config.wal_dir, &manifest.writer, applied, *newest)?;
    }
    Ok(manifest)
}
