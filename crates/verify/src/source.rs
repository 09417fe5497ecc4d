//! Where the bytes of a named file come from: a file by itself, a folder, or a zip archive, of
//! which nothing is unpacked. Names come from a proof that may be forged, so a name that is more
//! than a name leads nowhere.

mod archive;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use auditlake_export::proof::PROOF;

use crate::verdict::VerifyError;
use archive::Archive;

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
    Zip(Archive),
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
            let mut file = archive.read(name).ok_or(ErrorKind::NotFound)?;
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

    /// How long a file of an archive is, as the archive says.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        match &self.files {
            Files::Zip(archive) => archive.size(name),
            Files::One(_) | Files::Folder(_) => None,
        }
    }

    /// The names of all files; empty for a file by itself. A folder in a folder is none.
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
            Files::Zip(archive) => archive.names().map(str::to_owned).collect(),
        };
        names.sort();
        names
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

fn open_zip(path: &Path) -> Result<Archive, VerifyError> {
    let opened = File::open(path).and_then(Archive::open);
    opened.map_err(|error| VerifyError::Archive {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_all(&mut File::open(path)?)
}

fn read_zipped(archive: &Archive, name: &str) -> io::Result<Vec<u8>> {
    read_all(&mut archive.read(name).ok_or(ErrorKind::NotFound)?)
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
