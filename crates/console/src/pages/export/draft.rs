//! What the form of an export says: read from an address or a form, and written as a call to
//! the API, as a link to the file, and as a link to the form itself.
//!
//! Whatever is no field of the form is taken for a filter and handed on, so that the API refuses
//! what it does not know: a misspelled filter never widens an export.

use auditlake_model::time::{DAY_US, day_of, format_day, format_rfc3339};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::api::exports::Export;
use crate::api::saved_queries::body_of;
use crate::query::{OF_FORMS, OWN, Query};
use crate::ranges::{RANGE, ends};

/// What an address may say that is neither a field of the form nor a filter: the state of the
/// list of events that the viewer comes from, and what only the form needs.
const DROPPED: [&str; 6] = ["limit", "cursor", "total", "interval", "action", "estimate"];
/// The fields of the form that are no filters.
const FIELDS: [&str; 10] = [
    "format",
    "scope",
    "clock",
    "pick",
    "column",
    "columns",
    "compression",
    "csv_safe",
    "proof",
    "order",
];
const SAVED_QUERY: &str = "saved_query";
const TENANT_ID: &str = "tenant_id";

/// An export that is not asked for yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) format: String,
    /// Whether the filters are to be left aside.
    pub(crate) is_all: bool,
    /// The filters, the range of time aside.
    pub(crate) filters: Vec<(String, String)>,
    /// The range of time; empty where it is open.
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whether the range is of when the lake took events, not of when they happened.
    pub(crate) is_recorded: bool,
    /// Whether only some columns are meant, and which.
    pub(crate) picks_columns: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) compression: String,
    pub(crate) order: String,
    /// What is to be proved; empty for nothing.
    pub(crate) proof: String,
    pub(crate) is_csv_safe: bool,
}

impl Draft {
    /// What an address, or a form, says; `now_us` is what relative ranges end at.
    pub(crate) fn read(query: &Query, now_us: i64) -> Self {
        let text = |name: &str, default: &str| query.get(name).unwrap_or(default).to_owned();
        let mut filters = filters_of(query);
        let has = |name: &str| query.get(name).is_some();
        let is_recorded = match query.get("clock") {
            Some(clock) => clock == "recorded",
            None => (has("recorded_from") || has("recorded_to")) && !(has("from") || has("to")),
        };
        let mut from = take(&mut filters, "from").unwrap_or_default();
        let mut to = take(&mut filters, "to").unwrap_or_default();
        if is_recorded && from.is_empty() && to.is_empty() {
            from = take(&mut filters, "recorded_from").unwrap_or_default();
            to = take(&mut filters, "recorded_to").unwrap_or_default();
        }
        // A name that is none stays among the filters, for the API to refuse.
        filters.retain(|(name, value)| match ends(value, now_us).filter(|_| name == RANGE) {
            Some((begin, end)) => {
                (from, to) = (end_text(begin), end_text(end));
                false
            }
            None => true,
        });
        Self {
            format: text("format", "csv"),
            is_all: query.get("scope") == Some("all"),
            filters,
            from,
            to,
            is_recorded,
            picks_columns: query.get("pick") == Some("some") || (!has("pick") && has("columns")),
            columns: columns_of(query),
            compression: text("compression", "none"),
            order: text("order", "log"),
            proof: text("proof", ""),
            // The form sends `false`, and behind it `true` if the box is checked.
            is_csv_safe: query.all("csv_safe").last().is_none_or(|last| *last != "false"),
        }
    }

    /// The same export as one that was made, of the events that there are now.
    pub(crate) fn again(export: &Export) -> Self {
        let mut draft = Self::read(&Query::of(export.given()), 0);
        draft.format.clone_from(&export.format);
        draft.compression.clone_from(&export.compression);
        draft.order.clone_from(&export.order);
        draft.proof = export.proof.clone().unwrap_or_default();
        draft.is_csv_safe = export.csv_safe.unwrap_or(true);
        draft.picks_columns = export.columns.is_some();
        draft.columns = export.columns.clone().unwrap_or_default();
        draft
    }

    /// The saved query that holds as well.
    pub(super) fn saved_query(&self) -> Option<&str> {
        let named = self.filters.iter().find(|(name, _)| name == SAVED_QUERY);
        named.map(|(_, id)| id.as_str())
    }

    /// The parameters that say which events are meant.
    pub(super) fn meant(&self) -> Vec<(String, String)> {
        // A tenant is a place rather than a filter: "all events" are those of one tenant.
        // A range that is not known must be refused, not become all time.
        let is_meant = |name: &str| !self.is_all || [TENANT_ID, RANGE].contains(&name);
        let mut pairs: Vec<_> =
            self.filters.iter().filter(|(name, _)| is_meant(name)).cloned().collect();
        let prefix = if self.is_recorded { "recorded_" } else { "" };
        for (name, value) in [("from", &self.from), ("to", &self.to)] {
            if !value.is_empty() {
                pairs.push((format!("{prefix}{name}"), value.clone()));
            }
        }
        pairs
    }

    /// The columns, unless all of them are meant. Whoever picks some and names none is refused
    /// by the API rather than given all.
    fn picked(&self) -> Option<&[String]> {
        self.picks_columns.then_some(self.columns.as_slice())
    }

    /// What may be said of the format: Parquet compresses itself, and only CSV has formulas.
    fn is_compressed(&self) -> bool {
        self.format != "parquet" && self.compression != "none"
    }

    fn is_unguarded(&self) -> bool {
        self.format == "csv" && !self.is_csv_safe
    }

    /// The body of a call that makes the export, or says how large it would be.
    pub(crate) fn body(&self) -> Value {
        let mut pairs = self.meant();
        let mut body = json!({ "format": self.format, "order": self.order });
        if let Some(id) = take(&mut pairs, SAVED_QUERY) {
            body["saved_query"] = id.into();
        }
        body["filter"] = json!(body_of(&pairs));
        if let Some(columns) = self.picked() {
            body["columns"] = json!(columns);
        }
        if self.is_compressed() {
            body["compression"] = self.compression.clone().into();
        }
        if self.is_unguarded() {
            body["csv_safe"] = false.into();
        }
        if !self.proof.is_empty() {
            body["proof"] = self.proof.clone().into();
        }
        body
    }

    /// Where the file is streamed from.
    pub(crate) fn file_href(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("format", &self.format).append_pair("order", &self.order);
        query.extend_pairs(self.meant());
        if let Some(columns) = self.picked() {
            query.append_pair("columns", &columns.join(","));
        }
        if self.is_compressed() {
            query.append_pair("compression", &self.compression);
        }
        if self.is_unguarded() {
            query.append_pair("csv_safe", "false");
        }
        if !self.proof.is_empty() {
            query.append_pair("proof", &self.proof);
        }
        format!("/v1/events/export?{}", query.finish())
    }

    /// Where the form is found with these fields; with its figures if `estimated`.
    pub(crate) fn form_href(&self, estimated: bool) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("format", &self.format);
        query.extend_pairs(&self.filters);
        for (name, value) in [("from", &self.from), ("to", &self.to), ("proof", &self.proof)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if self.is_all {
            query.append_pair("scope", "all");
        }
        query.append_pair("clock", if self.is_recorded { "recorded" } else { "occurred" });
        query.append_pair("pick", if self.picks_columns { "some" } else { "all" });
        query.extend_pairs(self.columns.iter().map(|column| ("column", column)));
        query.append_pair("compression", &self.compression).append_pair("order", &self.order);
        query.append_pair("csv_safe", if self.is_csv_safe { "true" } else { "false" });
        if estimated {
            query.append_pair("estimate", "1");
        }
        format!("/export?{}", query.finish())
    }

    /// Where the events that are meant are read.
    pub(crate) fn logs_href(&self) -> String {
        Query::of(self.meant()).href("/logs")
    }
}

/// What an address says that is neither a field of a form nor the state of a page.
pub(crate) fn filters_of(query: &Query) -> Vec<(String, String)> {
    let others = [OWN.as_slice(), &OF_FORMS, &DROPPED, &FIELDS];
    let is_other = |name: &str| others.iter().any(|names| names.contains(&name));
    query.pairs().iter().filter(|(name, _)| !is_other(name)).cloned().collect()
}

/// An end of a range as its field shows it; empty where it is open.
fn end_text(end: Option<i64>) -> String {
    match end {
        Some(us) if us.rem_euclid(DAY_US) == 0 => format_day(day_of(us)),
        Some(us) => format_rfc3339(us),
        None => String::new(),
    }
}

/// The first value of a name; the others stay, and are the API's to refuse.
fn take(pairs: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = pairs.iter().position(|(known, _)| known == name)?;
    Some(pairs.remove(at).1)
}

/// The columns that are named: one by one in the form, as a list in links, and else those that
/// the list of events shows, to begin with.
fn columns_of(query: &Query) -> Vec<String> {
    let ticked = query.all("column");
    if !ticked.is_empty() {
        return ticked.into_iter().map(str::to_owned).collect();
    }
    let list = query.get("columns").or_else(|| query.get("columns_shown")).unwrap_or_default();
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Draft {
        Draft::read(&Query::parse(query), 0)
    }

    #[test]
    fn the_filters_of_the_list_become_those_of_the_export() {
        let draft = read("type=admin.*&outcome=denied&from=2026-01-01&cursor=c&columns_shown=type");
        let body = draft.body();
        assert_eq!(
            body["filter"],
            json!({ "type": ["admin.*"], "outcome": ["denied"], "from": ["2026-01-01"] })
        );
        assert_eq!(body["format"], "csv");
        assert!(body.get("columns").is_none());
        assert_eq!(draft.columns, ["type"]);
    }

    #[test]
    fn what_is_not_known_is_handed_on() {
        let draft = read("typo=x&from=2026-01-01&from=2026-02-01&saved_query=a&saved_query=b");
        let body = draft.body();
        assert_eq!(body["filter"]["typo"], json!(["x"]));
        assert_eq!(body["filter"]["from"], json!(["2026-02-01", "2026-01-01"]));
        assert_eq!(body["saved_query"], "a");
        assert_eq!(body["filter"]["saved_query"], json!(["b"]));
    }

    #[test]
    fn a_range_is_read_by_its_name_as_the_list_does() {
        let now_us = 50 * DAY_US + DAY_US / 2;
        let read = |query: &str| Draft::read(&Query::parse(query), now_us);
        let last = read("range=last_hour&from=1999-01-01");
        assert_eq!(last.from, "1970-02-20T11:01:00.000000Z");
        assert_eq!(last.to, "1970-02-20T12:01:00.000000Z");
        assert!(last.filters.is_empty());
        let quarter = read("range=last_quarter");
        assert_eq!((quarter.from.as_str(), quarter.to.as_str()), ("1969-10-01", "1970-01-01"));
        assert_eq!(read("range=all&to=1999-01-01").to, "");
        for query in ["range=fortnight", "range=fortnight&scope=all"] {
            let body = read(query).body();
            assert_eq!(body["filter"], json!({ "range": ["fortnight"] }), "the API refuses it");
        }
    }

    #[test]
    fn no_address_fills_in_what_a_form_says_by_itself() {
        let query = "name=a&shared=b&version=1&csrf=x&elements=y&type=a";
        assert_eq!(filters_of(&Query::parse(query)), [("type".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn all_events_are_those_of_the_tenant_and_the_range() {
        let draft = read("scope=all&type=a&tenant_id=acme&to=2026-04-01&clock=recorded");
        let filter = &draft.body()["filter"];
        assert_eq!(*filter, json!({ "tenant_id": ["acme"], "recorded_to": ["2026-04-01"] }));
    }

    #[test]
    fn a_link_to_the_form_says_all_of_it() {
        let text = "format=ndjson&type=a&type=b&recorded_from=2026-01-01&pick=some&column=id&\
                    column=type&compression=zstd&csv_safe=false&csv_safe=true&proof=inclusion";
        let draft = read(text);
        assert!(draft.is_csv_safe && draft.is_recorded && draft.picks_columns);
        let href = draft.form_href(true);
        assert_eq!(read(href.split_once('?').unwrap().1), draft);
    }

    #[test]
    fn the_link_to_the_file_has_what_the_format_has_a_use_for() {
        let href = read("format=parquet&compression=gzip&csv_safe=false&q=a%26b").file_href();
        assert_eq!(href, "/v1/events/export?format=parquet&order=log&q=a%26b");
        let href = read("csv_safe=false&pick=some&column=id&column=type").file_href();
        let wanted = "/v1/events/export?format=csv&order=log&columns=id%2Ctype&csv_safe=false";
        assert_eq!(href, wanted);
    }
}
