//! The pages. Each module has the routes of one page, `routes() -> Router<Console>`, and what
//! stands on it.

pub(crate) mod access;
pub(crate) mod export;
pub(crate) mod exports;
pub(crate) mod filter_words;
pub(crate) mod integrity;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod overview;
pub(crate) mod queries;

use axum::Router;

use crate::Console;

/// Every page.
pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .merge(login::routes())
        .merge(overview::routes())
        .merge(logs::routes())
        .merge(export::routes())
        .merge(exports::routes())
        .merge(queries::routes())
        .merge(integrity::routes())
        .merge(access::routes())
}
