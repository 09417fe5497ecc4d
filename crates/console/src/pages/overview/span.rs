//! The days that the overview is about, and how many events each of them has.

use auditlake_model::time::{DAY_US, day_of, day_start, format_day, parse_rfc3339};

use crate::api::histogram::Histogram;
use crate::query::Query;

/// As many days as a quarter has, the current one among them.
pub(super) const DAYS: i32 = 90;

/// The last days, up to now.
pub(super) struct Span {
    /// The first of them, counted from 1970.
    first: i32,
    /// What the API is asked, and what the links of the page begin with: both ends, and the
    /// tenant if one was chosen.
    pub(super) query: Query,
}

impl Span {
    /// The days that end with the one of `now_us`, of all tenants or of this one.
    pub(super) fn until(now_us: i64, tenant: Option<&str>) -> Self {
        let first = day_of(now_us) - DAYS + 1;
        let query = Query::default()
            .with("from", &format_day(first))
            .with("to", &format_day(first + DAYS))
            .with("tenant_id", tenant.unwrap_or_default());
        Self { first, query }
    }

    /// Each day's start in microseconds, the oldest first.
    pub(super) fn starts(&self) -> impl Iterator<Item = i64> {
        (self.first..self.first + DAYS).map(day_start)
    }

    /// The events of each day. Days without an event are not in the answer, but they are in the
    /// picture.
    pub(super) fn counts(&self, histogram: &Histogram) -> Vec<u64> {
        let mut counts = vec![0; DAYS as usize];
        for bucket in &histogram.buckets {
            let day = parse_rfc3339(&bucket.from).map(day_of);
            let place = day.ok().and_then(|day| usize::try_from(day - self.first).ok());
            if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                *count += bucket.events;
            }
        }
        counts
    }

    /// The query of one day.
    pub(super) fn day(&self, start_us: i64) -> Query {
        let day = |us: i64| format_day(day_of(us));
        self.query.with("from", &day(start_us)).with("to", &day(start_us + DAY_US))
    }
}

/// The first day of a month like `2026-01`, and that of the next one; nothing for anything else.
pub(super) fn month(name: &str) -> Option<(String, String)> {
    let (year, month) = name.split_once('-')?;
    let (year, month): (i32, u32) = (year.parse().ok()?, month.parse().ok()?);
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let first = |(year, month): (i32, u32)| format!("{year:04}-{month:02}-01");
    (1..=12).contains(&month).then(|| (first((year, month)), first(next)))
}

/// A month like `2026-01` as a number, the next one being one more.
pub(super) fn month_number(name: &str) -> Option<i32> {
    let (year, month) = name.split_once('-')?;
    let (year, month): (i32, i32) = (year.parse().ok()?, month.parse().ok()?);
    let is_year = (0..=9999).contains(&year);
    (is_year && (1..=12).contains(&month)).then(|| year * 12 + month - 1)
}

/// The month that has this number.
pub(super) fn month_name(number: i32) -> String {
    format!("{:04}-{:02}", number.div_euclid(12), number.rem_euclid(12) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_that_of_now() {
        let now_us = parse_rfc3339("2026-03-31T23:59:59Z").unwrap();
        let span = Span::until(now_us, Some("acme"));
        assert_eq!(span.query.get("from"), Some("2026-01-01"));
        assert_eq!(span.query.get("to"), Some("2026-04-01"));
        assert_eq!(span.query.get("tenant_id"), Some("acme"));
        assert_eq!(Span::until(now_us, None).query.get("tenant_id"), None);
        let last = span.starts().last().unwrap();
        assert_eq!(span.day(last).get("from"), Some("2026-03-31"));
        assert_eq!(span.day(last).get("to"), Some("2026-04-01"));
    }

    #[test]
    fn days_without_events_are_there() {
        let span = Span::until(parse_rfc3339("2026-03-31T12:00:00Z").unwrap(), None);
        let histogram = serde_json::from_str(
            r#"{"interval_seconds":86400,"total":9,"buckets":[
                {"from":"2025-12-31T00:00:00.000000Z","events":1},
                {"from":"2026-01-02T00:00:00.000000Z","events":3},
                {"from":"2026-03-31T00:00:00.000000Z","events":5}]}"#,
        );
        let counts = span.counts(&histogram.unwrap());
        assert_eq!(counts.len(), DAYS as usize);
        assert_eq!((counts[0], counts[1], counts[89]), (0, 3, 5));
    }

    #[test]
    fn months_end_where_the_next_begins() {
        let month = |name| month(name).map(|(from, to)| format!("{from} {to}"));
        assert_eq!(month("2026-01").as_deref(), Some("2026-01-01 2026-02-01"));
        assert_eq!(month("2025-12").as_deref(), Some("2025-12-01 2026-01-01"));
        assert_eq!(month("2025-13"), None);
        assert_eq!(month("soon"), None);
        let after = |name| month_number(name).map(|number| month_name(number + 1));
        assert_eq!(after("2025-12").as_deref(), Some("2026-01"));
        assert_eq!(after("2026-09").as_deref(), Some("2026-10"));
        assert_eq!((after("2026-00"), after("123456789-01")), (None, None));
    }
}
