//! `/v1/exports`: export jobs are made, shown, followed, called off and tried again, and links
//! to their files are signed.

mod body;

use std::collections::VecDeque;
use std::time::Duration;

use auditlake_lake::Document;
use auditlake_model::time::format_rfc3339;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::HeaderName;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use body::NewJob;

use super::downloads::check_ready;
use super::ingest::idempotency_key;
use crate::audit::Deed;
use crate::decode;
use crate::identity::session::{self, Session};
use crate::identity::{Permission, Principal};
use crate::jobs::{self, JobView};
use crate::links;
use crate::params::Params;
use crate::permits::Permit;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// How often a job that is followed is looked at.
const PACE: Duration = Duration::from_millis(500);
/// How long a signed link opens if nothing is said.
const DEFAULT_LINK_S: u64 = 60 * 60;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, cancel))
        .routes(routes!(retry))
        .routes(routes!(events))
        .routes(routes!(link))
}

/// Export jobs, the newest first.
#[derive(Serialize, ToSchema)]
struct JobList {
    exports: Vec<JobView>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// A link to be signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLink {
    /// For how many seconds it opens, at most as long as the export is kept.
    #[schema(minimum = 1, default = 3600)]
    expires_in_s: Option<u64>,
    /// The name of a file of the export; the archive of all of them if left out.
    file: Option<String>,
}

/// A link that opens one file to whoever has it.
#[derive(Serialize, ToSchema)]
struct SignedLink {
    /// Where it leads; without a host unless the server was told its public address.
    url: String,
    /// Until when, RFC 3339.
    expires_at: String,
}

/// Makes an export job.
///
/// The events are those that there are now; later ones do not belong to it. A server writes
/// the files, and goes on with them after a crash. With an `Idempotency-Key` the same request
/// may be sent again and is one job.
#[utoipa::path(
    post,
    path = "/v1/exports",
    operation_id = "create_export",
    tag = "exports",
    params(("idempotency-key" = Option<String>, Header,
        description = "1 to 255 visible ASCII characters; the same key is the same export.")),
    request_body = NewJob,
    responses(
        (status = 202, description = "The job, waiting or running.", body = JobView,
            headers(("location" = String, description = "Where the job is found."))),
        (status = 400, description = "Such an export cannot be made.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such saved query, or no checkpoint yet of the \
            log that is to be complete.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The Idempotency-Key was used for another export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Enough exports of the tenant wait or run.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn create(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditExport)?;
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    let key = idempotency_key(&parts.headers)?;
    let wanted: NewJob = decode::json(&parts.headers, body, state.config()).await?;
    let wanted = wanted.resolve(&state, &caller).await?;
    let made = jobs::create_once(&state, &caller, wanted, key.as_deref()).await?;
    let location: [(HeaderName, String); 1] =
        [(header::LOCATION, format!("/v1/exports/{}", made.id))];
    Ok((StatusCode::ACCEPTED, location, Json(made)).into_response())
}

/// Lists export jobs, the newest first.
///
/// A caller sees its own, who runs a tenant those of the tenant, an operator all.
#[utoipa::path(
    get,
    path = "/v1/exports",
    operation_id = "list_exports",
    tag = "exports",
    params(
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000,
            description = "Jobs of one page; 100 if not given."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "The jobs.", body = JobList),
        (status = 400, description = "A parameter is not allowed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn list(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<JobList>, Problem> {
    let mut params = Params::read(request.uri().query());
    let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let cursor = params.take("cursor")?;
    params.finish()?;
    let after = cursor.map(|text| read_cursor(&text)).transpose()?;
    let mut found: VecDeque<_> = jobs::listed(&state, &caller).await?.into();
    if let Some((created_at_us, id)) = after {
        found.retain(|held| (held.value.created_at_us, &held.id) < (created_at_us, &id));
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.back().filter(|_| has_more);
    let next_cursor = last.map(|held| format!("{}-{}", held.value.created_at_us, held.id));
    let exports = found.iter().map(|held| jobs::view(&state, &held.id, &held.value));
    Ok(Json(JobList { exports: exports.collect::<Result<_, Problem>>()?, next_cursor }))
}

fn read_cursor(text: &str) -> Result<(i64, String), Problem> {
    let read = text.split_once('-').and_then(|(created_at_us, id)| {
        let is_id = id.starts_with(jobs::PREFIX) && id.bytes().all(|b| b.is_ascii_graphic());
        Some((created_at_us.parse().ok()?, id.to_owned())).filter(|_| is_id)
    });
    let reason = "is no cursor of this list; give next_cursor as it was, or none to begin anew";
    read.ok_or_else(|| Problem::parameter("cursor", reason))
}

/// Shows an export job.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}",
    operation_id = "get_export",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 200, description = "The job.", body = JobView),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn get(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<JobView>, Problem> {
    Params::read(request.uri().query()).finish()?;
    let Document { id, value: job, .. } = jobs::find(&state, &caller, &named(id)?).await?;
    Ok(Json(jobs::view(&state, &id, &job)?))
}

/// Calls an export job off.
///
/// One that waits or runs stops and is `canceled`; of one that is ready the files are deleted,
/// and it is `expired`. What is over already stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/exports/{id}",
    operation_id = "cancel_export",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 200, description = "The job as it is now.", body = JobView),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn cancel(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<JobView>, Problem> {
    Params::read(request.uri().query()).finish()?;
    Ok(Json(jobs::cancel(&state, &caller, &named(id)?).await?))
}

/// Tries an export job again that failed or was called off.
///
/// It gives the events that it was made for, not those that there are now.
#[utoipa::path(
    post,
    path = "/v1/exports/{id}/retry",
    operation_id = "retry_export",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 202, description = "The job, waiting again.", body = JobView),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It has not failed, and was not called off.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Enough exports of the tenant wait or run.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn retry(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query()).finish()?;
    let job = jobs::retry(&state, &caller, &named(id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(job)).into_response())
}

/// Follows an export job.
///
/// Server-sent events named `export`, each with the job as JSON: one at once, one for every
/// change, and the last when the job is over. The stream ends before that when the key, or the
/// session, that it was opened with does.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/events",
    operation_id = "follow_export",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 200, description = "The changes.", body = serde_json::Value,
            content_type = "text/event-stream"),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Enough streams of this kind are open.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn events(
    State(state): State<AppState>,
    caller: Principal,
    session: Option<Extension<Session>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query()).finish()?;
    let Document { id, .. } = jobs::find(&state, &caller, &named(id)?).await?;
    let permit = state.live().take(&caller)?;
    let heartbeat = state.config().live_heartbeat;
    let session = session.map(|Extension(session)| session);
    let following = Following { state, caller, session, id, shown: None, _permit: permit };
    let sse = Sse::new(following.changes());
    Ok(sse.keep_alive(KeepAlive::new().interval(heartbeat)).into_response())
}

/// A job that somebody follows.
struct Following {
    state: AppState,
    caller: Principal,
    /// The session that it was opened with, if it was with one.
    session: Option<Session>,
    id: String,
    /// What was shown last.
    shown: Option<JobView>,
    _permit: Permit,
}

impl Following {
    fn changes(self) -> impl Stream<Item = Result<Event, axum::Error>> {
        futures::stream::unfold(Some(self), |following| async move {
            let mut following = following?;
            let view = following.change().await?;
            let event = Event::default().event("export").json_data(&view);
            let is_over = view.state.is_over();
            following.shown = Some(view);
            Some((event, (!is_over).then_some(following)))
        })
    }

    /// The job once it is another than what was shown last; none when there is nothing more to
    /// show, because the server stops, the job cannot be read, or what opened the stream opens
    /// nothing any more.
    async fn change(&self) -> Option<JobView> {
        loop {
            if !session::still_opens(&self.state, &self.caller, self.session.as_ref()) {
                return None;
            }
            let found = jobs::find(&self.state, &self.caller, &self.id).await.ok()?;
            let view = jobs::view(&self.state, &found.id, &found.value).ok()?;
            if self.shown.as_ref() != Some(&view) {
                return Some(view);
            }
            tokio::select! {
                biased;
                () = self.state.stopping().cancelled() => return None,
                () = tokio::time::sleep(PACE) => {}
            }
        }
    }
}

/// Signs a link to a file of an export.
///
/// Whoever has the link gets that file without a key, until it expires or the export does.
#[utoipa::path(
    post,
    path = "/v1/exports/{id}/links",
    operation_id = "sign_export_link",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    request_body = NewLink,
    responses(
        (status = 201, description = "The link.", body = SignedLink),
        (status = 400, description = "No such link can be signed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export or file.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The export is not ready, or its key was revoked.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The files of the export are deleted.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn link(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditExport)?;
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    let wanted: NewLink = decode::json(&parts.headers, body, state.config()).await?;
    let Document { id, value: job, .. } = jobs::find(&state, &caller, &named(id)?).await?;
    check_ready(&id, &job)?;
    let path = match &wanted.file {
        None => format!("/v1/exports/{id}/archive.zip"),
        Some(name) if job.files.iter().any(|file| file.name == *name) => {
            format!("/v1/exports/{id}/files/{name}")
        }
        Some(name) => {
            let detail = format!("export {id} has no file {name:?}");
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
    };
    let seconds = wanted.expires_in_s.unwrap_or(DEFAULT_LINK_S);
    if seconds == 0 {
        let detail = "expires_in_s 0 is too small; give at least 1 second";
        return Err(Problem::bad_request(detail).with("key", "expires_in_s"));
    }
    let now_us = state.environment().clock.now_us();
    if !state.keys().still_opens(&job.caller, now_us) {
        let detail = "the key that made this export opens nothing any more, nor would a link";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let now_s = now_us.div_euclid(1_000_000);
    let export_s = job.expires_at_us.unwrap_or(i64::MAX).div_euclid(1_000_000);
    let wanted_s = now_s.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
    let expires_s = wanted_s.min(export_s);
    let expires_at = format_rfc3339(expires_s.saturating_mul(1_000_000));
    let deed = Deed {
        r#type: "audit.export_link_signed",
        outcome: "success",
        target: ("export", &id),
        tenant_id: job.caller.place.tenant_id.as_deref(),
        data: json!({ "path": path, "expires_at": expires_at }),
    };
    // Who uses the link is not known; who gave it away is.
    state.record(&caller, deed).await?;
    let url = links::sign(&state, &job.caller, &path, expires_s).await?;
    Ok((StatusCode::CREATED, Json(SignedLink { url, expires_at })).into_response())
}

fn named(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    Ok(id)
}
