//! `/export`: the form that asks for an export. It says how large the export would be, gives
//! small ones as a download, and makes jobs of large ones. Scripts open the same form in a
//! dialog and ask for its figures at `/export/estimate`.

mod draft;
mod estimate;
mod form;

use askama::Template;
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::Console;
use crate::api::exports::{self, Export};
use crate::api::saved_queries;
use crate::error::{ApiError, see_other};
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::{Posted, Viewer};

pub(crate) use draft::{Draft, filters_of};
use estimate::{Estimate, Wrong, ask, figures};
use form::Form;

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/export", get(show).post(submit)).route("/export/estimate", get(estimate))
}

#[derive(Template)]
#[template(path = "export.html")]
struct ExportPage {
    frame: Frame,
    form: Form,
}

/// Refuses who may not export, before there is a form that would lead nowhere.
pub(crate) fn require_export(viewer: &Viewer) -> Result<(), ApiError> {
    let detail = "taking events away as files needs the permission audit:export";
    viewer.require("audit:export", detail)
}

async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    require_export(&viewer)?;
    let draft = Draft::read(&query, viewer.now_us());
    let estimate = match query.get("estimate") {
        Some(_) => Some(ask(&console, &viewer, &draft).await?),
        None => None,
    };
    Ok(render(&console, &viewer, &draft, estimate).await)
}

/// Does what the button says.
async fn submit(State(console): State<Console>, posted: Posted) -> Result<Response, ApiError> {
    let Posted { viewer, fields } = posted;
    require_export(&viewer)?;
    let draft = Draft::read(&fields, viewer.now_us());
    match fields.get("action") {
        Some("job") => make_job(&console, &viewer, &draft).await,
        Some("download") => {
            // A download that is refused would be an error page: better to say it in the form.
            match figures(&console, &viewer, &draft).await? {
                Ok(_) => Ok(see_other(&draft.file_href())),
                Err(wrong) => {
                    let estimate = Estimate { figures: Err(wrong), not_complete: None };
                    Ok(refused(&console, &viewer, &draft, estimate).await)
                }
            }
        }
        _ => Ok(see_other(&draft.form_href(true))),
    }
}

async fn make_job(console: &Console, viewer: &Viewer, draft: &Draft) -> Result<Response, ApiError> {
    let body = draft.body();
    match console.api.send::<Export>(viewer, Method::POST, exports::PATH, Some(&body)).await {
        Ok(export) => Ok(see_other(&format!("/exports?done=started#{}", export.id))),
        Err(error) => {
            let estimate = Estimate { figures: Err(Wrong::of(error)?), not_complete: None };
            Ok(refused(console, viewer, draft, estimate).await)
        }
    }
}

/// What the form's script asks while the form is filled in.
async fn estimate(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    require_export(&viewer)?;
    let draft = Draft::read(&query, viewer.now_us());
    let plan = ask(&console, &viewer, &draft).await?.plan(&draft);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(plan)).into_response())
}

async fn refused(
    console: &Console,
    viewer: &Viewer,
    draft: &Draft,
    estimate: Estimate,
) -> Response {
    let mut response = render(console, viewer, draft, Some(estimate)).await;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

async fn render(
    console: &Console,
    viewer: &Viewer,
    draft: &Draft,
    estimate: Option<Estimate>,
) -> Response {
    let frame = console.frame(viewer, Nav::Exports, "Export");
    let saved = match draft.saved_query() {
        Some(id) => saved_queries::name_of(&console.api, viewer, id).await,
        None => None,
    };
    let form = Form::new(draft, viewer, saved.as_deref(), estimate.as_ref());
    page(&ExportPage { frame, form })
}
