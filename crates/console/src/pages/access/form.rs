//! The form that asks for a new key. What a key can be is the server's to say: the form hands on
//! what it was given, and shows what the server answers.

use auditlake_model::time::{format_day, parse_day};
use serde_json::{Map, Value};

use super::roles::{RoleOption, options};
use crate::format;
use crate::query::Query;
use crate::session::Viewer;

/// The role that is offered first: who has it changes nothing.
const FIRST: &str = "auditor";
/// The fields that are handed on as they are.
const TEXTS: [&str; 6] = ["name", "role", "tenant_id", "org_id", "team_id", "user_id"];

/// The form, as it is shown.
pub(super) struct KeyForm {
    /// What was sent, to be shown again if it was refused.
    sent: Query,
    pub(super) roles: Vec<RoleOption>,
    /// Whether a tenant can be named; who belongs to one makes keys of that one.
    pub(super) names_tenant: bool,
    pub(super) wrong: Option<String>,
}

impl KeyForm {
    pub(super) fn empty(viewer: &Viewer) -> Self {
        Self::sent(viewer, &Query::default())
    }

    /// The form with what somebody filled in.
    pub(super) fn sent(viewer: &Viewer, fields: &Query) -> Self {
        let chosen = fields.get("role").unwrap_or(FIRST);
        Self {
            roles: options(&viewer.session.role, chosen),
            names_tenant: viewer.runs_installation(),
            sent: fields.clone(),
            wrong: None,
        }
    }

    /// The same, with what the server says is wrong with it.
    pub(super) fn refused(self, detail: &str) -> Self {
        Self { wrong: Some(format::visible(detail)), ..self }
    }

    /// What was filled in.
    pub(super) fn value(&self, name: &str) -> &str {
        self.sent.get(name).unwrap_or_default()
    }

    /// What the API is sent. Fields that were left empty are not there.
    pub(super) fn body(&self) -> Value {
        let texts = TEXTS.iter().filter_map(|name| Some((*name, self.sent.get(name)?.to_owned())));
        let expiry = self.sent.get("expires_on").map(|day| ("expires_at", end_of(day)));
        let members = texts.chain(expiry);
        Value::Object(
            members.map(|(name, text)| (name.to_owned(), Value::from(text))).collect::<Map<_, _>>(),
        )
    }
}

/// The first instant behind a day. What is no day is handed on, so that the server says so.
fn end_of(day: &str) -> String {
    match parse_day(day.as_bytes()) {
        Some(number) => format!("{}T00:00:00Z", format_day(number.saturating_add(1))),
        None => day.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_fields_are_not_sent_and_a_day_counts_whole() {
        let text = "name=ci&role=auditor&tenant_id=acme&org_id=&expires_on=2026-12-31&other=x";
        let form = KeyForm {
            sent: Query::parse(text),
            roles: Vec::new(),
            names_tenant: true,
            wrong: None,
        };
        let wanted = json!({
            "name": "ci", "role": "auditor", "tenant_id": "acme",
            "expires_at": "2027-01-01T00:00:00Z",
        });
        assert_eq!(form.body(), wanted);
        assert_eq!((form.value("name"), form.value("org_id")), ("ci", ""));
        assert_eq!(end_of("soon"), "soon");
    }
}
