//! Reading the WAL's files: which there are, and the whole frames in them.

use std::path::{Path, PathBuf};

use super::frame::{self, FILE_HEADER};
use crate::error::LakeError;

/// Where the log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WalTail {
    /// The position of the last whole frame, or of the one before the first.
    pub(crate) position: u64,
    /// Whether that frame ends the last file, so that the next may follow it there.
    pub(crate) contiguous: bool,
    /// The last file and the length of its whole part, when there is a file.
    pub(crate) file: Option<(PathBuf, u64)>,
    /// The bytes behind it that are no frame.
    pub(crate) torn_bytes: u64,
}

/// The WAL files of a folder with the position each begins at, oldest first.
pub(crate) fn wal_files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, LakeError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(LakeError::io(folder))? {
        let path = entry.map_err(LakeError::io(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(first) = name.strip_suffix(".wal").and_then(|digits| digits.parse().ok()) {
            files.push((first, path));
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.wal")
}

/// Hands every frame behind position `after` to `take`, oldest first.
///
/// Nothing is changed: a torn tail is only measured. Damage and gaps are refused.
pub(crate) fn read_after(
    folder: &Path,
    after: u64,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), LakeError>,
) -> Result<WalTail, LakeError> {
    let files = wal_files(folder)?;
    let mut tail = WalTail { position: after, contiguous: false, file: None, torn_bytes: 0 };
    for (index, (first, path)) in files.iter().enumerate() {
        let is_last = index + 1 == files.len();
        // A file is skipped when the next one begins at or before what is asked for.
        if files.get(index + 1).is_some_and(|(next, _)| *next <= after + 1) {
            continue;
        }
        if *first > tail.position.max(after) + 1 {
            let detail =
                format!("frames {} to {} are missing before it", tail.position + 1, first - 1);
            return Err(LakeError::damaged(path.display(), detail));
        }
        let bytes = std::fs::read(path).map_err(LakeError::io(path))?;
        let mut last = first.saturating_sub(1);
        let whole = read_file(path, &bytes, *first, is_last, |position, payload| {
            last = position;
            tail.position = tail.position.max(position);
            if position > after { take(position, payload) } else { Ok(()) }
        })?;
        tail.contiguous = last == tail.position;
        tail.file = Some((path.clone(), whole));
        tail.torn_bytes = bytes.len() as u64 - whole;
    }
    Ok(tail)
}

/// Reads one file's frames; answers the length of its whole part.
fn read_file(
    path: &Path,
    bytes: &[u8],
    first: u64,
    is_last: bool,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), LakeError>,
) -> Result<u64, LakeError> {
    let damaged = |at: usize, detail: &str| LakeError::Damaged {
        path: path.display().to_string(),
        offset: Some(at as u64),
        detail: detail.to_owned(),
    };
    if !bytes.starts_with(FILE_HEADER) {
        if is_last && !frame::any_in(bytes) && bytes.len() <= FILE_HEADER.len() {
            return Ok(0);
        }
        return Err(damaged(0, "it does not open as a WAL file"));
    }
    let (mut at, mut expected) = (FILE_HEADER.len(), first);
    while at < bytes.len() {
        let Some(frame) = frame::read(&bytes[at..]) else {
            if !is_last || frame::any_in(&bytes[at + 1..]) {
                return Err(damaged(
                    at,
                    "a frame is broken and whole ones follow it; restore the file from a backup",
                ));
            }
            break;
        };
        if frame.position != expected {
            let detail = format!("frame {} stands where {expected} should", frame.position);
            return Err(damaged(at, &detail));
        }
        take(frame.position, frame.payload)?;
        at += frame::HEADER_BYTES + frame.payload.len();
        expected += 1;
    }
    Ok(at as u64)
}
