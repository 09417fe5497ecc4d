//! Appending to the WAL: one frame, one sync. After any error the writer refuses to go on:
//! what an unsuccessful sync left on disk is only known by reading the log again.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::file::{WalTail, file_name, wal_files};
use super::frame::{self, FILE_HEADER};
use crate::durable::sync_parent;
use crate::error::LakeError;
use crate::failpoint;

/// A file longer than this is followed by a new one.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The end of the log, open for appending.
#[derive(Debug)]
pub(crate) struct WalWriter {
    folder: PathBuf,
    file: File,
    path: PathBuf,
    length: u64,
    position: u64,
    /// The frame being built; reused.
    buffer: Vec<u8>,
}

impl WalWriter {
    /// Goes on where `tail` ends, cutting what is torn.
    pub(crate) fn open(folder: &Path, tail: &WalTail) -> Result<Self, LakeError> {
        let (file, path, length) = match &tail.file {
            Some((path, whole)) if *whole > 0 && tail.contiguous => {
                let file =
                    OpenOptions::new().append(true).open(path).map_err(LakeError::io(path))?;
                if tail.torn_bytes > 0 {
                    file.set_len(*whole)
                        .and_then(|()| file.sync_all())
                        .map_err(LakeError::io(path))?;
                }
                (file, path.clone(), *whole)
            }
            other => {
                // A file whose very header was torn holds nothing; its name is needed again.
                if let Some((path, 0)) = other {
                    std::fs::remove_file(path).map_err(LakeError::io(path))?;
                }
                create(folder, tail.position + 1)?
            }
        };
        let folder = folder.to_owned();
        Ok(Self { folder, file, path, length, position: tail.position, buffer: Vec::new() })
    }

    /// The position of the last frame.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Begins the next frame.
    pub(crate) fn begin(&mut self) {
        frame::reserve(&mut self.buffer);
    }

    /// The frame being built, to whose end its payload is appended.
    pub(crate) fn frame(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// How many bytes of payload the frame being built has.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(frame::HEADER_BYTES)
    }

    /// Writes and syncs the frame; answers its position once it is durable.
    pub(crate) fn commit(&mut self) -> Result<u64, LakeError> {
        if self.length > MAX_FILE_BYTES {
            self.rotate()?;
        }
        frame::seal(&mut self.buffer, self.position + 1);
        let written = failpoint::hit("wal::write")
            .and_then(|()| self.file.write_all(&self.buffer))
            .and_then(|()| failpoint::hit("wal::sync"))
            .and_then(|()| self.file.sync_data());
        written.map_err(LakeError::io(&self.path))?;
        self.length += self.buffer.len() as u64;
        self.position += 1;
        Ok(self.position)
    }

    /// Begins a new file, so that the older ones can be deleted whole.
    pub(crate) fn rotate(&mut self) -> Result<(), LakeError> {
        if self.length > FILE_HEADER.len() as u64 {
            (self.file, self.path, self.length) = create(&self.folder, self.position + 1)?;
        }
        Ok(())
    }
}

fn create(folder: &Path, first: u64) -> Result<(File, PathBuf, u64), LakeError> {
    let path = folder.join(file_name(first));
    let created =
        OpenOptions::new().append(true).create_new(true).open(&path).and_then(|mut file| {
            file.write_all(FILE_HEADER)?;
            file.sync_all()?;
            sync_parent(&path)?;
            Ok(file)
        });
    let file = created.map_err(LakeError::io(&path))?;
    Ok((file, path, FILE_HEADER.len() as u64))
}

/// Deletes the files whose every frame is at or before `position`.
pub(crate) fn truncate_to(folder: &Path, position: u64) -> Result<(), LakeError> {
    let files = wal_files(folder)?;
    for pair in files.windows(2) {
        if pair[1].0 <= position + 1 {
            std::fs::remove_file(&pair[0].1).map_err(LakeError::io(&pair[0].1))?;
        }
    }
    Ok(())
}
