//! `GET /v1/events/histogram`: how many events each span of time has.

use auditlake_lake::Snapshot;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_model::time::format_rfc3339;
use auditlake_query::{Order, QueryError, ScanRequest};
use axum::Json;
use axum::extract::{Request, State};
use futures::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::saved_queries;
use crate::identity::{Permission, Principal};
use crate::page::position;
use crate::params::{FilterParams, Params};
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

const SECOND_US: i64 = 1_000_000;
/// The widths there are, in seconds, the narrowest first.
const WIDTHS: [(&str, i64); 7] = [
    ("1m", 60),
    ("5m", 5 * 60),
    ("15m", 15 * 60),
    ("1h", 60 * 60),
    ("6h", 6 * 60 * 60),
    ("1d", 24 * 60 * 60),
    ("7d", 7 * 24 * 60 * 60),
];
/// As many buckets as a chart can show; `auto` gives no more unless the widest width does.
const AUTO_BUCKETS: i64 = 120;

/// How many events each span of time has.
#[derive(Serialize, ToSchema)]
struct EventsHistogram {
    /// The width of a bucket. Buckets begin at multiples of it since 1970-01-01 UTC.
    interval_seconds: i64,
    /// From when on was asked for, if it was.
    #[schema(format = DateTime, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Until before when was asked for, if it was.
    #[schema(format = DateTime, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// The oldest first; those without an event are left out.
    buckets: Vec<Bucket>,
    /// The events of all buckets.
    total: u64,
}

/// One span of time.
#[derive(Serialize, ToSchema)]
struct Bucket {
    /// When it begins.
    #[schema(format = DateTime)]
    from: String,
    /// How many events it has.
    events: u64,
}

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(histogram))
}

/// Count events over time
///
/// Buckets of one width, the oldest first. Those without an event are left out.
#[utoipa::path(
    get,
    path = "/v1/events/histogram",
    tag = "events",
    params(
        FilterParams,
        ("interval" = Option<String>, Query, pattern = "^(auto|1m|5m|15m|1h|6h|1d|7d)$",
            description = "The width of a bucket; auto, if absent, is the narrowest that gives at \
                           most 120 of them"),
    ),
    responses(
        (status = 200, description = "The figures", body = EventsHistogram),
        (status = 400, description = "A parameter is unknown or wrong", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn histogram(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<EventsHistogram>, Problem> {
    caller.require(Permission::AuditRead)?;
    let mut params = Params::read(request.uri().query());
    let mut choices = vec![("auto", None)];
    choices.extend(WIDTHS.map(|(name, seconds)| (name, Some(seconds))));
    let width = params.choice("interval", &choices)?.flatten();
    let (filter, _) = saved_queries::narrowed(&state, &caller, &mut params).await?;
    params.finish()?;
    let scope = caller.scope();
    let snapshot = state.lake().snapshot();
    let question = async {
        let interval_seconds = match width {
            Some(seconds) => seconds,
            None => auto_width(&state, &snapshot, &scope, &filter).await?,
        };
        let engine = state.engine();
        let width_us = interval_seconds * SECOND_US;
        let found = engine.histogram(&snapshot, &scope, &filter, width_us).await;
        Ok::<_, Problem>((interval_seconds, found.map_err(too_narrow)?))
    };
    let (interval_seconds, found) = state.in_query_time(question).await??;
    let buckets = found.iter();
    let buckets =
        buckets.map(|(from, events)| Bucket { from: format_rfc3339(*from), events: *events });
    Ok(Json(EventsHistogram {
        interval_seconds,
        from: filter.occurred.from_us.map(format_rfc3339),
        to: filter.occurred.to_us.map(format_rfc3339),
        buckets: buckets.collect(),
        total: found.iter().map(|(_, events)| events).sum(),
    }))
}

/// The width that suits the span of time asked for. Where that is open, it ends with the events
/// that the caller sees: those of others must not show even in the width.
async fn auto_width(
    state: &AppState,
    snapshot: &Snapshot,
    scope: &Scope,
    filter: &Filter,
) -> Result<i64, Problem> {
    let from_us = match filter.occurred.from_us {
        Some(from_us) => Some(from_us),
        None => edge(state, snapshot, scope, filter, Order::OldestFirst).await?,
    };
    let last_us = match filter.occurred.to_us {
        Some(to_us) => Some(to_us.saturating_sub(1)),
        None => edge(state, snapshot, scope, filter, Order::NewestFirst).await?,
    };
    // Nothing is meant, so that any width shows it.
    let (Some(from_us), Some(last_us)) = (from_us, last_us) else { return Ok(WIDTHS[0].1) };
    Ok(width_of(from_us, last_us))
}

/// The narrowest width that is not too narrow for a span of time.
fn width_of(from_us: i64, last_us: i64) -> i64 {
    let fits = |width_us: i64| {
        let buckets = last_us.div_euclid(width_us) - from_us.div_euclid(width_us) + 1;
        buckets <= AUTO_BUCKETS
    };
    let found = WIDTHS.iter().find(|(_, seconds)| fits(seconds * SECOND_US));
    found.unwrap_or(&WIDTHS[WIDTHS.len() - 1]).1
}

/// When the first event in an order happened.
async fn edge(
    state: &AppState,
    snapshot: &Snapshot,
    scope: &Scope,
    filter: &Filter,
    order: Order,
) -> Result<Option<i64>, Problem> {
    let scan = ScanRequest {
        filter: filter.clone(),
        order,
        limit: Some(1),
        ..ScanRequest::of(scope.clone())
    };
    let mut events = state.engine().scan(snapshot, &scan).await?;
    while let Some(batch) = events.next().await.transpose()? {
        if batch.num_rows() > 0 {
            return Ok(Some(position(&batch, 0).occurred_at_us));
        }
    }
    Ok(None)
}

/// More buckets than the engine gives are a matter of the interval.
fn too_narrow(error: QueryError) -> Problem {
    match error {
        QueryError::Invalid(reason) if reason.starts_with("histogram: ") => {
            Problem::parameter("interval", reason.trim_start_matches("histogram: "))
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_suits_the_span() {
        let hour_us = 3600 * SECOND_US;
        for (span_us, wanted) in [
            (1, 60),
            (2 * hour_us, 60),
            (2 * hour_us + 60 * SECOND_US, 300),
            (24 * hour_us, 900),
            (5 * 24 * hour_us, 3600),
            (30 * 24 * hour_us, 6 * 3600),
            (90 * 24 * hour_us, 24 * 3600),
            (365 * 24 * hour_us, 7 * 24 * 3600),
            (50 * 365 * 24 * hour_us, 7 * 24 * 3600),
        ] {
            assert_eq!(width_of(0, span_us - 1), wanted, "{span_us}");
        }
        assert_eq!(width_of(-1, 0), 60, "before 1970");
    }
}
