//! The files of an export job: each by itself, whole or a range of it, the manifest, the proof,
//! and all of them in one archive.
//!
//! Names in a path are looked up among those of the job and lead nowhere else. What is given
//! out is in the log before the first byte of it leaves.

mod archive;
mod range;

use auditlake_export::manifest::MANIFEST;
use auditlake_export::proof::PROOF;
use auditlake_lake::{Document, LakeError};
use auditlake_model::columns::at;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::Deed;
use crate::file_headers::{REPR_DIGEST, attachment, compact_day, repr_digest, value};
use crate::hex;
use crate::identity::Principal;
use crate::jobs::{self, FileDone, Job, JobState};
use crate::params::Params;
use crate::permits::Permit;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;
use range::Part;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(file))
        .routes(routes!(manifest))
        .routes(routes!(proof))
        .routes(routes!(archive))
}

/// What a client says beside the path.
struct Asked {
    is_head: bool,
    headers: HeaderMap,
    /// Whether a signed link opened the way, and no key.
    by_link: bool,
}

impl Asked {
    /// Reads a request; what a link is signed with is no parameter of ours.
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut params = Params::read(request.uri().query());
        for name in ["expires", "key"] {
            params.take(name)?;
        }
        let is_signed = params.take("signature")?.is_some();
        params.finish()?;
        let headers = request.headers().clone();
        let by_link = is_signed && !headers.contains_key(header::AUTHORIZATION);
        Ok(Self { is_head: request.method() == Method::HEAD, headers, by_link })
    }
}

/// Gives a file of an export, or one range of it.
///
/// The `ETag` is the SHA-256 of the file in hexadecimal digits, so that a download that broke
/// off goes on with `Range` and `If-Range`.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/files/{name}",
    operation_id = "download_export_file",
    tag = "exports",
    params(
        ("id" = String, Path, description = "The id of an export."),
        ("name" = String, Path, description = "The name of one of its files."),
        ("range" = Option<String>, Header, description = "One range of bytes: `bytes=0-999`."),
        ("if-range" = Option<String>, Header, description = "The ETag that the range is of."),
    ),
    responses(
        (status = 200, description = "The file.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv; charset=utf-8"),
            (Vec<serde_json::Value> = "application/json"),
            (Vec<u8> = "application/vnd.apache.parquet"),
            (Vec<u8> = "application/gzip"),
            (Vec<u8> = "application/zstd"),
        )),
        (status = 206, description = "The range.", content(
            (String = "application/x-ndjson"),
            (String = "text/csv; charset=utf-8"),
            (Vec<serde_json::Value> = "application/json"),
            (Vec<u8> = "application/vnd.apache.parquet"),
            (Vec<u8> = "application/gzip"),
            (Vec<u8> = "application/zstd"),
        )),
        (status = 400, description = "A parameter is not allowed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export or file.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The export is not ready.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The files of the export are deleted.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "The range begins behind the end of the file.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Enough files are on their way.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn file(
    State(state): State<AppState>,
    caller: Principal,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::read(&request)?;
    let Path((id, name)) = path.map_err(|_| Problem::bad_request("the path is no text"))?;
    let held = jobs::find(&state, &caller, &id).await?;
    // A job that is not ready has no files to speak of; one that is, has these and no others.
    check_ready(&held.id, &held.value)?;
    let Some(found) = held.value.files.iter().find(|file| file.name == name) else {
        let detail = format!("export {id} has no file {name:?}");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    give(&state, &caller, &held, found, &asked).await
}

/// Gives the file of an export that is one file, for surfaces that know of no others.
pub(crate) async fn only_file(
    state: &AppState,
    caller: &Principal,
    id: &str,
    is_head: bool,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let held = jobs::find(state, caller, id).await?;
    check_ready(&held.id, &held.value)?;
    let [found] = held.value.files.as_slice() else {
        let detail = format!("export {id} is not one file; get it from /v1/exports/{id}");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let asked = Asked { is_head, headers: headers.clone(), by_link: false };
    give(state, caller, &held, found, &asked).await
}

/// Refuses what has no files: not yet, or not any more.
pub(crate) fn check_ready(id: &str, job: &Job) -> Result<(), Problem> {
    let state = job.state.name();
    let (status, detail) = match job.state {
        JobState::Ready => return Ok(()),
        JobState::Queued | JobState::Running => {
            let detail = format!("export {id} is {state}; its files come when it is ready");
            (StatusCode::CONFLICT, detail)
        }
        JobState::Failed => {
            (StatusCode::CONFLICT, format!("export {id} has failed, and has no files"))
        }
        JobState::Canceled | JobState::Expired => {
            (StatusCode::GONE, format!("export {id} is {state}: its files are deleted"))
        }
    };
    Err(Problem::new(status, detail).with("state", state))
}

async fn give(
    state: &AppState,
    caller: &Principal,
    held: &Document<Job>,
    file: &FileDone,
    asked: &Asked,
) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", file.sha256);
    let (status, range) = match range::part(&asked.headers, &etag, file.bytes) {
        Part::Whole => (StatusCode::OK, 0..file.bytes),
        Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Beyond => return beyond(file.bytes),
    };
    let mut body = Body::empty();
    if !asked.is_head {
        let permit = state.downloads().take(caller)?;
        // A part too: all but the first byte would be nearly the file.
        let mut what = json!({ "file": file.name, "bytes": file.bytes, "sha256": file.sha256 });
        if status == StatusCode::PARTIAL_CONTENT {
            what["range"] = json!({ "from": range.start, "to": range.end });
        }
        record(state, caller, held, asked.by_link, what).await?;
        let exports = state.lake().exports();
        let reader = exports.read(&held.id, &file.name, Some(range.clone())).await?;
        body = match reader {
            Some(reader) if reader.size == file.bytes => {
                Body::from_stream(holding(permit, reader.bytes))
            }
            _ => return Err(Problem::internal("reading a file of an export", &"it is not there")),
        };
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = held.value.request.options().content_type();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&etag)?);
    headers.insert(header::CONTENT_DISPOSITION, attachment(&file.name)?);
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        let place = value(&format!("bytes {first}-{last}/{}", file.bytes))?;
        headers.insert(header::CONTENT_RANGE, place);
    } else if let Some(digest) = hex::decode(&file.sha256) {
        headers.insert(REPR_DIGEST, repr_digest(&digest)?);
    }
    Ok(response)
}

/// The bytes of a file; the place among the downloads is free again when they are gone.
fn holding(
    permit: Permit,
    bytes: impl Stream<Item = Result<Bytes, LakeError>>,
) -> impl Stream<Item = Result<Bytes, LakeError>> {
    bytes.map(move |bytes| {
        let _held = &permit;
        bytes
    })
}

fn beyond(size: u64) -> Result<Response, Problem> {
    let detail = format!("the range begins behind the end of the file, which has {size} bytes");
    let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).with("size", size);
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONTENT_RANGE, value(&format!("bytes */{size}"))?);
    Ok(response)
}

/// Gives the manifest of an export: what was asked for, and the digest of each file.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/manifest",
    operation_id = "download_export_manifest",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 200, description = "The manifest.", content_type = "application/json"),
        (status = 400, description = "A parameter is not allowed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The export is not ready.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The files of the export are deleted.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn manifest(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query()).finish()?;
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    let held = jobs::find(&state, &caller, &id).await?;
    check_ready(&held.id, &held.value)?;
    give_paper(&state, &held, MANIFEST, held.value.manifest_sha256.as_deref()).await
}

/// Gives the proof of an export: what is claimed of its events, and what leads from them to the
/// signed checkpoints of the tenants' logs.
///
/// It is worth something together with the files; `archive.zip` has all of it. With `complete` it
/// can hold the two events beside the exported ones, so that a download of it is recorded.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/proof",
    operation_id = "download_export_proof",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 200, description = "The proof.", content_type = "application/json"),
        (status = 400, description = "A parameter is not allowed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, it is not the caller's to see, or \
            it was made without a proof.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The export is not ready.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The files of the export are deleted.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn proof(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query()).finish()?;
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    let held = jobs::find(&state, &caller, &id).await?;
    if held.value.request.proof.is_none() {
        let detail = format!("export {id} was made without a proof; make one with `proof`");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    check_ready(&held.id, &held.value)?;
    if request.method() != Method::HEAD {
        // It can hold two events, those beside the exported ones.
        let what = json!({ "file": PROOF, "sha256": held.value.proof_sha256 });
        record(&state, &caller, &held, false, what).await?;
    }
    give_paper(&state, &held, PROOF, held.value.proof_sha256.as_deref()).await
}

/// Gives a JSON file that stands beside the files of a job.
async fn give_paper(
    state: &AppState,
    held: &Document<Job>,
    name: &str,
    sha256: Option<&str>,
) -> Result<Response, Problem> {
    let stored = held.value.paper(name);
    let Some(reader) = state.lake().exports().read(&held.id, &stored, None).await? else {
        return Err(Problem::internal("reading what describes an export", &"it is not there"));
    };
    let size = reader.size;
    let mut response = Response::new(Body::from_stream(reader.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    if let Some(sha256) = sha256 {
        headers.insert(header::ETAG, value(&format!("\"{sha256}\""))?);
    }
    Ok(response)
}

/// Gives all files of an export and its manifest as one zip archive; with its proof and what is
/// needed to check it, if it has one.
///
/// It is packed while it is sent. One that breaks off has no directory, and no reader takes it
/// for whole.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/archive.zip",
    operation_id = "download_export_archive",
    tag = "exports",
    params(("id" = String, Path, description = "The id of an export.")),
    responses(
        (status = 200, description = "The archive.", content_type = "application/zip"),
        (status = 400, description = "A parameter is not allowed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such export, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The export is not ready.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The files of the export are deleted.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Enough archives are packed at the moment.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn archive(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::read(&request)?;
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    let held = jobs::find(&state, &caller, &id).await?;
    check_ready(&held.id, &held.value)?;
    let mut body = Body::empty();
    if !asked.is_head {
        let permit = state.archives().take(&caller)?;
        let what = json!({ "file": "archive.zip", "files": held.value.files.len() });
        record(&state, &caller, &held, asked.by_link, what).await?;
        body = archive::pack(&state, &held, permit);
    }
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let name = format!("audit-export-{}.zip", compact_day(held.value.created_at_us));
    headers.insert(header::CONTENT_DISPOSITION, attachment(&name)?);
    Ok(response)
}

/// Writes down that somebody takes something away.
async fn record(
    state: &AppState,
    caller: &Principal,
    held: &Document<Job>,
    by_link: bool,
    mut what: Value,
) -> Result<(), Problem> {
    what["link"] = by_link.into();
    let Document { id, value: job, .. } = held;
    let filter = job.request.filter()?;
    let tenant_id = filter.exactly(at::TENANT_ID).or(job.caller.place.tenant_id.as_deref());
    let deed = Deed {
        r#type: "audit.export_downloaded",
        outcome: "success",
        target: ("export", id),
        tenant_id,
        data: what,
    };
    state.record(caller, deed).await
}
