//! A key as the page shows it.

use auditlake_model::time::parse_rfc3339;

use crate::api::keys::{CreatedKey, Key};
use crate::format::{self, Moment};
use crate::session::Viewer;

/// A row of the table of keys.
pub(super) struct KeyView {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) role: String,
    /// Whose events it opens, beside what the role says.
    pub(super) tenant: Option<String>,
    pub(super) place: Vec<PlacePart>,
    pub(super) created_at: String,
    pub(super) created_by: String,
    pub(super) used: Option<Moment>,
    pub(super) expires: Option<Moment>,
    /// `valid`, `expired` or `revoked`.
    pub(super) state: &'static str,
    pub(super) tone: &'static str,
    pub(super) revoked_at: Option<String>,
    pub(super) is_valid: bool,
    /// Whether the viewer has signed in with it.
    pub(super) is_own: bool,
    /// Whether it is asked below the key if it is to be revoked.
    pub(super) is_asked: bool,
}

/// A part of where a key's holder belongs.
pub(super) struct PlacePart {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// A key with its text, which is shown once.
pub(super) struct MadeKey {
    pub(super) text: String,
    pub(super) name: String,
    pub(super) role: String,
    pub(super) expires_at: Option<String>,
}

impl KeyView {
    /// `asked` is the id of the key that is to be revoked, which is not done by one click.
    pub(super) fn of(key: &Key, viewer: &Viewer, asked: Option<&str>) -> Self {
        let now_us = viewer.now_us();
        let state = state(key, now_us);
        let parts = [("organisation", &key.org_id), ("team", &key.team_id), ("user", &key.user_id)];
        let part = |(name, value): (&'static str, &Option<String>)| {
            let value = format::visible(value.as_ref()?);
            Some(PlacePart { name, value })
        };
        Self {
            id: key.id.clone(),
            name: format::visible(&key.name),
            role: key.role.clone(),
            tenant: key.tenant_id.as_ref().map(format::visible),
            place: parts.into_iter().filter_map(part).collect(),
            created_at: key.created_at.clone(),
            created_by: format::visible(&key.created_by),
            used: key.last_used_at.as_deref().map(|at| Moment::of(at, now_us)),
            expires: key.expires_at.as_deref().map(|at| Moment::of(at, now_us)),
            state,
            tone: if state == VALID { "good" } else { "muted" },
            revoked_at: key.revoked_at.clone(),
            is_valid: state == VALID,
            is_own: key.id == viewer.session.id,
            is_asked: asked == Some(key.id.as_str()),
        }
    }
}

const VALID: &str = "valid";

fn state(key: &Key, now_us: i64) -> &'static str {
    let ends_us = key.expires_at.as_deref().and_then(|at| parse_rfc3339(at).ok());
    if key.revoked_at.is_some() {
        "revoked"
    } else if ends_us.is_some_and(|ends_us| ends_us <= now_us) {
        "expired"
    } else {
        VALID
    }
}

impl MadeKey {
    pub(super) fn of(made: CreatedKey) -> Self {
        let CreatedKey { key, view } = made;
        let name = format::visible(&view.name);
        Self { text: key, name, role: view.role, expires_at: view.expires_at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(expires_at: Option<&str>, revoked_at: Option<&str>) -> Key {
        let value = json!({
            "id": "k1", "name": "ci", "role": "auditor", "tenant_id": "acme", "org_id": null,
            "team_id": null, "user_id": null, "created_at": "1970-01-01T00:00:00Z",
            "created_by": "first start", "expires_at": expires_at, "revoked_at": revoked_at,
            "last_used_at": null,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_key_is_over_at_the_instant_it_expires() {
        let at = "1970-01-01T00:00:10Z";
        assert_eq!(state(&key(None, None), 10_000_000), "valid");
        assert_eq!(state(&key(Some(at), None), 9_999_999), "valid");
        assert_eq!(state(&key(Some(at), None), 10_000_000), "expired");
        assert_eq!(state(&key(Some(at), Some(at)), 0), "revoked");
    }
}
