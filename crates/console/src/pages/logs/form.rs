//! The filter bar: its fields, what they hold, and what the form must carry along so that a new
//! filter does not drop the others.

use auditlake_model::columns::{COLUMNS, Kind};

use super::filtering::{Chip, anew, chips};
use super::ranges::{RangeLink, links, resolved};
use crate::api::event_schema::{has_facets, label};
use crate::query::{OF_FORMS, Query};
use crate::ranges::RANGE;

/// Filters with a field of their own.
const FIELDS: [&str; 4] = ["q", "type", "from", "to"];

/// The form.
pub(crate) struct Form {
    pub(crate) ranges: Vec<RangeLink>,
    pub(crate) from: String,
    pub(crate) to: String,
    /// What a span that ends now is about at the moment; its fields are empty.
    pub(crate) span: Option<Span>,
    /// The text to look for.
    pub(crate) q: String,
    pub(crate) of_type: String,
    /// An expression that has to be put right, and what is wrong with it; else nothing.
    pub(crate) expression: String,
    pub(crate) expression_error: String,
    pub(crate) chips: Vec<Chip>,
    /// What the fields do not show and the form still says.
    pub(crate) kept: Vec<(String, String)>,
    /// The same and the fields, without the chosen columns, for the form of these.
    pub(crate) kept_beside_columns: Vec<(String, String)>,
    pub(crate) columns: Vec<FilterColumn>,
    /// Every name that an expression may use, for completion.
    pub(crate) column_names: String,
}

/// Both ends, RFC 3339.
pub(crate) struct Span {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// A column that a new filter may be about.
pub(crate) struct FilterColumn {
    pub(crate) name: &'static str,
    pub(crate) label: String,
    /// Its name again if the API counts its values.
    pub(crate) facet: &'static str,
}

impl Form {
    pub(super) fn of(query: &Query, saved_query: Option<&str>, now_us: i64) -> Self {
        let list = OF_FORMS.iter().fold(anew(query), |list, name| list.without(name));
        // A field holds one value; several are kept beside it.
        let has_field = |name: &str| FIELDS.contains(&name) && query.all(name).len() == 1;
        let held = |name: &str| match query.get(name) {
            Some(value) if has_field(name) => value.to_owned(),
            _ => String::new(),
        };
        let kept = list.pairs().iter().filter(|(name, _)| !has_field(name));
        let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        Self {
            ranges: links(query, now_us),
            from: held("from"),
            to: held("to"),
            span: span(query, now_us),
            q: held("q"),
            of_type: held("type"),
            expression: String::new(),
            expression_error: String::new(),
            kept: kept.cloned().collect(),
            kept_beside_columns: list.without("columns_shown").pairs().to_vec(),
            columns: columns(),
            column_names: names.join(" "),
            chips: chips(query, saved_query),
        }
    }

    /// Puts an expression that the API refused back into its field, if it is one of the page. Of
    /// several it is taken to be the last: the others were there before it.
    pub(super) fn reopen(&mut self, query: &Query, reason: &str) -> bool {
        let Some(last) = query.all("where").pop() else { return false };
        self.kept.retain(|(name, value)| name != "where" || value != last);
        self.expression = last.to_owned();
        self.expression_error = reason.trim_start_matches("parameter where: ").to_owned();
        true
    }
}

fn span(query: &Query, now_us: i64) -> Option<Span> {
    query.get(RANGE)?;
    let ends = resolved(query, now_us);
    Some(Span { from: ends.get("from")?.to_owned(), to: ends.get("to")?.to_owned() })
}

/// Times have fields of their own, positions and data are asked for in expressions.
fn columns() -> Vec<FilterColumn> {
    let can_filter = |kind| matches!(kind, Kind::Dict | Kind::Text);
    let of_texts = COLUMNS.iter().filter(|column| can_filter(column.kind));
    of_texts
        .map(|column| FilterColumn {
            name: column.name,
            label: label(column.name),
            facet: if has_facets(column.name) { column.name } else { "" },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_keeps_what_its_fields_do_not_show() {
        let query = Query::parse("type=a&q=x&from=2026-03-01&cursor=00&columns_shown=tool");
        let form = Form::of(&query, None, 0);
        let names = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&form.kept), "columns_shown");
        assert_eq!(names(&form.kept_beside_columns), "type q from");
        assert_eq!((form.q.as_str(), form.of_type.as_str()), ("x", "a"));
    }

    #[test]
    fn no_address_adds_a_field_that_the_form_has_by_itself() {
        let query = Query::parse("elements=a&csrf=b&name=c&shared=d&version=1&outcome=denied");
        let form = Form::of(&query, None, 0);
        let wanted = [("outcome".to_owned(), "denied".to_owned())];
        assert_eq!(form.kept, wanted);
        assert_eq!(form.kept_beside_columns, wanted);
    }

    #[test]
    fn an_expression_that_was_refused_is_in_its_field() {
        let query = Query::parse("type=a&where=seq+%3E+1&where=no+%3D+1");
        let mut form = Form::of(&query, None, 0);
        assert!(form.reopen(&query, "parameter where: no column is called no"));
        assert_eq!(form.expression, "no = 1");
        assert_eq!(form.expression_error, "no column is called no");
        assert_eq!(form.kept, [("where".to_owned(), "seq > 1".to_owned())]);
        assert_eq!(form.kept_beside_columns.len(), 3);
        assert!(!form.reopen(&Query::parse("saved_query=sq_1"), "it is another's"));
    }

    #[test]
    fn a_span_that_ends_now_says_what_it_is_about() {
        let form = Form::of(&Query::parse("range=last_hour"), None, 0);
        let span = form.span.unwrap();
        assert_eq!(span.from, "1969-12-31T23:01:00.000000Z");
        assert_eq!(span.to, "1970-01-01T00:01:00.000000Z");
        assert_eq!((form.from.as_str(), form.kept.len()), ("", 1));
        assert!(Form::of(&Query::parse("from=2026-03-01"), None, 0).span.is_none());
    }

    #[test]
    fn several_texts_are_chips() {
        let form = Form::of(&Query::parse("q=x&q=y"), None, 0);
        assert_eq!((form.q.as_str(), form.chips.len(), form.kept.len()), ("", 2, 2));
    }

    #[test]
    fn a_saved_query_is_called_by_its_name() {
        let form = Form::of(&Query::parse("saved_query=sq_1&type=a"), Some("Mine"), 0);
        assert_eq!(form.chips[0].text, "Saved query: Mine");
    }
}
