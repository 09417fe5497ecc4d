//! What a request of a dialect asks for, in the words of the canonical filters: so it goes to
//! the engine, into a job, and into the event that tells of an export.

use auditlake_lake::Snapshot;
use auditlake_model::ModelError;
use auditlake_model::columns::COLUMNS;
use auditlake_model::filter::{Filter, TERMS};
use auditlake_model::time::format_rfc3339;

use super::period::{End, bound, instant};
use crate::cursor::recorded_bound;
use crate::params::Params;
use crate::problem::Problem;

/// The canonical parameters that say the same as those of the dialect.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pairs: Vec<(String, String)>,
}

impl Asked {
    /// A parameter that holds a canonical one to exactly its value.
    pub(super) fn take(
        &mut self,
        params: &mut Params,
        name: &'static str,
        term: &str,
    ) -> Result<(), Problem> {
        match params.take(name)? {
            Some(value) => self.hold(name, term, &value),
            None => Ok(()),
        }
    }

    /// Holds a canonical parameter to exactly a value, which came under this name.
    ///
    /// In the canonical filters `,`, `!` and `*` mean something. They do not in the systems
    /// that are spoken here, so a value with one of them becomes an expression. Addresses are
    /// not compared as texts, and have no expression.
    pub(super) fn hold(&mut self, name: &str, term: &str, value: &str) -> Result<(), Problem> {
        if term == "ip" || is_plain(value) {
            return self.push(name, term, value.to_owned());
        }
        let column = TERMS.iter().find(|(known, _)| *known == term).map_or(term, |(_, of)| *of);
        self.push(name, "where", format!("{column} = {}", quoted(value)))
    }

    /// A parameter that has one of a few values, and what each of them is called here.
    pub(super) fn choose(
        &mut self,
        params: &mut Params,
        name: &'static str,
        term: &str,
        choices: &[(&str, &str)],
    ) -> Result<(), Problem> {
        match params.choice(name, choices)? {
            Some(value) => self.push(name, term, value.to_owned()),
            None => Ok(()),
        }
    }

    /// A canonical parameter, under the name that the client knows it by.
    pub(super) fn push(&mut self, name: &str, term: &str, value: String) -> Result<(), Problem> {
        Filter::of([(term, value.as_str())]).map_err(|error| named(name, error))?;
        self.pairs.push((term.to_owned(), value));
        Ok(())
    }

    /// The range of time; each of its parameters may go by several names.
    pub(super) fn period(
        &mut self,
        params: &mut Params,
        from: &[&'static str],
        to: &[&'static str],
        end: End,
    ) -> Result<(), Problem> {
        let from = aliased(params, from)?;
        let from = from.map(|(name, text)| instant(name, &text)).transpose()?;
        let to = aliased(params, to)?;
        if let Some(from_us) = from {
            self.begin_at(from_us);
        }
        let Some((name, text)) = to else { return Ok(()) };
        let Some(to_us) = bound(name, &text, end)? else { return Ok(()) };
        // An end that is included holds some time at least, so that an empty range is a mistake.
        let least_us = if end == End::Included { 1 } else { 0 };
        if from.is_some_and(|from_us| from_us > to_us - least_us) {
            return Err(Problem::parameter(name, "the range ends before it begins"));
        }
        self.end_before(to_us);
        Ok(())
    }

    /// The first instant of the range of time.
    pub(super) fn begin_at(&mut self, from_us: i64) {
        self.pairs.push(("from".to_owned(), format_rfc3339(from_us)));
    }

    /// The first instant behind the range of time.
    pub(super) fn end_before(&mut self, to_us: i64) {
        self.pairs.push(("to".to_owned(), format_rfc3339(to_us)));
    }

    /// The first instant of which nothing that was recorded is meant.
    pub(super) fn recorded_before(&mut self, bound_us: i64) {
        self.pairs.push(("recorded_to".to_owned(), format_rfc3339(bound_us)));
    }

    /// The same as a filter.
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        let pairs = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(Filter::of(pairs)?)
    }

    /// The canonical parameters.
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.pairs
    }
}

/// The value of a parameter that goes by several names, and the one that was used.
pub(super) fn aliased(
    params: &mut Params,
    names: &[&'static str],
) -> Result<Option<(&'static str, String)>, Problem> {
    let mut found: Option<(&'static str, String)> = None;
    for &name in names {
        let Some(value) = params.take(name)? else { continue };
        if let Some((other, _)) = found {
            let reason = format!("means the same as {other}, which is given too");
            return Err(Problem::parameter(name, &reason));
        }
        found = Some((name, value));
    }
    Ok(found)
}

/// The events that a filter means and that a snapshot holds. Whoever reads them later, in
/// another snapshot, finds the same ones; why is told where cursors are made.
pub(super) fn pinned(mut filter: Filter, snapshot: &Snapshot) -> Filter {
    let bound = match recorded_bound(snapshot) {
        // Nothing is there yet, and what comes later is not meant.
        i64::MAX => 0,
        bound => bound,
    };
    filter.recorded.to_us = Some(filter.recorded.to_us.map_or(bound, |own| own.min(bound)));
    filter
}

/// A refusal under the name that the client used.
pub(super) fn named(name: &str, error: ModelError) -> Problem {
    match error {
        ModelError::Filter { reason, .. } => Problem::parameter(name, &reason),
        other => other.into(),
    }
}

/// Whether a canonical filter takes a value as it stands.
fn is_plain(value: &str) -> bool {
    !value.starts_with('!') && !value.ends_with('*') && !value.contains(',')
}

/// A text as SQL writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The name of a column, for an expression.
pub(super) fn column(at: usize) -> &'static str {
    COLUMNS[at].name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::read(Some(query))
    }

    #[test]
    fn values_stand_for_themselves() {
        let mut asked = Asked::default();
        let mut given = params("user=a%2Cb&tool=sh&kind=%21x&request=it%27s%2A");
        asked.take(&mut given, "user", "actor_id").unwrap();
        asked.take(&mut given, "tool", "tool").unwrap();
        asked.take(&mut given, "kind", "type").unwrap();
        asked.take(&mut given, "request", "request_id").unwrap();
        assert_eq!(
            asked.filter().unwrap().to_string(),
            "tool in (sh) and (actor_id = 'a,b') and (type = '!x') and \
             (context_request_id = 'it''s*')"
        );
    }

    #[test]
    fn an_alias_may_stand_in_but_not_beside() {
        let names = ["from", "startDate"];
        let found = aliased(&mut params("startDate=2026-03-01"), &names).unwrap();
        assert_eq!(found, Some(("startDate", "2026-03-01".to_owned())));
        let error = aliased(&mut params("startDate=a&from=b"), &names).unwrap_err();
        assert!(format!("{error:?}").contains("means the same as from"));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused_under_its_name() {
        let mut asked = Asked::default();
        let mut given = params("startDate=2026-03-02&endDate=2026-02-28");
        let period = asked.period(&mut given, &["startDate"], &["endDate"], End::Included);
        let text = format!("{:?}", period.unwrap_err());
        assert!(text.contains("parameter endDate: the range ends before it begins"), "{text}");
    }
}
