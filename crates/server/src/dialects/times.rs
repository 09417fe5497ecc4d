//! Times as other systems write them: fewer digits of a second than the canonical form has.

use auditlake_model::time::format_rfc3339;

/// Where the second ends in `2026-05-17T08:00:00.000000Z`.
const SECOND_END: usize = 19;
/// Where the millisecond ends.
const MILLISECOND_END: usize = 23;

/// `2026-03-13T14:30:00.000Z`: always milliseconds, what is finer is cut.
pub(super) fn with_milliseconds(micros: i64) -> String {
    let mut text = format_rfc3339(micros);
    text.truncate(MILLISECOND_END);
    text.push('Z');
    text
}

/// `2026-03-19T16:00:00Z`, and with microseconds where there are some: nothing is cut.
pub(super) fn shortest(micros: i64) -> String {
    let mut text = format_rfc3339(micros);
    if micros.rem_euclid(1_000_000) == 0 {
        text.truncate(SECOND_END);
        text.push('Z');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditlake_model::time::parse_rfc3339;

    #[test]
    fn times_have_the_digits_that_their_readers_expect() {
        let at = |text: &str| parse_rfc3339(text).unwrap();
        assert_eq!(with_milliseconds(at("2026-03-13T14:30:00Z")), "2026-03-13T14:30:00.000Z");
        let fine = at("2026-03-13T14:30:00.123999Z");
        assert_eq!(with_milliseconds(fine), "2026-03-13T14:30:00.123Z");
        assert_eq!(shortest(at("2026-03-19T16:00:00+01:00")), "2026-03-19T15:00:00Z");
        assert_eq!(shortest(fine), "2026-03-13T14:30:00.123999Z");
        assert_eq!(shortest(at("1969-12-31T23:59:59.5Z")), "1969-12-31T23:59:59.500000Z");
    }
}
