//! Which path leads where.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::Problem;
use crate::state::AppState;
use crate::{access, calls, dialects, openapi};

/// The whole API.
///
/// Whatever is not named among the open paths of `access` needs a key, also what does not
/// exist: a stranger does not learn which paths there are.
pub fn app(state: AppState) -> Router {
    let config = state.config();
    let (calls, description) = calls().split_for_parts();
    let description = openapi::finish(description, config.public_url.as_deref());
    let mut router = calls.merge(openapi::routes(&description)).merge(dialects::routes());
    if let Some(dialect) = config.root_dialect {
        router = router.merge(dialects::root(dialect));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), access::require_key))
        // Inside the layer below, so that a panic is answered, counted and logged like
        // everything else.
        .layer(from_fn(access::catch_panic))
        .layer(from_fn_with_state(state.clone(), access::observe))
        .with_state(state)
}

/// Every canonical call, and the description that is made of the same list.
fn calls() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(calls::ingest::routes())
        .merge(calls::list::routes())
        .merge(calls::event::routes())
        .merge(calls::histogram::routes())
        .merge(calls::facets::routes())
        .merge(calls::live::routes())
        .merge(calls::export::routes())
        .merge(calls::preflight::routes())
        .merge(calls::jobs::routes())
        .merge(calls::downloads::routes())
        .merge(calls::log::routes())
        .merge(calls::saved_queries::routes())
        .merge(calls::keys::routes())
        .merge(calls::session::routes())
        .merge(calls::status::routes())
        .merge(calls::health::routes())
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
