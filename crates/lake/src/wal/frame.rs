//! The bytes of one frame: magic, payload length, position, CRC32C, payload.
//!
//! All numbers are little-endian. The checksum covers length, position and payload. The
//! payload is canonical lines.

/// What every WAL file opens with: its name and the version of its format.
pub(super) const FILE_HEADER: &[u8; 8] = b"ALWAL\0\0\x01";
/// What every frame opens with. No payload holds a whole frame: a length below 160 MiB has a
/// byte that canonical lines escape.
const MAGIC: [u8; 4] = [0xa7, b'L', b'W', b'F'];
/// Magic, length, position, checksum.
pub(super) const HEADER_BYTES: usize = 4 + 4 + 8 + 4;

/// One frame as found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Its number, counted from 1 over the whole log of this writer.
    pub(crate) position: u64,
    /// Canonical lines.
    pub(crate) payload: &'a [u8],
}

/// Opens a frame in `out`; the payload is then appended and [`seal`] called.
pub(super) fn reserve(out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER_BYTES, 0);
}

/// Fills in the header of the frame that `out` holds.
pub(super) fn seal(out: &mut [u8], position: u64) {
    let length = (out.len() - HEADER_BYTES) as u32;
    let checksum = checksum(length, position, &out[HEADER_BYTES..]);
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&length.to_le_bytes());
    out[8..16].copy_from_slice(&position.to_le_bytes());
    out[16..20].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(length: u32, position: u64, payload: &[u8]) -> u32 {
    let head = crc32c::crc32c(&length.to_le_bytes());
    let head = crc32c::crc32c_append(head, &position.to_le_bytes());
    crc32c::crc32c_append(head, payload)
}

/// The frame that opens `bytes`, if it is whole.
pub(super) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let header = bytes.get(..HEADER_BYTES)?;
    if header[..4] != MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(header[4..8].try_into().ok()?);
    let position = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let expected = u32::from_le_bytes(header[16..20].try_into().ok()?);
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES.checked_add(length as usize)?)?;
    (checksum(length, position, payload) == expected).then_some(Frame { position, payload })
}

/// Whether a whole frame opens anywhere in `bytes`.
pub(super) fn any_in(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = memchr::memchr(MAGIC[0], &bytes[at..]) {
        at += found;
        if read(&bytes[at..]).is_some() {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(position: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        reserve(&mut out);
        out.extend_from_slice(payload);
        seal(&mut out, position);
        out
    }

    #[test]
    fn a_frame_reads_back_and_no_bit_may_flip() {
        let whole = framed(7, b"{\"id\":\"a\"}\n");
        let frame = read(&whole).unwrap();
        assert_eq!((frame.position, frame.payload), (7, &b"{\"id\":\"a\"}\n"[..]));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_none(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn finds_a_frame_behind_rubbish() {
        let mut bytes = vec![0xa7; 40];
        assert!(!any_in(&bytes));
        bytes.extend(framed(1, b"x"));
        assert!(any_in(&bytes));
    }
}
