//! Whether the server lives, whether it takes events, and what it counted.

use auditlake_lake::LakeError;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::metrics;
use crate::problem::Problem;
use crate::state::AppState;

/// The process answers.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The lake takes events. Anybody may ask, so the reason names no path and no store.
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

/// The counters.
pub(crate) async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    let text = state.metrics().render(state.lake());
    let text = text.map_err(|error| Problem::internal("rendering metrics", &error))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
