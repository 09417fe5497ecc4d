//! An event as OpenClaw Enterprise gives it.
//!
//! What OpenClaw has and the canonical event has no column for lies in `data`, under the names
//! that OpenClaw uses: `actionDetail`, `dataAccessed`, `modelUsed`, `modelTokens`.

use std::borrow::Cow;
use std::fmt;

use auditlake_export::{Cell, Row, Shape};
use auditlake_model::columns::at;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialects::times::with_milliseconds;

const ACTION_DETAIL: &str = "actionDetail";
const DATA_ACCESSED: &str = "dataAccessed";
const MODEL_USED: &str = "modelUsed";
const MODEL_TOKENS: &str = "modelTokens";

/// OpenClaw's schema.
#[derive(Debug)]
pub(in crate::dialects) struct Entry;

impl Shape for Entry {
    fn columns(&self) -> &'static [&'static str] {
        &[
            "id",
            "tenantId",
            "userId",
            "timestamp",
            "actionType",
            ACTION_DETAIL,
            DATA_ACCESSED,
            MODEL_USED,
            MODEL_TOKENS,
            "dataClassification",
            "policyApplied",
            "policyResult",
            "policyReason",
            "outcome",
            "requestId",
        ]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        let text = |column| Cell::text(event.text(column));
        let data = Data::of(event.text(at::DATA).unwrap_or("{}"));
        cells.extend([
            text(at::ID),
            text(at::TENANT_ID),
            text(at::ACTOR_ID),
            Cell::Text(Cow::Owned(with_milliseconds(event.micros(at::OCCURRED_AT)))),
            text(at::TYPE),
            data.action_detail(event.text(at::TOOL)),
            Cell::Json(Cow::Borrowed(data.member(DATA_ACCESSED).unwrap_or("[]"))),
            data.member_or_null(MODEL_USED),
            data.member_or_null(MODEL_TOKENS),
            text(at::CLASSIFICATION),
            text(at::POLICY_NAME),
            text(at::POLICY_RESULT),
            text(at::POLICY_REASON),
            event
                .text(at::OUTCOME)
                .map_or(Cell::Null, |outcome| Cell::Text(Cow::Borrowed(shown_outcome(outcome)))),
            text(at::CONTEXT_REQUEST_ID),
        ]);
    }
}

/// OpenClaw's outcomes, and the canonical ones that each of them stands for.
pub(super) const OUTCOMES: [(&str, &str); 4] = [
    ("success", "success"),
    ("denied", "denied"),
    // OpenClaw has no word for what failed in part; whoever looks for faults is to find it.
    ("error", "error,failure,partial"),
    ("pending_approval", "pending"),
];

/// OpenClaw's word for a canonical outcome.
fn shown_outcome(outcome: &str) -> &str {
    let stands_for = |canonical: &str| canonical.split(',').any(|one| one == outcome);
    let shown = OUTCOMES.iter().find(|(_, canonical)| stands_for(canonical));
    shown.map_or(outcome, |(shown, _)| *shown)
}

/// The members of an event's `data`, each value as it is written.
#[derive(Debug)]
struct Data<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Data<'a> {
    /// The lake holds objects only, so nothing else comes here.
    fn of(text: &'a str) -> Self {
        serde_json::from_str(text).unwrap_or(Self(Vec::new()))
    }

    /// The value under a name; a null is none.
    fn member(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| *value).filter(|value| *value != "null")
    }

    fn member_or_null(&self, name: &str) -> Cell<'a> {
        self.member(name).map_or(Cell::Null, |value| match plain_text(value) {
            Some(text) => Cell::Text(Cow::Borrowed(text)),
            None => Cell::Json(Cow::Borrowed(value)),
        })
    }

    /// What the event brought as its detail, or else its tool and whatever `data` has beside
    /// the members that have places of their own.
    fn action_detail(&self, tool: Option<&str>) -> Cell<'a> {
        if let Some(detail) = self.member(ACTION_DETAIL) {
            return Cell::Json(Cow::Borrowed(detail));
        }
        let mut detail = String::from("{");
        let mut put = |name: &str, value: &str| {
            if detail.len() > 1 {
                detail.push(',');
            }
            push_text(name, &mut detail);
            detail.push(':');
            detail.push_str(value);
        };
        if let Some(tool) = tool {
            let mut text = String::new();
            push_text(tool, &mut text);
            put("tool", &text);
        }
        for (name, value) in &self.0 {
            let has_its_place = [DATA_ACCESSED, MODEL_USED, MODEL_TOKENS].contains(&name.as_ref());
            if !(has_its_place || (tool.is_some() && name == "tool")) {
                put(name, value);
            }
        }
        detail.push('}');
        Cell::Json(Cow::Owned(detail))
    }
}

/// The text that a JSON text without escapes holds: a cell of CSV then has no quotes of JSON.
fn plain_text(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains('\\')).then_some(text)
}

/// Appends a text as JSON writes it.
fn push_text(text: &str, json: &mut String) {
    // A text can always be written.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de str)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value::<&'de RawValue>()?.get()));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members).map(Self)
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cell: &Cell<'_>) -> String {
        match cell {
            Cell::Json(text) | Cell::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_detail_of_its_own_is_given_as_it_came() {
        let data = Data::of(r#"{"x":1,"actionDetail":{"tool":"email_read","n": 1e0}}"#);
        assert_eq!(json(&data.action_detail(Some("other"))), r#"{"tool":"email_read","n": 1e0}"#);
    }

    #[test]
    fn a_detail_is_made_of_the_tool_and_the_rest() {
        let data = Data::of(r#"{"tool":"x","modelUsed":"m","ä\"":[1,{"b":2}],"n":1.50}"#);
        assert_eq!(
            json(&data.action_detail(Some("sh \"x\""))),
            r#"{"tool":"sh \"x\"","ä\"":[1,{"b":2}],"n":1.50}"#
        );
        assert_eq!(json(&data.action_detail(None)), r#"{"tool":"x","ä\"":[1,{"b":2}],"n":1.50}"#);
        assert_eq!(json(&Data::of("{}").action_detail(None)), "{}");
    }

    #[test]
    fn texts_lose_their_quotes_and_all_else_stays() {
        let data = Data::of(r#"{"modelUsed":"m-1","modelTokens":{"input":1},"dataAccessed":null}"#);
        assert_eq!(data.member_or_null(MODEL_USED), Cell::Text(Cow::Borrowed("m-1")));
        assert_eq!(data.member_or_null(MODEL_TOKENS), Cell::Json(Cow::Borrowed(r#"{"input":1}"#)));
        assert_eq!(data.member_or_null("none"), Cell::Null);
        assert_eq!(data.member(DATA_ACCESSED), None);
        let escaped = Data::of(r#"{"modelUsed":"a\"b"}"#);
        assert_eq!(escaped.member_or_null(MODEL_USED), Cell::Json(Cow::Borrowed(r#""a\"b""#)));
        assert_eq!(Data::of("7").member("x"), None);
    }

    #[test]
    fn outcomes_are_shown_as_they_are_asked_for() {
        for (shown, canonical) in OUTCOMES {
            for one in canonical.split(',') {
                assert_eq!(shown_outcome(one), shown);
            }
        }
        assert_eq!(shown_outcome("unheard of"), "unheard of");
    }
}
