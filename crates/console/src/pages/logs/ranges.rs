//! Spans of time that a click chooses. One that ends now has a name in the address, so that it
//! still ends now when the page is loaded again; the others are addresses with both ends.

use auditlake_model::time::{DAY_US, day_start, format_rfc3339, parse_day, parse_rfc3339};

use super::filtering::anew;
use crate::quarters::{first_day, quarter_of};
use crate::query::Query;

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
/// What the page is asked for them by.
pub(super) const RANGE: &str = "range";
/// Label, name and length.
const LAST: [(&str, &str, i64); 6] = [
    ("Last 15 min", "last_15_min", 15 * MINUTE_US),
    ("Last hour", "last_hour", HOUR_US),
    ("Last 24 h", "last_24_h", DAY_US),
    ("Last 7 days", "last_7_days", 7 * DAY_US),
    ("Last 30 days", "last_30_days", 30 * DAY_US),
    ("Last 90 days", "last_90_days", 90 * DAY_US),
];

/// How far back they lie.
const QUARTERS: [(&str, i32); 2] = [("This quarter", 0), ("Last quarter", 1)];

/// One span to choose.
pub(crate) struct RangeLink {
    pub(crate) label: &'static str,
    pub(crate) href: String,
    pub(crate) is_current: bool,
}

/// The spans, as seen from an instant.
pub(super) fn links(query: &Query, now_us: i64) -> Vec<RangeLink> {
    let held = held(query);
    let quarters: Vec<_> = QUARTERS
        .iter()
        .filter_map(|(label, back)| Some((*label, quarter(now_us, *back)?)))
        .collect();
    // Some quarters are as long as a span that ends now, and may just have ended.
    let is_quarter = quarters.iter().any(|(_, (from, to))| held == (Some(*from), Some(*to)));
    let is_last = |span_us: i64| match held {
        (Some(from), Some(to)) => to - from == span_us && (to - now_us).abs() <= HOUR_US,
        _ => false,
    };
    let mut links = Vec::new();
    for (label, name, span_us) in LAST {
        let is_current = query.get(RANGE) == Some(name) || (!is_quarter && is_last(span_us));
        let href = without_span(query).with(RANGE, name).href("/logs");
        links.push(RangeLink { label, href, is_current });
    }
    for (label, (from, to)) in quarters {
        let is_current = held == (Some(from), Some(to));
        let href = between(&without_span(query), from, to).href("/logs");
        links.push(RangeLink { label, href, is_current });
    }
    let is_current = held == (None, None) && query.get(RANGE).is_none();
    let href = without_span(query).href("/logs");
    links.push(RangeLink { label: "All time", href, is_current });
    links
}

/// The query with both ends in place of the name of a span. Ends that it has already win.
pub(super) fn resolved(query: &Query, now_us: i64) -> Query {
    let has_ends = query.get("from").is_some() || query.get("to").is_some();
    let named = query.get(RANGE).filter(|_| !has_ends).and_then(length);
    let query = query.without(RANGE);
    // Up to the next minute, so that the newest events are in.
    let end_us = now_us - now_us.rem_euclid(MINUTE_US) + MINUTE_US;
    match named {
        Some(span_us) => between(&query, end_us - span_us, end_us),
        None => query,
    }
}

/// How long the span of a name is.
pub(super) fn length(name: &str) -> Option<i64> {
    LAST.iter().find(|(_, known, _)| *known == name).map(|(_, _, span_us)| *span_us)
}

fn without_span(query: &Query) -> Query {
    anew(query).without("from").without("to").without(RANGE)
}

fn between(query: &Query, from_us: i64, to_us: i64) -> Query {
    query.with("from", &format_rfc3339(from_us)).with("to", &format_rfc3339(to_us))
}

/// Whether something that happens now would be within the span.
pub(super) fn is_open(query: &Query, now_us: i64) -> bool {
    match (query.get("to"), held(query).1) {
        (None, _) => true,
        (Some(_), to) => to.is_some_and(|to| to > now_us),
    }
}

/// Both ends, as far as they can be read.
fn held(query: &Query) -> (Option<i64>, Option<i64>) {
    (instant(query.get("from")), instant(query.get("to")))
}

/// The quarter of a year that lies so many quarters back.
fn quarter(now_us: i64, back: i32) -> Option<(i64, i64)> {
    let begin = |quarter: i32| first_day(quarter).map(day_start);
    let quarter = quarter_of(now_us) - back;
    Some((begin(quarter)?, begin(quarter + 1)?))
}

/// A time of the address, if it is one of those that links and fields make.
pub(crate) fn instant(text: Option<&str>) -> Option<i64> {
    let text = text?;
    parse_day(text.as_bytes()).map(day_start).or_else(|| parse_rfc3339(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_the_filters() {
        let now_us = parse_rfc3339("2026-02-14T09:30:30Z").unwrap();
        let query = Query::parse("type=a&cursor=00&from=2025-10-01&to=2026-01-01");
        let links = links(&query, now_us);
        let of = |label: &str| links.iter().find(|link| link.label == label).unwrap();
        assert_eq!(of("Last hour").href, "/logs?type=a&range=last_hour");
        let quarter = of("This quarter").href.as_str();
        assert!(quarter.starts_with("/logs?type=a&from=2026-01-01T00"), "{quarter}");
        assert!(of("Last quarter").is_current);
        assert_eq!(of("All time").href, "/logs?type=a");
        assert_eq!(links.iter().filter(|link| link.is_current).count(), 1);
    }

    #[test]
    fn a_span_that_ends_now_is_named_or_has_these_ends() {
        let now_us = parse_rfc3339("2026-02-14T09:30:30Z").unwrap();
        let current = |query: &Query, now_us: i64| {
            let links = links(query, now_us).into_iter().filter(|link| link.is_current);
            links.map(|link| link.label).collect::<Vec<_>>()
        };
        let named = Query::parse("type=a&range=last_hour");
        assert_eq!(current(&named, now_us), ["Last hour"]);
        let ends = resolved(&named, now_us);
        assert_eq!(
            ends.href(""),
            "?type=a&from=2026-02-14T08%3A31%3A00.000000Z&to=2026-02-14T09%3A31%3A00.000000Z"
        );
        assert_eq!(current(&ends, now_us + HOUR_US), ["Last hour"]);
        assert!(current(&ends, now_us + 2 * HOUR_US).is_empty(), "it does not end now any more");
        let typed = Query::parse("from=2026-01-01&range=last_hour");
        assert_eq!(resolved(&typed, now_us).href(""), "?from=2026-01-01");
        assert_eq!(resolved(&Query::parse("range=ever"), now_us), Query::default());
    }

    #[test]
    fn a_quarter_is_no_span_of_its_length() {
        let query = Query::parse("from=2026-01-01&to=2026-04-01");
        for (now, wanted) in [
            ("2026-03-31T23:30:00Z", vec!["This quarter"]),
            ("2026-04-01T00:30:00Z", vec!["Last quarter"]),
            ("2026-07-02T00:00:00Z", vec![]),
        ] {
            let links = links(&query, parse_rfc3339(now).unwrap());
            let current = links.iter().filter(|link| link.is_current).map(|link| link.label);
            assert_eq!(current.collect::<Vec<_>>(), wanted, "{now}");
        }
    }

    #[test]
    fn what_has_ended_is_not_open() {
        let now_us = parse_rfc3339("2026-02-14T09:30:30Z").unwrap();
        for (query, wanted) in [
            ("", true),
            ("from=2026-02-14", true),
            ("to=2026-02-15", true),
            ("to=2026-02-14", false),
            ("to=2026-02-14T09:30:30Z", false),
            ("to=tomorrow", false),
        ] {
            assert_eq!(is_open(&Query::parse(query), now_us), wanted, "{query}");
        }
    }
}
