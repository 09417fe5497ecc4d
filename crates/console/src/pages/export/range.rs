//! Ranges of time with a name. Days, quarters and years are those of UTC, like the lake's.

use auditlake_model::time::{DAY_US, day_of, format_day, format_rfc3339};

use crate::quarters::{first_day, first_of_year, quarter_of};

/// The names that a form gives, and what people read.
pub(super) const RANGES: [(&str, &str); 7] = [
    ("last_24h", "Last 24 hours"),
    ("last_7d", "Last 7 days"),
    ("last_30d", "Last 30 days"),
    ("this_quarter", "This quarter"),
    ("last_quarter", "Last quarter"),
    ("last_year", "Last year"),
    ("all", "All time"),
];

/// From when on, and until before when; empty where it is open.
pub(super) fn of(name: &str, now_us: i64) -> Option<(String, String)> {
    let since = |span_us: i64| (format_rfc3339(now_us - span_us), String::new());
    let begin = |quarter: i32| first_day(quarter).map(format_day);
    let quarter = quarter_of(now_us);
    let year = first_of_year(quarter);
    Some(match name {
        "last_24h" => since(DAY_US),
        // Whole days: the same link means the same all day long.
        "last_7d" => (format_day(day_of(now_us) - 6), String::new()),
        "last_30d" => (format_day(day_of(now_us) - 29), String::new()),
        "this_quarter" => (begin(quarter)?, String::new()),
        "last_quarter" => (begin(quarter - 1)?, begin(quarter)?),
        "last_year" => (begin(year - 4)?, begin(year)?),
        "all" => (String::new(), String::new()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use auditlake_model::time::{day_start, days_from_civil};

    use super::*;

    fn at(year: i32, month: u32, day: u32) -> i64 {
        day_start(days_from_civil(year, month, day).unwrap()) + DAY_US / 24 * 9
    }

    fn range(name: &str, now_us: i64) -> (String, String) {
        of(name, now_us).unwrap()
    }

    #[test]
    fn quarters_are_those_of_the_calendar() {
        let spring = at(2026, 5, 17);
        let whole = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(range("last_quarter", spring), whole("2026-01-01", "2026-04-01"));
        assert_eq!(range("this_quarter", spring), whole("2026-04-01", ""));
        let new_year = at(2026, 1, 1);
        assert_eq!(range("last_quarter", new_year), whole("2025-10-01", "2026-01-01"));
        assert_eq!(range("last_year", new_year), whole("2025-01-01", "2026-01-01"));
    }

    #[test]
    fn the_last_days_end_now() {
        let now = at(2026, 3, 1);
        assert_eq!(range("last_24h", now).0, "2026-02-28T09:00:00.000000Z");
        assert_eq!(range("last_7d", now).0, "2026-02-23");
        assert_eq!(of("fortnight", now), None);
        assert!(RANGES.iter().all(|(name, _)| of(name, now).is_some()));
    }
}
