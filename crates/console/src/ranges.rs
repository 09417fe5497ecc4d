//! Ranges of time with a name: the same ones for the list of events and for exports. Quarters and
//! years are those of UTC, like the lake's days.

use auditlake_model::time::{DAY_US, day_start};

use crate::quarters::{first_day, first_of_year, quarter_of};

/// What a page is asked for them by.
pub(crate) const RANGE: &str = "range";
const MINUTE_US: i64 = 60_000_000;
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;

/// A range by its name in addresses and forms.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) span: Span,
}

/// What a name stands for.
#[derive(Clone, Copy)]
pub(crate) enum Span {
    /// So many microseconds up to now.
    Last(i64),
    /// The quarter that lies so many quarters back.
    Quarter(i32),
    /// The year before this one.
    LastYear,
    All,
}

/// From when on, and until before when; none where it is open.
pub(crate) type Ends = (Option<i64>, Option<i64>);

pub(crate) const NAMED: [Named; 10] = [
    of("last_15_min", "Last 15 min", Span::Last(15 * MINUTE_US)),
    of("last_hour", "Last hour", Span::Last(HOUR_US)),
    of("last_24_h", "Last 24 h", Span::Last(DAY_US)),
    of("last_7_days", "Last 7 days", Span::Last(7 * DAY_US)),
    of("last_30_days", "Last 30 days", Span::Last(30 * DAY_US)),
    of("last_90_days", "Last 90 days", Span::Last(90 * DAY_US)),
    of("this_quarter", "This quarter", Span::Quarter(0)),
    of("last_quarter", "Last quarter", Span::Quarter(1)),
    of("last_year", "Last year", Span::LastYear),
    of("all", "All time", Span::All),
];

const fn of(name: &'static str, label: &'static str, span: Span) -> Named {
    Named { name, label, span }
}

/// What a name means at an instant; none for a name that is none.
pub(crate) fn ends(name: &str, now_us: i64) -> Option<Ends> {
    NAMED.iter().find(|named| named.name == name)?.span.ends(now_us)
}

impl Span {
    /// Both ends; none beyond the calendar.
    pub(crate) fn ends(self, now_us: i64) -> Option<Ends> {
        let begin = |quarter: i32| first_day(quarter).map(day_start);
        let (from, to) = match self {
            Self::Last(span_us) => {
                // Up to the next minute, so that the newest events are in.
                let end_us = now_us - now_us.rem_euclid(MINUTE_US) + MINUTE_US;
                (end_us - span_us, end_us)
            }
            Self::Quarter(back) => {
                let quarter = quarter_of(now_us) - back;
                (begin(quarter)?, begin(quarter + 1)?)
            }
            Self::LastYear => {
                let year = first_of_year(quarter_of(now_us));
                (begin(year - 4)?, begin(year)?)
            }
            Self::All => return Some((None, None)),
        };
        Some((Some(from), Some(to)))
    }
}

#[cfg(test)]
mod tests {
    use auditlake_model::time::{format_rfc3339, parse_rfc3339};

    use super::*;

    fn range(name: &str, now: &str) -> (String, String) {
        let (from, to) = ends(name, parse_rfc3339(now).unwrap()).unwrap();
        (format_rfc3339(from.unwrap()), format_rfc3339(to.unwrap()))
    }

    fn days(from: &str, to: &str) -> (String, String) {
        (format!("{from}T00:00:00.000000Z"), format!("{to}T00:00:00.000000Z"))
    }

    #[test]
    fn quarters_and_years_are_those_of_the_calendar() {
        let spring = "2026-05-17T09:00:00Z";
        assert_eq!(range("last_quarter", spring), days("2026-01-01", "2026-04-01"));
        assert_eq!(range("this_quarter", spring), days("2026-04-01", "2026-07-01"));
        let new_year = "2026-01-01T09:00:00Z";
        assert_eq!(range("last_quarter", new_year), days("2025-10-01", "2026-01-01"));
        assert_eq!(range("last_year", new_year), days("2025-01-01", "2026-01-01"));
    }

    #[test]
    fn the_last_days_end_now_and_are_as_long_as_they_say() {
        let (from, to) = range("last_7_days", "2026-03-01T09:30:30Z");
        assert_eq!(from, "2026-02-22T09:31:00.000000Z");
        assert_eq!(to, "2026-03-01T09:31:00.000000Z");
        assert_eq!(ends("all", 0), Some((None, None)));
        assert_eq!(ends("fortnight", 0), None);
        assert!(NAMED.iter().all(|named| ends(named.name, 0).is_some()));
    }
}
