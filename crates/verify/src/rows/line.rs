//! What a canonical line says of where its event belongs, without reading it as JSON: the keys
//! that every event has stand first and in one order. Whether the rest is right is for the hash
//! of the line to say.

use memchr::memchr2;
use serde::Deserialize;

/// How long a time is: `2026-05-17T08:00:00.000000Z`.
pub(crate) const TIME_BYTES: usize = 27;

/// The beginning of a canonical line. Texts are as they stand there, escapes and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) seq: u64,
    pub(crate) recorded_at: &'a [u8],
    pub(crate) tenant: &'a [u8],
}

/// The beginning of a line; none if the line is not that of an event as it is exported.
pub(crate) fn head(line: &[u8]) -> Option<Head<'_>> {
    let (id, rest) = text(line.strip_prefix(b"{\"id\":\"")?)?;
    let (seq, rest) = number(rest.strip_prefix(b",\"seq\":")?)?;
    let (_, rest) = text(rest.strip_prefix(b",\"type\":\"")?)?;
    let (occurred_at, rest) = text(rest.strip_prefix(b",\"occurred_at\":\"")?)?;
    let (recorded_at, rest) = text(rest.strip_prefix(b",\"recorded_at\":\"")?)?;
    let (tenant, rest) = text(rest.strip_prefix(b",\"tenant_id\":\"")?)?;
    let is_whole = rest == b"}" || (rest.starts_with(b",\"") && rest.ends_with(b"}"));
    let is_timed = occurred_at.len() == TIME_BYTES && recorded_at.len() == TIME_BYTES;
    (is_whole && is_timed).then_some(Head { id, seq, recorded_at, tenant })
}

/// The inside of a string that is open, and what stands behind its closing quote.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some((&bytes[..at], &bytes[at + 1..]));
        }
        at += 2;
    }
}

/// A number as it is written here, without a sign and without leading zeros, and the rest.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(digits);
    if digits.is_empty() || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let number = digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((number, rest))
}

/// The inside of a JSON string as the text that it means; as it stands there if it means none.
pub(crate) fn unescaped(inside: &[u8]) -> String {
    let quoted = [b"\"", inside, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(inside).into_owned())
}

/// What a line that is not canonical says of itself all the same, to name it in a finding.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) id: Option<String>,
    pub(crate) seq: Option<u64>,
    pub(crate) tenant_id: Option<String>,
}

impl Named {
    pub(crate) fn of(line: &[u8]) -> Self {
        serde_json::from_slice(line).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"id":"a\"b\\","seq":17,"type":"user.signed_in","#,
        r#""occurred_at":"2026-03-01T10:00:00.000000Z","#,
        r#""recorded_at":"2026-03-01T10:00:01.000000Z","#,
        r#""tenant_id":"acme","reason":"x"}"#
    );

    #[test]
    fn reads_what_every_event_begins_with() {
        let read = head(LINE.as_bytes()).unwrap();
        assert_eq!((read.seq, read.tenant), (17, b"acme".as_slice()));
        assert_eq!(unescaped(read.id), "a\"b\\");
        assert_eq!(read.recorded_at, b"2026-03-01T10:00:01.000000Z");
        let short = LINE.replace(",\"reason\":\"x\"", "");
        assert!(head(short.as_bytes()).is_some());
    }

    #[test]
    fn refuses_what_no_export_writes() {
        for (from, to) in [
            ("{\"id\"", "{ \"id\""),
            (":17,", ":017,"),
            (":17,", ":-1,"),
            (":17,", ":,"),
            (":17,", ":17.0,"),
            (":17,", ":99999999999999999999,"),
            ("\"type\"", "\"kind\""),
            ("00.000000Z\",\"rec", "00Z\",\"rec"),
            ("\"x\"}", "\"x\""),
            ("acme\",\"reason\":\"x\"}", "acme\" }"),
            ("\"acme\",\"reason\":\"x\"}", "\"acme"),
        ] {
            let line = LINE.replace(from, to);
            assert_ne!(line, LINE, "{from} is not there");
            assert_eq!(head(line.as_bytes()), None, "{line}");
        }
        for end in 0..LINE.len() {
            assert_eq!(head(&LINE.as_bytes()[..end]), None, "cut at {end}");
        }
    }
}
