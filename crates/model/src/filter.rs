//! Filters as a value: which events are meant, independent of who evaluates it. The same
//! parameters, spelled the same, serve the HTTP API and the command line.

use ipnet::IpNet;

use crate::columns::{CLASSIFICATIONS, COLUMNS, OUTCOMES, at, index_of};
use crate::error::ModelError;
use crate::time::{day_start, from_epoch, parse_day, parse_rfc3339};

/// Which events are meant; the default means all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// When they happened.
    pub occurred: Range,
    /// When the lake took them.
    pub recorded: Range,
    /// Where they stand in their tenant's log.
    pub seq: SeqRange,
    /// What their columns say; all terms must hold.
    pub terms: Vec<Term>,
    /// Lists of texts; one of each list must stand somewhere in type, actor, target, reason or
    /// data.
    pub contains: Vec<Vec<String>>,
    /// SQL expressions over the columns, all of which must hold. Only who evaluates a filter
    /// can tell whether they are right.
    pub conditions: Vec<String>,
}

/// A span of time in microseconds; the start belongs to it, the end does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub from_us: Option<i64>,
    /// The first instant after it.
    pub to_us: Option<i64>,
}

/// A range of positions in a log; the start belongs to it, the end does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqRange {
    /// The first position.
    pub from: Option<u64>,
    /// The first position behind it.
    pub to: Option<u64>,
}

/// A condition on one column: one of `any` (when there are any), and none of `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The column's position in the schema.
    pub column: usize,
    /// What may match.
    pub any: Vec<Match>,
    /// What must not match.
    pub none: Vec<Match>,
}

/// One way for a text to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The same text.
    Exact(String),
    /// A text that begins so.
    Prefix(String),
    /// An address inside a network.
    Network(IpNet),
}

/// The parameters that name a column, with the column they name.
pub const TERMS: [(&str, &str); 17] = [
    ("tenant_id", "tenant_id"),
    ("id", "id"),
    ("type", "type"),
    ("outcome", "outcome"),
    ("actor_id", "actor_id"),
    ("actor_email", "actor_email"),
    ("actor_kind", "actor_kind"),
    ("target_kind", "target_kind"),
    ("target_id", "target_id"),
    ("org_id", "org_id"),
    ("team_id", "team_id"),
    ("namespace", "namespace"),
    ("tool", "tool"),
    ("policy_result", "policy_result"),
    ("classification", "classification"),
    ("ip", "context_ip"),
    ("request_id", "context_request_id"),
];

/// The parameters that bound time or positions; each is given once at most.
pub const RANGES: [&str; 6] = ["from", "to", "recorded_from", "recorded_to", "seq_from", "seq_to"];

/// The parameters that look into several columns: a text, and an SQL expression.
pub const TEXTS: [&str; 2] = ["q", "where"];

/// The most values one filter may list: each is a term of the plan.
const MAX_VALUES: usize = 1000;
/// The most texts to look for: each is looked for in several columns of every event.
const MAX_TEXTS: usize = 20;
/// The most SQL expressions: each is read and planned before anything else is refused.
const MAX_CONDITIONS: usize = 16;
/// The longest SQL expression, in bytes.
const MAX_CONDITION_BYTES: usize = 4096;

impl Filter {
    /// Whether a filter has a parameter of this name.
    #[must_use]
    pub fn knows(name: &str) -> bool {
        TEXTS.contains(&name)
            || RANGES.contains(&name)
            || TERMS.iter().any(|(term, _)| *term == name)
    }

    /// Adds one parameter; a repeated one means "or".
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), ModelError> {
        match name {
            "from" => self.occurred.from_us = Some(instant(name, value)?),
            "to" => self.occurred.to_us = Some(instant(name, value)?),
            "recorded_from" => self.recorded.from_us = Some(instant(name, value)?),
            "recorded_to" => self.recorded.to_us = Some(instant(name, value)?),
            "seq_from" => self.seq.from = Some(position(name, value)?),
            "seq_to" => self.seq.to = Some(position(name, value)?),
            "q" | "where" if value.trim().is_empty() => {
                return Err(refuse(name, "must not be empty"));
            }
            "q" if self.contains.iter().map(Vec::len).sum::<usize>() >= MAX_TEXTS => {
                return Err(refuse(name, &format!("is given more than {MAX_TEXTS} times")));
            }
            "q" => match self.contains.last_mut() {
                Some(texts) => texts.push(value.to_owned()),
                None => self.contains.push(vec![value.to_owned()]),
            },
            "where" if value.len() > MAX_CONDITION_BYTES => {
                return Err(refuse(name, &format!("is longer than {MAX_CONDITION_BYTES} bytes")));
            }
            "where" if self.conditions.len() >= MAX_CONDITIONS => {
                return Err(refuse(name, &format!("is given more than {MAX_CONDITIONS} times")));
            }
            "where" => self.conditions.push(value.to_owned()),
            _ => self.add_term(name, value)?,
        }
        let of_time = [self.occurred, self.recorded];
        if of_time.into_iter().any(Range::is_backwards) || self.seq.is_backwards() {
            return Err(refuse(name, "the range ends before it begins"));
        }
        Ok(())
    }

    fn add_term(&mut self, name: &str, value: &str) -> Result<(), ModelError> {
        let column = TERMS
            .iter()
            .find(|(term, _)| *term == name)
            .and_then(|(_, column)| index_of(column))
            .ok_or_else(|| refuse(name, "is no filter"))?;
        let at = match self.terms.iter().position(|term| term.column == column) {
            Some(at) => at,
            None => {
                self.terms.push(Term { column, any: Vec::new(), none: Vec::new() });
                self.terms.len() - 1
            }
        };
        for part in value.split(',') {
            let (negated, text) = match part.strip_prefix('!') {
                Some(text) => (true, text),
                None => (false, part),
            };
            let matched = Match::parse(name, column, text)?;
            let term = &mut self.terms[at];
            if negated { &mut term.none } else { &mut term.any }.push(matched);
        }
        if self.terms.iter().map(|term| term.any.len() + term.none.len()).sum::<usize>()
            > MAX_VALUES
        {
            return Err(refuse(name, &format!("more than {MAX_VALUES} values in one filter")));
        }
        Ok(())
    }

    /// Reads parameters as [`Filter::add`] does.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ModelError> {
        let mut filter = Self::default();
        pairs.into_iter().try_for_each(|(name, value)| filter.add(name, value))?;
        Ok(filter)
    }

    /// The events that both filters mean.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.occurred = self.occurred.and(other.occurred);
        self.recorded = self.recorded.and(other.recorded);
        self.seq = self.seq.and(other.seq);
        self.terms.extend(other.terms);
        self.contains.extend(other.contains);
        self.conditions.extend(other.conditions);
        self
    }

    /// The one value a column is held to, if the filter says so.
    #[must_use]
    pub fn exactly(&self, column: usize) -> Option<&str> {
        let terms = self.terms.iter().filter(|term| term.column == column);
        terms.into_iter().find_map(|term| match term.any.as_slice() {
            [Match::Exact(text)] => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Range {
    /// What lies in both.
    fn and(self, other: Self) -> Self {
        Self { from_us: self.from_us.max(other.from_us), to_us: first(self.to_us, other.to_us) }
    }

    fn is_backwards(self) -> bool {
        matches!((self.from_us, self.to_us), (Some(from), Some(to)) if from > to)
    }
}

impl SeqRange {
    /// What lies in both.
    fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: first(self.to, other.to) }
    }

    fn is_backwards(self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from > to)
    }
}

/// The lesser of two ends, of which none lies behind all others.
fn first<T: Ord>(one: Option<T>, two: Option<T>) -> Option<T> {
    one.into_iter().chain(two).min()
}

impl Match {
    fn parse(name: &str, column: usize, text: &str) -> Result<Self, ModelError> {
        if text.is_empty() {
            return Err(refuse(name, "has an empty value"));
        }
        if column == at::CONTEXT_IP {
            return network(name, text);
        }
        if let Some(prefix) = text.strip_suffix('*') {
            return Ok(Self::Prefix(prefix.to_owned()));
        }
        let choices: &[&str] = match column {
            at::OUTCOME => &OUTCOMES,
            at::CLASSIFICATION => &CLASSIFICATIONS,
            _ => &[],
        };
        if !choices.is_empty() && !choices.contains(&text) {
            return Err(refuse(name, &format!("{text:?} is not one of {}", choices.join(", "))));
        }
        Ok(Self::Exact(text.to_owned()))
    }

    /// Whether a cell matches.
    #[must_use]
    pub fn holds(&self, cell: &str) -> bool {
        match self {
            Self::Exact(text) => cell == text,
            Self::Prefix(prefix) => cell.starts_with(prefix.as_str()),
            Self::Network(network) => {
                cell.parse().is_ok_and(|address: std::net::IpAddr| network.contains(&address))
            }
        }
    }
}

fn network(name: &str, text: &str) -> Result<Match, ModelError> {
    let parsed = if text.contains('/') {
        text.parse::<IpNet>().map(|network| network.trunc()).ok()
    } else {
        text.parse::<std::net::IpAddr>().map(IpNet::from).ok()
    };
    parsed.map(Match::Network).ok_or_else(|| {
        refuse(name, &format!("{text:?} is neither an address nor a network like 10.0.0.0/8"))
    })
}

/// Reads a filter's time: a date, RFC 3339, or epoch s, ms or µs.
fn instant(name: &str, value: &str) -> Result<i64, ModelError> {
    let parsed = if let Some(day) = parse_day(value.as_bytes()) {
        Ok(day_start(day))
    } else if let Ok(number) = value.parse::<i64>() {
        from_epoch(number)
    } else {
        // A form-decoded query turns an unescaped `+02:00` into ` 02:00`.
        parse_rfc3339(&value.replacen(' ', "+", usize::from(value.contains('T'))))
    };
    parsed.map_err(|_| {
        refuse(
            name,
            &format!(
                "{value:?} is no time; give 2026-03-01, 2026-03-01T00:00:00Z (any offset), \
                 or epoch s, ms or µs"
            ),
        )
    })
}

/// Reads a position in a log.
fn position(name: &str, value: &str) -> Result<u64, ModelError> {
    let digits = Some(value).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let most = u64::MAX;
        refuse(name, &format!("{value:?} is no position in a log; give a number from 0 to {most}"))
    })
}

fn refuse(name: &str, reason: &str) -> ModelError {
    ModelError::Filter { name: name.to_owned(), reason: reason.to_owned() }
}

impl std::fmt::Display for Filter {
    /// The filter in words, for a log line or a manifest.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        for (name, range) in [("occurred_at", self.occurred), ("recorded_at", self.recorded)] {
            if let Some(from) = range.from_us {
                parts.push(format!("{name} >= {}", crate::time::format_rfc3339(from)));
            }
            if let Some(to) = range.to_us {
                parts.push(format!("{name} < {}", crate::time::format_rfc3339(to)));
            }
        }
        parts.extend(self.seq.from.map(|from| format!("seq >= {from}")));
        parts.extend(self.seq.to.map(|to| format!("seq < {to}")));
        for term in &self.terms {
            let name = COLUMNS[term.column].name;
            for (word, matches) in [("in", &term.any), ("not in", &term.none)] {
                if !matches.is_empty() {
                    let list: Vec<_> = matches.iter().map(ToString::to_string).collect();
                    parts.push(format!("{name} {word} ({})", list.join(", ")));
                }
            }
        }
        for texts in &self.contains {
            let texts: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
            parts.push(format!("contains {}", texts.join(" or ")));
        }
        parts.extend(self.conditions.iter().map(|condition| format!("({condition})")));
        f.write_str(if parts.is_empty() { "all events" } else { "" })?;
        f.write_str(&parts.join(" and "))
    }
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(pairs: &[(&str, &str)]) -> Result<Filter, ModelError> {
        Filter::of(pairs.iter().copied())
    }

    #[test]
    fn both_of_two_filters_hold() {
        let one = filter(&[("from", "2026-03-01"), ("type", "a,b"), ("q", "x"), ("q", "y")]);
        let (from, to) = (("from", "2026-03-02"), ("to", "2026-03-03"));
        let two = filter(&[from, to, ("type", "b"), ("q", "z")]);
        assert_eq!(
            one.unwrap().and(two.unwrap()).to_string(),
            "occurred_at >= 2026-03-02T00:00:00.000000Z and \
             occurred_at < 2026-03-03T00:00:00.000000Z and type in (a, b) and type in (b) and \
             contains \"x\" or \"y\" and contains \"z\""
        );
    }

    #[test]
    fn positions_bound_a_log() {
        let one = filter(&[("seq_from", "5"), ("seq_to", "18446744073709551615")]).unwrap();
        assert_eq!(one.to_string(), "seq >= 5 and seq < 18446744073709551615");
        let two = filter(&[("seq_from", "0"), ("seq_to", "9"), ("type", "a")]).unwrap();
        let both = one.clone().and(two.clone());
        assert_eq!(both.to_string(), "seq >= 5 and seq < 9 and type in (a)");
        assert_eq!(two.and(one).seq, SeqRange { from: Some(5), to: Some(9) });
        assert_eq!(filter(&[("seq_from", "7"), ("seq_to", "7")]).unwrap().seq.to, Some(7));
        for name in ["seq_from", "seq_to"] {
            assert!(Filter::knows(name));
            for value in ["", "-1", "+1", "1.0", "0x1", " 1", "18446744073709551616"] {
                let error = filter(&[(name, value)]).unwrap_err().to_string();
                assert!(error.contains(&format!("parameter {name}: {value:?} is no")), "{error}");
                assert!(error.contains("from 0 to 18446744073709551615"), "{error}");
            }
        }
        for pairs in [[("seq_from", "8"), ("seq_to", "7")], [("seq_to", "7"), ("seq_from", "8")]] {
            let error = filter(&pairs).unwrap_err().to_string();
            assert!(error.contains("ends before it begins"), "{error}");
        }
    }

    #[test]
    fn repeats_and_commas_mean_or_and_bang_means_not() {
        let filter =
            filter(&[("type", "admin.*,user.signed_in"), ("type", "!admin.test")]).unwrap();
        assert_eq!(
            filter.to_string(),
            "type in (admin.*, user.signed_in) and type not in (admin.test)"
        );
    }

    #[test]
    fn addresses_and_networks() {
        let filter = filter(&[("ip", "10.1.2.3/8"), ("ip", "2001:db8::1")]).unwrap();
        let any = &filter.terms[0].any;
        assert!(any[0].holds("10.255.0.1") && !any[0].holds("11.0.0.1") && !any[0].holds("::1"));
        assert!(any[1].holds("2001:db8::1") && !any[1].holds("2001:db8::2"));
    }

    #[test]
    fn refusals_name_parameter_and_what_is_allowed() {
        for (name, value, said) in [
            ("from", "yesterday", "parameter from: \"yesterday\" is no time"),
            ("ip", "10.0.0", "parameter ip: \"10.0.0\" is neither"),
            ("outcome", "ok", "is not one of success, failure"),
            ("type", "", "parameter type: has an empty value"),
            ("colour", "red", "parameter colour: is no filter"),
        ] {
            let error = filter(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(filter(&[("from", "2026-03-02"), ("to", "2026-03-01")]).is_err());
        for (pair, most) in [(("q", "x"), MAX_TEXTS), (("where", "true"), MAX_CONDITIONS)] {
            assert!(filter(&vec![pair; most]).is_ok());
            assert!(filter(&vec![pair; most + 1]).is_err(), "{pair:?}");
        }
    }
}
