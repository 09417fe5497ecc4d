//! The canonical API: a module for each kind of call under `/v1`, and what probes ask.

pub(crate) mod downloads;
pub(crate) mod event;
pub(crate) mod event_schema;
pub(crate) mod export;
pub(crate) mod facets;
pub(crate) mod health;
pub(crate) mod histogram;
pub(crate) mod ingest;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod preflight;
pub(crate) mod saved_queries;
pub(crate) mod session;
pub(crate) mod status;
