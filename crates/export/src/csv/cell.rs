//! One text cell: when it is quoted, when it is guarded, and how a guard is taken off again.

use memchr::{memchr, memchr_iter, memchr3};

/// Below this length a plain loop, which the compiler turns into vector code, beats the
/// set-up of a search.
const SHORT: usize = 64;

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
    /// Appends a text cell and what follows it.
    #[inline]
    pub(super) fn text(self, cell: &str, out: &mut Vec<u8>) {
        write_text(cell, self.safe, out);
        out.push(self.end);
    }

    /// Appends a null and what follows it.
    #[inline]
    pub(super) fn null(self, out: &mut Vec<u8>) {
        if self.alone {
            out.extend_from_slice(b"\"\"");
        }
        out.push(self.end);
    }
}

/// Appends a text cell, guarded and quoted as it needs.
pub(super) fn write_text(cell: &str, safe: bool, out: &mut Vec<u8>) {
    let bytes = cell.as_bytes();
    let guarded = safe && is_formula(cell);
    if !needs_quotes(bytes) {
        if guarded {
            out.push(b'\'');
        }
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    if guarded {
        out.push(b'\'');
    }
    let mut copied = 0;
    for quote in memchr_iter(b'"', bytes) {
        out.extend_from_slice(&bytes[copied..=quote]);
        out.push(b'"');
        copied = quote + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// Takes off the `'` that a safe export put in front of a cell, if it did. A cell that was
/// exported without a guard comes back as it is, so that for every text
/// `unguard(guarded(text)) == text`.
#[must_use]
pub fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        _ => cell,
    }
}

/// The empty string is quoted to tell it from a null.
fn needs_quotes(bytes: &[u8]) -> bool {
    if bytes.len() > SHORT {
        memchr3(b'"', b',', b'\n', bytes).is_some() || memchr(b'\r', bytes).is_some()
    } else {
        let special = |byte: &u8| matches!(byte, b'"' | b',' | b'\n' | b'\r');
        bytes.is_empty() || bytes.iter().fold(false, |found, byte| found | special(byte))
    }
}

/// Whether a spreadsheet may run the cell, now or after a guard has been taken off: quotes
/// in front of a formula count as one, or a guard could not be told from them.
fn is_formula(cell: &str) -> bool {
    // Almost every cell is done with its first byte; 0xEF begins the full-width signs.
    match cell.as_bytes().first() {
        Some(b'\'' | b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0xEF) => {
            let first = cell.trim_start_matches('\'').chars().next();
            first.is_some_and(|first| {
                matches!(
                    first,
                    '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
                )
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str, safe: bool) -> String {
        let mut out = Vec::new();
        write_text(text, safe, &mut out);
        String::from_utf8(out).unwrap()
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
        let long = "x".repeat(3 * SHORT);
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
