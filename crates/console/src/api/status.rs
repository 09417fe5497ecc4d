//! `GET /v1/status`: what the lake holds, told from its manifest alone.

use serde::Deserialize;

/// What the lake holds of a tenant; for an operator, of all of them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Status {
    /// The tenant; none where all of the lake is meant.
    pub(crate) tenant_id: Option<String>,
    pub(crate) events: u64,
    /// Those of them that are in no checkpoint yet.
    pub(crate) hot_events: u64,
    pub(crate) first_day: Option<String>,
    pub(crate) last_day: Option<String>,
    pub(crate) newest_recorded_at: Option<String>,
    /// None for who sees one tenant.
    #[serde(default)]
    pub(crate) commit: Option<u64>,
    /// The oldest first; those without an event may be missing.
    #[serde(default)]
    pub(crate) months: Vec<Month>,
}

/// What is stored of one month. The bytes of a tenant are its share by rows, so that they are
/// nearly right.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Month {
    /// `2026-01`.
    pub(crate) month: String,
    pub(crate) events: u64,
    pub(crate) stored_bytes: u64,
}
