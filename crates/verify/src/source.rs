//! Where the bytes of a named file come from: a file by itself, a folder, or a zip archive, of
//! which nothing is unpacked. Names come from a proof that may be forged, so a name that is more
//! than a name leads nowhere.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use auditlake_export::proof::PROOF;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::verdict::VerifyError;

/// The record of an export in a bundle.
pub(crate) const MANIFEST: &str = "manifest.json";
/// A proof has some bytes for each event or gap; more than this is no proof of anything that
/// could be checked here, but an archive that unpacks without end.
const MOST_BYTES: u64 = 1 << 30;
/// How a zip archive begins: with a file, or without any.
const ZIP_MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// An export and its proof.
#[derive(Debug)]
pub(crate) struct Source {
    files: Files,
    asked: Option<String>,
    proof_path: String,
    proof: Vec<u8>,
}

#[derive(Debug)]
enum Files {
    /// The one file that there is, whatever the proof calls it.
    One(PathBuf),
    Folder(PathBuf),
    Zip(ZipArchive<Shared>),
}

impl Files {
    fn find(path: &Path) -> Result<Self, VerifyError> {
        if fs::metadata(path).map_err(|reason| failed(path, reason))?.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if is_zip(path).map_err(|reason| failed(path, reason))? {
            return Ok(Self::Zip(open_zip(path)?));
        }
        Ok(Self::One(path.to_owned()))
    }
}

impl Source {
    /// Finds out what `path` is and reads the proof: from `proof` if that is given.
    pub(crate) fn open(path: &Path, proof: Option<&Path>) -> Result<Self, VerifyError> {
        let files = Files::find(path)?;
        if let Some(proof) = proof {
            let proof_path = proof.display().to_string();
            let read = read_file(proof);
            let proof = read.map_err(|reason| failed(proof, reason))?;
            return Ok(Self { files, asked: None, proof_path, proof });
        }
        let mut asked = None;
        let (files, place) = match files {
            Files::Zip(archive) => {
                let proof_path = format!("{PROOF} in {}", path.display());
                let proof = found(read_zipped(&archive, PROOF), path, &proof_path)?;
                return Ok(Self { files: Files::Zip(archive), asked, proof_path, proof });
            }
            Files::Folder(folder) => {
                let place = folder.join(PROOF);
                (Files::Folder(folder), place)
            }
            Files::One(file) => match beside(&file).filter(|sidecar| sidecar.exists()) {
                Some(sidecar) => (Files::One(file), sidecar),
                // One of the files of an unpacked bundle: all of them are checked, because the
                // proof is about all of them.
                None => {
                    asked = file.file_name().map(|name| name.to_string_lossy().into_owned());
                    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
                    let folder = folder.unwrap_or(Path::new(".")).to_owned();
                    let place = folder.join(PROOF);
                    (Files::Folder(folder), place)
                }
            },
        };
        let proof_path = place.display().to_string();
        let proof = found(read_file(&place), path, &proof_path)?;
        Ok(Self { files, asked, proof_path, proof })
    }

    /// The file of a folder that the caller asked for, which the proof must be about.
    pub(crate) fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// The bytes of the proof.
    pub(crate) fn proof(&self) -> &[u8] {
        &self.proof
    }

    /// Where the proof is, for people.
    pub(crate) fn proof_path(&self) -> &str {
        &self.proof_path
    }

    /// Whether it is one file by itself, which has no manifest and may have got another name.
    pub(crate) fn is_one_file(&self) -> bool {
        matches!(self.files, Files::One(_))
    }

    /// The bytes of the manifest, if there is one.
    pub(crate) fn manifest(&self) -> io::Result<Option<Vec<u8>>> {
        if self.is_one_file() { Ok(None) } else { self.small(MANIFEST) }
    }

    /// The bytes of a file that is no data, if it is there.
    pub(crate) fn small(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match self.with(name, read_all) {
            Ok(read) => read.map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lends a reader of a file to `read`.
    pub(crate) fn with<T>(
        &self,
        name: &str,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> io::Result<T> {
        if let Files::Zip(archive) = &self.files {
            let mut archive = archive.clone();
            let mut file = archive.by_name(name).map_err(unzipped)?;
            return Ok(read(&mut file));
        }
        let path = self.path(name).ok_or(ErrorKind::NotFound)?;
        Ok(read(&mut File::open(path)?))
    }

    /// The path of a file that lies on the disk as it is.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        match &self.files {
            Files::One(path) => Some(path.clone()),
            Files::Folder(folder) => is_plain(name).then(|| folder.join(name)),
            Files::Zip(_) => None,
        }
    }

    /// The names of all files, but for those that are folders; empty for a file by itself.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.files {
            Files::One(_) => Vec::new(),
            Files::Folder(folder) => fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
            Files::Zip(archive) => archive
                .file_names_raw()
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .filter(|name| !name.ends_with('/'))
                .collect(),
        };
        names.sort();
        names
    }

    /// Whether an archive has a name twice: whoever unpacks it gets one of the two files.
    pub(crate) fn has_doubles(&self) -> bool {
        matches!(&self.files, Files::Zip(archive) if archive.has_duplicate_names())
    }

    /// Whether whatever is there was put there with the proof, as in an archive.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.files, Files::Zip(_))
    }
}

/// A name that stays in its folder.
pub(crate) fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':', '\0'])
}

/// `<file>.proof.json`.
fn beside(file: &Path) -> Option<PathBuf> {
    let mut name = file.file_name()?.to_owned();
    name.push(".proof.json");
    Some(file.with_file_name(name))
}

fn failed(path: &Path, reason: io::Error) -> VerifyError {
    VerifyError::Io { path: path.display().to_string(), reason }
}

fn found(read: io::Result<Vec<u8>>, path: &Path, proof: &str) -> Result<Vec<u8>, VerifyError> {
    read.map_err(|reason| match reason.kind() {
        ErrorKind::NotFound => VerifyError::NoProof { path: path.display().to_string() },
        _ => VerifyError::Io { path: proof.to_owned(), reason },
    })
}

fn is_zip(path: &Path) -> io::Result<bool> {
    let mut magic = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(ZIP_MAGIC.contains(&magic.as_slice()))
}

fn open_zip(path: &Path) -> Result<ZipArchive<Shared>, VerifyError> {
    let failed = |reason: String| VerifyError::Archive { path: path.display().to_string(), reason };
    let mut file = File::open(path).map_err(|error| failed(error.to_string()))?;
    if !ends_plainly(&mut file).map_err(|error| failed(error.to_string()))? {
        return Err(failed("it does not end with its directory: it was cut off, or changed".into()));
    }
    ZipArchive::new(Shared::new(file)).map_err(|error| failed(error.to_string()))
}

/// Whether the archive ends as bundles do, without a comment and with nothing behind it: programs
/// disagree on which directory is the right one of what ends otherwise.
fn ends_plainly(file: &mut File) -> io::Result<bool> {
    let mut end = [0; 22];
    let start = file.metadata()?.len().saturating_sub(end.len() as u64);
    file.seek(SeekFrom::Start(start))?;
    let read = Read::take(&mut *file, end.len() as u64).read(&mut end)?;
    Ok(read == end.len() && end.starts_with(b"PK\x05\x06") && end.ends_with(&[0, 0]))
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_all(&mut File::open(path)?)
}

fn read_zipped(archive: &ZipArchive<Shared>, name: &str) -> io::Result<Vec<u8>> {
    let mut archive = archive.clone();
    let mut file = archive.by_name(name).map_err(unzipped)?;
    read_all(&mut file)
}

fn read_all(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Read::take(input, MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let reason = format!("it has more than {MOST_BYTES} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, reason));
    }
    Ok(bytes)
}

fn unzipped(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        ZipError::FileNotFound => ErrorKind::NotFound.into(),
        other => io::Error::new(ErrorKind::InvalidData, other.to_string()),
    }
}

/// A file that several readers share, each with a place of its own in it.
#[derive(Clone, Debug)]
struct Shared {
    /// Locked for one seek and one read.
    file: Arc<Mutex<File>>,
    at: u64,
}

impl Shared {
    fn new(file: File) -> Self {
        Self { file: Arc::new(Mutex::new(file)), at: 0 }
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = || -> io::Result<u64> {
            let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(file.metadata()?.len())
        };
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => end()?.checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
