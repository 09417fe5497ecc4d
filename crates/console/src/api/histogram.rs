//! `GET /v1/events/histogram`.

use serde::Deserialize;

/// How many events each span of time has.
#[derive(Deserialize)]
pub(crate) struct Histogram {
    pub(crate) interval_seconds: i64,
    /// From when on was asked for, if it was.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// Until before when was asked for, if it was.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// The oldest first; those without an event are not there.
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) total: u64,
}

/// One span of time.
#[derive(Deserialize)]
pub(crate) struct Bucket {
    pub(crate) from: String,
    pub(crate) events: u64,
}
