//! Quarters of years, counted from the year 0 on. They are those of UTC, like the lake's days.

use auditlake_model::time::{civil, day_of, days_from_civil};

/// The quarter that an instant falls into.
pub(crate) fn quarter_of(us: i64) -> i32 {
    let (year, month, _) = civil(day_of(us));
    year * 4 + (month as i32 - 1) / 3
}

/// The first quarter of the year in which a quarter lies.
pub(crate) fn first_of_year(quarter: i32) -> i32 {
    quarter - quarter.rem_euclid(4)
}

/// The first day of a quarter, counted from 1970 on; none beyond the calendar.
pub(crate) fn first_day(quarter: i32) -> Option<i32> {
    let month = quarter.rem_euclid(4).unsigned_abs() * 3 + 1;
    days_from_civil(quarter.div_euclid(4), month, 1)
}

#[cfg(test)]
mod tests {
    use auditlake_model::time::parse_rfc3339;

    use super::*;

    #[test]
    fn quarters_begin_with_their_first_month() {
        for (instant, year, month) in [
            ("2026-02-14T09:30:00Z", 2026, 1),
            ("2025-12-31T23:59:59Z", 2025, 10),
            ("1969-07-01T00:00:00Z", 1969, 7),
        ] {
            let quarter = quarter_of(parse_rfc3339(instant).unwrap());
            assert_eq!(first_day(quarter), days_from_civil(year, month, 1), "{instant}");
            assert_eq!(first_day(first_of_year(quarter)), days_from_civil(year, 1, 1), "{instant}");
        }
    }
}
