//! `/access`: who calls: the keys, of which one is shown once and never again, and the table of
//! roles. Only who administers sees keys; everybody sees what their own role is.

mod form;
mod key_view;
mod roles;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};

use crate::Console;
use crate::api;
use crate::api::keys::{CreatedKey, Key, KeyList};
use crate::error::{ApiError, see_other};
use crate::format;
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::{Posted, Viewer};

use form::KeyForm;
use key_view::{KeyView, MadeKey};
use roles::{PermissionColumn, RoleRow};

const PATH: &str = "/v1/keys";
/// What was done, in the address, and what is said about it.
const SAID: [(&str, &str); 1] = [("revoked", "The key is revoked: it opens nothing any more.")];

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/access", get(show))
        .route("/access/keys", post(create))
        .route("/access/keys/{id}/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    frame: Frame,
    said: &'static str,
    /// What could not be done.
    wrong: Option<String>,
    /// A key that was made for this page.
    made: Option<MadeKey>,
    keys: Option<Keys>,
    own_role: String,
    roles: Vec<RoleRow>,
    permissions: Vec<PermissionColumn>,
}

/// What who administers keys sees.
struct Keys {
    valid: Vec<KeyView>,
    /// Expired and revoked.
    over: Vec<KeyView>,
    /// Whether they are of several tenants.
    are_of_many: bool,
    form: KeyForm,
}

/// What happened before the page is shown.
#[derive(Default)]
struct Before {
    said: &'static str,
    wrong: Option<String>,
    made: Option<MadeKey>,
    /// The form as it was sent, when it was not taken.
    form: Option<KeyForm>,
    /// The id of the key that is to be revoked.
    asked: Option<String>,
}

async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.get("revoke").map(str::to_owned);
    let before = Before { said: query.said(&SAID), asked, ..Before::default() };
    render(&console, &viewer, before).await
}

/// Makes a key. The answer is the only page that shows it: no address leads back to it.
async fn create(State(console): State<Console>, posted: Posted) -> Result<Response, ApiError> {
    let Posted { viewer, fields } = posted;
    let form = KeyForm::sent(&viewer, &fields);
    let body = form.body();
    let made = console.api.send::<CreatedKey>(&viewer, Method::POST, PATH, Some(&body)).await;
    match made {
        Ok(made) => {
            let made = Some(MadeKey::of(made));
            render(&console, &viewer, Before { made, ..Before::default() }).await
        }
        Err(error) if is_of_the_form(&viewer, &error) => {
            let form = Some(form.refused(&error.problem.detail));
            let before = Before { form, ..Before::default() };
            let mut response = render(&console, &viewer, before).await?;
            *response.status_mut() = error.status;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

async fn revoke(
    State(console): State<Console>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, ApiError> {
    let viewer = posted.viewer;
    let path = api::path_of(PATH, &id)?;
    match console.api.send::<Key>(&viewer, Method::DELETE, &path, None).await {
        Ok(_) => Ok(see_other("/access?done=revoked")),
        // The last key of an operator stays.
        Err(error) if error.status == StatusCode::CONFLICT => {
            let wrong = Some(format::visible(&error.problem.detail));
            let before = Before { wrong, ..Before::default() };
            let mut response = render(&console, &viewer, before).await?;
            *response.status_mut() = error.status;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// Whether the form says what is wrong, rather than a page about it.
fn is_of_the_form(viewer: &Viewer, error: &ApiError) -> bool {
    let is_wrong = [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN].contains(&error.status);
    is_wrong && viewer.may("keys:write")
}

async fn render(console: &Console, viewer: &Viewer, before: Before) -> Result<Response, ApiError> {
    let Before { said, wrong, made, form, asked } = before;
    let keys = if viewer.may("keys:write") {
        let KeyList { keys } = console.api.get(viewer, PATH).await?;
        let views = keys.iter().rev().map(|key| KeyView::of(key, viewer, asked.as_deref()));
        let (valid, over) = views.partition(|view| view.is_valid);
        let form = form.unwrap_or_else(|| KeyForm::empty(viewer));
        Some(Keys { valid, over, are_of_many: viewer.runs_installation(), form })
    } else {
        None
    };
    Ok(page(&AccessPage {
        frame: console.frame(viewer, Nav::Access, "Access"),
        said,
        wrong,
        made,
        keys,
        own_role: viewer.session.role.clone(),
        roles: roles::roles(&viewer.session.role),
        permissions: roles::permissions(),
    }))
}
