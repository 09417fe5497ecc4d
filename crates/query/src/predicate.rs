//! A filter value as a DataFusion expression over the event columns.

use arrow::datatypes::DataType;
use auditlake_model::columns::{COLUMNS, Kind, at};
use auditlake_model::filter::{Filter, Match, Range, SeqRange, Term};
use auditlake_model::scope::Scope;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;

use crate::functions::in_network;

/// The columns that a text search looks into.
const SEARCHED: [&str; 9] = [
    "type",
    "actor_id",
    "actor_label",
    "actor_email",
    "target_kind",
    "target_id",
    "target_label",
    "reason",
    "data",
];

/// The expression that holds for exactly the events a filter means, its SQL expressions aside;
/// none for all.
pub(crate) fn of_filter(filter: &Filter) -> Option<Expr> {
    let mut parts = Vec::new();
    parts.extend(of_range(at::OCCURRED_AT, filter.occurred));
    parts.extend(of_range(at::RECORDED_AT, filter.recorded));
    parts.extend(of_seqs(filter.seq));
    parts.extend(filter.terms.iter().map(of_term));
    parts.extend(filter.contains.iter().filter_map(|texts| {
        any_of(texts.iter().flat_map(|text| {
            let pattern = format!("%{}%", escape_like(text));
            SEARCHED.map(|name| ident(name).ilike(lit(pattern.clone())))
        }))
    }));
    all_of(parts)
}

/// What holds for exactly the events of a scope: comparisons that cannot fail on any event.
pub(crate) fn of_scope(scope: &Scope) -> impl Iterator<Item = Expr> {
    scope.bounds().map(|(column, value)| ident(COLUMNS[column].name).eq(text(column, value)))
}

/// An instant as DataFusion compares it with a column.
pub(crate) fn instant(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
}

/// Text as DataFusion compares it with a column: of the column's own type, or the column
/// would be decoded row by row to that of the text.
pub(crate) fn text(column: usize, text: &str) -> Expr {
    let text = ScalarValue::from(text);
    match COLUMNS[column].kind {
        Kind::Dict => lit(ScalarValue::Dictionary(Box::new(DataType::Int32), Box::new(text))),
        _ => lit(text),
    }
}

fn of_range(column: usize, range: Range) -> Vec<Expr> {
    let column = || ident(COLUMNS[column].name);
    let from = range.from_us.map(|from| column().gt_eq(instant(from)));
    let to = range.to_us.map(|to| column().lt(instant(to)));
    from.into_iter().chain(to).collect()
}

fn of_seqs(range: SeqRange) -> impl Iterator<Item = Expr> {
    let seq = || ident(COLUMNS[at::SEQ].name);
    let from = range.from.map(|from| seq().gt_eq(lit(from)));
    let to = range.to.map(|to| seq().lt(lit(to)));
    from.into_iter().chain(to)
}

fn of_term(term: &Term) -> Expr {
    let any = matches(term.column, &term.any);
    // An event that says nothing says nothing that is ruled out.
    let none = matches(term.column, &term.none)
        .map(|matched| ident(COLUMNS[term.column].name).is_null().or(Expr::Not(Box::new(matched))));
    all_of(any.into_iter().chain(none)).unwrap_or_else(|| lit(true))
}

fn matches(position: usize, matches: &[Match]) -> Option<Expr> {
    let column = || ident(COLUMNS[position].name);
    let (mut exact, mut other) = (Vec::new(), Vec::new());
    for matched in matches {
        match matched {
            Match::Exact(wanted) => exact.push(text(position, wanted)),
            Match::Prefix(prefix) => {
                other.push(column().like(lit(format!("{}%", escape_like(prefix)))));
            }
            Match::Network(network) => other.push(in_network(column(), *network)),
        }
    }
    if let [one] = exact.as_slice() {
        other.push(column().eq(one.clone()));
    } else if !exact.is_empty() {
        other.push(column().in_list(exact, false));
    }
    any_of(other)
}

/// Joins terms as a balanced tree: a long chain would be as deep as it is long.
fn balanced(mut terms: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while terms.len() > 1 {
        let mut joined = Vec::with_capacity(terms.len().div_ceil(2));
        let mut pairs = terms.into_iter();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        terms = joined;
    }
    terms.pop()
}

/// All of the terms; none when there are none.
pub(crate) fn all_of(terms: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    balanced(terms.into_iter().collect(), Expr::and)
}

fn any_of(terms: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    balanced(terms.into_iter().collect(), Expr::or)
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
