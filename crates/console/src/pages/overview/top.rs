//! The most frequent values of some columns, as bars that lead to the events behind them.

use super::asking::{TENANTS, TOP};
use crate::api::facets::{FacetValue, Facets};
use crate::chart::{Drawing, share};
use crate::format;
use crate::pages::logs::filtering::only;
use crate::query::Query;

/// The most frequent values of one column.
pub(super) struct TopList {
    pub(super) label: &'static str,
    pub(super) rows: Vec<TopRow>,
}

/// One value.
pub(super) struct TopRow {
    pub(super) text: String,
    /// Whether it stands for events without a value.
    pub(super) is_none: bool,
    pub(super) events: String,
    /// How long its bar is beside that of the most frequent one.
    pub(super) bar: Drawing,
    /// The events that have it; for a tenant, its own overview.
    pub(super) href: String,
}

/// What was asked for, in that order. A column in which nothing stands is left out.
pub(super) fn lists(facets: &Facets, query: &Query) -> Vec<TopList> {
    let list = |(column, label): (&str, &'static str)| {
        let values = facets.facets.get(column)?;
        if values.iter().all(|facet| facet.value.is_none()) {
            return None;
        }
        let most = values.iter().map(|facet| facet.events).max().unwrap_or(0);
        let rows = values.iter().map(|facet| row(column, facet, most, query)).collect();
        Some(TopList { label, rows })
    };
    TOP.into_iter().chain([TENANTS]).filter_map(list).collect()
}

fn row(column: &str, facet: &FacetValue, most: u64, query: &Query) -> TopRow {
    let value = facet.value.as_deref();
    let href = match value {
        Some(tenant) if column == TENANTS.0 => Query::default().with(column, tenant).href("/"),
        value => only(query, column, value).href("/logs"),
    };
    TopRow {
        text: value.map_or_else(|| "without".to_owned(), format::visible),
        is_none: value.is_none(),
        events: format::count(facet.events),
        bar: share(facet.events, most),
        href,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lead_to_their_events_and_tenants_to_their_overview() {
        let facets: Facets = serde_json::from_str(
            r#"{"facets":{"type":[{"value":"a.b","events":9},{"value":null,"events":1}],
                "actor_id":[{"value":null,"events":10}],
                "tenant_id":[{"value":"acme","events":10}]}}"#,
        )
        .unwrap();
        let lists = lists(&facets, &Query::parse("from=2026-01-01"));
        let labels: Vec<_> = lists.iter().map(|list| list.label).collect();
        assert_eq!(labels, ["Types", "Tenants"], "a column that says nothing is left out");
        assert_eq!(lists[0].rows[0].href, "/logs?from=2026-01-01&type=a.b");
        assert!(lists[0].rows[1].is_none);
        assert_eq!(lists[1].rows[0].href, "/?tenant_id=acme");
    }
}
