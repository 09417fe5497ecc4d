//! What the headers of an answer say of the file that it is: its name and its digest.

use auditlake_model::time::{day_of, format_day, format_rfc3339};
use axum::http::header::{HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::problem::Problem;

/// RFC 9530; of the bytes of the file as it is sent.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// `Content-Disposition` of a file to keep under this name.
pub(crate) fn attachment(name: &str) -> Result<HeaderValue, Problem> {
    value(&format!("attachment; filename=\"{}\"", safe_name(name)))
}

/// A name that needs no quotes and names no folder.
fn safe_name(name: &str) -> String {
    let is_safe = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    name.chars().map(|char| if is_safe(char) { char } else { '_' }).collect()
}

/// `Repr-Digest` with a SHA-256.
pub(crate) fn repr_digest(sha256: &[u8]) -> Result<HeaderValue, Problem> {
    value(&format!("sha-256=:{}:", STANDARD.encode(sha256)))
}

/// A text as the value of a header.
pub(crate) fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text)
        .map_err(|error| Problem::internal("answering with a header", &error))
}

/// `20260319`, for the names of files.
pub(crate) fn compact_day(micros: i64) -> String {
    format_day(day_of(micros)).replace('-', "")
}

/// `20260319T093000Z`, for the names of files.
pub(crate) fn compact_second(micros: i64) -> String {
    let text = format_rfc3339(micros);
    let seconds = text.chars().take_while(|char| *char != '.');
    let compact: String = seconds.filter(char::is_ascii_alphanumeric).collect();
    format!("{compact}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_quotes() {
        let named = attachment("audit-o\"rg/..\\ü.csv").unwrap();
        assert_eq!(named, "attachment; filename=\"audit-o_rg_..__.csv\"");
    }

    #[test]
    fn a_day_is_eight_digits() {
        assert_eq!(compact_day(1_773_412_200_123_999), "20260313");
    }
}
