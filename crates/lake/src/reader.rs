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
}

impl LakeReader {
    /// Opens a lake that exists.
    pub async fn open(config: LakeConfig) -> Result<Self, LakeError> {
        let logs = Logs::new(config.store());
        let reader = Self { config, logs };
        if reader.load().await?.manifest.version == 0 {
            let location = reader.config.root.location();
            return Err(LakeError::Invalid(format!("there is no lake at {location}")));
        }
        Ok(reader)
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

    async fn load(&self) -> Result<Loaded, LakeError> {
        let log = ManifestLog::new(Arc::clone(self.config.store()), self.config.retry());
        let loaded = log.load().await?;
        let Some(newest) = loaded.torn.last() else { return Ok(loaded) };
        let folder = &self.config.wal_dir;
        let manifest = &loaded.manifest;
        let applied = |writer: &str| manifest.applied(Some(writer));
        check_covered(folder, &manifest.writer, applied, *newest)?;
        Ok(loaded)
    }

    /// The lake as it is now: its segments, and what the writer's WAL holds behind them when
    /// its folder is at hand.
    ///
    /// The writer may flush between our looks at manifest and WAL; so we look again until
    /// both belong together.
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        const LOOKS: u32 = 20;
        let mut before = Arc::new(self.load().await?.manifest);
        for _ in 0..LOOKS {
            let hot = self.read_hot(&before).await;
            let after = Arc::new(self.load().await?.manifest);
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
