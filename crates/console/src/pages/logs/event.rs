//! `/logs/event`: one event on a page of its own, which scripts show in the drawer beside the
//! list, and the proof that it stands in its tenant's log.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::event_view::EventView;
use crate::Console;
use crate::api::events::{Event, path_of};
use crate::error::ApiError;
use crate::format;
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::Viewer;

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/logs/event", get(show))
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    drawer: Drawer,
    /// The list that the event was opened from.
    list: String,
}

/// What stands in the drawer.
pub(crate) struct Drawer {
    pub(crate) event: EventView,
    /// The list without the drawer.
    pub(crate) close: String,
    /// The event on its own page.
    pub(crate) page: String,
    /// Where it is proved; none for whom the log is closed.
    pub(crate) prove: Option<String>,
    /// The event as the API gives it.
    pub(crate) raw: String,
    pub(crate) proof: Option<Proved>,
}

/// What came of asking for a proof.
pub(crate) enum Proved {
    Proof(ProofView),
    /// Why there is none.
    Not(String),
}

/// That the event stands in the log.
pub(crate) struct ProofView {
    pub(crate) seq: String,
    pub(crate) size: String,
    pub(crate) leaf_hash: String,
    pub(crate) root: String,
    pub(crate) hashes: usize,
    pub(crate) checkpoint: String,
    /// The proof as a file.
    pub(crate) download: String,
}

/// `GET /v1/log/proof?seq=`.
#[derive(Deserialize)]
struct InclusionProof {
    seq: u64,
    size: u64,
    leaf_hash: String,
    root: String,
    hashes: Vec<String>,
    checkpoint: Option<String>,
}

async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    query: Query,
) -> Result<Response, ApiError> {
    let Some(mut drawer) = Drawer::read(&console, &viewer, &query).await? else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "the address names no event"));
    };
    if query.get("prove").is_some() && drawer.prove.is_some() {
        drawer.proof = Some(prove(&console, &viewer, &drawer.event).await?);
    }
    let frame = console.frame(&viewer, Nav::Logs, drawer.event.title.clone());
    let list = drawer.close.clone();
    Ok(page(&EventPage { frame, drawer, list }))
}

impl Drawer {
    /// The event that an address names, if it names one.
    pub(crate) async fn read(
        console: &Console,
        viewer: &Viewer,
        query: &Query,
    ) -> Result<Option<Self>, ApiError> {
        let Some(id) = query.get("event") else { return Ok(None) };
        let path = path_of(id, query.get("event_tenant"));
        let event: Event = console.api.get(viewer, &path).await?;
        let query = query.without("prove");
        let list = query.without("event").without("event_tenant");
        Ok(Some(Self {
            event: EventView::of(&event, &query, viewer.sees_many_tenants()),
            close: list.href("/logs"),
            page: query.href("/logs/event"),
            prove: viewer
                .may("integrity:read")
                .then(|| query.with("prove", "true").href("/logs/event")),
            raw: path,
            proof: None,
        }))
    }
}

/// Asks for the proof. An event that is too new for one is no error of the page.
async fn prove(console: &Console, viewer: &Viewer, event: &EventView) -> Result<Proved, ApiError> {
    let mut asked = Query::default().with("seq", &event.seq);
    if viewer.sees_many_tenants() {
        asked = asked.with("tenant_id", &event.tenant_id);
    }
    let path = asked.href("/v1/log/proof");
    match console.api.get::<InclusionProof>(viewer, &path).await {
        Ok(proof) => Ok(Proved::Proof(ProofView {
            seq: proof.seq.to_string(),
            size: format::count(proof.size),
            leaf_hash: proof.leaf_hash,
            root: proof.root,
            hashes: proof.hashes.len(),
            checkpoint: proof.checkpoint.unwrap_or_default(),
            download: path,
        })),
        Err(error) if matches!(error.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) => {
            Ok(Proved::Not(error.problem.detail))
        }
        Err(error) => Err(error),
    }
}
