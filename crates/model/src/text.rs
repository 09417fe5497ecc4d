//! JSON text: escaping for what we write, minifying for what we keep verbatim.

/// Appends `text` as the inside of a JSON string: only what RFC 8259 demands is escaped.
#[inline]
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (position, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..position]);
        copied = position + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
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
