//! `GET /v1/events/facets`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The most frequent values of columns.
#[derive(Deserialize)]
pub(crate) struct Facets {
    pub(crate) facets: BTreeMap<String, Vec<FacetValue>>,
}

/// A value and how many events have it.
#[derive(Deserialize)]
pub(crate) struct FacetValue {
    /// None for events without a value.
    pub(crate) value: Option<String>,
    pub(crate) events: u64,
}
