//! Links that narrow and widen the list, and the active filters in words. What a filter means is
//! the API's business: here, values are only put under the names of parameters, or into an
//! expression where a parameter would read a sign in them.

use auditlake_model::filter::Filter;

use crate::api::event_schema::{column_of, label, parameter_of, sql_text};
use crate::format;
use crate::query::Query;

/// What this page may be asked beside the parameters of every page.
const OWN: [&str; 2] = ["event_tenant", "figures"];
/// Parameters of the list that the other calls about the same events do not take.
const OF_LIST: [&str; 4] = ["order", "limit", "cursor", "total"];
/// Rows of a page at most, whatever its address says: each is many times as large as its event.
const MAX_ROWS: u64 = 200;

/// What a call about all events that are meant is asked.
pub(crate) fn filters(query: &Query) -> Query {
    query.for_api(&[OWN.as_slice(), &OF_LIST].concat())
}

/// What the call that lists the events of the page is asked.
pub(crate) fn listed(query: &Query) -> Query {
    let limit = query.get("limit").and_then(|text| text.parse::<u64>().ok());
    match limit.filter(|limit| *limit > MAX_ROWS) {
        Some(_) => query.with("limit", &MAX_ROWS.to_string()).for_api(&OWN),
        None => query.for_api(&OWN),
    }
}

/// The query of another list: its pages begin anew, and no event is open.
pub(crate) fn anew(query: &Query) -> Query {
    let page = ["cursor", "event", "event_tenant", "figures", "done"];
    page.iter().fold(query.clone(), |query, name| query.without(name))
}

/// Whether a parameter reads a value as nothing but this value.
pub(super) fn is_plain(value: &str) -> bool {
    !(value.is_empty() || value.contains(',') || value.starts_with('!') || value.ends_with('*'))
}

/// The list of events that say this in a column; without that filter if it is there.
pub(crate) fn only(query: &Query, column: &str, value: Option<&str>) -> Query {
    let query = anew(query);
    match (parameter_of(column), value) {
        (Some(name), Some(value)) if is_plain(value) => {
            let held = query.all(name);
            // Beside "begins with" or "not", another value would widen the list.
            if held.iter().copied().all(is_plain) {
                query.toggled(name, value)
            } else {
                query.with(name, value)
            }
        }
        (_, Some(value)) => query.toggled("where", &format!("{column} = {}", sql_text(value))),
        (_, None) => query.toggled("where", &format!("{column} IS NULL")),
    }
}

/// The list of events that say this in a column, whatever it was held to there. It narrows the
/// list whether the filter is there already or not.
pub(crate) fn held_to(query: &Query, column: &str, value: Option<&str>) -> Query {
    let query = anew(query);
    let condition = match (parameter_of(column), value) {
        (Some(name), Some(value)) if is_plain(value) => return query.with(name, value),
        (_, Some(value)) => format!("{column} = {}", sql_text(value)),
        (_, None) => format!("{column} IS NULL"),
    };
    let is_there = query.all("where").contains(&condition.as_str());
    if is_there { query } else { query.and("where", &condition) }
}

/// The list without the events that say this in a column.
pub(crate) fn without(query: &Query, column: &str, value: Option<&str>) -> Query {
    let query = anew(query);
    match (parameter_of(column), value) {
        (Some(name), Some(value)) if is_plain(value) => {
            let is_held = query.all(name).contains(&value);
            let query = if is_held { query.toggled(name, value) } else { query };
            query.toggled(name, &format!("!{value}"))
        }
        (_, Some(value)) => {
            query.toggled("where", &format!("{column} IS DISTINCT FROM {}", sql_text(value)))
        }
        (_, None) => query.toggled("where", &format!("{column} IS NOT NULL")),
    }
}

/// Whether the list is held to this value.
pub(crate) fn is_held_to(query: &Query, column: &str, value: Option<&str>) -> bool {
    match (parameter_of(column), value) {
        (Some(name), Some(value)) if is_plain(value) => query.all(name).contains(&value),
        (_, Some(value)) => {
            let condition = format!("{column} = {}", sql_text(value));
            query.all("where").contains(&condition.as_str())
        }
        (_, None) => query.all("where").contains(&format!("{column} IS NULL").as_str()),
    }
}

/// An active filter.
pub(crate) struct Chip {
    pub(crate) text: String,
    /// The list without it.
    pub(crate) remove: String,
}

/// The active filters but the span of time, which has links and fields of its own.
pub(crate) fn chips(query: &Query, saved_query: Option<&str>) -> Vec<Chip> {
    let is_chip = |name: &str| match name {
        "from" | "to" => false,
        "saved_query" => true,
        other => Filter::knows(other),
    };
    let pairs = query.pairs().iter().filter(|(name, _)| is_chip(name));
    pairs
        .map(|(name, value)| {
            let value_shown = match (name.as_str(), saved_query) {
                ("saved_query", Some(title)) => title,
                _ => value.as_str(),
            };
            let remove = anew(query).toggled(name, value).href("/logs");
            Chip { text: format::visible(in_words(name, value_shown)), remove }
        })
        .collect()
}

/// A filter as a person would say it.
pub(crate) fn in_words(name: &str, value: &str) -> String {
    match name {
        _ if column_of(name).is_some() => of_values(name, &[value]).join(", and "),
        "q" => format!("contains “{value}”"),
        "where" => value.to_owned(),
        _ => format!("{}: {value}", label(name)),
    }
}

/// What the values of a parameter that filters a column say. One of those without a `!` has to
/// match and none of the others may, so each sentence has to hold.
pub(crate) fn of_values(name: &str, values: &[&str]) -> Vec<String> {
    let label = label(name);
    let parts = values.iter().flat_map(|value| value.split(','));
    let (none, any): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.starts_with('!'));
    let none: Vec<&str> = none.iter().map(|part| part.strip_prefix('!').unwrap_or(part)).collect();
    let is_list =
        |values: &[&str]| values.len() > 1 && values.iter().all(|one| !one.ends_with('*'));
    let say = |value: &str, is: &str, begins: &str| match value.strip_suffix('*') {
        Some(start) => format!("{label} {begins} {start}"),
        None => format!("{label} {is} {value}"),
    };
    let mut sentences = Vec::new();
    if is_list(&any) {
        sentences.push(format!("{label} is one of {}", any.join(", ")));
    } else if !any.is_empty() {
        let ways: Vec<_> = any.iter().map(|value| say(value, "is", "begins with")).collect();
        sentences.push(ways.join(" or "));
    }
    if is_list(&none) {
        sentences.push(format!("{label} is none of {}", none.join(", ")));
    } else {
        sentences.extend(none.iter().map(|value| say(value, "is not", "does not begin with")));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_narrow_the_list_and_leave_it_again() {
        let query = Query::parse("type=a.b&cursor=00&event=e&columns_shown=type");
        let two = only(&query, "outcome", Some("denied"));
        assert_eq!(two.href(""), "?type=a.b&columns_shown=type&outcome=denied");
        assert!(is_held_to(&two, "outcome", Some("denied")));
        assert_eq!(only(&two, "outcome", Some("denied")).get("outcome"), None);
        assert_eq!(only(&two, "outcome", Some("error")).all("outcome"), ["denied", "error"]);
        assert_eq!(without(&two, "outcome", Some("denied")).all("outcome"), ["!denied"]);
        let prefix = Query::parse("type=a.*");
        assert_eq!(only(&prefix, "type", Some("a.b")).all("type"), ["a.b"]);
    }

    #[test]
    fn values_that_a_parameter_would_read_otherwise_go_into_an_expression() {
        let query = Query::default();
        for value in ["a,b", "!a", "a*", ""] {
            let narrowed = only(&query, "actor_id", Some(value));
            let condition = format!("actor_id = '{value}'");
            assert_eq!(narrowed.all("where"), [condition.as_str()]);
            assert!(is_held_to(&narrowed, "actor_id", Some(value)));
            assert_eq!(only(&narrowed, "actor_id", Some(value)), query);
        }
        let quoted = only(&query, "reason", Some("it's"));
        assert_eq!(quoted.get("where"), Some("reason = 'it''s'"));
        assert_eq!(without(&query, "tool", None).get("where"), Some("tool IS NOT NULL"));
    }

    #[test]
    fn a_list_is_held_to_a_value_whatever_was_there() {
        for (given, column, value, wanted) in [
            ("type=a.b", "type", "a.b", "?type=a.b"),
            ("type=!x&type=a.*", "type", "a.b", "?type=a.b"),
            ("ip=10.0.0.0/8&event=e", "context_ip", "10.1.2.3", "?ip=10.1.2.3"),
            ("where=reason+%3D+%27x%27", "reason", "x", "?where=reason+%3D+%27x%27"),
            ("type=a", "type", "a,b", "?type=a&where=type+%3D+%27a%2Cb%27"),
        ] {
            let held = held_to(&Query::parse(given), column, Some(value));
            assert_eq!(held.href(""), wanted);
            assert_eq!(held_to(&held, column, Some(value)), held);
        }
    }

    #[test]
    fn filters_are_said_in_words() {
        for (name, value, words) in [
            ("type", "admin.*", "Type begins with admin."),
            ("type", "!admin.*", "Type does not begin with admin."),
            ("actor_id", "!u1", "Actor id is not u1"),
            ("outcome", "failure,denied", "Outcome is one of failure, denied"),
            ("type", "!a,!b", "Type is none of a, b"),
            ("type", "a,!b.*", "Type is a, and Type does not begin with b."),
            ("type", "a.*,b,!c,!d", "Type begins with a. or Type is b, and Type is none of c, d"),
            ("ip", "10.0.0.0/8", "IP address is 10.0.0.0/8"),
            ("q", "<b>", "contains “<b>”"),
            ("where", "seq > 5", "seq > 5"),
            ("seq_from", "5", "Position from: 5"),
        ] {
            assert_eq!(in_words(name, value), words);
        }
    }

    #[test]
    fn other_calls_get_the_filters_alone() {
        let query = Query::parse("type=a&order=asc&cursor=00&limit=5&total=true&event=e&tz=UTC");
        assert_eq!(filters(&query).href(""), "?type=a");
    }

    #[test]
    fn a_page_has_no_more_rows_than_it_can_show() {
        for (asked, told) in [
            ("limit=20&type=a&figures=shown", "?limit=20&type=a"),
            ("limit=200&type=a", "?limit=200&type=a"),
            ("limit=1000&type=a", "?type=a&limit=200"),
            ("limit=20&limit=x", "?limit=20&limit=x"),
            ("limit=-1", "?limit=-1"),
        ] {
            assert_eq!(listed(&Query::parse(asked)).href(""), told);
        }
    }
}
