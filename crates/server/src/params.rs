//! The parameters of a request's query string: each is taken by name, and what nobody took is
//! refused, so that a misspelled filter never widens an answer.

use std::ops::RangeInclusive;

use auditlake_model::filter::{Filter, RANGES, TERMS};
use url::form_urlencoded;

use crate::problem::Problem;

/// The parameters not taken yet.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    /// The names that were asked for, for whoever used another one.
    known: Vec<&'static str>,
}

impl Params {
    pub(crate) fn read(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { pairs, known: Vec::new() }
    }

    /// The value of a parameter that may stand once.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.known.push(name);
        let Some(at) = self.pairs.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, value) = self.pairs.remove(at);
        if self.pairs.iter().any(|(given, _)| given == name) {
            return Err(twice(name));
        }
        Ok(Some(value))
    }

    /// The value of a parameter that may have one of a few.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        match choices.iter().find(|(choice, _)| *choice == value) {
            Some((_, chosen)) => Ok(Some(*chosen)),
            None => {
                let allowed: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
                let allowed = allowed.join(", ");
                Err(Problem::parameter(name, &format!("{value:?} is not one of {allowed}")))
            }
        }
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    /// A whole number within bounds.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Problem> {
        let Some(value) = self.take(name)? else { return Ok(None) };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = (range.start(), range.end());
                let bounds = match *most {
                    usize::MAX => format!("of at least {least}"),
                    most => format!("from {least} to {most}"),
                };
                let reason = format!("{value:?} is no whole number {bounds}");
                Err(Problem::parameter(name, &reason))
            }
        }
    }

    /// Every parameter that is a filter.
    pub(crate) fn filter(&mut self) -> Result<Filter, Problem> {
        let (filters, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(name, _)| Filter::knows(name));
        self.pairs = rest;
        self.known.extend(RANGES);
        self.known.extend(TERMS.iter().map(|(name, _)| *name));
        self.known.push("q");
        let mut filter = Filter::default();
        for (at, (name, value)) in filters.iter().enumerate() {
            // A bound of time means one thing: "or" of two would silently be the last one.
            if RANGES.contains(&name.as_str())
                && filters[..at].iter().any(|(earlier, _)| earlier == name)
            {
                return Err(twice(name));
            }
            filter.add(name, value)?;
        }
        Ok(filter)
    }

    /// Refuses whatever was not taken.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                let reason = match self.known.as_slice() {
                    [] => "is not known here; no parameter is allowed".to_owned(),
                    known => format!("is not known here; allowed: {}", known.join(", ")),
                };
                Err(Problem::parameter(name, &reason))
            }
        }
    }
}

fn twice(name: &str) -> Problem {
    Problem::parameter(name, "is given more than once")
}
