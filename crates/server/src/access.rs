//! What happens around every request: an id, a line in the log, the counters, the key, and an
//! answer even to a panic.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use auditlake_model::id::new_ulid;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::problem::Problem;
use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What probes and scrapers read without a key; none of it tells about events.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Gives the request an id, logs it and counts it.
///
/// The line has neither query (filters name people) nor headers (they hold the key). Its
/// seconds end with the headers of the answer; how an export's body went is logged there.
pub(crate) async fn observe(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = new_ulid(state.environment()).to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("unknown", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    state.metrics().answered(&route, status, seconds);
    span.in_scope(|| tracing::info!(%method, path, status, seconds, "answered"));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    // Answers depend on the key and on the moment, and hold what must not lie in caches.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Turns a panic into a 500; the panic hook has logged where it was.
pub(crate) async fn catch_panic(request: Request, next: Next) -> Response {
    // Nothing is used after the panic but what is shared between requests anyway.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without words".to_owned());
            Problem::internal("answering", &text).into_response()
        }
    }
}

/// Lets only the holder of a key pass, and tells who it is.
pub(crate) async fn require_key(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match bearer(request.headers()).and_then(|key| state.keys().verify(key)) {
        Some(principal) => {
            tracing::debug!(key = principal.key_id, "authenticated");
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        None => unauthorized().into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// One answer for no key, an unknown one and a wrong one: it tells nothing about which.
fn unauthorized() -> Problem {
    let detail = "a valid key is needed: Authorization: Bearer alk_…";
    Problem::new(StatusCode::UNAUTHORIZED, detail).header(header::WWW_AUTHENTICATE, "Bearer")
}
