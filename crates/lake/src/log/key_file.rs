//! The file of the key that signs: readable by its owner alone, made whole or not at all, and
//! never written over but by a rotation, which keeps the old one beside it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use auditlake_tlog::SigningKey;

use crate::durable::sync_parent;
use crate::error::LakeError;

/// A key and the name it was made for.
#[derive(Debug)]
pub(super) struct NamedKey {
    pub(super) name: String,
    pub(super) key: SigningKey,
}

/// A folder of keys.
#[derive(Debug)]
pub(super) struct KeyFile<'a> {
    folder: &'a Path,
}

impl<'a> KeyFile<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// Where the key that signs is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join("log.key")
    }

    /// The key, if there is one. A key that others may read is refused: they could sign too.
    pub(super) fn load(&self) -> Result<Option<NamedKey>, LakeError> {
        let path = self.path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LakeError::io(path)(error)),
        };
        let mode = file.metadata().map_err(LakeError::io(&path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(LakeError::Invalid(format!(
                "the signing key {} has mode {mode:04o}: others may use it; only its owner may, \
                 so set mode 0600 (and rotate the key if somebody else has read it)",
                path.display()
            )));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(LakeError::io(&path))?;
        let (name, key) = SigningKey::from_secret_text(&text)
            .map_err(|source| LakeError::damaged(path.display(), source))?;
        Ok(Some(NamedKey { name, key }))
    }

    /// Makes the file; one that is there by now stays, and is what is answered.
    pub(super) fn make(&self, new: NamedKey) -> Result<NamedKey, LakeError> {
        let staged = self.stage(&new)?;
        let path = self.path();
        // A link is made only where there is no file: nobody's key is ever lost.
        let linked = std::fs::hard_link(&staged, &path);
        std::fs::remove_file(&staged).map_err(LakeError::io(&staged))?;
        match linked {
            Ok(()) => {
                sync_parent(&path).map_err(LakeError::io(&path))?;
                Ok(new)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.load()?.ok_or_else(|| LakeError::io(&path)(error))
            }
            Err(error) => Err(LakeError::io(&path)(error)),
        }
    }

    /// Puts a new key in the place of the one with this id, which is kept beside it.
    pub(super) fn replace(&self, new: &NamedKey, old_id: u32) -> Result<(), LakeError> {
        let staged = self.stage(new)?;
        let (path, kept) = (self.path(), self.folder.join(format!("log-{old_id:08x}.key")));
        if let Err(error) = std::fs::hard_link(&path, &kept)
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(LakeError::io(kept)(error));
        }
        std::fs::rename(&staged, &path)
            .and_then(|()| sync_parent(&path))
            .map_err(LakeError::io(&path))
    }

    /// Writes a key under a passing name, synced.
    fn stage(&self, new: &NamedKey) -> Result<PathBuf, LakeError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.folder)
            .and_then(|()| sync_parent(self.folder))
            .map_err(LakeError::io(self.folder))?;
        // Named after the key: in two containers, processes often have the same number.
        let number = new.key.public().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let staged = self.folder.join(format!("log.key#{number}"));
        // What a crash left of the same key is not known to be whole.
        if let Err(error) = std::fs::remove_file(&staged)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(LakeError::io(staged)(error));
        }
        let text = format!("{}\n", new.key.to_secret_text(&new.name));
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged);
        options
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(LakeError::io(&staged))?;
        Ok(staged)
    }
}
