//! The parameters of a request's query string: each is taken by name, and what nobody took is
//! refused, so that a misspelled filter never widens an answer.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use auditlake_model::filter::{Filter, RANGES, TERMS, TEXTS};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

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

    /// Every parameter that is a filter, as it was given.
    pub(crate) fn filters(&mut self) -> Vec<(String, String)> {
        let (filters, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(name, _)| Filter::knows(name));
        self.pairs = rest;
        self.known.extend(RANGES);
        self.known.extend(TERMS.iter().map(|(name, _)| *name));
        self.known.extend(TEXTS);
        filters
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

/// What filters mean together, as a query string or a body gives them.
pub(crate) fn filter_of(pairs: &[(String, String)]) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if !Filter::knows(name) {
            let terms = TERMS.map(|(term, _)| term);
            let allowed: Vec<_> = RANGES.into_iter().chain(terms).chain(TEXTS).collect();
            let reason = format!("is no filter; allowed: {}", allowed.join(", "));
            return Err(Problem::parameter(name, &reason));
        }
        // A bound means one thing: "or" of two would silently be the last one.
        if RANGES.contains(&name.as_str()) && pairs[..at].iter().any(|(earlier, _)| earlier == name)
        {
            return Err(twice(name));
        }
        filter.add(name, value)?;
    }
    Ok(filter)
}

/// Filters in a JSON body: `{"type": "admin.*", "outcome": ["failure", "denied"]}`, with the
/// names of the parameters.
pub(crate) type FilterBody = BTreeMap<String, FilterValues>;

/// One value of a filter, or several of which one is to match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a filter has a text or a list of texts")]
pub(crate) enum FilterValues {
    /// One value.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The filters of a body, as parameters would give them.
pub(crate) fn pairs_of(body: FilterBody) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs = Vec::new();
    for (name, values) in body {
        let values = match values {
            FilterValues::One(value) => vec![value],
            FilterValues::Many(values) => values,
        };
        if values.is_empty() {
            // Nothing matches one of none, and everything would without it.
            return Err(Problem::parameter(&name, "has no value in its list"));
        }
        pairs.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Ok(pairs)
}

/// Parameters as a body has them.
pub(crate) fn body_of(pairs: &[(String, String)]) -> FilterBody {
    let mut body: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        body.entry(name.clone()).or_default().push(value.clone());
    }
    body.into_iter().map(|(name, values)| (name, FilterValues::Many(values))).collect()
}

fn twice(name: &str) -> Problem {
    Problem::parameter(name, "is given more than once")
}

/// The filters, as the description of the API has them; they are read by name.
///
/// Repeated or with commas they mean "or", `!` in front means "not", `*` at the end means
/// "begins with".
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only described
pub(crate) struct FilterParams {
    /// From when on events happened: a date, RFC 3339, or epoch s, ms or µs.
    #[param(example = "2026-03-01")]
    from: Option<String>,
    /// Until before when events happened.
    #[param(example = "2026-04-01T00:00:00Z")]
    to: Option<String>,
    /// From when on the lake took events.
    recorded_from: Option<String>,
    /// Until before when the lake took events.
    recorded_to: Option<String>,
    /// From which position of the tenant's log on.
    seq_from: Option<u64>,
    /// Up to before which position of the tenant's log.
    seq_to: Option<u64>,
    /// The tenant.
    tenant_id: Option<String>,
    /// The event's own id.
    id: Option<String>,
    /// The type, like `user.signed_in` or `admin.*`.
    #[param(example = "admin.*,!admin.test")]
    r#type: Option<String>,
    /// success, failure, denied, partial, error or pending.
    outcome: Option<String>,
    /// Who did it.
    actor_id: Option<String>,
    /// The address of who did it.
    actor_email: Option<String>,
    /// What kind of actor it was.
    actor_kind: Option<String>,
    /// What kind of thing it was done to.
    target_kind: Option<String>,
    /// What it was done to.
    target_id: Option<String>,
    /// The organisation.
    org_id: Option<String>,
    /// The team.
    team_id: Option<String>,
    /// The namespace.
    namespace: Option<String>,
    /// The tool.
    tool: Option<String>,
    /// What the policy said.
    policy_result: Option<String>,
    /// public, internal, confidential or restricted.
    classification: Option<String>,
    /// An address, or a network like 10.0.0.0/8.
    ip: Option<String>,
    /// The request that it came of.
    request_id: Option<String>,
    /// A text in type, actor, target, reason or data.
    #[param(min_length = 1)]
    q: Option<String>,
    /// One SQL expression over the columns, which is true or false.
    #[param(
        min_length = 1,
        max_length = 4096,
        example = "json_get_str(data, 'method') = 'passkey'"
    )]
    r#where: Option<String>,
    /// The id of a saved query; what it means and the other filters must both hold.
    saved_query: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_go_through_a_body_and_back() {
        let text = r#"{"outcome":["failure","denied"],"type":"admin.*"}"#;
        let pairs = pairs_of(serde_json::from_str(text).unwrap()).unwrap();
        let wanted = [("outcome", "failure"), ("outcome", "denied"), ("type", "admin.*")];
        assert_eq!(pairs, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(pairs_of(body_of(&pairs)).unwrap(), pairs);
        let none = serde_json::from_str(r#"{"type":[]}"#).unwrap();
        assert!(pairs_of(none).is_err(), "an empty list is no filter");
        let error = serde_json::from_str::<FilterBody>(r#"{"type":7}"#).unwrap_err();
        assert!(error.to_string().contains("a text or a list of texts"), "{error}");
    }

    #[test]
    fn every_filter_is_described() {
        let described = FilterParams::into_params(|| None);
        let mut described: Vec<_> = described.iter().map(|param| param.name.as_str()).collect();
        let names = TERMS.iter().map(|(name, _)| *name);
        let mut wanted: Vec<_> =
            RANGES.into_iter().chain(names).chain(TEXTS).chain(["saved_query"]).collect();
        described.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(described, wanted);
    }
}
