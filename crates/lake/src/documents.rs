//! Documents: small JSON values of a kind and an id, kept as create-only versions.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::LakeError;
use crate::paths;

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
        match self.store.put_opts(&path, bytes.clone().into(), options).await {
            Ok(_) => Ok(()),
            // A lost response is not a lost write: look before giving up.
            Err(doubt) => match self.store.get(&path).await {
                Ok(found) => {
                    let found = found.bytes().await.map_err(LakeError::store(&path))?;
                    if found == bytes {
                        return Ok(());
                    }
                    Err(LakeError::Invalid(format!("{path} was written by somebody else")))
                }
                Err(_) => Err(LakeError::Store { path: path.to_string(), source: doubt }),
            },
        }
    }

    /// Every document of a kind at its newest version, by id.
    pub async fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<Document<T>>, LakeError> {
        let folder = paths::documents(kind);
        let listing: Vec<_> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(LakeError::store(&folder))?;
        let mut newest = std::collections::BTreeMap::new();
        for meta in listing {
            let parts: Vec<String> =
                meta.location.parts().map(|part| part.as_ref().into()).collect();
            if let ([_, _, id, _], Some(version)) =
                (parts.as_slice(), paths::version(&meta.location))
            {
                let known = newest.entry(id.clone()).or_insert(version);
                *known = version.max(*known);
            }
        }
        let mut documents = Vec::with_capacity(newest.len());
        for (id, version) in newest {
            let path = paths::document(kind, &id, version);
            let found = self.store.get(&path).await.map_err(LakeError::store(&path))?;
            let bytes = found.bytes().await.map_err(LakeError::store(&path))?;
            let value = serde_json::from_slice(&bytes)
                .map_err(|source| LakeError::damaged(&path, source))?;
            documents.push(Document { id, version, value });
        }
        Ok(documents)
    }
}
