//! CloudTrail's log files: those of a real account where there are some, and a few of our own
//! making with everything in them that the format's documentation allows.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

/// People of every type of identity, whom some things were denied.
const PEOPLE: &[u8] = include_bytes!("records/people.json");
/// Services, other accounts and whatever has no name.
const MACHINES: &[u8] = include_bytes!("records/machines.json");

/// The folder that the environment names, or that lies beside the checkout.
pub(crate) fn given() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("AUDITLAKE_CLOUDTRAIL") {
        return Some(PathBuf::from(folder));
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cloudtrail");
    beside.canonicalize().ok()
}

/// Every record of a folder's files, read without any of the code under test.
pub(crate) fn read(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).expect("the folder of the log files");
    let files = entries.map(|entry| entry.expect("an entry of a folder").path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.contains(".json")
        })
        .collect();
    files.sort();
    let mut records = Vec::new();
    for file in files {
        let mut document: Value = serde_json::from_slice(&plain(&file)).expect("a log file");
        match document["Records"].take() {
            Value::Array(list) => records.extend(list),
            other => panic!("{} has no records but {other}", file.display()),
        }
    }
    assert!(!records.is_empty(), "{} holds no records", folder.display());
    records
}

fn plain(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).expect("a log file");
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).expect("a gzip file");
    plain
}

/// Writes the records of our own making: one file as it is, one gzipped, as a bucket has them.
pub(crate) fn write_own(folder: &Path) {
    std::fs::create_dir(folder).expect("a folder for records");
    std::fs::write(folder.join("people.json"), PEOPLE).expect("a log file");
    let file = std::fs::File::create(folder.join("machines.json.gz")).expect("a log file");
    let mut gzip = GzEncoder::new(file, Compression::default());
    gzip.write_all(MACHINES).expect("a gzip file");
    gzip.finish().expect("a gzip file");
}
