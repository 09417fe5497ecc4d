//! Spans of time that a click chooses. One that ends now has a name in the address, so that it
//! still ends now when the page is loaded again; the others are addresses with both ends.

use auditlake_model::time::{day_start, format_rfc3339, parse_day, parse_rfc3339};

use super::filtering::anew;
use crate::query::Query;
use crate::ranges::{Ends, HOUR_US, NAMED, RANGE, Span, ends};

/// One span to choose.
pub(crate) struct RangeLink {
    pub(crate) label: &'static str,
    pub(crate) href: String,
    pub(crate) is_current: bool,
}

/// The spans, as seen from an instant.
pub(super) fn links(query: &Query, now_us: i64) -> Vec<RangeLink> {
    let held = held(query);
    let name = query.get(RANGE);
    let has_ends = |span: Span| span.ends(now_us) == Some(held);
    // Some quarters are as long as a span that ends now, and may just have ended.
    let is_calendar = |span: Span| matches!(span, Span::Quarter(_) | Span::LastYear);
    let is_of_calendar = NAMED.iter().any(|named| is_calendar(named.span) && has_ends(named.span));
    let is_last = |span_us: i64| match held {
        (Some(from), Some(to)) => to - from == span_us && (to - now_us).abs() <= HOUR_US,
        _ => false,
    };
    let mut links = Vec::new();
    for named in &NAMED {
        let Some(ends) = named.span.ends(now_us) else { continue };
        let is_held = match named.span {
            Span::Last(span_us) => !is_of_calendar && is_last(span_us),
            _ => name.is_none() && has_ends(named.span),
        };
        let other = without_span(query);
        let other = match named.span {
            Span::Last(_) => other.with(RANGE, named.name),
            _ => between(&other, ends),
        };
        let is_current = name == Some(named.name) || is_held;
        links.push(RangeLink { label: named.label, href: other.href("/logs"), is_current });
    }
    links
}

/// The query with both ends in place of the name of a span. Ends that it has already win, and a
/// name that is none stays: the API refuses it.
pub(super) fn resolved(query: &Query, now_us: i64) -> Query {
    let has_ends = query.get("from").is_some() || query.get("to").is_some();
    let named = query.get(RANGE).map(|name| ends(name, now_us));
    match named {
        Some(_) if has_ends => query.without(RANGE),
        Some(Some(ends)) => between(&query.without(RANGE), ends),
        Some(None) | None => query.clone(),
    }
}

/// The query with both ends and the name of its span: what is asked later is then about the same
/// span, and its links still say the name.
pub(super) fn pinned(query: &Query, now_us: i64) -> Query {
    resolved(query, now_us).with(RANGE, query.get(RANGE).unwrap_or_default())
}

/// The query that was [`pinned`].
pub(super) fn unpinned(query: &Query) -> Query {
    match query.get(RANGE) {
        Some(_) => query.without("from").without("to"),
        None => query.clone(),
    }
}

fn without_span(query: &Query) -> Query {
    anew(query).without("from").without("to").without(RANGE)
}

fn between(query: &Query, (from, to): Ends) -> Query {
    let text = |end: Option<i64>| end.map(format_rfc3339).unwrap_or_default();
    query.with("from", &text(from)).with("to", &text(to))
}

/// Whether something that happens now would be within the span.
pub(super) fn is_open(query: &Query, now_us: i64) -> bool {
    let query = resolved(query, now_us);
    match (query.get("to"), held(&query).1) {
        (None, _) => true,
        (Some(_), to) => to.is_some_and(|to| to > now_us),
    }
}

/// Both ends, as far as they can be read.
fn held(query: &Query) -> Ends {
    (instant(query.get("from")), instant(query.get("to")))
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
        let wrong = Query::parse("range=ever");
        assert_eq!(resolved(&wrong, now_us), wrong, "the API refuses it");
    }

    #[test]
    fn what_is_asked_later_is_about_the_same_span() {
        let now_us = parse_rfc3339("2026-02-14T09:30:30Z").unwrap();
        let named = Query::parse("type=a&range=last_hour");
        let asked = pinned(&named, now_us);
        let later = resolved(&asked, now_us + 10 * HOUR_US);
        assert_eq!(later, resolved(&named, now_us));
        assert_eq!(unpinned(&asked), named);
        let typed = Query::parse("from=2026-01-01");
        assert_eq!((pinned(&typed, now_us), unpinned(&typed)), (typed.clone(), typed));
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
            ("range=last_hour", true),
            ("range=last_quarter", false),
        ] {
            assert_eq!(is_open(&Query::parse(query), now_us), wanted, "{query}");
        }
    }
}
