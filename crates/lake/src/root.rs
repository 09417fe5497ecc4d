//! The storage root: a folder by default, or any URL of an object store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::prefix::PrefixStore;

use crate::durable::DurableStore;
use crate::error::LakeError;

/// Where a lake lives.
#[derive(Clone, Debug)]
pub struct Root {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
    location: String,
}

impl Root {
    /// Opens a folder (made when `create`) or a URL like `s3://bucket/prefix`; credentials and
    /// endpoints come from `options` (`aws_access_key_id`, …), as object stores name them.
    pub fn open(
        location: &str,
        create: bool,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, LakeError> {
        if let Some(path) = location.strip_prefix("file://") {
            return Self::open_folder(Path::new(path), create);
        }
        if !location.contains("://") {
            return Self::open_folder(Path::new(location), create);
        }
        let invalid = |reason: &dyn std::fmt::Display| {
            LakeError::Invalid(format!(
                "lake {location:?}: {reason}; give a folder, s3://, gs:// or az://"
            ))
        };
        let url = url::Url::parse(location).map_err(|error| invalid(&error))?;
        let (store, prefix) =
            object_store::parse_url_opts(&url, options).map_err(|error| invalid(&error))?;
        let store: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            Arc::from(store)
        } else {
            Arc::new(PrefixStore::new(store, prefix))
        };
        Ok(Self { store, folder: None, location: location.to_owned() })
    }

    fn open_folder(path: &Path, create: bool) -> Result<Self, LakeError> {
        if create {
            std::fs::create_dir_all(path).map_err(LakeError::io(path))?;
        } else if !path.is_dir() {
            return Err(LakeError::Invalid(format!("there is no lake at {}", path.display())));
        }
        let folder = path.canonicalize().map_err(LakeError::io(path))?;
        let store = DurableStore::open(&folder).map_err(LakeError::store(path.display()))?;
        Ok(Self {
            store: Arc::new(store),
            location: folder.display().to_string(),
            folder: Some(folder),
        })
    }

    /// A lake on a store at hand; it has no folder.
    #[must_use]
    pub fn of(store: Arc<dyn ObjectStore>, location: &str) -> Self {
        Self { store, folder: None, location: location.to_owned() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The folder, when the root is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What to call it.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }
}
