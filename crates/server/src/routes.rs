//! Which path leads where.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::problem::Problem;
use crate::state::AppState;
use crate::{access, event, export, health, ingest, list};

/// The whole API.
///
/// Whatever is not named among the open paths of `access` needs a key, also what does not
/// exist: a stranger does not learn which paths there are.
pub fn app(state: AppState) -> Router {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/v1/events", post(ingest::post).get(list::get))
        .route("/v1/events/export", get(export::get))
        .route("/v1/events/{id}", get(event::get))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), access::require_key))
        // Inside the layer below, so that a panic is answered, counted and logged like
        // everything else.
        .layer(from_fn(access::catch_panic))
        .layer(from_fn_with_state(state.clone(), access::observe))
        .with_state(state)
}

async fn unknown(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {path}"))
}

/// axum adds the `Allow` header.
async fn wrong_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    let detail = format!("{path} does not take {method}; the Allow header says what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
