//! The columns of the table: those that were chosen, what the API is asked for them, and the
//! cells of an event. Two of them are for people and made of several: who it was, and what it was
//! done to.

use auditlake_model::columns::{COLUMNS, index_of};
use serde::Serialize;

use crate::api::event_schema::label;
use crate::api::events::Event;
use crate::format;
use crate::query::Query;

/// Always there and first: its cell is the link to the event.
const FIRST: &str = "occurred_at";
const DEFAULT: [&str; 5] = ["type", "actor", "target", "outcome", "context_ip"];
/// Comes before these for who sees several of them.
const TENANT: &str = "tenant_id";
/// Columns that are made of others; the first of these that says something is shown.
const MADE: [(&str, &[&str]); 2] = [
    ("actor", &["actor_label", "actor_email", "actor_id", "actor_kind"]),
    ("target", &["target_label", "target_id", "target_kind"]),
];
/// What every row needs: which event it is.
const KEYS: [&str; 4] = ["id", "seq", "tenant_id", FIRST];
/// A cell is a line; the drawer has all of it.
const SHOWN_CHARS: usize = 160;
const TITLE_CHARS: usize = 1000;

/// The chosen columns.
pub(crate) struct Columns {
    names: Vec<String>,
}

/// The head of a column, and for scripts what its cells are made of.
#[derive(Serialize)]
pub(crate) struct Head {
    name: String,
    pub(crate) label: String,
    pub(crate) is_time: bool,
    /// `actor.label` …, of which the first that is there is shown.
    paths: Vec<String>,
}

/// A column to choose.
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) label: String,
    pub(crate) is_shown: bool,
}

/// One cell.
pub(crate) struct Cell {
    pub(crate) text: String,
    /// All of a long text, as far as a pointer can show it; of a time, what a script reads.
    pub(crate) title: String,
    /// What kind of actor or target it is.
    pub(crate) note: String,
    pub(crate) class: &'static str,
    /// How an outcome looks; empty for everything else.
    pub(crate) tone: &'static str,
    pub(crate) is_time: bool,
}

impl Columns {
    /// Those that the page was asked for; names that are no columns are passed over, for an old
    /// address must still open. `sees_many` says whether the viewer sees several tenants.
    pub(crate) fn of(query: &Query, sees_many: bool) -> Self {
        let asked = query.get("columns_shown").unwrap_or_default().split(',').map(str::trim);
        let mut names = vec![FIRST.to_owned()];
        for name in asked.filter(|name| parts(name).is_some() || index_of(name).is_some()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        if names.len() == 1 {
            names.extend(sees_many.then(|| TENANT.to_owned()));
            names.extend(DEFAULT.map(str::to_owned));
        }
        Self { names }
    }

    /// What the API is asked for.
    pub(crate) fn of_api(&self) -> String {
        self.behind(&KEYS)
    }

    /// What an export is offered: those that are shown, as the API knows them.
    pub(crate) fn of_export(&self) -> String {
        self.behind(&[])
    }

    /// The columns of the API that are shown, behind some others, each of them once.
    fn behind<'a>(&'a self, first: &[&'a str]) -> String {
        let mut wanted: Vec<&str> = first.to_vec();
        for name in &self.names {
            match parts(name) {
                Some(parts) => wanted.extend(parts),
                None => wanted.push(name),
            }
        }
        let mut once: Vec<&str> = Vec::new();
        for name in wanted {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        once.join(",")
    }

    pub(crate) fn heads(&self) -> Vec<Head> {
        let paths = |name: &str| {
            let plain = [name];
            let columns = parts(name).unwrap_or(&plain);
            let known = columns.iter().filter_map(|column| index_of(column));
            known.map(|position| COLUMNS[position].path()).collect()
        };
        let head = |name: &String| Head {
            name: name.clone(),
            label: label(name),
            is_time: is_time(name),
            paths: paths(name),
        };
        self.names.iter().map(head).collect()
    }

    /// Every column there is but the first.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let all = MADE.iter().map(|(name, _)| *name).chain(COLUMNS.iter().map(|one| one.name));
        let choice = |name: &'static str| Choice {
            name,
            label: label(name),
            is_shown: self.names.iter().any(|shown| shown == name),
        };
        all.filter(|name| *name != FIRST).map(choice).collect()
    }

    /// The cells of an event.
    pub(crate) fn cells(&self, event: &Event) -> Vec<Cell> {
        self.names.iter().map(|name| cell(name, event)).collect()
    }
}

fn parts(name: &str) -> Option<&'static [&'static str]> {
    MADE.iter().find(|(made, _)| *made == name).map(|(_, parts)| *parts)
}

fn is_time(name: &str) -> bool {
    name == FIRST || name == "recorded_at"
}

fn cell(name: &str, event: &Event) -> Cell {
    let plain = [name];
    let columns = parts(name).unwrap_or(&plain);
    let text = columns.iter().find_map(|column| event.get(column)).unwrap_or_default();
    let note = match (name, text) {
        ("actor" | "target", "") => "",
        ("actor", _) => event.get("actor_kind").unwrap_or_default(),
        ("target", _) => event.get("target_kind").unwrap_or_default(),
        _ => "",
    };
    let is_time = is_time(name);
    let (shown, title) = match text {
        text if is_time => (format::utc_row(text), text.to_owned()),
        text => (format::visible(cut(text, SHOWN_CHARS)), title(text)),
    };
    Cell {
        text: shown,
        title,
        // A name that is the kind, or begins with it, says it already.
        note: format::visible(if text.starts_with(note) { "" } else { note }),
        class: match name {
            _ if is_time => "time",
            "seq" => "num",
            "type" | "data" => "mono",
            other if other.ends_with("id") || other.ends_with("ip") => "mono",
            _ => "",
        },
        tone: if name == "outcome" { tone(text) } else { "" },
        is_time,
    }
}

fn title(text: &str) -> String {
    // Shorter ones are seen whole.
    if text.len() > 24 { format::visible(cut(text, TITLE_CHARS)) } else { String::new() }
}

/// How an outcome looks.
pub(crate) fn tone(outcome: &str) -> &'static str {
    match outcome {
        "success" => "good",
        "failure" | "error" => "bad",
        "denied" | "partial" => "warn",
        "" => "",
        _ => "muted",
    }
}

/// The beginning of a text that is too long.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_asked_for() {
        let asked = Query::parse("columns_shown=tool,no_column,actor,tool");
        let columns = Columns::of(&asked, true);
        assert_eq!(columns.names, ["occurred_at", "tool", "actor"]);
        assert_eq!(
            columns.of_api(),
            "id,seq,tenant_id,occurred_at,tool,actor_label,actor_email,actor_id,actor_kind"
        );
        let exported = "occurred_at,tool,actor_label,actor_email,actor_id,actor_kind";
        assert_eq!(columns.of_export(), exported);
        let labels: Vec<_> = columns.heads().into_iter().map(|head| head.label).collect();
        assert_eq!(labels, ["Time", "Tool", "Actor"]);
        assert_eq!(columns.choices().iter().filter(|choice| choice.is_shown).count(), 2);
        assert_eq!(Columns::of(&Query::default(), false).names.len(), 6);
    }

    #[test]
    fn who_sees_several_tenants_sees_which() {
        let columns = Columns::of(&Query::default(), true);
        assert_eq!(columns.names[..3], ["occurred_at", "tenant_id", "type"]);
        assert_eq!(columns.heads()[1].label, "Tenant");
        let event: Event = serde_json::from_str(r#"{"id":"e","tenant_id":"acme"}"#).unwrap();
        assert_eq!(columns.cells(&event)[1].text, "acme");
    }

    #[test]
    fn an_actor_is_shown_by_what_is_known_of_it() {
        let cells = |actor: &str| {
            let line = format!(r#"{{"id":"e","actor":{actor}}}"#);
            let event: Event = serde_json::from_str(&line).unwrap();
            let cell = cell("actor", &event);
            (cell.text, cell.note)
        };
        let pair = |text: &str, note: &str| (text.to_owned(), note.to_owned());
        assert_eq!(cells(r#"{"kind":"user","id":"u1"}"#), pair("u1", "user"));
        assert_eq!(cells(r#"{"kind":"user","id":"u1","label":"Ann"}"#), pair("Ann", "user"));
        assert_eq!(cells(r#"{"kind":"system"}"#), pair("system", ""));
        assert_eq!(cells(r#"{"kind":"agent","id":"agent_7"}"#), pair("agent_7", ""));
        assert_eq!(cells("null"), pair("", ""));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
    }
}
