//! `/`: the last 90 days at a glance: how much happened, what and by whom, what failed or was
//! denied, what waits for a signature, what is stored, and the last exports. Every number leads to
//! the events that it counts, and says whether it is exact.

mod asking;
mod span;
mod top;

use std::collections::BTreeMap;

use askama::Template;
use auditlake_model::time::{day_of, format_day, parse_rfc3339};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use crate::Console;
use crate::api::exports::Export;
use crate::api::histogram::Histogram;
use crate::api::saved_queries;
use crate::api::status::{Month, Status};
use crate::chart::{Bar, Bars, Drawing, sparkline};
use crate::error::ApiError;
use crate::format;
use crate::page::{Frame, Nav, page};
use crate::pages::filter_words;
use crate::query::Query;
use crate::session::Viewer;

use asking::{Answers, DENIED, FAILED};
use span::{DAYS, Span};
use top::{TopList, lists};

/// As many months as a chart shows one by one: ten years.
const MOST_MONTHS: i32 = 120;

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/", get(show))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    /// The tenant that was chosen by who sees several.
    tenant: Option<String>,
    days: i32,
    troubles: Vec<String>,
    tiles: Vec<Tile>,
    per_day: Option<Drawing>,
    /// Whether it tells apart what failed or was denied.
    is_marked: bool,
    top: Vec<TopList>,
    storage: Option<Storage>,
    exports: Option<Vec<ExportLine>>,
    logs_href: String,
    /// Whether nothing happened in these days.
    is_empty: bool,
}

/// One number, and what stands around it.
struct Tile {
    label: &'static str,
    value: String,
    /// `exact` or `about`.
    exactness: &'static str,
    note: String,
    /// The events that it counts.
    href: String,
    spark: Option<Drawing>,
}

/// What is stored of each month.
struct Storage {
    /// What stands before it if it is not of one tenant.
    of: &'static str,
    total: String,
    exactness: &'static str,
    chart: Drawing,
}

/// One of the last exports.
struct ExportLine {
    href: String,
    state: &'static str,
    tone: &'static str,
    rows: String,
    format: String,
    /// The filter in words, and as the lake reads it.
    filter: String,
    filter_text: String,
    created_at: String,
}

async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    if let Some(name) = query.unknown(&["tenant_id"]) {
        let detail = format!("parameter {name}: the overview is only narrowed by tenant_id");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, &detail));
    }
    let tenant = query.get("tenant_id").map(str::to_owned);
    let span = Span::until(viewer.now_us(), tenant.as_deref());
    let answers = asking::ask(&console, &viewer, &span).await?;
    let exports = answers.exports.as_ref().map(|list| list.exports.as_slice());
    let names = saved_queries::names_in(&console.api, &viewer, exports.unwrap_or_default()).await;
    let line = |export: &Export| ExportLine::of(export, &names);
    Ok(page(&OverviewPage {
        frame: console.frame(&viewer, Nav::Overview, "Overview"),
        tenant: tenant.map(format::visible),
        days: DAYS,
        tiles: tiles(&answers, &span, viewer.now_us()),
        per_day: answers.events.as_ref().map(|events| per_day(events, &answers, &span)),
        is_marked: answers.failed.is_some() && answers.denied.is_some(),
        top: answers.top.as_ref().map(|facets| lists(facets, &span.query)).unwrap_or_default(),
        storage: answers.status.as_ref().and_then(storage),
        exports: exports.map(|exports| exports.iter().map(line).collect()),
        logs_href: span.query.href("/logs"),
        is_empty: answers.events.as_ref().is_some_and(|events| events.total == 0),
        troubles: answers.troubles,
    }))
}

fn tiles(answers: &Answers, span: &Span, now_us: i64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if let Some(events) = &answers.events {
        tiles.push(Tile {
            label: "Events",
            value: format::count(events.total),
            exactness: "exact",
            note: format!("in the last {DAYS} days"),
            href: span.query.href("/logs"),
            spark: Some(sparkline(&span.counts(events), "Events per day")),
        });
        let parts = [
            ("Failures", FAILED, &answers.failed, "Failures per day"),
            ("Denials", DENIED, &answers.denied, "Denials per day"),
        ];
        for (label, outcome, found, line) in parts {
            let Some(found) = found else { continue };
            tiles.push(Tile {
                label,
                value: format::count(found.total),
                exactness: "exact",
                note: format!("{} of these events", format::percent(found.total, events.total)),
                href: span.query.with("outcome", outcome).href("/logs"),
                spark: Some(sparkline(&span.counts(found), line)),
            });
        }
    }
    if let Some(status) = &answers.status {
        tiles.extend(waiting(status, now_us));
        tiles.push(held(status));
    }
    tiles
}

/// What the numbers of a status begin with: those of the whole lake say so, also on the overview
/// of one tenant.
fn whose(status: &Status) -> &'static str {
    if status.tenant_id.is_some() { "" } else { "all tenants, " }
}

/// How far signing is behind taking events: a lake to which nobody writes is not late.
fn waiting(status: &Status, now_us: i64) -> Option<Tile> {
    let newest_us = parse_rfc3339(status.newest_recorded_at.as_deref()?).ok()?;
    let from = format_day(day_of(newest_us));
    let newest = format::relative(newest_us.min(now_us), now_us);
    let of = whose(status);
    Some(Tile {
        label: "Waiting for a signature",
        value: format::count(status.hot_events),
        exactness: "exact",
        note: match status.hot_events {
            0 => format!("{of}everything is signed, the newest recorded {newest}"),
            1 => format!("{of}event, recorded {newest}"),
            _ => format!("{of}events, the newest recorded {newest}"),
        },
        href: Query::default().with("recorded_from", &from).href("/logs"),
        spark: None,
    })
}

/// All that there is, also before these days.
fn held(status: &Status) -> Tile {
    let days = match (&status.first_day, &status.last_day) {
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "no event yet".to_owned(),
    };
    let of = whose(status);
    Tile {
        label: "In the lake",
        value: format::count(status.events),
        exactness: "exact",
        note: format!("{of}{days}"),
        href: "/logs".to_owned(),
        spark: None,
    }
}

/// Each day, with what failed or was denied told apart where both are known: one of them alone
/// would pass for both.
fn per_day(events: &Histogram, answers: &Answers, span: &Span) -> Drawing {
    let both = answers.failed.as_ref().zip(answers.denied.as_ref());
    let marked = both.map_or_else(
        || vec![0; DAYS as usize],
        |(failed, denied)| {
            let counts = span.counts(failed).into_iter().zip(span.counts(denied));
            counts.map(|(failed, denied)| failed + denied).collect()
        },
    );
    let days = span.starts().zip(span.counts(events)).zip(marked);
    let bars = days.map(|((start_us, value), marked)| Bar {
        label: format::day(start_us),
        detail: None,
        value,
        marked,
        href: Some(span.day(start_us).href("/logs")),
    });
    let chart = Bars {
        caption: format!("Events per day, the last {DAYS} days, UTC"),
        label_heading: "Day".to_owned(),
        value_heading: "Events".to_owned(),
        marked_heading: both.map(|_| "Failed or denied".to_owned()),
        say: format::count,
        bars: bars.collect(),
    };
    chart.draw()
}

/// What is stored; nothing before the first event is.
fn storage(status: &Status) -> Option<Storage> {
    let months = &status.months;
    let total: u64 = months.iter().map(|month| month.stored_bytes).sum();
    if total == 0 {
        return None;
    }
    let bars = every_month(months).into_iter().map(|month| {
        let range = span::month(&month.month);
        let query = range.map(|(from, to)| Query::default().with("from", &from).with("to", &to));
        Bar {
            label: month.month,
            detail: Some(format!("{} events", format::count(month.events))),
            value: month.stored_bytes,
            marked: 0,
            href: query.map(|query| query.href("/logs")),
        }
    });
    let chart = Bars {
        caption: "Stored bytes per month in which events happened".to_owned(),
        label_heading: "Month".to_owned(),
        value_heading: "Bytes".to_owned(),
        marked_heading: None,
        say: format::bytes,
        bars: bars.collect(),
    };
    Some(Storage {
        of: whose(status),
        total: format::bytes(total),
        // Segments hold several tenants: one's bytes are its share by rows.
        exactness: if status.tenant_id.is_some() { "about" } else { "exact" },
        chart: chart.draw(),
    })
}

/// Every month from the first to the last, those without an event too, as long as a chart has
/// room for them.
fn every_month(months: &[Month]) -> Vec<Month> {
    let number = |month: &Month| span::month_number(&month.month);
    let (first, last) = (months.first().and_then(number), months.last().and_then(number));
    let (Some(first), Some(last)) = (first, last) else { return months.to_vec() };
    if last - first >= MOST_MONTHS {
        return months.to_vec();
    }
    let mut held: BTreeMap<i32, Month> = (first..=last)
        .map(|at| (at, Month { month: span::month_name(at), events: 0, stored_bytes: 0 }))
        .collect();
    held.extend(months.iter().filter_map(|month| Some((number(month)?, month.clone()))));
    held.into_values().collect()
}

impl ExportLine {
    fn of(export: &Export, names: &BTreeMap<String, String>) -> Self {
        Self {
            href: format!("/exports#{}", export.id),
            state: export.state.name(),
            tone: export.state.tone(),
            rows: export.rows.map_or_else(|| "…".to_owned(), format::count),
            format: export.format.clone(),
            filter: filter_words::of_export(export, names),
            filter_text: format::visible(&export.filter_text),
            created_at: export.created_at.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        serde_json::from_str(text).unwrap()
    }

    const LAKE: &str = r#"{"tenant_id":null,"events":1200,"hot_events":3,"commit":7,
        "first_day":"2026-01-01","last_day":"2026-03-01",
        "newest_recorded_at":"2026-03-01T00:00:00Z",
        "months":[{"month":"2026-01","events":1000,"stored_bytes":2000000}]}"#;

    #[test]
    fn what_waits_is_told_and_an_idle_lake_is_not_late() {
        let now_us = parse_rfc3339("2026-03-01T00:03:00Z").unwrap();
        let tile = waiting(&status(LAKE), now_us).unwrap();
        assert_eq!(tile.value, "3");
        assert_eq!(tile.note, "all tenants, events, the newest recorded 3 min ago");
        assert_eq!(tile.href, "/logs?recorded_from=2026-03-01");
        // Another server's clock may be ahead; nothing was recorded in the future.
        let early = waiting(&status(LAKE), now_us - 600_000_000).unwrap();
        assert_eq!(early.note, "all tenants, events, the newest recorded just now");
        let idle = LAKE.replace("\"hot_events\":3", "\"hot_events\":0");
        let idle = waiting(&status(&idle), now_us).unwrap();
        assert_eq!(idle.note, "all tenants, everything is signed, the newest recorded 3 min ago");
        let of_one = LAKE.replace("\"tenant_id\":null", "\"tenant_id\":\"acme\"");
        let of_one = waiting(&status(&of_one), now_us).unwrap();
        assert_eq!(of_one.note, "events, the newest recorded 3 min ago");
    }

    #[test]
    fn days_are_marked_only_if_all_that_is_to_be_marked_is_known() {
        let found = |events: u64| {
            let day = format!(r#"{{"from":"2026-03-01T00:00:00Z","events":{events}}}"#);
            let text =
                format!(r#"{{"interval_seconds":86400,"buckets":[{day}],"total":{events}}}"#);
            Some(serde_json::from_str::<Histogram>(&text).unwrap())
        };
        let span = Span::until(parse_rfc3339("2026-03-01T12:00:00Z").unwrap(), None);
        let drawn = |failed, denied| {
            let (events, top, status, exports) = (found(50), None, None, None);
            let troubles = Vec::new();
            let answers = Answers { events, failed, denied, top, status, exports, troubles };
            let events = answers.events.as_ref().unwrap();
            per_day(events, &answers, &span).to_string()
        };
        let whole = drawn(found(17), found(20));
        assert!(whole.contains("Failed or denied") && whole.contains(">37</td>"), "{whole}");
        for (failed, denied) in [(found(17), None), (None, found(20)), (None, None)] {
            let part = drawn(failed, denied);
            assert!(part.contains(">50</td>") && !part.contains("Failed or denied"), "{part}");
            assert!(!part.contains(">17</td>") && !part.contains(">20</td>"), "{part}");
        }
    }

    #[test]
    fn months_without_events_are_in_the_picture() {
        let month = |name: &str, events| Month {
            month: name.to_owned(),
            events,
            stored_bytes: events * 10,
        };
        let held = every_month(&[month("2025-11", 1), month("2026-02", 2)]);
        let told: Vec<_> = held.iter().map(|one| (one.month.as_str(), one.events)).collect();
        assert_eq!(told, [("2025-11", 1), ("2025-12", 0), ("2026-01", 0), ("2026-02", 2)]);
        assert_eq!(every_month(&[month("0001-01", 1), month("2026-02", 2)]).len(), 2);
        assert_eq!(every_month(&[]).len(), 0);
    }

    #[test]
    fn what_is_stored_of_one_tenant_is_said_to_be_nearly_right() {
        let all = storage(&status(LAKE)).unwrap();
        assert_eq!((all.of, all.total.as_str(), all.exactness), ("all tenants, ", "2 MB", "exact"));
        let of_one = LAKE.replace("\"tenant_id\":null", "\"tenant_id\":\"acme\"");
        let of_one = storage(&status(&of_one)).unwrap();
        assert_eq!((of_one.of, of_one.exactness), ("", "about"));
        assert!(storage(&status(&LAKE.replace("2000000", "0"))).is_none());
        assert!(held(&status(LAKE)).note.starts_with("all tenants, from 2026-01-01"));
    }
}
