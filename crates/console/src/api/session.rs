//! `GET /v1/session`: who is signed in, and until when.

use serde::Deserialize;

/// A session, as the API tells it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SessionView {
    /// The id of the key, or of whom the token was for.
    pub(crate) id: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) tenant_id: Option<String>,
    #[serde(default)]
    pub(crate) org_id: Option<String>,
    #[serde(default)]
    pub(crate) team_id: Option<String>,
    #[serde(default)]
    pub(crate) user_id: Option<String>,
    /// What the role may do: `audit:read` …
    pub(crate) permissions: Vec<String>,
    /// What a form has to repeat.
    pub(crate) csrf: String,
    /// When it ends unless it is used, RFC 3339.
    pub(crate) expires_at: String,
    /// The server's clock, RFC 3339: what "now" is on a page.
    pub(crate) now: String,
}
