//! What the forms of the page send, turned into the address that says the same: the fields of a
//! new filter become a filter, a time without an offset gets one, lists of columns are joined. The
//! page then stands at an address that can be shared.

use std::borrow::Cow;

use url::form_urlencoded::parse;

use super::filtering::is_plain;
use crate::api::event_schema::{parameter_of, sql_text};
use crate::query::Query;
use crate::ranges::RANGE;

type Pair = (String, String);

/// The query to go to; none if the query string says it as it is.
pub(super) fn tidied(given: &str) -> Option<Query> {
    let before: Vec<Pair> = parse(given.as_bytes()).into_owned().collect();
    let mut after: Vec<Pair> = Vec::new();
    let mut shown: Vec<String> = Vec::new();
    let (mut column, mut how, mut value) = (String::new(), String::new(), String::new());
    for (name, text) in before.iter().cloned() {
        if text.trim().is_empty() {
            continue;
        }
        match name.as_str() {
            "add_column" => column = text,
            "add_how" => how = text,
            "add_value" => value = text.trim().to_owned(),
            "columns_shown" => shown.push(text),
            "from" | "to" => after.push((name, timed(text.trim()).into_owned())),
            _ => after.push((name, text)),
        }
    }
    if !column.is_empty() && !value.is_empty() {
        after.extend(added(&column, &how, &value));
    }
    if !shown.is_empty() {
        after.push(("columns_shown".to_owned(), shown.join(",")));
    }
    // The name of a span gives way to ends; one that is none is the API's to refuse.
    let has_ends = after.iter().any(|(name, _)| matches!(name.as_str(), "from" | "to"));
    after.retain(|(name, _)| name != RANGE || !has_ends);
    let is_same = before.len() == after.len() && after.iter().all(|pair| before.contains(pair));
    (!is_same).then(|| Query::of(after))
}

/// The filter that the fields of the form mean.
fn added(column: &str, how: &str, value: &str) -> Option<Pair> {
    // It goes into an expression, where only names of columns are wanted.
    auditlake_model::columns::index_of(column)?;
    let condition = |text: String| Some(("where".to_owned(), text));
    let (is_not, is_start) = (how.starts_with("not"), how.ends_with("begins"));
    match parameter_of(column) {
        // Networks are no texts that begin somehow, and a parameter would read signs in the text.
        Some(name) if is_plain(value) && !(is_start && name == "ip") => {
            let sign = if is_not { "!" } else { "" };
            let star = if is_start { "*" } else { "" };
            Some((name.to_owned(), format!("{sign}{value}{star}")))
        }
        _ if is_start => {
            let sign = if is_not { "NOT " } else { "" };
            condition(format!("{sign}starts_with(coalesce({column}, ''), {})", sql_text(value)))
        }
        _ => {
            let sign = if is_not { "IS DISTINCT FROM" } else { "=" };
            condition(format!("{column} {sign} {}", sql_text(value)))
        }
    }
}

/// A time as the API takes it: people leave the offset out, and mean UTC, as the field says.
fn timed(text: &str) -> Cow<'_, str> {
    let bare = text.trim_end_matches('Z').trim_end_matches("UTC").trim_end();
    let (day, clock) = match bare.split_at_checked(10) {
        Some((day, clock)) => (day, clock.trim_start_matches(['T', ' '])),
        None => return text.into(),
    };
    let is_clock = clock.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    match clock.len() {
        5 if is_clock => format!("{day}T{clock}:00Z").into(),
        8.. if is_clock => format!("{day}T{clock}Z").into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> String {
        tidied(query).map_or_else(|| "as it was".to_owned(), |query| query.href(""))
    }

    #[test]
    fn a_new_filter_becomes_one() {
        for (fields, wanted) in [
            ("type&add_how=is&add_value=a", "?type=a"),
            ("type&add_how=not&add_value=a", "?type=%21a"),
            ("type&add_how=is&add_value=!a", "?where=type+%3D+%27%21a%27"),
            ("type&add_how=is&add_value=a*", "?where=type+%3D+%27a*%27"),
            ("type&add_how=not&add_value=a,+b", "?where=type+IS+DISTINCT+FROM+%27a%2C+b%27"),
            ("type&add_how=begins&add_value=a.", "?type=a.*"),
            ("context_ip&add_how=is&add_value=10.0.0.0/8", "?ip=10.0.0.0%2F8"),
            ("reason&add_how=is&add_value=it's", "?where=reason+%3D+%27it%27%27s%27"),
            ("no_column&add_how=is&add_value=a", ""),
        ] {
            assert_eq!(of(&format!("add_column={fields}")), wanted);
        }
        assert_eq!(
            of("add_column=context_ip&add_how=notbegins&add_value=10."),
            "?where=NOT+starts_with%28coalesce%28context_ip%2C+%27%27%29%2C+%2710.%27%29"
        );
    }

    #[test]
    fn an_address_that_says_everything_stays() {
        assert_eq!(tidied(""), None);
        assert_eq!(tidied("type=a&from=2026-03-01&columns_shown=type,outcome&where=a%3D1"), None);
        assert_eq!(tidied("from=2026-03-01T09:30:00Z"), None);
        assert_eq!(tidied("range=last_hour"), None);
        assert_eq!(tidied("from=yesterday"), None, "the API says what is wrong with it");
    }

    #[test]
    fn forms_are_tidied_once() {
        let fields = "q=&from=2026-03-01+09:30&columns_shown=type&columns_shown=id&add_column=type";
        let tidy = of(fields);
        assert_eq!(tidy, "?from=2026-03-01T09%3A30%3A00Z&columns_shown=type%2Cid");
        assert_eq!(tidied(&tidy[1..]), None);
        assert_eq!(of("to=2026-03-01+09:30:15+UTC"), "?to=2026-03-01T09%3A30%3A15Z");
        assert_eq!(of("range=last_hour&from=2026-03-01"), "?from=2026-03-01");
        assert_eq!(of("range=ever&type=a"), "as it was", "the API says that it is none");
    }
}
