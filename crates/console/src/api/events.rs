//! Events as the API lists them. An event is kept as the text that came: an order of keys or a
//! number that a reader would change on the way must be shown as it is.

use std::collections::BTreeMap;

use auditlake_model::columns::{COLUMNS, Column, index_of};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::query::Query;

/// A page of `GET /v1/events`.
#[derive(Deserialize)]
pub(crate) struct EventsPage {
    pub(crate) events: Vec<Event>,
    pub(crate) next_cursor: Option<String>,
    /// How many events the whole list has, if that was asked for.
    #[serde(default)]
    pub(crate) total: Option<u64>,
}

/// One event: its line, and what each column says.
#[derive(Deserialize)]
#[serde(from = "Box<RawValue>")]
pub(crate) struct Event {
    line: Box<RawValue>,
    cells: Vec<Option<String>>,
}

type Members = BTreeMap<String, Box<RawValue>>;

impl From<Box<RawValue>> for Event {
    fn from(line: Box<RawValue>) -> Self {
        let members = members(&line);
        let groups: BTreeMap<&str, Members> =
            members.iter().map(|(key, value)| (key.as_str(), self::members(value))).collect();
        let cell = |column: &Column| match column.group {
            None => members.get(column.key),
            Some(group) => groups.get(group).and_then(|group| group.get(column.key)),
        };
        let cells = COLUMNS.iter().map(|column| cell(column).and_then(|raw| text(raw))).collect();
        Self { line, cells }
    }
}

impl Event {
    /// What a column says, none where the event has no value.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        index_of(column).and_then(|position| self.cells.get(position)?.as_deref())
    }

    /// The canonical line.
    pub(crate) fn line(&self) -> &str {
        self.line.get()
    }
}

/// The path of an event. Every byte is escaped: an event may be called `histogram`, and the router
/// must not take that for the call of this name.
pub(crate) fn path_of(id: &str, tenant_id: Option<&str>) -> String {
    let escaped: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let tenant = Query::default().with("tenant_id", tenant_id.unwrap_or_default());
    tenant.href(&format!("/v1/events/{escaped}"))
}

/// The members of an object; none of anything else.
fn members(value: &RawValue) -> Members {
    serde_json::from_str(value.get()).unwrap_or_default()
}

/// A text without its quotes; anything else as it stands there.
fn text(raw: &RawValue) -> Option<String> {
    match raw.get() {
        "null" => None,
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok(),
        other => Some(other.to_owned()),
    }
}

/// JSON with a line for each value. Only white space is added, so that what is shown is what is
/// stored, to the digit.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_text {
            out.push(character);
            in_text = is_escaped || character != '"';
            is_escaped = character == '\\' && !is_escaped;
            continue;
        }
        match character {
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            white if white.is_ascii_whitespace() => {}
            other => {
                in_text = other == '"';
                out.push(other);
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    // Data that is nested a thousand times deep must not become a page of blanks.
    (0..depth.min(20)).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_the_line_says() {
        let line = r#"{"id":"e1","seq":7,"actor":{"id":"<b>\u0001"},"tool":null,
            "data":{"b":1.50,"a":[]}}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(event.get("seq"), Some("7"));
        assert_eq!(event.get("actor_id"), Some("<b>\u{1}"));
        assert_eq!(event.get("tool"), None);
        assert_eq!(event.get("data"), Some(r#"{"b":1.50,"a":[]}"#));
        assert_eq!(event.get("no_column"), None);
        assert_eq!(event.line(), line);
    }

    #[test]
    fn an_event_may_be_called_like_a_call() {
        assert_eq!(path_of("ab", None), "/v1/events/%61%62");
        assert_eq!(path_of("a", Some("b c")), "/v1/events/%61?tenant_id=b+c");
    }

    #[test]
    fn pretty_json_keeps_every_digit_and_key() {
        let json = r#"{"b":1.50,"a":[],"c":["x,{\"",{ }],"d":"\\"}"#;
        let wanted = [
            "{",
            r#"  "b": 1.50,"#,
            r#"  "a": [],"#,
            r#"  "c": ["#,
            r#"    "x,{\"","#,
            "    {}",
            "  ],",
            r#"  "d": "\\""#,
            "}",
        ]
        .join("\n");
        assert_eq!(pretty(json), wanted);
        assert_eq!(pretty("\"a\""), "\"a\"");
    }
}
