//! Text under construction, for the loops that write it cell by cell.
//!
//! `Vec::extend_from_slice` calls `memcpy` for every piece, and an event's pieces are short. A
//! page is always longer than what was written to it, so a short piece is copied as one block
//! of fixed size, whatever its length; what is too much lies behind the end, where the next
//! piece overwrites it. Room is zeroed once in the life of a page, not once for each use.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a block.
pub const BLOCK: usize = 32;

/// Bytes written one short piece after the other.
#[derive(Debug, Default)]
pub struct Page {
    /// Longer than `len`; what lies behind it has no meaning.
    bytes: Vec<u8>,
    len: usize,
    /// Who gets the memory back.
    home: Option<Pages>,
}

impl Page {
    /// Lends a vector as a page that goes on behind its bytes.
    pub fn lend<T>(out: &mut Vec<u8>, write: impl FnOnce(&mut Self) -> T) -> T {
        let len = out.len();
        let mut page = Self { bytes: std::mem::take(out), len, home: None };
        let written = write(&mut page);
        page.bytes.truncate(page.len);
        *out = std::mem::take(&mut page.bytes);
        written
    }

    /// How many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets what was written behind the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Writes one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.len == self.bytes.len() {
            self.grow(1);
        }
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Writes a piece of any length.
    #[inline]
    pub fn put(&mut self, text: &[u8]) {
        self.room(text.len()).copy_from_slice(text);
        self.len += text.len();
    }

    /// Writes the first `len` bytes of a block.
    #[inline]
    pub fn put_block(&mut self, block: &[u8; BLOCK], len: usize) {
        debug_assert!(len <= BLOCK);
        match self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            Some(room) => *room = *block,
            None => self.room(BLOCK).copy_from_slice(block),
        }
        self.len += len;
    }

    /// Writes a part of `source`, the faster the more of it lies behind that part.
    #[inline]
    pub fn put_part(&mut self, source: &[u8], start: usize, end: usize) {
        if let (0..=BLOCK, Some(block)) = (end - start, source[start..].first_chunk()) {
            self.put_block(block, end - start);
        } else {
            self.put(&source[start..end]);
        }
    }

    /// Writes a piece that is at hand.
    #[inline]
    pub fn put_piece(&mut self, piece: &Piece) {
        self.put_part(&piece.bytes, 0, piece.len);
    }

    /// Replaces one byte that was written.
    #[inline]
    pub fn set(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    /// What was written, and whatever lies behind it.
    #[must_use]
    pub fn whole(&self) -> &[u8] {
        &self.bytes
    }

    /// The next `len` bytes, to be written in place and then counted by [`Self::advance`].
    #[inline]
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < len {
            self.grow(len);
        }
        &mut self.bytes[self.len..self.len + len]
    }

    /// Counts bytes that were written into [`Self::room`].
    #[inline]
    pub fn advance(&mut self, len: usize) {
        self.len += len;
        debug_assert!(self.len <= self.bytes.len());
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let wanted = (self.len + more + BLOCK).max(2 * self.bytes.len());
        self.bytes.resize(wanted.max(self.bytes.capacity()), 0);
    }
}

impl Deref for Page {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.take_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// Bytes that are written again and again, with room behind them for a block.
#[derive(Clone, Debug)]
pub struct Piece {
    bytes: Vec<u8>,
    len: usize,
}

impl Piece {
    /// A piece of these bytes.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut piece = Self { bytes: vec![0; BLOCK], len: 0 };
        piece.extend(text);
        piece
    }

    /// Appends bytes.
    pub fn extend(&mut self, text: &[u8]) {
        self.bytes.truncate(self.len);
        self.bytes.extend_from_slice(text);
        self.len = self.bytes.len();
        self.bytes.resize(self.len + BLOCK, 0);
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Pages that are used again: fresh memory costs more than what is written to it.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pages {
    /// Pages that are kept for the next use; the rest is freed.
    const KEPT: usize = 32;
    /// A page that one wide batch has made larger than this is not kept.
    const KEPT_BYTES: usize = 2 << 20;

    /// An empty page, which comes back by itself.
    #[must_use]
    pub fn take(&self) -> Page {
        let bytes = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Page { bytes: bytes.unwrap_or_default(), len: 0, home: Some(self.clone()) }
    }

    /// Gives the memory of pages that nobody uses back to the system.
    pub fn release(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take_back(&self, bytes: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < Self::KEPT && bytes.len() <= Self::KEPT_BYTES {
            free.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_length_stand_behind_each_other() {
        let source: Vec<u8> = (0..=255).collect();
        let (mut page, mut wanted) = (Page::default(), Vec::new());
        for start in 0..source.len() {
            for len in [0, 1, 2, 15, 16, 31, 32, 33, 64, 100] {
                let end = (start + len).min(source.len());
                page.put_part(&source, start, end);
                wanted.extend_from_slice(&source[start..end]);
                page.push(b'|');
                wanted.push(b'|');
            }
        }
        assert!(*page == wanted);
    }

    #[test]
    fn a_lent_vector_keeps_its_bytes_and_gets_new_ones() {
        let mut out = b"before ".to_vec();
        Page::lend(&mut out, |page| {
            page.put(b"and after, longer than any block is");
            page.truncate(page.len() - 24);
            page.set(0, b'B');
        });
        assert_eq!(out, b"Before and after, ");
    }

    #[test]
    fn memory_comes_back() {
        let pages = Pages::default();
        let mut page = pages.take();
        page.put(&[7; 1000]);
        drop(page);
        let page = pages.take();
        assert!(page.is_empty());
        assert!(page.whole().len() >= 1000);
    }
}
