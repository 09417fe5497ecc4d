//! The folder of one writer's WAL: locked by its process, and bearing the writer's name.

use std::fs::File;
use std::path::{Path, PathBuf};

use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;

use super::file::wal_files;
use crate::durable::sync_parent;
use crate::error::LakeError;
use crate::manifest::Manifest;

/// A WAL folder that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct WalFolder {
    path: PathBuf,
    writer_id: String,
    _lock: File,
}

impl WalFolder {
    /// Takes a folder, making it when there is none.
    pub(crate) fn lock(path: &Path, environment: &Environment) -> Result<Self, LakeError> {
        std::fs::create_dir_all(path).map_err(LakeError::io(path))?;
        sync_parent(path).map_err(LakeError::io(path))?;
        let lock_path = path.join("LOCK");
        let lock = File::create(&lock_path).map_err(LakeError::io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LakeError::Locked(lock_path)),
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(LakeError::Io { path: lock_path, source });
            }
        }
        let writer_id = writer_id(path, environment)?;
        Ok(Self { path: path.to_owned(), writer_id, _lock: lock })
    }

    /// Refuses a lake that does not know this WAL although it has frames: a writer commits
    /// its name before its first frame, so they are another lake's.
    pub(crate) fn check_belongs_to(&self, manifest: &Manifest) -> Result<(), LakeError> {
        check_belongs_to(&self.path, &self.writer_id, manifest)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name under which the manifest knows this WAL.
    pub(crate) fn writer_id(&self) -> &str {
        &self.writer_id
    }
}

pub(crate) fn check_belongs_to(
    folder: &Path,
    writer_id: &str,
    manifest: &Manifest,
) -> Result<(), LakeError> {
    if manifest.wal_applied.contains_key(writer_id) || wal_files(folder)?.is_empty() {
        return Ok(());
    }
    Err(LakeError::Invalid(format!(
        "the WAL in {} belongs to another lake; name another folder for this one",
        folder.display()
    )))
}

fn id_path(folder: &Path) -> PathBuf {
    folder.join("WRITER")
}

/// The name of a folder's writer, if it has one.
pub(crate) fn read_writer_id(folder: &Path) -> Option<String> {
    let id = std::fs::read_to_string(id_path(folder)).ok()?;
    Some(id.trim().to_owned()).filter(|id| id.len() == 26)
}

/// The name of this folder's writer, given at its first use.
fn writer_id(folder: &Path, environment: &Environment) -> Result<String, LakeError> {
    if let Some(id) = read_writer_id(folder) {
        return Ok(id);
    }
    let path = id_path(folder);
    if !wal_files(folder)?.is_empty() {
        let detail = "the WAL has files but the name of their writer is lost";
        return Err(LakeError::damaged(path.display(), detail));
    }
    let id = new_ulid(environment).to_string();
    std::fs::write(&path, &id)
        .and_then(|()| File::open(&path)?.sync_all())
        .and_then(|()| sync_parent(&path))
        .map_err(LakeError::io(&path))?;
    Ok(id)
}
