//! Cuts a text into pieces at the borders of its events, so that pieces can be worked on side by
//! side. Where an event has no end in sight, reading stops: memory is bounded by the largest
//! event that there may be.

use std::io::Read;
use std::mem;

use memchr::{memchr, memchr_iter, memrchr, memrchr2};

/// How large a piece becomes.
const PIECE_BYTES: usize = 1 << 20;
/// No event that the lake takes is written in as many bytes.
const MOST_EVENT_BYTES: usize = 16 << 20;
/// No first line is as long.
const MOST_FIRST_BYTES: usize = 64 << 10;

/// Where a text can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Borders {
    /// Behind each line.
    Lines,
    /// Behind each line, but the last two stay together: the last element of an array is told by
    /// the bracket on the line behind it.
    Elements,
    /// Behind each line end that is not within quotes.
    Records,
}

/// A text that is being cut.
pub(super) struct Cutter<R> {
    input: R,
    borders: Borders,
    /// What was read behind the last cut.
    rest: Vec<u8>,
    has_ended: bool,
    is_done: bool,
}

impl<R: Read> Cutter<R> {
    pub(super) fn new(input: R, borders: Borders) -> Self {
        Self { input, borders, rest: Vec::new(), has_ended: false, is_done: false }
    }

    /// The first line, with its line end if it has one.
    pub(super) fn first_line(&mut self) -> Result<Vec<u8>, String> {
        self.fill(MOST_FIRST_BYTES)?;
        let end = match memchr(b'\n', &self.rest) {
            Some(at) => at + 1,
            None if self.has_ended => self.rest.len(),
            None => return Err("its first line has no end".to_owned()),
        };
        Ok(self.rest.drain(..end).collect())
    }

    /// The next piece, and whether it is the last, which may be empty.
    pub(super) fn next_piece(&mut self) -> Result<Option<(Vec<u8>, bool)>, String> {
        if self.is_done {
            return Ok(None);
        }
        let mut wanted = PIECE_BYTES;
        loop {
            self.fill(wanted)?;
            if self.has_ended {
                self.is_done = true;
                return Ok(Some((mem::take(&mut self.rest), true)));
            }
            if let Some(end) = border(self.borders, &self.rest) {
                let mut rest = Vec::with_capacity(PIECE_BYTES);
                rest.extend_from_slice(&self.rest[end..]);
                self.rest.truncate(end);
                return Ok(Some((mem::replace(&mut self.rest, rest), false)));
            }
            if wanted > MOST_EVENT_BYTES {
                let most = MOST_EVENT_BYTES >> 20;
                return Err(format!("it has a line of more than {most} MiB, which no event has"));
            }
            wanted *= 2;
        }
    }

    /// Reads until so many bytes are there, or all that there are.
    fn fill(&mut self, wanted: usize) -> Result<(), String> {
        let missing = wanted.saturating_sub(self.rest.len());
        if self.has_ended || missing == 0 {
            return Ok(());
        }
        let mut input = Read::take(&mut self.input, missing as u64);
        let read = input.read_to_end(&mut self.rest).map_err(|error| error.to_string())?;
        self.has_ended = read < missing;
        Ok(())
    }
}

/// Behind the last event that ends in the text.
fn border(borders: Borders, text: &[u8]) -> Option<usize> {
    match borders {
        Borders::Lines => Some(memrchr(b'\n', text)? + 1),
        Borders::Elements => {
            let last = memrchr(b'\n', text)?;
            let second = memrchr(b'\n', &text[..last])?;
            Some(memrchr(b'\n', &text[..second])? + 1)
        }
        Borders::Records => {
            // A text begins outside of quotes, so the number of quotes tells where it ends, and
            // each one on the way back leads in or out.
            let mut is_quoted = memchr_iter(b'"', text).count() % 2 == 1;
            let mut end = text.len();
            while let Some(at) = memrchr2(b'"', b'\n', &text[..end]) {
                if text[at] == b'"' {
                    is_quoted = !is_quoted;
                } else if !is_quoted {
                    return Some(at + 1);
                }
                end = at;
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8], borders: Borders) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(text, borders);
        let mut pieces = Vec::new();
        while let Some((piece, is_last)) = cutter.next_piece().unwrap() {
            assert_eq!(is_last, cutter.is_done);
            pieces.push(piece);
        }
        pieces
    }

    #[test]
    fn pieces_are_the_text_cut_behind_events() {
        let line = format!("{}\n", "x".repeat(999));
        let text = line.repeat(5000).into_bytes();
        let cut = pieces(&text, Borders::Lines);
        assert!(cut.len() > 3);
        assert!(cut.iter().all(|piece| piece.ends_with(b"\n")));
        assert_eq!(cut.concat(), text);

        let record = format!("a,\"{}\n\"\"\n\"\n", "y,\n".repeat(300));
        let text = record.repeat(5000).into_bytes();
        let cut = pieces(&text, Borders::Records);
        assert!(cut.len() > 3);
        assert!(cut.iter().all(|piece| piece.len() % record.len() == 0));
        assert_eq!(cut.concat(), text);
    }

    #[test]
    fn the_last_element_and_the_bracket_stay_together() {
        for extra in 0..40 {
            let line = format!("{},\n", "x".repeat(PIECE_BYTES / 16 - 20 + extra));
            let text = format!("{}last\n]\n", line.repeat(64));
            let cut = pieces(text.as_bytes(), Borders::Elements);
            assert!(cut.len() > 3);
            assert!(cut.last().is_some_and(|piece| piece.ends_with(b"last\n]\n")));
            assert_eq!(cut.concat(), text.as_bytes());
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_memory_is() {
        let endless = std::io::repeat(b'x').take(1 << 30);
        let error = Cutter::new(endless, Borders::Lines).next_piece().unwrap_err();
        assert!(error.contains("16 MiB"), "{error}");
        let endless = std::io::repeat(b'x').take(1 << 30);
        assert!(Cutter::new(endless, Borders::Records).first_line().is_err());
    }

    #[test]
    fn the_first_line_is_taken_off() {
        let mut cutter = Cutter::new(b"[\n]\n".as_slice(), Borders::Elements);
        assert_eq!(cutter.first_line().unwrap(), b"[\n");
        assert_eq!(cutter.next_piece().unwrap(), Some((b"]\n".to_vec(), true)));
        assert_eq!(cutter.next_piece().unwrap(), None);
    }
}
