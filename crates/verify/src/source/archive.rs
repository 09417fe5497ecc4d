//! Zip archives that unpack to the same files wherever they are unpacked. Some programs go by the
//! directory at the end, others by the header in front of each file, as the bytes come in. An
//! archive may say different things in these two places: then a verifier sees one export, and
//! whoever unpacks it another one. So only archives are read here in which both say the same, in
//! which each byte belongs to something, and of which no file is longer or shorter than they say.

mod records;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use records::{Directory, Entry, fault};

const BUFFER_BYTES: usize = 64 << 10;

/// An archive whose files can be read at the same time.
#[derive(Debug)]
pub(super) struct Archive {
    file: Arc<Mutex<File>>,
    /// By name, with the place of the data.
    entries: BTreeMap<String, (u64, Entry)>,
}

impl Archive {
    /// Reads all but the data, and refuses an archive of which there are two readings.
    pub(super) fn open(mut file: File) -> io::Result<Self> {
        let directory = Directory::find(&mut file)?;
        let mut listed = directory.entries(&mut file)?;
        listed.sort_by_key(|entry| entry.header);
        let starts = listed.iter().map(|entry| entry.header).chain([directory.start]);
        let starts: Vec<u64> = starts.collect();
        if starts.first().is_some_and(|first| *first != 0) {
            return Err(fault("something stands in front of its first file"));
        }
        let mut entries = BTreeMap::new();
        for (entry, next) in listed.into_iter().zip(starts.into_iter().skip(1)) {
            let data = entry.data(&mut file)?;
            entry.check_behind(&mut file, data, next)?;
            let name = entry.name.clone();
            if entries.insert(name.clone(), (data, entry)).is_some() {
                return Err(fault(format!("it has several files under the name {name:?}")));
            }
        }
        Ok(Self { file: Arc::new(Mutex::new(file)), entries })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// How long a file is, unpacked.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|(_, entry)| entry.size)
    }

    /// The bytes of a file, unpacked.
    pub(super) fn read(&self, name: &str) -> Option<Unpacked> {
        let (data, entry) = self.entries.get(name)?;
        let end = data.saturating_add(entry.packed);
        let section = Section { file: Arc::clone(&self.file), at: *data, end };
        let packed = BufReader::with_capacity(BUFFER_BYTES, section);
        let input = match entry.is_deflated() {
            true => Input::Deflated(DeflateDecoder::new(packed)),
            false => Input::Stored(packed),
        };
        let (crc, wanted) = (Crc::new(), (entry.size, entry.crc));
        Some(Unpacked { input, packed: entry.packed, wanted, read: 0, crc })
    }
}

/// A file of an archive; reading it fails where it is not what the archive says of it.
pub(super) struct Unpacked {
    input: Input,
    packed: u64,
    /// Its size and checksum.
    wanted: (u64, u64),
    read: u64,
    crc: Crc,
}

enum Input {
    Stored(BufReader<Section>),
    Deflated(DeflateDecoder<BufReader<Section>>),
}

impl Unpacked {
    fn is_whole(&self) -> bool {
        // Bytes behind the end of what is deflated would be found by those who read a stream.
        let is_used = match &self.input {
            Input::Stored(_) => true,
            Input::Deflated(input) => input.total_in() == self.packed,
        };
        is_used && (self.read, u64::from(self.crc.sum())) == self.wanted
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.input {
            Input::Stored(input) => input.read(buffer)?,
            Input::Deflated(input) => input.read(buffer)?,
        };
        self.crc.update(&buffer[..read]);
        self.read += read as u64;
        let is_end = read == 0 && !buffer.is_empty();
        if self.read > self.wanted.0 || (is_end && !self.is_whole()) {
            return Err(fault("it does not unpack to what the archive says of it"));
        }
        Ok(read)
    }
}

/// A part of a file that several readers share, each with a place of its own.
struct Section {
    /// Locked for one seek and one read.
    file: Arc<Mutex<File>>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(&mut buffer[..count])?;
        self.at += read as u64;
        Ok(read)
    }
}
