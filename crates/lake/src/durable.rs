//! The local store, made durable: an object is there, whole and synced with the folders
//! that lead to it, before a write reports success, or it is not there at all.
//!
//! `object_store`'s local store reads, lists and deletes; it never syncs, so the writes are
//! ours: stage beside the destination, sync, then link (create-only) or rename (overwrite),
//! then sync the folders. A staged file left by a crash is named `…#<digits>`, a form that
//! the local store does not list.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

use crate::failpoint;

/// A folder as an object store whose successful writes survive a power cut.
#[derive(Debug)]
pub struct DurableStore {
    local: LocalFileSystem,
    root: PathBuf,
    /// Makes the names of staged files unique within this process.
    staged: AtomicU64,
    /// Set when a file has its name but whether the name is durable is unknown. Nothing is
    /// believed from then on: reading such a file back would pass for proof that it counts.
    doubtful: Arc<AtomicBool>,
}

impl std::fmt::Display for DurableStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DurableStore({})", self.root.display())
    }
}

impl DurableStore {
    /// Opens an existing folder.
    pub fn open(root: &FsPath) -> Result<Self> {
        let local = LocalFileSystem::new_with_prefix(root)?.with_automatic_cleanup(false);
        let (staged, doubtful) = (AtomicU64::new(0), Arc::default());
        Ok(Self { local, root: root.to_owned(), staged, doubtful })
    }

    fn check(&self) -> Result<()> {
        if self.doubtful.load(Ordering::SeqCst) {
            let source = "a folder could not be synced; open the lake again".into();
            return Err(Error::Generic { store: "durable", source });
        }
        Ok(())
    }

    /// Deletes what writes of an earlier process left staged; called by the only writer.
    pub(crate) fn sweep_staged(folder: &FsPath) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let suffix = name.rsplit_once('#').map_or("", |(_, suffix)| suffix);
            if path.is_dir() {
                Self::sweep_staged(&path)?;
            } else if !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit()) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn stage(&self, location: &Path) -> Result<Staged> {
        let destination = self.local.path_to_filesystem(location)?;
        let number = self.staged.fetch_add(1, Ordering::Relaxed);
        let mut name = destination.clone().into_os_string();
        name.push(format!("#{}{number:06}", std::process::id()));
        self.check()?;
        let (root, path) = (self.root.clone(), PathBuf::from(name));
        Ok(Staged { root, destination, path, doubtful: Arc::clone(&self.doubtful) })
    }
}

/// A file on its way to its name.
#[derive(Clone, Debug)]
struct Staged {
    doubtful: Arc<AtomicBool>,
    root: PathBuf,
    destination: PathBuf,
    path: PathBuf,
}

impl Staged {
    fn create(&self) -> std::io::Result<File> {
        if let Some(parent) = self.destination.parent() {
            create_folders(&self.root, parent)?;
        }
        OpenOptions::new().write(true).create_new(true).open(&self.path)
    }

    /// Syncs the staged file and gives it its name.
    fn publish(&self, file: &File, create_only: bool) -> std::io::Result<()> {
        failpoint::hit("store::sync")?;
        file.sync_all()?;
        if create_only {
            std::fs::hard_link(&self.path, &self.destination)?;
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&self.path, &self.destination)?;
        }
        failpoint::hit("store::named")
            .and_then(|()| sync_parent(&self.destination))
            .inspect_err(|_| self.doubtful.store(true, Ordering::SeqCst))
    }

    fn discard(&self) {
        // Best effort: a left-over stage is never listed, and its name is never used again.
        let _ = std::fs::remove_file(&self.path);
    }

    fn error(&self, source: std::io::Error) -> Error {
        let path = self.destination.display().to_string();
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            return Error::AlreadyExists { path, source: Box::new(source) };
        }
        Error::Generic { store: "durable", source: format!("{path}: {source}").into() }
    }
}

/// Makes the missing folders below `root`, syncing each one's parent.
fn create_folders(root: &FsPath, folder: &FsPath) -> std::io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders(root, parent)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(folder),
    }
}

/// Makes a name durable: a file's entry lives in its folder.
pub(crate) fn sync_parent(path: &FsPath) -> std::io::Result<()> {
    match path.parent() {
        // A name alone stands in the folder that the process is in.
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Runs blocking file work off the reactor.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| Error::Generic { store: "durable", source: Box::new(source) })?
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let create_only = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "`put_opts` with mode `PutMode::Update`".into(),
                    implementer: self.to_string(),
                });
            }
        };
        let staged = self.stage(location)?;
        blocking(move || {
            // What could not be created is not ours to discard: another process may be at it.
            let mut file = staged.create().map_err(|source| staged.error(source))?;
            let written = payload.iter().try_for_each(|part| file.write_all(part));
            let written = written.and_then(|()| staged.publish(&file, create_only));
            written.map_err(|source| {
                staged.discard();
                staged.error(source)
            })?;
            Ok(PutResult { e_tag: None, version: None })
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let staged = self.stage(location)?;
        blocking(move || {
            let file = staged.create().map_err(|source| staged.error(source))?;
            Ok(Box::new(DurableUpload { staged, file: Arc::new(file), offset: 0 })
                as Box<dyn MultipartUpload>)
        })
        .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        self.local.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Vec<bytes::Bytes>> {
        self.local.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.local.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.local.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.local.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.local.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.local.get_opts(from, GetOptions::default()).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.put_opts(to, bytes.into(), mode.into()).await?;
        Ok(())
    }
}

/// A multipart upload into a staged file; whatever of it has not got its name goes with it.
#[derive(Debug)]
struct DurableUpload {
    staged: Staged,
    file: Arc<File>,
    offset: u64,
}

impl Drop for DurableUpload {
    fn drop(&mut self) {
        // A completed upload has left nothing under the staged name, and nobody uses it again.
        self.staged.discard();
    }
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut offset = self.offset;
        self.offset += data.content_length() as u64;
        let (file, staged) = (Arc::clone(&self.file), self.staged.clone());
        blocking(move || {
            for part in &data {
                file.write_all_at(part, offset).map_err(|source| staged.error(source))?;
                offset += part.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (file, staged) = (Arc::clone(&self.file), self.staged.clone());
        blocking(move || {
            staged.publish(&file, false).map_err(|source| staged.error(source))?;
            Ok(PutResult { e_tag: None, version: None })
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged.discard();
        Ok(())
    }
}
