//! The records of a zip archive (APPNOTE 6.3, 4.3): the directory with the records behind it, and
//! what stands around the data of each file. Nothing in them is believed before it is compared.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// A directory of more than this is not one of an export.
const MOST_BYTES: u64 = 64 << 20;
const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;
const WIDE_END_BYTES: u64 = 56;
const LOCAL_BYTES: u64 = 30;

const END_MAGIC: u64 = 0x0605_4b50;
const LOCATOR_MAGIC: u64 = 0x0706_4b50;
const WIDE_END_MAGIC: u64 = 0x0606_4b50;
const LISTED_MAGIC: u64 = 0x0201_4b50;
const LOCAL_MAGIC: u64 = 0x0403_4b50;
const DESCRIPTOR_MAGIC: u64 = 0x0807_4b50;

/// What a narrow field has where the value is in a ZIP64 record.
const FULL: u64 = 0xffff_ffff;
const FULL_COUNT: u64 = 0xffff;

const STORED: u64 = 0;
const DEFLATED: u64 = 8;
/// Sizes and checksum stand behind the data.
const HAS_DESCRIPTOR: u64 = 0x0008;
/// Names are UTF-8.
const IS_UTF8: u64 = 0x0800;
/// These, and two that say how much work was put into packing. The others are of encryption and
/// patches.
const KNOWN_FLAGS: u64 = HAS_DESCRIPTOR | IS_UTF8 | 0x0006;

/// The field with wide sizes, and the one with another name.
const WIDE_FIELD: u64 = 0x0001;
const NAME_FIELD: u64 = 0x7075;

/// What is wrong with an archive.
pub(super) fn fault(reason: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason.into())
}

fn too_short() -> io::Error {
    fault("a record in it is too short")
}

fn bytes_at(file: &mut File, at: u64, count: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    Read::take(&mut *file, count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == count { Ok(bytes) } else { Err(too_short()) }
}

/// The fields of a record that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: u64) -> io::Result<&'a [u8]> {
        let count = usize::try_from(count).map_err(|_| too_short())?;
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(too_short)?;
        self.0 = rest;
        Ok(head)
    }

    /// A number of so many bytes, at most 8.
    fn number(&mut self, width: u64) -> io::Result<u64> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn numbers<const N: usize>(&mut self, widths: [u64; N]) -> io::Result<[u64; N]> {
        let mut numbers = [0; N];
        for (number, width) in numbers.iter_mut().zip(widths) {
            *number = self.number(width)?;
        }
        Ok(numbers)
    }
}

/// The wide values of those that a record has no room for.
fn widened<const N: usize>(narrow: [u64; N], extra: &[u8]) -> io::Result<[u64; N]> {
    let (mut fields, mut wide) = (Fields(extra), None);
    while !fields.0.is_empty() {
        let [kind, length] = fields.numbers([2, 2])?;
        let field = fields.take(length)?;
        match kind {
            WIDE_FIELD if wide.is_none() => wide = Some(field),
            WIDE_FIELD | NAME_FIELD => {
                return Err(fault("a file in it has two names or two sizes"));
            }
            _ => {}
        }
    }
    let (mut values, mut wide) = (narrow, Fields(wide.unwrap_or_default()));
    for value in values.iter_mut().filter(|value| **value == FULL) {
        *value = wide.number(8)?;
    }
    Ok(values)
}

/// Where the directory is.
pub(super) struct Directory {
    pub(super) start: u64,
    bytes: u64,
    count: u64,
}

impl Directory {
    /// Finds it from the end, where nothing may stand behind it, nor between it and its records.
    pub(super) fn find(file: &mut File) -> io::Result<Self> {
        let cut = || fault("it does not end with its directory: it was cut off, or changed");
        let end_at = file.metadata()?.len().checked_sub(END_BYTES).ok_or_else(cut)?;
        let end = bytes_at(file, end_at, END_BYTES)?;
        let [magic, disks, here, count, bytes, start, comment] =
            Fields(&end).numbers([4, 4, 2, 2, 4, 4, 2])?;
        if magic != END_MAGIC || comment != 0 {
            return Err(cut());
        }
        let narrow = Self { start, bytes, count };
        let (directory, behind) = match Self::find_wide(file, end_at)? {
            Some((wide, wide_at)) => {
                let is_same = |narrow: u64, wide: u64, full: u64| narrow == wide || narrow == full;
                let agrees = is_same(narrow.start, wide.start, FULL)
                    && is_same(narrow.bytes, wide.bytes, FULL)
                    && is_same(narrow.count, wide.count, FULL_COUNT);
                if !agrees {
                    return Err(fault("it has two directories that differ"));
                }
                (wide, wide_at)
            }
            None => (narrow, end_at),
        };
        let ends = directory.start.checked_add(directory.bytes);
        if disks != 0 || here != count || ends != Some(behind) {
            return Err(fault("its directory is not where its end says"));
        }
        Ok(directory)
    }

    /// The same from the ZIP64 record, if there is one, and where that is.
    fn find_wide(file: &mut File, end_at: u64) -> io::Result<Option<(Self, u64)>> {
        let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
        let locator = bytes_at(file, locator_at, LOCATOR_BYTES)?;
        let [magic, disk, wide_at, disks] = Fields(&locator).numbers([4, 4, 8, 4])?;
        if magic != LOCATOR_MAGIC {
            return Ok(None);
        }
        let wide = bytes_at(file, wide_at, WIDE_END_BYTES)?;
        let [magic, length, _, parts, here, count, bytes, start] =
            Fields(&wide).numbers([4, 8, 4, 8, 8, 8, 8, 8])?;
        let is_whole = (disk, parts, here) == (0, 0, count) && disks < 2;
        let is_in_place = wide_at.checked_add(WIDE_END_BYTES) == Some(locator_at);
        // The length is that of what follows it.
        if magic == WIDE_END_MAGIC && length == WIDE_END_BYTES - 12 && is_whole && is_in_place {
            return Ok(Some((Self { start, bytes, count }, wide_at)));
        }
        Err(fault("its ZIP64 record is not where its end says"))
    }

    pub(super) fn entries(&self, file: &mut File) -> io::Result<Vec<Entry>> {
        if self.bytes > MOST_BYTES {
            return Err(fault(format!("its directory has more than {MOST_BYTES} bytes")));
        }
        let bytes = bytes_at(file, self.start, self.bytes)?;
        let (mut fields, mut entries) = (Fields(&bytes), Vec::new());
        for _ in 0..self.count {
            entries.push(Entry::listed(&mut fields)?);
        }
        if fields.0.is_empty() {
            return Ok(entries);
        }
        Err(fault("its directory has more in it than files"))
    }
}

/// What the directory says of a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Where the header in front of it begins.
    pub(super) header: u64,
    flags: u64,
    method: u64,
    pub(super) crc: u64,
    pub(super) packed: u64,
    pub(super) size: u64,
}

impl Entry {
    fn listed(fields: &mut Fields<'_>) -> io::Result<Self> {
        let [magic, _, flags, method, _, crc, packed, size] =
            fields.numbers([4, 4, 2, 2, 4, 4, 4, 4])?;
        let [name, extra, comment, disk, _, header] = fields.numbers([2, 2, 2, 2, 6, 4])?;
        let (name, extra) = (fields.take(name)?, fields.take(extra)?);
        let _ = fields.take(comment)?;
        let name = std::str::from_utf8(name).map_err(|_| fault("a name in it is not UTF-8"))?;
        let [size, packed, header] = widened([size, packed, header], extra)?;
        if magic != LISTED_MAGIC || disk != 0 {
            return Err(fault("its directory has a record that is none of a file"));
        }
        let entry = Self { name: name.to_owned(), header, flags, method, crc, packed, size };
        // A stream tells where its end is only if it is deflated.
        let is_stored = method == STORED && packed == size && !entry.has_descriptor();
        if flags & !KNOWN_FLAGS != 0 || !(is_stored || entry.is_deflated()) {
            return Err(fault(format!("{name:?} is packed in a way that bundles are not")));
        }
        Ok(entry)
    }

    pub(super) fn is_deflated(&self) -> bool {
        self.method == DEFLATED
    }

    fn has_descriptor(&self) -> bool {
        self.flags & HAS_DESCRIPTOR != 0
    }

    /// Holds the header in front of the data against the directory; answers where the data begins.
    pub(super) fn data(&self, file: &mut File) -> io::Result<u64> {
        let header = bytes_at(file, self.header, LOCAL_BYTES)?;
        let [magic, _, flags, method, _, crc, packed, size, name, extra] =
            Fields(&header).numbers([4, 2, 2, 2, 4, 4, 4, 4, 2, 2])?;
        let behind = self.header.saturating_add(LOCAL_BYTES);
        let more = bytes_at(file, behind, name + extra)?;
        let mut fields = Fields(&more);
        let (name, extra) = (fields.take(name)?, fields.take(extra)?);
        let [size, packed] = widened([size, packed], extra)?;
        let is_same = magic == LOCAL_MAGIC
            && name == self.name.as_bytes()
            && method == self.method
            && (flags ^ self.flags) & (HAS_DESCRIPTOR | IS_UTF8) == 0
            && flags & !KNOWN_FLAGS == 0;
        // What was not known yet when the header was written is zero.
        let is_known = |is: u64, wanted: u64| is == wanted || (self.has_descriptor() && is == 0);
        let is_right =
            is_known(crc, self.crc) && is_known(packed, self.packed) && is_known(size, self.size);
        if is_same && is_right {
            return Ok(behind.saturating_add(more.len() as u64));
        }
        let name = &self.name;
        Err(fault(format!("in front of {name:?} stands something else than in its directory")))
    }

    /// Holds what stands between the data and the next record against the directory.
    pub(super) fn check_behind(&self, file: &mut File, data: u64, next: u64) -> io::Result<()> {
        let end = data.saturating_add(self.packed);
        let gap = next.checked_sub(end);
        let is_right = match (self.has_descriptor(), gap) {
            (false, gap) => gap == Some(0),
            // With its magic or without, with narrow sizes or wide ones.
            (true, Some(gap @ (12 | 16 | 20 | 24))) => {
                let bytes = bytes_at(file, end, gap)?;
                let mut fields = Fields(&bytes);
                let is_marked = matches!(gap, 16 | 24);
                let is_descriptor = !is_marked || fields.number(4)? == DESCRIPTOR_MAGIC;
                let width = if gap < 20 { 4 } else { 8 };
                let said = fields.numbers([4, width, width])?;
                is_descriptor && said == [self.crc, self.packed, self.size]
            }
            (true, _) => false,
        };
        if is_right {
            return Ok(());
        }
        Err(fault(format!("behind {:?} stands something that is not in its directory", self.name)))
    }
}
