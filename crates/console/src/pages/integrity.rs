//! `/integrity`: what a tenant's log is as it was signed last, and what others need to hold it to
//! that: the checkpoint, the keys, who else has seen it; the verification of the whole lake; and
//! a place to check exports, which this browser does by itself.

mod head;
mod verification;

use askama::Template;
use auditlake_export::bundle::VERIFIER;
use axum::Router;
use axum::extract::State;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use flate2::Compression;
use serde::de::IgnoredAny;

use crate::Console;
use crate::api::facets::Facets;
use crate::api::status::Status;
use crate::api::verification::Verification;
use crate::error::{ApiError, see_other};
use crate::format;
use crate::page::{Frame, Nav, gzip, page, takes_gzip};
use crate::query::Query;
use crate::session::{Posted, Viewer};

use head::{LogView, log};
use verification::VerificationView;

const VERIFIER_PATH: &str = "/integrity/verifier.js";
/// What was done, in the address, and what is said about it.
const SAID: [(&str, &str); 1] = [("verification", "The verification has begun.")];
/// More tenants than this are found by their name in the address.
const MOST_TENANTS: usize = 100;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/integrity", get(show))
        .route("/integrity/verification", post(verify))
        .route(VERIFIER_PATH, get(verifier))
}

#[derive(Template)]
#[template(path = "integrity.html")]
struct IntegrityPage {
    frame: Frame,
    said: &'static str,
    /// For who sees several.
    tenants: Vec<TenantLink>,
    chooses: bool,
    log: Option<LogView>,
    /// Why there is no log to show.
    trouble: Option<String>,
    status: Option<Status>,
    verification: VerificationView,
    verifier: &'static str,
}

/// A tenant whose log can be looked at.
struct TenantLink {
    name: String,
    value: String,
    is_chosen: bool,
}

async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    let detail = "proofs are about whole tenants: they need the permission integrity:read";
    viewer.require("integrity:read", detail)?;
    if let Some(name) = query.unknown(&["tenant_id", "fresh"]) {
        let detail = format!("parameter {name}: this page knows tenant_id and fresh");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, &detail));
    }
    let own = viewer.session.tenant_id.as_deref();
    let chosen = query.get("tenant_id").or(own);
    let (mut shown, mut trouble) = (None, None);
    if let Some(tenant) = chosen {
        match log(&console, &viewer, tenant, &query).await {
            Ok(log) => shown = Some(log),
            Err(error) if is_told_here(&error) => {
                trouble = Some(format::visible(error.problem.detail));
            }
            Err(error) => return Err(error),
        }
    }
    let chooses = viewer.sees_many_tenants();
    let tenants = if chooses { tenants(&console, &viewer, chosen).await? } else { Vec::new() };
    let status = console.api.get::<Status>(&viewer, "/v1/status").await;
    let found = console.api.get::<Verification>(&viewer, "/v1/log/verification").await?;
    let is_whole = viewer.runs_installation();
    Ok(page(&IntegrityPage {
        frame: console.frame(&viewer, Nav::Integrity, "Integrity"),
        said: query.said(&SAID),
        tenants,
        chooses,
        log: shown,
        trouble,
        // Beside the log this is by the way: the page is there without it.
        status: status.ok(),
        verification: VerificationView::of(found, is_whole, viewer.now_us()),
        verifier: VERIFIER_PATH,
    }))
}

/// Begins a verification, or leaves the one that runs alone.
async fn verify(State(console): State<Console>, posted: Posted) -> Result<Response, ApiError> {
    let path = "/v1/log/verification";
    let begun = console.api.send::<IgnoredAny>(&posted.viewer, Method::POST, path, None).await;
    match begun {
        Err(error) if error.status != StatusCode::CONFLICT => Err(error),
        _ => Ok(see_other("/integrity?done=verification#verification")),
    }
}

/// The checks of exports, as the page in every bundle has them.
async fn verifier(headers: HeaderMap) -> Response {
    let packed = takes_gzip(headers.get(header::ACCEPT_ENCODING))
        .then(|| gzip(VERIFIER.as_bytes(), Compression::default()))
        .flatten();
    let mut response = match packed {
        Some(packed) => {
            let gzip: [(HeaderName, &str); 1] = [(header::CONTENT_ENCODING, "gzip")];
            (gzip, packed).into_response()
        }
        None => VERIFIER.into_response(),
    };
    let all = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, no-cache"),
        (header::VARY, "accept-encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in all {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the page says what went wrong with a log, rather than to be an error itself.
fn is_told_here(error: &ApiError) -> bool {
    error.status == StatusCode::NOT_FOUND || error.status.is_server_error()
}

/// The tenants with the most events.
async fn tenants(
    console: &Console,
    viewer: &Viewer,
    chosen: Option<&str>,
) -> Result<Vec<TenantLink>, ApiError> {
    let path = format!("/v1/events/facets?columns=tenant_id&limit={MOST_TENANTS}");
    let found = console.api.get::<Facets>(viewer, &path).await?;
    let values = found.facets.get("tenant_id").into_iter().flatten();
    let names = values.filter_map(|facet| facet.value.clone());
    let mut tenants: Vec<TenantLink> = names
        .map(|value| TenantLink {
            is_chosen: chosen == Some(value.as_str()),
            name: format::visible(&value),
            value,
        })
        .collect();
    tenants.sort_by(|left, right| left.value.cmp(&right.value));
    Ok(tenants)
}
