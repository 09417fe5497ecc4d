//! Keys as others see them: what is asked for, what is shown, and what can be wrong. None of
//! it holds the text of a key.

use std::fmt;

use auditlake_lake::LakeError;
use auditlake_model::time::format_rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::KeyDocument;
use super::principal::Place;
use super::role::Role;

/// The longest name of a key, and the longest part of a place, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Where its holder belongs.
    pub place: Place,
    /// From when on it no longer opens, in microseconds since 1970; never if none.
    pub expires_at_us: Option<i64>,
    /// Who makes it.
    pub created_by: String,
}

/// A key without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyView {
    /// The part of the key between `alk_` and the next underscore.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The tenant of its holder; null for a key that is bound to none.
    pub tenant_id: Option<String>,
    /// The organisation of its holder.
    pub org_id: Option<String>,
    /// The team of its holder.
    pub team_id: Option<String>,
    /// The person that its holder is, as `actor.id` has it.
    pub user_id: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Who made it: the id of a key, the subject of a token, or `first start`.
    pub created_by: String,
    /// From when on it no longer opens; null for never.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was revoked; null if it was not.
    #[schema(format = DateTime)]
    pub revoked_at: Option<String>,
    /// When it was last used: exact for this server, to the day for the others on its lake.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
}

/// Why a key is not made or not revoked.
#[derive(Debug)]
pub enum KeyError {
    /// It is not as a key can be; the text says what is allowed.
    Invalid(String),
    /// There is no key of this id.
    Unknown(String),
    /// It is the last valid key of an operator.
    LastOperator,
    /// The lake did not do its part.
    Lake(LakeError),
}

impl NewKey {
    /// What is wrong with it, if anything is.
    pub(super) fn check(&self, now_us: i64) -> Result<(), String> {
        check_text("name", &self.name)?;
        self.place.check(self.role)?;
        let Place { tenant_id, org_id, team_id, user_id } = &self.place;
        let names = ["tenant_id", "org_id", "team_id", "user_id"];
        for (name, part) in names.into_iter().zip([tenant_id, org_id, team_id, user_id]) {
            if let Some(text) = part {
                check_text(name, text)?;
            }
        }
        // As events have it: no event could ever be of such a tenant.
        let tenant = tenant_id.as_deref().unwrap_or_default();
        if tenant.contains(['/', '\\']) || tenant.contains(char::is_whitespace) {
            return Err("tenant_id must not contain slashes or white space".to_owned());
        }
        if [".", ".."].contains(&tenant) {
            return Err("tenant_id must not be . or ..".to_owned());
        }
        if self.expires_at_us.is_some_and(|end_us| end_us <= now_us) {
            return Err("expires_at lies in the past".to_owned());
        }
        Ok(())
    }
}

fn check_text(name: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES {
        return Err(format!("{name} must have 1 to {MAX_TEXT_BYTES} bytes, and not only blanks"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{name} must not contain control characters"));
    }
    Ok(())
}

impl KeyView {
    pub(super) fn new(id: &str, document: &KeyDocument, last_used_us: Option<i64>) -> Self {
        let Place { tenant_id, org_id, team_id, user_id } = document.place.clone();
        Self {
            id: id.to_owned(),
            name: document.name.clone(),
            role: document.role,
            tenant_id,
            org_id,
            team_id,
            user_id,
            created_at: format_rfc3339(document.created_at_us),
            created_by: document.created_by.clone(),
            expires_at: document.expires_at_us.map(format_rfc3339),
            revoked_at: document.revoked_at_us.map(format_rfc3339),
            last_used_at: last_used_us.map(format_rfc3339),
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => f.write_str(reason),
            Self::Unknown(id) => write!(f, "there is no key {id:?}"),
            Self::LastOperator => f.write_str(
                "this is the last valid key of an operator; make another one before it is revoked",
            ),
            Self::Lake(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lake(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LakeError> for KeyError {
    fn from(error: LakeError) -> Self {
        Self::Lake(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut NewKey)) -> String {
        let mut key = NewKey {
            name: "ci".to_owned(),
            role: Role::Auditor,
            place: Place { tenant_id: Some("acme".to_owned()), ..Place::default() },
            expires_at_us: Some(11),
            created_by: "a test".to_owned(),
        };
        key.check(10).unwrap();
        change(&mut key);
        key.check(10).unwrap_err()
    }

    #[test]
    fn what_no_key_can_be_is_named() {
        assert!(refused(|key| key.name = " ".to_owned()).starts_with("name must have"));
        assert!(refused(|key| key.name = "a\nb".to_owned()).starts_with("name must not"));
        assert!(refused(|key| key.expires_at_us = Some(10)).contains("expires_at"));
        assert!(refused(|key| key.place.tenant_id = None).contains("needs a tenant_id"));
        assert!(refused(|key| key.place.org_id = Some("emea".into())).contains("has no org_id"));
        assert!(refused(|key| key.place.tenant_id = Some("a/b".into())).contains("slashes"));
        assert!(refused(|key| key.place.user_id = Some(String::new())).contains("user_id"));
        assert!(refused(|key| key.role = Role::Operator).contains("has no tenant_id"));
    }
}
