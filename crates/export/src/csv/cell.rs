//! One text cell: when it is quoted, when it is guarded, and how a guard is taken off again.

use auditlake_model::page::{BLOCK, Page};
use auditlake_model::text::any_in_block;

/// How the cells of one column are written.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Guard formulas.
    pub(super) safe: bool,
    /// What follows each cell: `,`, or LF after the last column.
    pub(super) end: u8,
    /// The only column of its file.
    pub(super) alone: bool,
}

impl Style {
    /// Writes a cell and what follows it; a null as nothing, unless its line would be blank.
    #[inline]
    pub(super) fn cell(self, value: Option<&str>, page: &mut Page) {
        match value {
            Some(text) => self.part(text.as_bytes(), 0, text.len(), page),
            None => self.null(page),
        }
    }

    /// Writes the text that is `source[start..end]` and what follows it.
    #[inline]
    pub(super) fn part(self, source: &[u8], start: usize, end: usize, page: &mut Page) {
        put_text(source, start, end, self.safe, page);
        page.push(self.end);
    }

    /// Writes a null and what follows it.
    #[inline]
    pub(super) fn null(self, page: &mut Page) {
        if self.alone {
            page.put(b"\"\"");
        }
        page.push(self.end);
    }
}

/// Writes a text cell, guarded and quoted as it needs. It is copied block by block, each
/// looked at on its way; when one needs quotes, the cell begins anew with them.
#[inline]
pub(super) fn put_text(source: &[u8], start: usize, end: usize, safe: bool, page: &mut Page) {
    let guarded = safe && is_formula(&source[start..end]);
    let cell_at = page.len();
    if guarded {
        page.push(b'\'');
    }
    let mut at = start;
    while at < end {
        let len = (end - at).min(BLOCK);
        match source[at..].first_chunk::<BLOCK>() {
            Some(block) if !any_in_block(block, len, is_special) => page.put_block(block, len),
            None if !source[at..end].iter().any(|byte| is_special(*byte)) => {
                page.put(&source[at..end]);
            }
            _ => {
                page.truncate(cell_at);
                return put_quoted(&source[start..end], guarded, page);
            }
        }
        at += len;
    }
    // The empty string is quoted to tell it from a null.
    if start == end {
        page.put(b"\"\"");
    }
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b',') | (byte == b'\n') | (byte == b'\r')
}

/// Every byte is written with a quote behind it, which stays only behind a quote: JSON has so
/// many of them that to look for the next one would take longer.
fn put_quoted(text: &[u8], guarded: bool, page: &mut Page) {
    page.push(b'"');
    if guarded {
        page.push(b'\'');
    }
    let room = page.room(2 * text.len());
    let mut written = 0;
    for &byte in text {
        room[written..written + 2].copy_from_slice(&[byte, b'"']);
        written += 1 + usize::from(byte == b'"');
    }
    page.advance(written);
    page.push(b'"');
}

/// Takes off the `'` that a safe export put in front of a cell, if it did. A cell that was
/// exported without a guard comes back as it is, so that for every text
/// `unguard(guarded(text)) == text`.
#[must_use]
pub fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.as_bytes()) => rest,
        _ => cell,
    }
}

/// Whether a spreadsheet may run the cell, now or after a guard has been taken off: quotes
/// in front of a formula count as one, or a guard could not be told from them.
#[inline]
fn is_formula(text: &[u8]) -> bool {
    // Almost every cell is done with its first byte; 0xEF begins the full-width signs.
    match text.first() {
        Some(b'\'' | b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0xEF) => {
            let quotes = text.iter().take_while(|byte| **byte == b'\'').count();
            begins_formula(&text[quotes..])
        }
        _ => false,
    }
}

fn begins_formula(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n'))
        || ["＝", "＋", "－", "＠"].iter().any(|sign| text.starts_with(sign.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str, safe: bool) -> String {
        let mut page = Page::default();
        put_text(text.as_bytes(), 0, text.len(), safe, &mut page);
        String::from_utf8(page.to_vec()).unwrap()
    }

    #[test]
    fn quotes_only_what_needs_it() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("", "\"\""),
            (" space ", " space "),
            ("a,b", "\"a,b\""),
            ("\"", "\"\"\"\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("a\rb", "\"a\rb\""),
            ("tab\tinside", "tab\tinside"),
            ("nul\0 bell\u{7}", "nul\0 bell\u{7}"),
        ] {
            assert_eq!(cell(text, true), wanted);
        }
    }

    #[test]
    fn long_cells_follow_the_same_rules() {
        let long = "x".repeat(3 * BLOCK);
        assert_eq!(cell(&long, true), long);
        for special in ["\"", ",", "\n", "\r"] {
            let text = format!("{long}{special}{long}");
            let wanted = format!("\"{}\"", text.replace('"', "\"\""));
            assert_eq!(cell(&text, true), wanted);
        }
    }

    #[test]
    fn guards_formulas_and_takes_the_guard_off() {
        for text in [
            "=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", "'=1",
            "'''@x", "=", "=\"a\",b",
        ] {
            let mut out = String::new();
            let written = cell(text, true);
            // Undo the quoting by hand: what a CSV reader gives.
            match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(inside) => out.push_str(&inside.replace("\"\"", "\"")),
                None => out.push_str(&written),
            }
            assert_eq!(out, format!("'{text}"));
            assert_eq!(unguard(&out), text);
            assert_eq!(cell(text, false).contains('\''), text.starts_with('\''));
        }
    }

    #[test]
    fn leaves_other_cells_alone() {
        for text in ["'", "''", "'tis", "a=b", "é", "\u{FEFF}=1", " =1", "1-2", "{\"a\":1}"] {
            assert_eq!(cell(text, true), cell(text, false));
            assert_eq!(unguard(text), text);
        }
    }
}
