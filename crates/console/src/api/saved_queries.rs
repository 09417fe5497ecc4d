//! Filters with a name, as `/v1/saved-queries` tells of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::exports::Export;
use super::{Api, path_of};
use crate::session::Viewer;

/// Where they are.
pub(crate) const PATH: &str = "/v1/saved-queries";

/// Saved queries by name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SavedQueries {
    pub(crate) saved_queries: Vec<SavedQuery>,
}

/// A saved query.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SavedQuery {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) filter: FilterBody,
    /// The filter as the lake reads it.
    pub(crate) filter_text: String,
    pub(crate) shared: bool,
    pub(crate) owner: String,
    /// Counted up by each change; a change names the one that it is made to.
    pub(crate) version: u64,
    pub(crate) changed_at: String,
}

/// Filters in a JSON body, by the names of the parameters.
pub(crate) type FilterBody = BTreeMap<String, FilterValues>;

/// One value of a filter, or several of which one is to match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum FilterValues {
    /// One value.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What people call a saved query. If it is not there, its id says enough: whoever asks for its
/// events is told what is wrong with it.
pub(crate) async fn name_of(api: &Api, viewer: &Viewer, id: &str) -> Option<String> {
    let path = path_of(PATH, id).ok()?;
    let found = api.get::<SavedQuery>(viewer, &path).await;
    found.ok().map(|query| query.name)
}

/// The names of the saved queries that exports were made with, by their ids. An export is shown
/// without them too.
pub(crate) async fn names_in(
    api: &Api,
    viewer: &Viewer,
    exports: &[Export],
) -> BTreeMap<String, String> {
    if exports.iter().all(|export| export.saved_query.is_none()) {
        return BTreeMap::new();
    }
    let found = api.get::<SavedQueries>(viewer, PATH).await;
    let queries = found.map(|found| found.saved_queries).unwrap_or_default();
    queries.into_iter().map(|query| (query.id, query.name)).collect()
}

/// A filter as the parameters of a query string.
pub(crate) fn pairs_of(filter: &FilterBody) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, values) in filter {
        match values {
            FilterValues::One(value) => pairs.push((name.clone(), value.clone())),
            FilterValues::Many(values) => {
                pairs.extend(values.iter().map(|value| (name.clone(), value.clone())));
            }
        }
    }
    pairs
}

/// The parameters of a query string as a filter in a body.
pub(crate) fn body_of(pairs: &[(String, String)]) -> FilterBody {
    let mut body: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        body.entry(name.clone()).or_default().push(value.clone());
    }
    body.into_iter().map(|(name, values)| (name, FilterValues::Many(values))).collect()
}
