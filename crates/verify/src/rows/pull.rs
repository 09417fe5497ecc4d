//! Reads a file on a thread of its own and digests it, while others work on what was read.

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender};

use auditlake_export::Compression;
use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

/// How many blocks may wait to be worked on.
pub(super) const BLOCKS: usize = 8;
const BLOCK_BYTES: u64 = 256 << 10;

/// A file as it lies there.
pub(super) struct Pulled {
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
}

/// Reads to the end, also when nobody takes the blocks any more.
pub(super) fn pull(input: &mut dyn Read, blocks: &SyncSender<io::Result<Bytes>>) -> Pulled {
    let (mut hash, mut bytes, mut is_wanted) = (Sha256::new(), 0, true);
    loop {
        let mut block = Vec::new();
        let read = Read::take(&mut *input, BLOCK_BYTES).read_to_end(&mut block);
        hash.update(&block);
        bytes += block.len() as u64;
        if let Err(error) = read {
            // Whoever waits for blocks tells why there are no more; the digest is another one
            // than that of the whole file in any case.
            let _ = blocks.send(Err(error));
            break;
        }
        if block.is_empty() {
            break;
        }
        is_wanted = is_wanted && blocks.send(Ok(block.into())).is_ok();
    }
    Pulled { bytes, sha256: hash.finalize().into() }
}

/// The blocks of a file as one stream.
pub(super) struct Blocks {
    pulled: Receiver<io::Result<Bytes>>,
    block: Bytes,
}

impl Blocks {
    pub(super) fn new(pulled: Receiver<io::Result<Bytes>>) -> Self {
        Self { pulled, block: Bytes::new() }
    }

    /// What was packed into the file.
    pub(super) fn unpacked(self, compression: Compression) -> io::Result<Box<dyn Read>> {
        Ok(match compression {
            Compression::None => Box::new(self),
            Compression::Gzip => Box::new(MultiGzDecoder::new(self)),
            Compression::Zstd => {
                let input = BufReader::with_capacity(BLOCK_BYTES as usize, self);
                Box::new(zstd::stream::read::Decoder::with_buffer(input)?)
            }
        })
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            match self.pulled.recv() {
                Ok(block) => self.block = block?,
                Err(_) => return Ok(0),
            }
        }
        let count = self.block.len().min(buffer.len());
        self.block.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
