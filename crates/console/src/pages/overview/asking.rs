//! What the overview asks the API, all at once. A question that takes too long leaves its place
//! empty and a sentence about it; the rest of the page is there.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::span::Span;
use crate::Console;
use crate::api::exports::ExportList;
use crate::api::facets::Facets;
use crate::api::histogram::Histogram;
use crate::api::status::Status;
use crate::error::ApiError;
use crate::format;
use crate::session::Viewer;

/// What counts as failed, and what as denied.
pub(super) const FAILED: &str = "failure,error";
pub(super) const DENIED: &str = "denied";
/// The columns whose most frequent values are shown, and how they are called.
pub(super) const TOP: [(&str, &str); 2] = [("type", "Types"), ("actor_id", "Actors")];
/// Only who is above tenants has several of them.
pub(super) const TENANTS: (&str, &str) = ("tenant_id", "Tenants");
const TOP_VALUES: usize = 8;
const LAST_EXPORTS: usize = 5;

/// What the API said; nothing where it could not, or where the viewer may not ask.
pub(super) struct Answers {
    pub(super) events: Option<Histogram>,
    pub(super) failed: Option<Histogram>,
    pub(super) denied: Option<Histogram>,
    pub(super) top: Option<Facets>,
    pub(super) status: Option<Status>,
    pub(super) exports: Option<ExportList>,
    /// Why something is missing.
    pub(super) troubles: Vec<String>,
}

/// Asks for all that the viewer may see.
pub(super) async fn ask(
    console: &Console,
    viewer: &Viewer,
    span: &Span,
) -> Result<Answers, ApiError> {
    let histogram = |outcome: &str| {
        let asked = span.query.with("outcome", outcome).with("interval", "1d");
        asked.href("/v1/events/histogram")
    };
    let mut columns = TOP.map(|(column, _)| column).join(",");
    if viewer.sees_many_tenants() {
        columns = format!("{columns},{}", TENANTS.0);
    }
    let limit = TOP_VALUES.to_string();
    let facets = span.query.with("columns", &columns).with("limit", &limit);
    let facets = facets.href("/v1/events/facets");
    let status = viewer.may("integrity:read").then(|| "/v1/status".to_owned());
    let exports = viewer.may("audit:export").then(|| format!("/v1/exports?limit={LAST_EXPORTS}"));
    let (events, failed, denied, top, status, exports) = tokio::join!(
        asked::<Histogram>(console, viewer, Some(histogram(""))),
        asked::<Histogram>(console, viewer, Some(histogram(FAILED))),
        asked::<Histogram>(console, viewer, Some(histogram(DENIED))),
        asked::<Facets>(console, viewer, Some(facets)),
        asked::<Status>(console, viewer, status),
        asked::<ExportList>(console, viewer, exports),
    );
    let mut troubles = Vec::new();
    Ok(Answers {
        events: kept(events, "Events per day", &mut troubles)?,
        failed: kept(failed, "Failures", &mut troubles)?,
        denied: kept(denied, "Denials", &mut troubles)?,
        top: kept(top, "Most frequent values", &mut troubles)?,
        status: kept(status, "What is stored", &mut troubles)?,
        exports: kept(exports, "Last exports", &mut troubles)?,
        troubles,
    })
}

async fn asked<T: DeserializeOwned>(
    console: &Console,
    viewer: &Viewer,
    path: Option<String>,
) -> Result<Option<T>, ApiError> {
    match path {
        Some(path) => console.api.get(viewer, &path).await.map(Some),
        None => Ok(None),
    }
}

/// The answer, or a trouble in its place. Who may not look, or asked for something that there is
/// not, gets a page about that.
fn kept<T>(
    answer: Result<Option<T>, ApiError>,
    what: &str,
    troubles: &mut Vec<String>,
) -> Result<Option<T>, ApiError> {
    match answer {
        Err(error) if is_passing(error.status) => {
            troubles.push(format::visible(format!("{what}: {}", error.problem.detail)));
            Ok(None)
        }
        answer => answer,
    }
}

fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}
