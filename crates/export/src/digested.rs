//! A sink that knows the SHA-256 of what went through it, so that a file can be told from
//! every other one without being read again.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::encoder::Sink;

/// Counts and hashes what goes through to another sink. Give it to every call of one
/// [`Encoder`](crate::Encoder): the digest is that of all bytes since it was made.
#[derive(Clone, Debug, Default)]
pub struct Digested<S> {
    sink: S,
    hash: Sha256,
    bytes: u64,
}

impl<S: Sink> Digested<S> {
    /// In front of `sink`.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self { sink, hash: Sha256::new(), bytes: 0 }
    }

    /// The sink behind it, to take out what has come so far.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// The sink behind it.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.sink
    }

    /// How many bytes went through.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of what went through so far.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// The same in 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:x}", self.hash.clone().finalize())
    }
}

impl<S: Sink> Sink for Digested<S> {
    fn put(&mut self, bytes: Bytes) {
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        self.sink.put(bytes);
    }
}
