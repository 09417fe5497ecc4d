//! Documents: small JSON values of a kind and an id, kept as create-only versions.
//!
//! A change is the next version, and only one of several that try can write it: who loses
//! reads again. That is all the locking there is between servers on one root.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LakeError;
use crate::paths;
use crate::retry::Retry;

/// The documents of a lake.
#[derive(Clone, Debug)]
pub struct Documents {
    store: Arc<dyn ObjectStore>,
}

/// A document at its newest version.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// Its id, unique within its kind.
    pub id: String,
    /// Its version, counted from 1.
    pub version: u64,
    /// What it says.
    pub value: T,
}

impl Documents {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Writes version `version` (1 for a new document). When somebody else wrote it first,
    /// that is [`LakeError::Invalid`] and nothing is changed.
    pub async fn put<T: Serialize>(
        &self,
        kind: &str,
        id: &str,
        version: u64,
        value: &T,
    ) -> Result<(), LakeError> {
        let path = paths::document(kind, id, version);
        let bytes = serde_json::to_vec(value).map_err(LakeError::data("writing a document"))?;
        let options = PutOptions::from(PutMode::Create);
        if let Err(doubt) = self.store.put_opts(&path, bytes.clone().into(), options).await {
            // A lost response is not a lost write: look before giving up.
            let Ok(found) = self.store.get(&path).await else {
                return Err(LakeError::Store { path: path.to_string(), source: doubt });
            };
            let found = found.bytes().await.map_err(LakeError::store(&path))?;
            if found != bytes {
                return Err(LakeError::Invalid(format!("{path} was written by somebody else")));
            }
        }
        self.check_newest_was_known(kind, id, version).await
    }

    /// Old versions are deleted, so the name of one is free again: who slept since it read the
    /// version before would write it a second time, and take itself for the newest. Versions
    /// are deleted from the oldest on, so the one before ours is gone only if others went on.
    async fn check_newest_was_known(
        &self,
        kind: &str,
        id: &str,
        version: u64,
    ) -> Result<(), LakeError> {
        if version <= 1 {
            return Ok(());
        }
        let before = paths::document(kind, id, version - 1);
        match self.store.head(&before).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => {
                // What was written in vain would pass for the one before the next version to
                // whoever slept as long. If it stays, that takes two of them.
                let _ = self.store.delete(&paths::document(kind, id, version)).await;
                let reason = format!("{before} is gone: somebody else went on from it");
                Err(LakeError::Invalid(reason))
            }
            Err(source) => Err(LakeError::Store { path: before.to_string(), source }),
        }
    }

    /// A document at its newest version; none if there never was one.
    pub async fn get<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
    ) -> Result<Option<Document<T>>, LakeError> {
        /// A version may be deleted between our looks at its folder and at itself, but only
        /// because newer ones are there.
        const LOOKS: u32 = 20;
        for _ in 0..LOOKS {
            let versions = self.versions(kind, id).await?;
            let Some(newest) = versions.into_iter().max() else { return Ok(None) };
            if let Some(found) = self.read(kind, id, newest).await? {
                return Ok(Some(found));
            }
        }
        Err(LakeError::Invalid(format!("{kind} {id} changes faster than it can be read")))
    }

    /// Deletes the versions below `below`, from the oldest on. The newest is to be kept by
    /// the caller, and the one before it too: [`Documents::put`] looks at it.
    pub async fn prune(&self, kind: &str, id: &str, below: u64) -> Result<(), LakeError> {
        let mut versions = self.versions(kind, id).await?;
        versions.sort_unstable();
        for version in versions.into_iter().take_while(|version| *version < below) {
            let path = paths::document(kind, id, version);
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(LakeError::Store { path: path.to_string(), source });
                }
            }
        }
        Ok(())
    }

    /// The newest version of every document of a kind, by id: one listing, nothing is read.
    pub async fn newest(&self, kind: &str) -> Result<BTreeMap<String, u64>, LakeError> {
        let mut newest = BTreeMap::new();
        for location in self.locations(&paths::documents(kind)).await? {
            let parts: Vec<String> = location.parts().map(|part| part.as_ref().into()).collect();
            if let ([_, _, id, _], Some(version)) = (parts.as_slice(), paths::version(&location)) {
                let known = newest.entry(id.clone()).or_insert(version);
                *known = version.max(*known);
            }
        }
        Ok(newest)
    }

    /// Every document of a kind at its newest version, by id.
    pub async fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<Document<T>>, LakeError> {
        let mut documents = Vec::new();
        for (id, version) in self.newest(kind).await? {
            let found = match self.read(kind, &id, version).await? {
                Some(found) => Some(found),
                None => self.get(kind, &id).await?,
            };
            documents.extend(found);
        }
        Ok(documents)
    }

    /// A document that never changes, and the version that a new one would have. The first of
    /// its versions that is whole counts, for everybody and for ever: a write that was torn
    /// leaves one that is not.
    pub(crate) async fn made_once<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
    ) -> Result<(Option<T>, u64), LakeError> {
        let mut versions = self.versions(kind, id).await?;
        versions.sort_unstable();
        let next = versions.last().map_or(1, |newest| newest + 1);
        for version in versions {
            match self.read(kind, id, version).await {
                Ok(Some(found)) => return Ok((Some(found.value), next)),
                Ok(None) | Err(LakeError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((None, next))
    }

    /// Makes a document that never changes, unless it is there; answers what it says.
    pub(crate) async fn make_once<T: Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
        value: &T,
        mut retry: Retry,
    ) -> Result<T, LakeError> {
        loop {
            let (found, next) = self.made_once(kind, id).await?;
            if let Some(found) = found {
                return Ok(found);
            }
            if let Err(error) = self.put(kind, id, next, value).await {
                retry.after("writing a document", error).await?;
            }
        }
    }

    /// One version; none if it is not there.
    async fn read<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
        version: u64,
    ) -> Result<Option<Document<T>>, LakeError> {
        let path = paths::document(kind, id, version);
        let found = match self.store.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(LakeError::store(&path))?,
        };
        let bytes = found.bytes().await.map_err(LakeError::store(&path))?;
        let value =
            serde_json::from_slice(&bytes).map_err(|source| LakeError::damaged(&path, source))?;
        Ok(Some(Document { id: id.to_owned(), version, value }))
    }

    async fn versions(&self, kind: &str, id: &str) -> Result<Vec<u64>, LakeError> {
        let locations = self.locations(&paths::versions(kind, id)).await?;
        Ok(locations.iter().filter_map(paths::version).collect())
    }

    async fn locations(&self, folder: &Path) -> Result<Vec<Path>, LakeError> {
        let listing: Vec<_> =
            self.store.list(Some(folder)).try_collect().await.map_err(LakeError::store(folder))?;
        Ok(listing.into_iter().map(|meta| meta.location).collect())
    }
}
