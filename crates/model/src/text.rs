//! JSON text: escaping for what we write, minifying for what we keep verbatim.

use crate::page::{BLOCK, Page};

/// Appends `text` as the inside of a JSON string: only what RFC 8259 demands is escaped.
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    Page::lend(out, |page| put_escaped(text.as_bytes(), 0, text.len(), page));
}

/// Writes `source[start..end]`, which is UTF-8, as the inside of a JSON string. It is copied
/// block by block, each looked at on its way; only one with something to escape is taken
/// apart.
#[inline]
pub fn put_escaped(source: &[u8], start: usize, end: usize, page: &mut Page) {
    let mut at = start;
    while at < end {
        let len = (end - at).min(BLOCK);
        match source[at..].first_chunk::<BLOCK>() {
            Some(block) if !any_in_block(block, len, is_escaped) => page.put_block(block, len),
            _ => put_escaped_bytes(&source[at..at + len], page),
        }
        at += len;
    }
}

/// Whether one of the first `len` bytes of a block is such. Every byte of the block is looked
/// at, so that this compiles to vector code without a branch.
#[inline]
pub fn any_in_block(block: &[u8; BLOCK], len: usize, is_such: impl Fn(u8) -> bool) -> bool {
    let mut found = 0_u8;
    for (byte, place) in block.iter().zip(&PLACES) {
        found |= u8::from(is_such(*byte)) & u8::from(*place < len as u8);
    }
    found != 0
}

/// The places in a block, as bytes: with numbers of any other size the code is no vector code.
static PLACES: [u8; BLOCK] = {
    let mut places = [0; BLOCK];
    let mut place = 0;
    while place < BLOCK {
        places[place] = place as u8;
        place += 1;
    }
    places
};

#[inline]
fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn put_escaped_bytes(bytes: &[u8], page: &mut Page) {
    let mut copied = 0;
    for (position, &byte) in bytes.iter().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        page.put(&bytes[copied..position]);
        copied = position + 1;
        match byte {
            b'"' => page.put(b"\\\""),
            b'\\' => page.put(b"\\\\"),
            b'\n' => page.put(b"\\n"),
            b'\r' => page.put(b"\\r"),
            b'\t' => page.put(b"\\t"),
            0x08 => page.put(b"\\b"),
            0x0c => page.put(b"\\f"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                page.put(b"\\u00");
                page.push(HEX[usize::from(control >> 4)]);
                page.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    page.put(&bytes[copied..]);
}

/// How deep objects and arrays may nest inside `data`: readers recurse.
pub const MAX_DEPTH: usize = 64;

/// Copies a *valid* JSON text without the white space between its tokens.
///
/// Refuses what other readers choke on: nesting deeper than [`MAX_DEPTH`] and `\u` escapes
/// that are no character.
pub fn minify_into(json: &str, out: &mut String) -> Result<(), &'static str> {
    minify_inside(json, 0, out)
}

/// [`minify_into`] for a value that will stand inside `depth` objects or arrays.
pub fn minify_inside(json: &str, mut depth: usize, out: &mut String) -> Result<(), &'static str> {
    let bytes = json.as_bytes();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = skip_string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err("nests deeper than 64 levels");
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(&json[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&json[start..]);
    Ok(())
}

/// The position after the string that opens at `at`.
fn skip_string(bytes: &[u8], mut at: usize) -> Result<usize, &'static str> {
    at += 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', &bytes[at..]).ok_or("has an unfinished string")?;
        if bytes[at] == b'"' {
            return Ok(at + 1);
        }
        if bytes.get(at + 1) != Some(&b'u') {
            at += 2;
            continue;
        }
        match unicode_escape(bytes, at) {
            Some(0xd800..=0xdbff) => match unicode_escape(bytes, at + 6) {
                Some(0xdc00..=0xdfff) => at += 12,
                _ => return Err("has a \\u escape that is half a surrogate pair"),
            },
            Some(0xdc00..=0xdfff) | None => {
                return Err("has a \\u escape that is half a surrogate pair");
            }
            Some(_) => at += 6,
        }
    }
}

fn unicode_escape(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(&escape[2..]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minified(json: &str) -> Result<String, &'static str> {
        let mut out = String::new();
        minify_into(json, &mut out).map(|()| out)
    }

    #[test]
    fn escapes_like_serde_json() {
        let every: String = (0_u32..0x250).filter_map(char::from_u32).chain("😀".chars()).collect();
        let mut out = Vec::new();
        escape_into(&every, &mut out);
        let expected = serde_json::to_string(&every).unwrap();
        assert_eq!(out, &expected.as_bytes()[1..expected.len() - 1]);
    }

    #[test]
    fn minifies_between_tokens_only() {
        assert_eq!(
            minified(" { \"a b\" : [ 1.50 , \"x\\\" \\\\\" ] ,\n\"c\":\ttrue } ").unwrap(),
            r#"{"a b":[1.50,"x\" \\"],"c":true}"#
        );
    }

    #[test]
    fn refuses_half_surrogates_and_depth() {
        assert!(minified(r#"{"a":"\ud83d\ude00 \u00e9"}"#).is_ok());
        assert!(minified(r#"{"a":"\ud83d"}"#).is_err());
        assert!(minified(r#"{"a":"\ude00"}"#).is_err());
        assert!(minified(r#"{"a":"\ud83dx\ude00"}"#).is_err());
        assert!(minified(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
        assert!(minified(&format!("{}{}", "[".repeat(65), "]".repeat(65))).is_err());
    }
}
