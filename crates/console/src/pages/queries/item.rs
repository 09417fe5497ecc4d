//! A saved query as the page shows it, and one that is to be saved.

use crate::api::saved_queries::{SavedQuery, pairs_of};
use crate::format;
use crate::pages::filter_words;
use crate::query::Query;
use crate::session::Viewer;

/// A saved query on the page.
pub(super) struct Item {
    pub(super) id: String,
    /// As it is, for the field that changes it, and as a person sees it.
    pub(super) name: String,
    pub(super) name_text: String,
    /// The filter in words, and as the lake reads it.
    pub(super) filter: String,
    pub(super) filter_text: String,
    pub(super) shared: bool,
    pub(super) owner: String,
    pub(super) is_own: bool,
    pub(super) can_change: bool,
    pub(super) version: u64,
    /// RFC 3339.
    pub(super) changed_at: String,
    /// Its filters, to be narrowed further.
    pub(super) open_href: String,
    /// The query by its id: it means what the query means when somebody follows it.
    pub(super) link_href: String,
    pub(super) export_href: String,
}

/// A query that is to be saved.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) shared: bool,
    pub(super) filter: Vec<Part>,
    pub(super) wrong: String,
}

/// A parameter of its filter.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) value: String,
    /// The value as a person sees it.
    pub(super) text: String,
}

impl Item {
    pub(super) fn new(query: &SavedQuery, viewer: &Viewer) -> Self {
        let is_own = query.owner == viewer.session.id;
        let pairs = pairs_of(&query.filter);
        Self {
            id: query.id.clone(),
            name: query.name.clone(),
            name_text: format::visible(&query.name),
            filter: filter_words::of_pairs(&pairs),
            filter_text: format::visible(&query.filter_text),
            shared: query.shared,
            owner: format::visible(&query.owner),
            is_own,
            can_change: is_own || viewer.may("config:write"),
            version: query.version,
            changed_at: query.changed_at.clone(),
            open_href: Query::of(pairs).href("/logs"),
            link_href: format!("/logs?saved_query={}", query.id),
            export_href: format!("/export?saved_query={}", query.id),
        }
    }
}

impl Draft {
    /// A filter that has no name yet.
    pub(super) fn of(filter: &[(String, String)]) -> Self {
        let part = |(name, value): &(String, String)| Part {
            name: name.clone(),
            value: value.clone(),
            text: format::visible(value),
        };
        Self { filter: filter.iter().map(part).collect(), ..Self::default() }
    }
}
