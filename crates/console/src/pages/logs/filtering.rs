//! Links that narrow and widen the list, and the active filters in words. What a filter means is
//! the API's business: here, values are only put under the names of parameters, or into an
//! expression where a parameter would read a sign in them.

use auditlake_model::filter::Filter;

use super::ranges::RANGE;
use crate::api::event_schema::{column_of, label, parameter_of, sql_text};
use crate::format;
use crate::query::Query;

/// What this page may be asked beside the parameters of every page.
const OWN: [&str; 3] = ["event_tenant", "figures", RANGE];
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
fn is_plain(value: &str) -> bool {
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
    let label = label(name);
    if column_of(name).is_none() {
        return match name {
            "q" => format!("contains “{value}”"),
            "where" => value.to_owned(),
            _ => format!("{label}: {value}"),
        };
    }
    let (is_not, rest) = match value.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    match (is_not, rest.strip_suffix('*')) {
        _ if value.contains(',') => format!("{label} is one of {}", value.replace(',', ", ")),
        (false, None) => format!("{label} is {rest}"),
        (true, None) => format!("{label} is not {rest}"),
        (false, Some(start)) => format!("{label} begins with {start}"),
        (true, Some(start)) => format!("{label} does not begin with {start}"),
    }
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
    fn filters_are_said_in_words() {
        for (name, value, words) in [
            ("type", "admin.*", "Type begins with admin."),
            ("type", "!admin.*", "Type does not begin with admin."),
            ("actor_id", "!u1", "Actor id is not u1"),
            ("outcome", "failure,denied", "Outcome is one of failure, denied"),
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
