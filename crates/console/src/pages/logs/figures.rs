//! The figures of the list: the histogram above the table and the facets beside it. They may take
//! longer than the page does, so they come with it only if they are quick; otherwise the page's
//! script asks for them, and a link does where no script runs.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use auditlake_model::time::format_rfc3339;
use axum::extract::State;
use axum::response::Response;

use super::filtering::{anew, filters, is_held_to, only, without};
use super::ranges::{instant, resolved, unpinned};
use crate::Console;
use crate::api::event_schema::label;
use crate::api::facets::{FacetValue, Facets};
use crate::api::histogram::Histogram;
use crate::error::ApiError;
use crate::format;
use crate::page::page;
use crate::query::Query;
use crate::ranges::RANGE;
use crate::session::Viewer;

/// How long a page waits for its figures.
pub(super) const PATIENCE: Duration = Duration::from_millis(120);
const FACETS: &str = "type,outcome,actor_id,target_kind,tool";
const FACET_VALUES: &str = "8";
/// What is told apart in the chart. It is asked for beside whatever else the list is narrowed by.
const MARKED: &str = "outcome IN ('failure', 'error', 'denied')";
/// The chart's own measures; it is stretched to its place.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 80.0;

/// What there is to show.
pub(crate) struct Figures {
    pub(crate) histogram: Option<HistogramView>,
    pub(crate) facets: Vec<FacetView>,
    /// How many events are meant, exactly.
    pub(crate) count: Option<String>,
    /// Why there is less than that.
    pub(crate) problem: Option<String>,
}

/// The chart and its table.
pub(crate) struct HistogramView {
    /// Both ends, RFC 3339.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) bars: Vec<Bar>,
    /// Whether it is known which events failed or were denied.
    pub(crate) is_marked: bool,
    /// The width of a bar in words.
    pub(crate) interval: String,
    pub(crate) most: String,
}

/// One bar, which is a row of the table as well.
pub(crate) struct Bar {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) events: String,
    /// Those of them that failed or were denied.
    pub(crate) marked: String,
    pub(crate) marked_y: String,
    pub(crate) marked_height: String,
    /// The list of these events.
    pub(crate) href: String,
}

/// The values of one column.
pub(crate) struct FacetView {
    pub(crate) label: String,
    pub(crate) values: Vec<FacetRow>,
}

/// One value.
pub(crate) struct FacetRow {
    pub(crate) text: String,
    pub(crate) is_none: bool,
    pub(crate) is_active: bool,
    pub(crate) events: String,
    pub(crate) only: String,
    pub(crate) without: String,
}

#[derive(Template)]
#[template(path = "logs/figures.html")]
struct FiguresPage {
    figures: Figures,
}

/// The figures alone, for the page that did not wait.
pub(super) async fn figures(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    let figures = Figures::read(&console, &viewer, &query).await;
    Ok(page(&FiguresPage { figures }))
}

impl Figures {
    /// Asks the API; what goes wrong is told in their place, for the list may be there.
    pub(super) async fn read(console: &Console, viewer: &Viewer, query: &Query) -> Self {
        let filters = filters(&resolved(query, viewer.now_us()));
        let query = &unpinned(query);
        // Who sees several tenants looks for one first.
        let of_tenants = if viewer.sees_many_tenants() { "tenant_id," } else { "" };
        let over_time = async {
            let path = filters.href("/v1/events/histogram");
            let all = console.api.get::<Histogram>(viewer, &path).await?;
            let marked = marked(console, viewer, &filters, &all).await;
            Ok::<_, ApiError>((all, marked))
        };
        let by_value = filters
            .clone()
            .and("columns", &format!("{of_tenants}{FACETS}"))
            .and("limit", FACET_VALUES)
            .href("/v1/events/facets");
        let (histogram, facets) =
            tokio::join!(over_time, console.api.get::<Facets>(viewer, &by_value));
        let mut figures = Self { histogram: None, facets: Vec::new(), count: None, problem: None };
        match histogram {
            Ok((histogram, marked)) => {
                // A cursor holds its list to what there was when it began; this is counted now.
                let is_first = query.get("cursor").is_none();
                figures.count = is_first.then(|| format::count(histogram.total));
                figures.histogram = HistogramView::of(&histogram, marked.as_ref(), query);
            }
            Err(error) => figures.problem = Some(error.problem.detail),
        }
        match facets {
            Ok(facets) => figures.facets = views(&facets, of_tenants, query),
            Err(error) => figures.problem = Some(error.problem.detail),
        }
        figures
    }
}

/// How many events of each bar are marked; a chart may be without.
async fn marked(
    console: &Console,
    viewer: &Viewer,
    filters: &Query,
    all: &Histogram,
) -> Option<BTreeMap<i64, u64>> {
    let (from_us, to_us) = span(all)?;
    // Over the span of all bars the API chooses the width that they have.
    let asked = filters
        .with("from", &format_rfc3339(from_us))
        .with("to", &format_rfc3339(to_us))
        .and("where", MARKED);
    let path = asked.href("/v1/events/histogram");
    let found = console.api.get::<Histogram>(viewer, &path).await.ok()?;
    (found.interval_seconds == all.interval_seconds).then(|| counts(&found).collect())
}

/// When each bar begins, and how many events it has.
fn counts(histogram: &Histogram) -> impl Iterator<Item = (i64, u64)> {
    let buckets = histogram.buckets.iter();
    buckets.filter_map(|bucket| Some((instant(Some(&bucket.from))?, bucket.events)))
}

/// From the beginning of the chart to its end; none where there is no event.
fn span(histogram: &Histogram) -> Option<(i64, i64)> {
    let width_us = histogram.interval_seconds.checked_mul(1_000_000).filter(|us| *us > 0)?;
    let first_us = counts(histogram).next()?.0;
    let last_us = counts(histogram).last()?.0;
    let asked = (instant(histogram.from.as_deref()), instant(histogram.to.as_deref()));
    Some((asked.0.unwrap_or(first_us), asked.1.unwrap_or(last_us + width_us)))
}

/// The facets in the order in which they were asked for.
fn views(facets: &Facets, first: &str, query: &Query) -> Vec<FacetView> {
    let view = |column: &str| {
        let values = facets.facets.get(column)?;
        // A column in which nothing stands is of no help.
        if values.iter().all(|facet| facet.value.is_none()) {
            return None;
        }
        let values = values.iter().map(|facet| FacetRow::of(column, facet, query)).collect();
        Some(FacetView { label: label(column), values })
    };
    let columns = first.split(',').chain(FACETS.split(','));
    columns.filter_map(view).collect()
}

impl FacetRow {
    fn of(column: &str, facet: &FacetValue, query: &Query) -> Self {
        let value = facet.value.as_deref();
        Self {
            text: value.map(format::visible).unwrap_or_default(),
            is_none: value.is_none(),
            is_active: is_held_to(query, column, value),
            events: format::count(facet.events),
            only: only(query, column, value).href("/logs"),
            without: without(query, column, value).href("/logs"),
        }
    }
}

impl HistogramView {
    /// None where there is no event, or nothing that can be drawn.
    fn of(
        histogram: &Histogram,
        marked: Option<&BTreeMap<i64, u64>>,
        query: &Query,
    ) -> Option<Self> {
        let (from_us, to_us) = span(histogram)?;
        let width_us = histogram.interval_seconds * 1_000_000;
        let most = counts(histogram).map(|(_, events)| events).max()?.max(1);
        let span_us = (to_us - from_us).max(1) as f64;
        let place = |us: i64| (us - from_us) as f64 / span_us * WIDTH;
        let high = |events: u64| match events {
            0 => 0.0,
            some => (some as f64 / most as f64 * HEIGHT).max(1.0),
        };
        let bar = |(bucket_us, events): (i64, u64)| {
            let of_marked = marked.and_then(|marked| marked.get(&bucket_us)).copied().unwrap_or(0);
            // The first and the last bar are cut where the span begins and ends.
            let (begin_us, end_us) = (bucket_us.max(from_us), (bucket_us + width_us).min(to_us));
            let (height, marked_height) = (high(events), high(of_marked));
            let (from, to) = (format_rfc3339(begin_us), format_rfc3339(end_us));
            let within = anew(query).without(RANGE).with("from", &from).with("to", &to);
            Bar {
                x: format!("{:.2}", place(begin_us)),
                y: format!("{:.2}", HEIGHT - height),
                width: format!("{:.2}", ((place(end_us) - place(begin_us)) * 0.9).max(0.6)),
                height: format!("{height:.2}"),
                events: format::count(events),
                marked: format::count(of_marked),
                marked_y: format!("{:.2}", HEIGHT - marked_height),
                marked_height: format!("{marked_height:.2}"),
                href: within.href("/logs"),
                from,
                to,
            }
        };
        Some(Self {
            bars: counts(histogram).map(bar).collect(),
            is_marked: marked.is_some(),
            from: format_rfc3339(from_us),
            to: format_rfc3339(to_us),
            interval: format::seconds(histogram.interval_seconds as f64),
            most: format::count(most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(text: &str) -> Histogram {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn bars_stand_where_their_time_is() {
        let found = histogram(
            r#"{"interval_seconds":3600,"total":5,"to":"2026-03-01T04:00:00Z","buckets":[
                {"from":"2026-03-01T00:00:00.000000Z","events":4},
                {"from":"2026-03-01T02:00:00.000000Z","events":1}]}"#,
        );
        let marked = BTreeMap::from([(instant(Some("2026-03-01")).unwrap(), 2)]);
        let query = Query::parse("type=a&cursor=00");
        let view = HistogramView::of(&found, Some(&marked), &query).unwrap();
        let places: Vec<_> = view.bars.iter().map(|bar| (bar.x.as_str(), bar.y.as_str())).collect();
        assert_eq!(places, [("0.00", "0.00"), ("500.00", "60.00")]);
        let marks: Vec<_> = view.bars.iter().map(|bar| bar.marked_height.as_str()).collect();
        assert_eq!(marks, ["40.00", "0.00"]);
        assert_eq!(
            view.bars[1].href,
            "/logs?type=a&from=2026-03-01T02%3A00%3A00.000000Z&to=2026-03-01T03%3A00%3A00.000000Z"
        );
        assert_eq!(view.to, "2026-03-01T04:00:00.000000Z");
    }

    #[test]
    fn no_events_make_no_chart() {
        let none = histogram(r#"{"interval_seconds":60,"total":0,"buckets":[]}"#);
        assert!(HistogramView::of(&none, None, &Query::default()).is_none());
    }

    #[test]
    fn facets_lead_to_narrower_lists() {
        let facets: Facets = serde_json::from_str(
            r#"{"total":3,"facets":{"tool":[{"value":null,"events":3}],
                "outcome":[{"value":"denied","events":2},{"value":null,"events":1}]}}"#,
        )
        .unwrap();
        let views = views(&facets, "", &Query::parse("outcome=denied"));
        assert_eq!(views.len(), 1, "a column that says nothing is left out");
        let rows = &views[0].values;
        assert!(rows[0].is_active && rows[1].is_none);
        assert_eq!(rows[0].only, "/logs");
        assert_eq!(rows[0].without, "/logs?outcome=%21denied");
    }
}
