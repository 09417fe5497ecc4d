//! The filter of an export or a saved query as a person would say it: what tells it apart first,
//! and the range of time last.

use std::collections::BTreeMap;

use auditlake_model::time::{DAY_US, day_start, parse_day, parse_rfc3339};

use super::logs::filtering::{in_words, of_values};
use crate::api::event_schema::column_of;
use crate::api::exports::Export;
use crate::format;

/// The ends of a range of time, and how it is introduced.
const RANGES: [(&str, &str, &str); 2] =
    [("from", "to", ""), ("recorded_from", "recorded_to", "recorded ")];

/// The filter of an export. Saved queries are called by their names where these are known.
pub(crate) fn of_export(export: &Export, names: &BTreeMap<String, String>) -> String {
    let mut pairs = export.given();
    for (name, value) in &mut pairs {
        if name.as_str() == "saved_query"
            && let Some(title) = names.get(value.as_str())
        {
            value.clone_from(title);
        }
    }
    of_pairs(&pairs)
}

/// A filter as the parameters that it was given as.
pub(crate) fn of_pairs(pairs: &[(String, String)]) -> String {
    let is_end = |name: &str| RANGES.iter().any(|(from, to, _)| [*from, *to].contains(&name));
    let mut parts = Vec::new();
    for (at, (name, _)) in pairs.iter().enumerate() {
        let is_said = pairs.iter().take(at).any(|(known, _)| known == name);
        if !is_said && !is_end(name) {
            parts.extend(of_one(name, &all(pairs, name)));
        }
    }
    for (from, to, introduced) in RANGES {
        let (from, to) = (all(pairs, from), all(pairs, to));
        let range = range(from.first().copied(), to.first().copied());
        parts.extend(range.map(|range| format!("{introduced}{range}")));
    }
    if parts.is_empty() {
        return "All events".to_owned();
    }
    format::visible(parts.join(" · "))
}

fn all<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

/// What one parameter says. Of several values one has to match, and none that has a `!`.
fn of_one(name: &str, values: &[&str]) -> Vec<String> {
    if column_of(name).is_some() {
        return of_values(name, values);
    }
    let said = values.iter().map(|value| in_words(name, value));
    // All expressions have to hold.
    if name == "where" { said.collect() } else { vec![said.collect::<Vec<_>>().join(" or ")] }
}

/// A range of time; its end is no part of it, so that a range up to a midnight ends the day
/// before.
fn range(from: Option<&str>, to: Option<&str>) -> Option<String> {
    let ends_us = (from.map(instant), to.map(instant));
    let is_of_days = |us: i64| us.rem_euclid(DAY_US) == 0;
    match ends_us {
        (None, None) => None,
        (Some(Some(from)), Some(Some(to))) if is_of_days(from) && is_of_days(to) && from < to => {
            Some(days(from, to - DAY_US))
        }
        (Some(Some(from)), None) if is_of_days(from) => Some(format!("from {}", format::day(from))),
        (None, Some(Some(to))) if is_of_days(to) => {
            Some(format!("up to {}", format::day(to - DAY_US)))
        }
        _ => match (from.map(clock), to.map(clock)) {
            (Some(from), Some(to)) => Some(format!("{from} – {to}")),
            (Some(from), None) => Some(format!("from {from}")),
            (_, to) => to.map(|to| format!("before {to}")),
        },
    }
}

/// The first and the last day of a range, with the year once where it is the same.
fn days(first_us: i64, last_us: i64) -> String {
    let (first, last) = (format::day(first_us), format::day(last_us));
    if first == last {
        return first;
    }
    match (first.rsplit_once(' '), last.rsplit_once(' ')) {
        (Some((day, year)), Some((_, same))) if year == same => format!("{day} – {last}"),
        _ => format!("{first} – {last}"),
    }
}

/// A day or a time; none for what the API reads otherwise.
fn instant(text: &str) -> Option<i64> {
    let day = parse_day(text.as_bytes()).map(day_start);
    day.or_else(|| parse_rfc3339(text).ok())
}

/// An end with its clock, or as it was given.
fn clock(text: &str) -> String {
    let Some(us) = instant(text) else { return text.to_owned() };
    let shown = format::utc(auditlake_model::time::format_rfc3339(us));
    // Of what is on the minute nobody needs the seconds.
    shown.replace(":00.000 UTC", " UTC").replace(".000 UTC", " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;

    fn words(query: &str) -> String {
        of_pairs(Query::parse(query).pairs())
    }

    #[test]
    fn what_tells_a_filter_apart_comes_first_and_the_time_last() {
        for (query, wanted) in [
            ("", "All events"),
            (
                "from=2026-01-01&to=2026-04-01&type=admin.*",
                "Type begins with admin. · 1 Jan – 31 Mar 2026",
            ),
            ("outcome=denied&from=2026-01-01", "Outcome is denied · from 1 Jan 2026"),
            ("type=a&outcome=denied&type=b", "Type is one of a, b · Outcome is denied"),
            ("type=a.*&type=b&type=!c", "Type begins with a. or Type is b · Type is not c"),
            ("type=!a,!b&outcome=denied", "Type is none of a, b · Outcome is denied"),
            (
                "type=a,b&type=!c&type=!d.*",
                "Type is one of a, b · Type is not c · Type does not begin with d.",
            ),
            ("where=seq+>+5&where=seq+<+9", "seq > 5 · seq < 9"),
            ("saved_query=Admins&q=x", "Saved query: Admins · contains “x”"),
            ("q=%E2%80%AE", "contains “⟨U+202E⟩”"),
        ] {
            assert_eq!(words(query), wanted);
        }
    }

    #[test]
    fn a_range_ends_with_the_last_day_that_is_in_it() {
        for (query, wanted) in [
            ("from=2026-03-01&to=2026-03-02", "1 Mar 2026"),
            ("from=2025-12-01&to=2026-01-02T00:00:00Z", "1 Dec 2025 – 1 Jan 2026"),
            ("to=2026-04-01", "up to 31 Mar 2026"),
            ("recorded_from=2026-01-01&recorded_to=2026-02-01", "recorded 1 Jan – 31 Jan 2026"),
            (
                "from=2026-01-01&to=2026-01-01T09:30:00Z",
                "2026-01-01 00:00 UTC – 2026-01-01 09:30 UTC",
            ),
            ("from=2026-01-01T09:30:15.5Z", "from 2026-01-01 09:30:15.500 UTC"),
            ("to=1767225600", "before 1767225600"),
            ("from=soon&to=2026-04-01", "soon – 2026-04-01 00:00 UTC"),
        ] {
            assert_eq!(words(query), wanted);
        }
    }
}
