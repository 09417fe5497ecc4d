//! Which part of a file a client asks for. Only one range is given at a time: RFC 9110 lets a
//! server answer anything else, and anything that is not understood, with the whole file.

use std::ops::Range;

use axum::http::header::{self, HeaderMap};

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Range(Range<u64>),
    /// It begins behind the end.
    Beyond,
}

/// The part that is asked for of a file with this tag and of this size.
pub(super) fn part(headers: &HeaderMap, etag: &str, size: u64) -> Part {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Part::Whole };
    // A range of what the file was before would be joined to what it is now.
    if headers.get(header::IF_RANGE).is_some_and(|of| of.as_bytes() != etag.as_bytes()) {
        return Part::Whole;
    }
    let text = value.to_str().unwrap_or_default();
    let Some((unit, range)) = text.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => Part::Whole,
            Some(length) if length == 0 || size == 0 => Part::Beyond,
            Some(length) => Part::Range(size.saturating_sub(length)..size),
        },
        (first, "") => match number(first) {
            None => Part::Whole,
            Some(first) if first >= size => Part::Beyond,
            Some(first) => Part::Range(first..size),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => match first {
                first if first >= size => Part::Beyond,
                first => Part::Range(first..size.min(last.saturating_add(1))),
            },
            _ => Part::Whole,
        },
    }
}

fn number(digits: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, size: u64) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        part(&headers, "\"a\"", size)
    }

    #[test]
    fn one_range_is_given_and_everything_else_is_the_whole() {
        for (range, wanted) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=0-99", Part::Range(0..100)),
            ("bytes=10-", Part::Range(10..100)),
            ("bytes=10-1000", Part::Range(10..100)),
            ("bytes=-10", Part::Range(90..100)),
            ("bytes=-1000", Part::Range(0..100)),
            ("Bytes = 5 - 6", Part::Range(5..7)),
            ("bytes=100-", Part::Beyond),
            ("bytes=100-200", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=+0-1", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes", Part::Whole),
            ("rows=0-1", Part::Whole),
            ("bytes=0-99999999999999999999999", Part::Whole),
        ] {
            assert_eq!(of(range, 100), wanted, "{range}");
        }
        assert_eq!(of("bytes=0-", 0), Part::Beyond);
        assert_eq!(of("bytes=-1", 0), Part::Beyond);
    }

    #[test]
    fn a_range_of_another_file_is_the_whole() {
        let mut headers = HeaderMap::new();
        assert_eq!(part(&headers, "\"a\"", 9), Part::Whole);
        headers.insert(header::RANGE, "bytes=1-2".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"a\"".parse().unwrap());
        assert_eq!(part(&headers, "\"a\"", 9), Part::Range(1..3));
        assert_eq!(part(&headers, "\"b\"", 9), Part::Whole);
        headers.insert(header::IF_RANGE, "Sun, 01 Mar 2026 00:00:00 GMT".parse().unwrap());
        assert_eq!(part(&headers, "\"a\"", 9), Part::Whole);
    }
}
