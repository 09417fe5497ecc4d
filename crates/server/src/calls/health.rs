//! Whether the server lives, whether it takes events, and what it counted.

use auditlake_lake::LakeError;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// The calls of probes and scrapers; they need no key.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::default().routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operations",
    security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the lake takes events.
///
/// Anybody may ask, so the reason names no path and no store.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    security(()),
    responses(
        (status = 200, description = "It does.", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not; `reason` says why.", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    let reason = match state.lake().check_running() {
        Ok(()) => return Ok("ok\n"),
        Err(LakeError::Fenced { .. }) => "another writer took the lake over",
        Err(_) => {
            "the lake takes no more events until the server has been started again; \
             the server's log says why"
        }
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason).with("reason", reason))
}

/// What the server counted, in the text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    security(()),
    responses((status = 200, description = "The counters.", body = String,
               content_type = "application/openmetrics-text"))
)]
pub(crate) async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    let text = state.metrics().render(state.lake());
    let text = text.map_err(|error| Problem::internal("rendering metrics", &error))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
