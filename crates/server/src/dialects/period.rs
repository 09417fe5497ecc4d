//! The end of a range of time as its writer means it.
//!
//! A canonical range does not hold its end, which is what programs want. People, and the
//! documents of other systems, write the last day or the last second that they want to have.
//! So an end holds as much time as it is written in: a date its day, a time its second, a time
//! with a fraction whatever its last digit counts.

use auditlake_model::filter::Filter;
use auditlake_model::time::{DAY_US, MAX_US, parse_day};

use super::asked::named;
use crate::problem::Problem;

const SECOND_US: i64 = 1_000_000;

/// Whether an instant that stands at the end of a range belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It does, with all the time that its last digit stands for.
    Included,
    /// A date and a last second (`23:59:59`) do. Any other time is where the next range
    /// begins, as in a script that asks from midnight to midnight.
    Turn,
}

/// The instant that a parameter names.
pub(super) fn instant(name: &str, text: &str) -> Result<i64, Problem> {
    let filter = Filter::of([("from", text)]).map_err(|error| named(name, error))?;
    filter.occurred.from_us.ok_or_else(|| Problem::parameter(name, "is no time"))
}

/// The first instant behind a range that ends as the parameter says; none when no event can
/// come later.
pub(super) fn bound(name: &str, text: &str, end: End) -> Result<Option<i64>, Problem> {
    let bound = instant(name, text)?.saturating_add(held(text, end));
    Ok((bound <= MAX_US).then_some(bound))
}

/// How much time an end holds.
fn held(text: &str, end: End) -> i64 {
    if parse_day(text.as_bytes()).is_some() {
        return DAY_US;
    }
    let unit = unit(text);
    match end {
        End::Included => unit,
        End::Turn if unit == SECOND_US && text.get(17..19) == Some("59") => SECOND_US,
        End::Turn => 0,
    }
}

/// What the last digit of a time counts, in microseconds.
fn unit(text: &str) -> i64 {
    if let Ok(epoch) = text.parse::<i64>() {
        return match epoch.unsigned_abs() {
            0..100_000_000_000 => SECOND_US,
            100_000_000_000..100_000_000_000_000 => 1000,
            _ => 1,
        };
    }
    let digits = match text.get(19..).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) => rest.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    };
    // Digits finer than a microsecond are cut when a time is read.
    (0..digits.min(6)).fold(SECOND_US, |unit, _| unit / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditlake_model::time::format_rfc3339;

    fn end(text: &str, end: End) -> String {
        bound("to", text, end).unwrap().map(format_rfc3339).unwrap_or_default()
    }

    #[test]
    fn an_included_end_holds_what_its_last_digit_counts() {
        for (text, behind) in [
            ("2026-03-31", "2026-04-01T00:00:00.000000Z"),
            ("2026-03-31T23:59:59Z", "2026-04-01T00:00:00.000000Z"),
            ("2026-03-31T23:59:59+02:00", "2026-03-31T22:00:00.000000Z"),
            ("2026-03-31T12:00:00Z", "2026-03-31T12:00:01.000000Z"),
            ("2026-03-31T12:00:00.5Z", "2026-03-31T12:00:00.600000Z"),
            ("2026-03-31T12:00:00.123Z", "2026-03-31T12:00:00.124000Z"),
            ("2026-03-31T12:00:00.123456Z", "2026-03-31T12:00:00.123457Z"),
            ("2026-03-31T12:00:00.123456789Z", "2026-03-31T12:00:00.123457Z"),
            ("1772366400", "2026-03-01T12:00:01.000000Z"),
            ("1772366400000", "2026-03-01T12:00:00.001000Z"),
            ("1772366400000000", "2026-03-01T12:00:00.000001Z"),
            ("9999-12-31T23:59:59Z", ""),
            ("9999-12-31", ""),
        ] {
            assert_eq!(end(text, End::Included), behind, "{text}");
        }
    }

    #[test]
    fn a_turn_is_included_only_where_a_day_or_a_last_second_is_meant() {
        for (text, behind) in [
            ("2024-01-31T23:59:59Z", "2024-02-01T00:00:00.000000Z"),
            ("2024-01-31", "2024-02-01T00:00:00.000000Z"),
            ("2024-01-31T00:00:00.000Z", "2024-01-31T00:00:00.000000Z"),
            ("2024-01-31T00:00:00Z", "2024-01-31T00:00:00.000000Z"),
            ("2024-01-31T23:59:59.999Z", "2024-01-31T23:59:59.999000Z"),
        ] {
            assert_eq!(end(text, End::Turn), behind, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_under_the_name_it_was_given() {
        let problem = bound("endDate", "tomorrow", End::Included).unwrap_err();
        let text = format!("{problem:?}");
        assert!(text.contains("parameter endDate") && text.contains("tomorrow"), "{text}");
    }
}
