//! API keys, as `/v1/keys` tells of them.

use serde::Deserialize;

/// Keys, the oldest first, with those that expired or were revoked.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeyList {
    pub(crate) keys: Vec<Key>,
}

/// A key without its text.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) tenant_id: Option<String>,
    pub(crate) org_id: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) created_at: String,
    pub(crate) created_by: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) revoked_at: Option<String>,
    /// Exact for the server that is asked, to the day for others on its lake.
    pub(crate) last_used_at: Option<String>,
}

/// A key that was made just now. This is the only answer that has its text.
#[derive(Clone, Deserialize)]
pub(crate) struct CreatedKey {
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) view: Key,
}
