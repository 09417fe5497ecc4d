//! Reading and writing the chain of commits in the object store.
//!
//! Durability: a commit counts once its create-only write succeeded or was read back.
//! Concurrency: one writer per epoch; whoever finds a newer epoch at its number stops.
//! Retries: all here; a caller that gets an error must treat the outcome as open.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::commit::{Commit, hash_of};
use super::state::Manifest;
use crate::error::LakeError;
use crate::failpoint;
use crate::paths;
use crate::retry::Retry;

/// Commits that are read ahead of the one that is applied.
const READ_AHEAD: usize = 8;

/// The state found in the store.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// What all whole commits add up to.
    pub(crate) manifest: Manifest,
    /// The numbers behind it whose files are torn.
    pub(crate) torn: Vec<u64>,
}

impl Loaded {
    /// Applies one commit, or notes that its file is torn.
    fn follow(&mut self, version: u64, bytes: &[u8]) -> Result<(), LakeError> {
        let Ok(commit) = Commit::decode(bytes) else {
            self.torn.push(version);
            return Ok(());
        };
        let (path, manifest) = (paths::commit(version), &self.manifest);
        if commit.version != version {
            return Err(LakeError::damaged(&path, format!("it says it is {}", commit.version)));
        }
        if commit.prev != manifest.hash || commit.void != self.torn {
            let detail = format!(
                "it does not follow commit {}; a commit between them is missing or changed",
                manifest.version
            );
            return Err(LakeError::damaged(&path, detail));
        }
        if version != manifest.version + 1 + self.torn.len() as u64 {
            let detail = format!("the commits between it and {} are missing", manifest.version);
            return Err(LakeError::damaged(&path, detail));
        }
        self.manifest = manifest.apply(&commit, hash_of(bytes));
        self.torn.clear();
        Ok(())
    }
}

/// The chain of commits.
#[derive(Debug)]
pub(crate) struct ManifestLog {
    store: Arc<dyn ObjectStore>,
    retry: Retry,
}

impl ManifestLog {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, retry: Retry) -> Self {
        Self { store, retry }
    }

    /// Reads the newest snapshot and every commit behind it.
    pub(crate) async fn load(&self) -> Result<Loaded, LakeError> {
        self.catch_up(self.newest_snapshot().await?).await
    }

    /// Reads every commit behind a state that was read before.
    pub(crate) async fn catch_up(&self, manifest: Manifest) -> Result<Loaded, LakeError> {
        let mut loaded = Loaded { manifest, torn: Vec::new() };
        let folder = object_store::path::Path::from(paths::LOG);
        let offset = paths::commit(loaded.manifest.version);
        let listing: Vec<_> = self
            .store
            .list_with_offset(Some(&folder), &offset)
            .try_collect()
            .await
            .map_err(LakeError::store(paths::LOG))?;
        let mut versions: Vec<u64> = listing
            .iter()
            .filter(|meta| meta.location.parts_count() == 2)
            .filter_map(|meta| paths::version(&meta.location))
            .filter(|version| *version > loaded.manifest.version)
            .collect();
        versions.sort_unstable();
        let mut commits = stream::iter(versions)
            .map(|version| async move { Ok((version, self.listed(version).await?)) })
            .buffered(READ_AHEAD);
        while let Some((version, bytes)) = commits.try_next().await? {
            loaded.follow(version, &bytes)?;
        }
        Ok(loaded)
    }

    /// A commit's file that was listed.
    async fn listed(&self, version: u64) -> Result<Bytes, LakeError> {
        let path = paths::commit(version);
        let found = self.read(&path).await?;
        found.ok_or_else(|| LakeError::damaged(&path, "it was listed but is not there"))
    }

    /// Writes `commit` behind `base`, at the first number that is not torn. Fills in version,
    /// prev and void; answers the state after it.
    pub(crate) async fn append(
        &self,
        base: &Manifest,
        torn: &[u64],
        mut commit: Commit,
    ) -> Result<Manifest, LakeError> {
        commit.prev.clone_from(&base.hash);
        commit.void = torn.to_vec();
        let mut retry = self.retry;
        loop {
            commit.version = base.version + 1 + commit.void.len() as u64;
            let path = paths::commit(commit.version);
            let bytes = commit.encode();
            match self.attempt(&path, &bytes, &commit).await {
                Ok(Outcome::Written) => return Ok(base.apply(&commit, hash_of(&bytes))),
                Ok(Outcome::Torn) => {
                    tracing::warn!("{path} was torn while it was written: left out");
                    commit.void.push(commit.version);
                }
                Ok(Outcome::Absent(source)) => {
                    retry.after("writing a commit", LakeError::store(&path)(source)).await?;
                }
                Err(error @ LakeError::Store { .. }) => {
                    retry.after("reading a commit back", error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One create-only write, and on any doubt a look at what is there.
    async fn attempt(
        &self,
        path: &object_store::path::Path,
        bytes: &[u8],
        commit: &Commit,
    ) -> Result<Outcome, LakeError> {
        let options = PutOptions::from(PutMode::Create);
        let put = match failpoint::hit("commit::put") {
            Ok(()) => self.store.put_opts(path, bytes.to_vec().into(), options).await,
            Err(source) => {
                Err(object_store::Error::Generic { store: "failpoint", source: source.into() })
            }
        };
        let Err(doubt) = put else { return Ok(Outcome::Written) };
        match self.read(path).await? {
            None => Ok(Outcome::Absent(doubt)),
            Some(found) => match Commit::decode(&found) {
                Err(_) => Ok(Outcome::Torn),
                Ok(found) if found.id == commit.id => Ok(Outcome::Written),
                Ok(found) => Err(LakeError::Fenced { ours: commit.epoch, theirs: found.epoch }),
            },
        }
    }

    async fn read(&self, path: &object_store::path::Path) -> Result<Option<Bytes>, LakeError> {
        let found = match self.store.get(path).await {
            Ok(found) => found.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        found.map(Some).map_err(LakeError::store(path))
    }

    /// Writes what `manifest` says as one file, so that opening need not read every commit.
    pub(crate) async fn write_snapshot(&self, manifest: &Manifest) -> Result<(), LakeError> {
        let json = serde_json::to_vec(manifest).map_err(LakeError::data("manifest snapshot"))?;
        let path = paths::snapshot(manifest.version);
        let mut bytes = zstd::bulk::compress(&json, 3).map_err(LakeError::io(path.as_ref()))?;
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        self.store.put(&path, bytes.into()).await.map_err(LakeError::store(&path))?;
        for older in self.snapshots().await?.into_iter().rev().skip(2) {
            let path = paths::snapshot(older);
            self.store.delete(&path).await.map_err(LakeError::store(&path))?;
        }
        Ok(())
    }

    async fn snapshots(&self) -> Result<Vec<u64>, LakeError> {
        let folder = object_store::path::Path::from(paths::SNAPSHOTS);
        let listing: Vec<_> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(LakeError::store(paths::SNAPSHOTS))?;
        let mut versions: Vec<u64> =
            listing.iter().filter_map(|meta| paths::version(&meta.location)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The newest snapshot that is whole. A torn one costs time, not truth: the commits it
    /// sums up are all still there.
    pub(crate) async fn newest_snapshot(&self) -> Result<Manifest, LakeError> {
        for version in self.snapshots().await?.into_iter().rev() {
            let path = paths::snapshot(version);
            let Some(bytes) = self.read(&path).await? else { continue };
            match decode_snapshot(&bytes) {
                Some(manifest) if manifest.version == version => return Ok(manifest),
                _ => tracing::warn!("{path} is torn; reading the commits before it instead"),
            }
        }
        Ok(Manifest::default())
    }
}

/// What is known after one attempt.
enum Outcome {
    Written,
    Torn,
    Absent(object_store::Error),
}

fn decode_snapshot(bytes: &[u8]) -> Option<Manifest> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc32c::crc32c(body).to_le_bytes() != checksum {
        return None;
    }
    let json = zstd::decode_all(body).ok()?;
    serde_json::from_slice(&json).ok()
}
