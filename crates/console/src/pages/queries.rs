//! `/queries`: filters that somebody gave a name. They are opened as a list of events, exported,
//! shared with the tenant, renamed and deleted; a filter from the list of events is saved here.

mod item;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::export::filters_of;
use crate::Console;
use crate::api::path_of;
use crate::api::saved_queries::{PATH, SavedQueries, SavedQuery, body_of};
use crate::error::{ApiError, see_other};
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::{Posted, Viewer};

use item::{Draft, Item};

/// What was done, in the address, and what is said about it.
const SAID: [(&str, &str); 3] = [
    ("saved", "The query is saved."),
    ("changed", "The query is changed."),
    ("deleted", "The query is deleted. Exports made with it stay."),
];

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/queries", get(list).post(save))
        .route("/queries/new", get(new))
        .route("/queries/{id}/change", post(change))
        .route("/queries/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "queries.html")]
struct QueriesPage {
    frame: Frame,
    items: Vec<Item>,
    said: &'static str,
    /// The query that is to be saved, if one is.
    draft: Option<Draft>,
    may_export: bool,
}

async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    render(&console, &viewer, query.said(&SAID), None).await
}

/// The filter of a list of events as a query to be saved.
async fn new(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    render(&console, &viewer, "", Some(Draft::of(&filters_of(&query)))).await
}

async fn save(State(console): State<Console>, posted: Posted) -> Result<Response, ApiError> {
    let Posted { viewer, fields } = posted;
    let name = fields.get("name").unwrap_or_default();
    let shared = fields.get("shared").is_some();
    let filter = filters_of(&fields);
    let body = json!({ "name": name, "filter": body_of(&filter), "shared": shared });
    match console.api.send::<SavedQuery>(&viewer, Method::POST, PATH, Some(&body)).await {
        Ok(saved) => Ok(see_other(&format!("/queries?done=saved#{}", saved.id))),
        Err(error) if error.status == StatusCode::BAD_REQUEST => {
            let wrong = error.problem.detail;
            let draft = Draft { name: name.to_owned(), shared, wrong, ..Draft::of(&filter) };
            let mut response = render(&console, &viewer, "", Some(draft)).await?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// Renames and shares. The version of the form is the one that was seen, so that nobody's change
/// is lost: the API refuses the form if there is a newer one.
async fn change(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, ApiError> {
    let Posted { viewer, fields } = posted;
    let path = path_of(PATH, &id)?;
    let query: SavedQuery = console.api.get(&viewer, &path).await?;
    let seen = fields.get("version").and_then(|text| text.parse::<u64>().ok());
    let body = json!({
        "name": fields.get("name").unwrap_or_default(),
        "filter": query.filter,
        "shared": fields.get("shared").is_some(),
        "version": seen.unwrap_or_default(),
    });
    let _: SavedQuery = console.api.send(&viewer, Method::PUT, &path, Some(&body)).await?;
    Ok(see_other(&format!("/queries?done=changed#{id}")))
}

async fn delete(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, ApiError> {
    let path = path_of(PATH, &id)?;
    let () = console.api.send(&posted.viewer, Method::DELETE, &path, None).await?;
    Ok(see_other("/queries?done=deleted"))
}

async fn render(
    console: &Console,
    viewer: &Viewer,
    said: &'static str,
    draft: Option<Draft>,
) -> Result<Response, ApiError> {
    let found: SavedQueries = console.api.get(viewer, PATH).await?;
    let items = found.saved_queries.iter().map(|query| Item::new(query, viewer)).collect();
    let frame = console.frame(viewer, Nav::Queries, "Saved queries");
    let may_export = viewer.may("audit:export");
    Ok(page(&QueriesPage { frame, items, said, draft, may_export }))
}
