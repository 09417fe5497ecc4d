//! One event as the drawer shows it: every field under its group, with links to what is like it
//! and to what happened around it.

use auditlake_model::columns::{COLUMNS, Column, Kind, at};
use auditlake_model::time::{format_rfc3339, parse_rfc3339};

use super::columns::tone;
use super::commands::Commands;
use super::filtering::{anew, held_to, without};
use crate::api::event_schema::label;
use crate::api::events::{Event, pretty};
use crate::format;
use crate::query::Query;
use crate::ranges::RANGE;

const AROUND_US: i64 = 5 * 60 * 1_000_000;
/// What leads to more of the same: the words, and the columns that must agree.
const ALIKE: [(&str, &[&str]); 5] = [
    ("Same actor", &["actor_id"]),
    ("Same target", &["target_kind", "target_id"]),
    ("Same request", &["context_request_id"]),
    ("Same session", &["context_session_id"]),
    ("Same IP address", &["context_ip"]),
];

/// The event.
pub(crate) struct EventView {
    pub(crate) tenant_id: String,
    pub(crate) seq: String,
    /// What it is called: its type.
    pub(crate) title: String,
    pub(crate) occurred_at: String,
    pub(crate) outcome: String,
    pub(crate) tone: &'static str,
    pub(crate) groups: Vec<Group>,
    /// The whole event with a line for each value.
    pub(crate) json: String,
    pub(crate) around: Vec<Link>,
    pub(crate) commands: Commands,
}

/// Fields that stand together in the JSON form.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) fields: Vec<Field>,
}

/// One field.
pub(crate) struct Field {
    pub(crate) label: String,
    /// The column, as filters and SQL know it.
    pub(crate) column: &'static str,
    pub(crate) text: String,
    pub(crate) is_time: bool,
    pub(crate) time: String,
    /// The data, which is shown as it is laid out.
    pub(crate) is_json: bool,
    pub(crate) can_filter: bool,
    pub(crate) only: String,
    pub(crate) without: String,
}

/// A link with its words.
pub(crate) struct Link {
    pub(crate) label: &'static str,
    pub(crate) href: String,
}

impl EventView {
    /// The event as seen from a list; `sees_many` says whether the viewer sees several tenants.
    pub(crate) fn of(event: &Event, query: &Query, sees_many: bool) -> Self {
        let text = |column: &str| event.get(column).unwrap_or_default().to_owned();
        let outcome = text("outcome");
        let occurred_at = text("occurred_at");
        Self {
            tenant_id: text("tenant_id"),
            seq: text("seq"),
            title: format::visible(text("type")),
            tone: tone(&outcome),
            outcome: format::visible(outcome),
            groups: groups(event, query),
            json: shown_json(event.line()),
            around: around(event, &occurred_at, query, sees_many),
            commands: Commands::of(event),
            occurred_at,
        }
    }
}

fn groups(event: &Event, query: &Query) -> Vec<Group> {
    let mut groups: Vec<(Option<&str>, Group)> = Vec::new();
    for (position, column) in COLUMNS.iter().enumerate() {
        let Some(text) = event.get(column.name) else { continue };
        let field = field(position, column, text, query);
        let name = if position == at::DATA { Some("data") } else { column.group };
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.fields.push(field),
            None => {
                let title = format::words(name.unwrap_or("event"));
                groups.push((name, Group { title, fields: vec![field] }));
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn field(position: usize, column: &Column, text: &str, query: &Query) -> Field {
    let is_time = column.kind == Kind::Time;
    let is_json = column.kind == Kind::Json;
    let can_filter = !(is_time || is_json || position == at::SEQ);
    let href = |narrowed: fn(&Query, &str, Option<&str>) -> Query| match can_filter {
        true => narrowed(query, column.name, Some(text)).href("/logs"),
        false => String::new(),
    };
    Field {
        label: label(column.name),
        column: column.name,
        text: match column.kind {
            Kind::Time => format::utc(text),
            Kind::Json => shown_json(text),
            Kind::Text | Kind::Dict | Kind::Seq => format::visible(text),
        },
        is_time,
        time: if is_time { text.to_owned() } else { String::new() },
        is_json,
        can_filter,
        only: href(held_to),
        without: href(without),
    }
}

/// Links to lists that begin anew: of the filters before only the time and the columns stay.
fn around(event: &Event, occurred_at: &str, query: &Query, sees_many: bool) -> Vec<Link> {
    let mut base = Query::default();
    for name in ["from", "to", RANGE, "columns_shown"] {
        base = base.with(name, query.get(name).unwrap_or_default());
    }
    if sees_many {
        base = held_to(&base, "tenant_id", event.get("tenant_id"));
    }
    let mut links = Vec::new();
    if let Ok(us) = parse_rfc3339(occurred_at) {
        let (from, to) = (format_rfc3339(us - AROUND_US), format_rfc3339(us + AROUND_US));
        let near = anew(&base).without(RANGE).with("from", &from).with("to", &to);
        links.push(Link { label: "5 minutes before and after", href: near.href("/logs") });
    }
    for (label, columns) in ALIKE {
        if columns.iter().any(|column| event.get(column).is_none()) {
            continue;
        }
        let alike = columns
            .iter()
            .fold(base.clone(), |query, column| held_to(&query, column, event.get(column)));
        links.push(Link { label, href: alike.href("/logs") });
    }
    links
}

/// JSON with a line for each value. What cannot be seen is written as an escape, so that the text
/// is still the same JSON.
fn shown_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    for character in pretty(json).chars() {
        let is_seen = matches!(character, '\n' | ' '..='~')
            || format::visible(character).chars().eq([character]);
        if is_seen {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"e1","seq":7,"type":"a.b","occurred_at":"2026-03-01T00:10:00Z",
        "recorded_at":"2026-03-01T00:10:01Z","tenant_id":"acme",
        "actor":{"kind":"user","id":"u,1"},"outcome":"denied","data":{"a":1.50}}"#;

    #[test]
    fn fields_stand_in_their_groups_with_links() {
        let event: Event = serde_json::from_str(LINE).unwrap();
        let view = EventView::of(&event, &Query::parse("type=a.*&event=e1"), false);
        let titles: Vec<_> = view.groups.iter().map(|group| group.title.as_str()).collect();
        assert_eq!(titles, ["Event", "Actor", "Data"]);
        let actor = &view.groups[1].fields[1];
        assert_eq!(actor.only, "/logs?type=a.*&where=actor_id+%3D+%27u%2C1%27");
        let held = Query::parse("outcome=denied");
        let outcome = |group: &Group| {
            let fields = group.fields.iter().filter(|field| field.column == "outcome");
            fields.map(|field| field.only.clone()).collect::<Vec<_>>()
        };
        let beside = EventView::of(&event, &held, false);
        let links: Vec<_> = beside.groups.iter().flat_map(outcome).collect();
        assert_eq!(links, ["/logs?outcome=denied"], "what holds already goes on holding");
        assert!(view.groups[2].fields[0].is_json && !view.groups[2].fields[0].can_filter);
        let labels: Vec<_> = view.around.iter().map(|link| link.label).collect();
        assert_eq!(labels, ["5 minutes before and after", "Same actor"]);
        assert!(!view.around[0].href.contains("type"), "{}", view.around[0].href);
    }

    #[test]
    fn who_sees_many_tenants_stays_in_one() {
        let event: Event = serde_json::from_str(LINE).unwrap();
        let view = EventView::of(&event, &Query::default(), true);
        assert!(view.around.iter().all(|link| link.href.contains("tenant_id=acme")));
    }

    #[test]
    fn json_stays_the_same_json_where_signs_are_hidden() {
        assert_eq!(shown_json("\"a\u{202e}b\u{e0041}\""), "\"a\\u202eb\\udb40\\udc41\"");
        assert_eq!(shown_json("\"é漢\""), "\"é漢\"");
    }
}
