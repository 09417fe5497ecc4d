//! `/exports`: the export jobs that the viewer may see, the newest first, and one of them with
//! its files and digests. Scripts follow those that are under way; without them the pages tell
//! how far a job is when they are opened.

mod item;

use std::slice::from_ref;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};

use super::export::require_export;
use crate::Console;
use crate::api::exports::{Export, ExportList, PATH};
use crate::api::{path_of, saved_queries};
use crate::error::{ApiError, see_other};
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::{Posted, Viewer};

use item::Item;

/// Exports of one page.
const PAGE: &str = "50";
/// What was done, in the address, and what is said about it.
const SAID: [(&str, &str); 5] = [
    ("started", "The export is queued. It goes on when you leave this page."),
    ("canceled", "The export was canceled; what was written of it is deleted."),
    ("over", "The export was over already; nothing was changed."),
    ("retried", "The export is queued again, for the same events as before."),
    ("deleted", "The files of the export are deleted."),
];

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/exports", get(list))
        .route("/exports/{id}", get(one))
        .route("/exports/{id}/cancel", post(cancel))
        .route("/exports/{id}/retry", post(retry))
        .route("/exports/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "exports.html")]
struct ListPage {
    frame: Frame,
    items: Vec<Item>,
    said: &'static str,
    is_first: bool,
    next_href: Option<String>,
}

#[derive(Template)]
#[template(path = "exports/one.html")]
struct OnePage {
    frame: Frame,
    item: Item,
    said: &'static str,
}

async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    require_export(&viewer)?;
    let path = query.for_api(&["limit"]).and("limit", PAGE).href(PATH);
    let found: ExportList = console.api.get(&viewer, &path).await?;
    let frame = console.frame(&viewer, Nav::Exports, "Exports");
    let names = saved_queries::names_in(&console.api, &viewer, &found.exports).await;
    let items = found.exports.iter().map(|export| Item::new(export, &viewer, &names)).collect();
    let bare = query.without("done");
    let next_href = found.next_cursor.map(|cursor| bare.with("cursor", &cursor).href("/exports"));
    let is_first = query.get("cursor").is_none();
    Ok(page(&ListPage { frame, items, said: query.said(&SAID), is_first, next_href }))
}

async fn one(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    require_export(&viewer)?;
    let export: Export = console.api.get(&viewer, &path_of(PATH, &id)?).await?;
    let frame = console.frame(&viewer, Nav::Exports, "Export");
    let names = saved_queries::names_in(&console.api, &viewer, from_ref(&export)).await;
    let item = Item::new(&export, &viewer, &names);
    Ok(page(&OnePage { frame, item, said: query.said(&SAID) }))
}

async fn cancel(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, ApiError> {
    let path = path_of(PATH, &id)?;
    // The same call deletes the files of an export that is ready, which is not what a person
    // means who saw it under way.
    let export: Export = console.api.get(&posted.viewer, &path).await?;
    if !export.state.is_under_way() {
        return Ok(back(&posted, &id, "over"));
    }
    let _: Export = console.api.send(&posted.viewer, Method::DELETE, &path, None).await?;
    Ok(back(&posted, &id, "canceled"))
}

async fn delete(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, ApiError> {
    let path = path_of(PATH, &id)?;
    let _: Export = console.api.send(&posted.viewer, Method::DELETE, &path, None).await?;
    Ok(back(&posted, &id, "deleted"))
}

async fn retry(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, ApiError> {
    let path = format!("{}/retry", path_of(PATH, &id)?);
    let _: Export = console.api.send(&posted.viewer, Method::POST, &path, None).await?;
    Ok(back(&posted, &id, "retried"))
}

/// Back to the page that the form was on; what was done is said there.
fn back(posted: &Posted, id: &str, done: &str) -> Response {
    match posted.fields.get("back") {
        Some("one") => see_other(&format!("/exports/{id}?done={done}")),
        _ => see_other(&format!("/exports?done={done}#{id}")),
    }
}
