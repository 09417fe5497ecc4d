//! What can go wrong in the lake, by what the caller can do about it.

use std::path::PathBuf;

/// Why the lake did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The request or configuration is wrong; nothing was done.
    #[error("{0}")]
    Invalid(String),
    /// Another process writes to this lake.
    #[error("the lake is in use by another writer (lock {})", .0.display())]
    Locked(PathBuf),
    /// A newer writer took over; this one must stop.
    #[error("a newer writer (epoch {theirs}, ours {ours}) took this lake over")]
    Fenced {
        /// The epoch this writer opened the lake with.
        ours: u64,
        /// The epoch found in the log.
        theirs: u64,
    },
    /// An earlier write failed in a way that leaves its outcome open; only opening the lake
    /// again, which reads what really is there, settles it.
    #[error("the lake takes no more events until it is opened again: {0}")]
    Stopped(String),
    /// Stored bytes are not what was written.
    #[error("{path} is damaged{}: {detail}", .offset.map(|at| format!(" at byte {at}")).unwrap_or_default())]
    Damaged {
        /// The file or object.
        path: String,
        /// Where in it, when known.
        offset: Option<u64>,
        /// What is wrong with it.
        detail: String,
    },
    /// The object store failed; trying again may help.
    #[error("object store: {path}: {source}")]
    Store {
        /// The object.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The file system failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Events could not be built, sorted, encoded or decoded.
    #[error("{what}: {source}")]
    Data {
        /// What was being done.
        what: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LakeError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn store(path: impl ToString) -> impl FnOnce(object_store::Error) -> Self {
        let path = path.to_string();
        move |source| Self::Store { path, source }
    }

    pub(crate) fn data<E>(what: &str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let what = what.to_owned();
        move |source| Self::Data { what, source: Box::new(source) }
    }

    pub(crate) fn damaged(path: impl ToString, detail: impl ToString) -> Self {
        Self::Damaged { path: path.to_string(), offset: None, detail: detail.to_string() }
    }
}
