//! What is imported: files, globs and standard input, decompressed, in chunks of whole lines.

use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};

/// Lines are read in chunks of about this size: large enough that one sync and one batch
/// serve thousands of events, small enough to hold a few of.
const CHUNK_BYTES: usize = 4 << 20;
/// A document, or a line, may not be larger than this.
const MAX_DOCUMENT_BYTES: usize = 1 << 30;

/// One file to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The files that the arguments name, in order; a pattern that names none is an error.
pub(crate) fn inputs(arguments: &[String]) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument == "-" {
            inputs.push(Input::Stdin);
        } else if PathBuf::from(argument).is_file() {
            inputs.push(Input::File(argument.into()));
        } else {
            let before = inputs.len();
            for path in glob::glob(argument).with_context(|| argument.clone())? {
                let path = path?;
                if path.is_file() {
                    inputs.push(Input::File(path));
                }
            }
            if inputs.len() == before {
                bail!("{argument}: there is no such file");
            }
        }
    }
    Ok(inputs)
}

/// How many bytes the files have as they lie there; standard input counts for nothing.
pub(crate) fn total_bytes(inputs: &[Input]) -> u64 {
    let files = inputs.iter().filter_map(|input| match input {
        Input::File(path) => path.metadata().ok(),
        Input::Stdin => None,
    });
    files.map(|metadata| metadata.len()).sum()
}

impl Input {
    /// Opens the input; gzip and zstd are recognised by their first bytes.
    pub(crate) fn open(&self) -> anyhow::Result<Lines> {
        let mut raw: Box<dyn Read + Send> = match self {
            Self::Stdin => Box::new(std::io::stdin()),
            Self::File(path) => {
                Box::new(File::open(path).with_context(|| format!("{}", path.display()))?)
            }
        };
        let mut magic = Vec::new();
        raw.by_ref().take(4).read_to_end(&mut magic)?;
        let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
        let is_zstd = magic == [0x28, 0xb5, 0x2f, 0xfd];
        let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(magic).chain(raw);
        let reader: Box<dyn Read + Send> = if is_gzip {
            Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(whole)))
        } else if is_zstd {
            Box::new(zstd::Decoder::new(whole)?)
        } else {
            Box::new(whole)
        };
        Ok(Lines { reader, rest: Vec::new(), first_line: 1, ended: false })
    }
}

/// An input's text, in chunks that end at the end of a line.
pub(crate) struct Lines {
    reader: Box<dyn Read + Send>,
    /// What was read behind the last chunk's end.
    rest: Vec<u8>,
    first_line: usize,
    ended: bool,
}

/// Whole lines, and the number of the first.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first_line: usize,
}

impl Chunk {
    /// Whether it is nothing but white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }
}

impl Lines {
    /// Whether the text opens with this byte, white space aside.
    pub(crate) fn opens_with(&mut self, byte: u8) -> anyhow::Result<bool> {
        self.fill(64)?;
        Ok(self.rest.trim_ascii_start().first() == Some(&byte))
    }

    /// The whole rest of the text, for a format that is one document.
    pub(crate) fn into_document(mut self) -> anyhow::Result<Vec<u8>> {
        self.fill(MAX_DOCUMENT_BYTES)?;
        if !self.ended {
            bail!("the document is larger than {MAX_DOCUMENT_BYTES} bytes");
        }
        Ok(self.rest)
    }

    pub(crate) fn next_chunk(&mut self) -> anyhow::Result<Option<Chunk>> {
        let mut wanted = CHUNK_BYTES;
        loop {
            self.fill(wanted)?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            let end = memchr::memrchr(b'\n', &self.rest).map(|end| end + 1);
            let end = match end {
                Some(end) => end,
                None if self.ended => self.rest.len(),
                None if wanted >= MAX_DOCUMENT_BYTES => {
                    bail!("line {} is larger than {MAX_DOCUMENT_BYTES} bytes", self.first_line);
                }
                None => {
                    wanted *= 2;
                    continue;
                }
            };
            let end = if self.ended { self.rest.len() } else { end };
            let behind = self.rest.split_off(end);
            let bytes = std::mem::replace(&mut self.rest, behind);
            let first_line = self.first_line;
            self.first_line += memchr::memchr_iter(b'\n', &bytes).count();
            return Ok(Some(Chunk { bytes, first_line }));
        }
    }

    /// Reads until `wanted` bytes are at hand or the text ends.
    fn fill(&mut self, wanted: usize) -> anyhow::Result<()> {
        if !self.ended && self.rest.len() < wanted {
            let missing = wanted - self.rest.len();
            let read = self.reader.by_ref().take(missing as u64).read_to_end(&mut self.rest)?;
            self.ended = read < missing;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8]) -> Lines {
        Lines { reader: Box::new(text), rest: Vec::new(), first_line: 1, ended: false }
    }

    #[test]
    fn chunks_end_at_line_ends_and_lose_nothing() {
        let long = vec![b'x'; 3 << 20];
        let text: Vec<u8> =
            (0..5).flat_map(|_| long.iter().copied().chain([b'\n'])).chain(*b"tail").collect();
        let text: &'static [u8] = Box::leak(text.into_boxed_slice());
        let mut source = lines(text);
        let (mut joined, mut line) = (Vec::new(), 1);
        while let Some(chunk) = source.next_chunk().unwrap() {
            assert_eq!(chunk.first_line, line);
            line += chunk.bytes.iter().filter(|byte| **byte == b'\n').count();
            joined.extend(chunk.bytes);
        }
        assert!(joined == text);
    }

    #[test]
    fn tells_documents_from_lines() {
        assert!(lines(b" \n [1]").opens_with(b'[').unwrap());
        assert!(!lines(b"{}").opens_with(b'[').unwrap());
        assert!(!lines(b"").opens_with(b'[').unwrap());
        assert_eq!(lines(b"abc").into_document().unwrap(), b"abc");
    }
}
