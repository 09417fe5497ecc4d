//! The files that export jobs leave in the lake's store, a folder for each job.
//!
//! A file is there whole and durable, or it is not there: it gets its name when its last byte
//! is safe. Writing and reading take the memory of a few parts, however large a file is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::error::LakeError;
use crate::paths;

/// Bytes of a part of an upload; stores want at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts of one file that are on their way at a time.
const PARTS: usize = 2;
/// Bytes that a reader gets at a time.
const READ_BYTES: u64 = 1 << 20;

/// The files of export jobs.
#[derive(Clone, Debug)]
pub struct ExportFiles {
    store: Arc<dyn ObjectStore>,
}

/// A file that is being written. Dropped before [`ExportWriter::finish`] it never appears;
/// [`ExportWriter::abort`] also takes back what a remote store holds of it.
#[derive(Debug)]
pub struct ExportWriter {
    upload: WriteMultipart,
    path: Path,
}

/// A file, or a range of it, that is being read.
pub struct ExportReader {
    /// Bytes of the whole file.
    pub size: u64,
    /// The bytes asked for, piece by piece.
    pub bytes: BoxStream<'static, Result<Bytes, LakeError>>,
}

impl std::fmt::Debug for ExportReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportReader").field("size", &self.size).finish_non_exhaustive()
    }
}

impl ExportFiles {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Begins a file of a job; when it is finished it takes the place of one of this name.
    pub async fn write(&self, job: &str, name: &str) -> Result<ExportWriter, LakeError> {
        let path = paths::export(job, name);
        let upload = self.store.put_multipart(&path).await.map_err(LakeError::store(&path))?;
        let upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        Ok(ExportWriter { upload, path })
    }

    /// Bytes of a file of a job; none if there is no such file.
    pub async fn size(&self, job: &str, name: &str) -> Result<Option<u64>, LakeError> {
        let path = paths::export(job, name);
        match self.store.head(&path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(LakeError::Store { path: path.to_string(), source }),
        }
    }

    /// Reads a file of a job, or a range of it; none if there is no such file. A range that
    /// goes beyond the end of the file ends with it.
    pub async fn read(
        &self,
        job: &str,
        name: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<ExportReader>, LakeError> {
        let Some(size) = self.size(job, name).await? else { return Ok(None) };
        let range = range.unwrap_or(0..size);
        let (start, end) = (range.start.min(size), range.end.min(size));
        let (store, path) = (Arc::clone(&self.store), paths::export(job, name));
        let pieces = stream::try_unfold(start, move |start| {
            let (store, path) = (Arc::clone(&store), path.clone());
            async move {
                if start >= end {
                    return Ok::<_, LakeError>(None);
                }
                let stop = end.min(start.saturating_add(READ_BYTES));
                let piece = store.get_range(&path, start..stop).await;
                Ok(Some((piece.map_err(LakeError::store(&path))?, stop)))
            }
        });
        Ok(Some(ExportReader { size, bytes: pieces.boxed() }))
    }

    /// Deletes every file of a job; a job without files is fine.
    pub async fn delete(&self, job: &str) -> Result<(), LakeError> {
        let folder = paths::exports_of(job);
        let listing: Vec<_> = self
            .store
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(LakeError::store(&folder))?;
        for meta in listing {
            match self.store.delete(&meta.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(LakeError::Store { path: meta.location.to_string(), source });
                }
            }
        }
        Ok(())
    }

    /// The jobs that have files, and when the newest file of each was written, in
    /// microseconds.
    pub async fn jobs(&self) -> Result<Vec<(String, i64)>, LakeError> {
        let folder = Path::from(paths::EXPORTS);
        let mut files = self.store.list(Some(&folder));
        let mut newest = BTreeMap::new();
        while let Some(meta) = files.next().await.transpose().map_err(LakeError::store(&folder))? {
            let job = meta.location.parts().nth(1).map(|part| part.as_ref().to_owned());
            let written = meta.last_modified.timestamp_micros();
            if let Some(job) = job {
                let known = newest.entry(job).or_insert(written);
                *known = written.max(*known);
            }
        }
        Ok(newest.into_iter().collect())
    }
}

impl ExportWriter {
    /// Takes the file's next bytes; waits while enough of them are on their way.
    pub async fn put(&mut self, bytes: Bytes) -> Result<(), LakeError> {
        self.upload.wait_for_capacity(PARTS).await.map_err(LakeError::store(&self.path))?;
        self.upload.put(bytes);
        Ok(())
    }

    /// Ends the file; when this answers, it is there and durable.
    pub async fn finish(self) -> Result<(), LakeError> {
        let Self { mut upload, path } = self;
        // Parts that failed are told here, while what the others left can still be taken back.
        if let Err(source) = upload.wait_for_capacity(1).await {
            Self { upload, path: path.clone() }.abort().await;
            return Err(LakeError::Store { path: path.to_string(), source });
        }
        upload.finish().await.map_err(LakeError::store(&path))?;
        Ok(())
    }

    /// Gives the file up, and takes back what is stored of it.
    pub async fn abort(self) {
        let Self { upload, path } = self;
        if let Err(error) = upload.abort().await {
            tracing::warn!(%error, "parts of {path} are left in the store");
        }
    }
}
