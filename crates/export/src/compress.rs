//! Compression of a stream piece by piece: each piece goes in, whatever the compressor has
//! ready comes out, and nothing but its window stays behind.

use std::io::{self, Write};
use std::mem;

use flate2::write::GzEncoder;

use crate::error::ExportError;
use crate::options::Compression;

/// The compressor is what an export waits for, so both levels lean towards speed.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// A compressor whose output is moved out after every call.
pub(crate) enum Compressor {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Compressor {
    /// The compressor for `compression`, if it needs one.
    pub(crate) fn new(compression: Compression) -> Result<Option<Self>, ExportError> {
        Ok(match compression {
            Compression::None => None,
            Compression::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Some(Self::Gzip(Box::new(GzEncoder::new(Vec::new(), level))))
            }
            Compression::Zstd => Some(Self::Zstd(Box::new(zstd_encoder().map_err(wrap)?))),
        })
    }

    /// Compresses `text`; gives what is ready.
    pub(crate) fn write(&mut self, text: &[u8]) -> Result<Vec<u8>, ExportError> {
        self.with(|writer| writer.write_all(text))
    }

    /// Gives everything written so far, so that a reader can decompress all of it.
    pub(crate) fn flush(&mut self) -> Result<Vec<u8>, ExportError> {
        self.with(|writer| writer.flush())
    }

    /// The rest and the checksum.
    pub(crate) fn finish(self) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
        .map_err(wrap)
    }

    fn with(
        &mut self,
        call: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Gzip(encoder) => {
                call(encoder.as_mut()).map_err(wrap)?;
                Ok(mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                call(encoder.as_mut()).map_err(wrap)?;
                Ok(mem::take(encoder.get_mut()))
            }
        }
    }
}

/// With a checksum, as gzip has one: a reader then knows damage from data.
fn zstd_encoder() -> io::Result<zstd::stream::write::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn wrap(error: io::Error) -> ExportError {
    ExportError::Compress(error)
}
