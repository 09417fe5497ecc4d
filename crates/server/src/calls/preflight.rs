//! `POST /v1/exports/preflight`: how large an export would be, and whether to stream it or to
//! make a job of it. It reads no event, except for who sees only a part of a tenant.

use auditlake_export::{Compression, Format};
use auditlake_model::columns::COLUMNS;
use auditlake_query::Estimate;
use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::NewJob;
use crate::decode;
use crate::identity::{Permission, Principal};
use crate::jobs::{self, JobRequest};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// Longer than this nobody waits for a stream, which begins anew when it breaks off.
const PATIENCE_S: f64 = 60.0;
/// Bytes of an ordinary event with all of its columns.
const LINE_BYTES: f64 = 600.0;
/// How much of it a row of CSV has, which does not repeat the names.
const CSV_SHARE: f64 = 0.6;
/// How much of a text is left by the compressions, which differ little there.
const PACKED_SHARE: f64 = 0.1;
/// Events that are read and encoded in a second, and what packing them leaves of that.
const ROWS_PER_SECOND: f64 = 250_000.0;
const PACKED_PACE: f64 = 0.5;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(preflight))
}

/// How large an export would be.
#[derive(Serialize, ToSchema)]
struct Preflight {
    /// There are not fewer events than these.
    rows_at_least: u64,
    /// There are not more events than these.
    rows_at_most: u64,
    /// Their exact number, where it is known without reading them.
    rows: Option<u64>,
    /// About how large the files would be together.
    bytes_estimate: u64,
    /// About how long it would take.
    seconds_estimate: f64,
    /// `stream` or `job`.
    #[schema(pattern = "^(stream|job)$")]
    advice: String,
    /// Into how many files a job would be cut at most.
    files: u64,
    /// Why this advice is given.
    reason: String,
}

/// Says how large an export would be.
///
/// The figures come from what the lake knows of its segments; no event is read, except for who
/// sees only a part of a tenant, whose events are counted. The body is that of the export.
#[utoipa::path(
    post,
    path = "/v1/exports/preflight",
    operation_id = "preflight_export",
    tag = "exports",
    request_body = NewJob,
    responses(
        (status = 200, description = "The figures.", body = Preflight),
        (status = 400, description = "Such an export cannot be made.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not export.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such saved query.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, description = "It took too long.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn preflight(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<Preflight>, Problem> {
    caller.require(Permission::AuditExport)?;
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    let wanted: NewJob = decode::json(&parts.headers, body, state.config()).await?;
    let wanted = wanted.resolve(&state, &caller).await?;
    wanted.check(state.engine(), &caller)?;
    let (snapshot, scope, filter) = (state.lake().snapshot(), caller.scope(), wanted.filter()?);
    let estimating = state.engine().estimate(&snapshot, &scope, &filter);
    let estimate = state.in_query_time(estimating).await??;
    Ok(Json(advise(&state, &wanted, &estimate)))
}

fn advise(state: &AppState, wanted: &JobRequest, estimate: &Estimate) -> Preflight {
    let Estimate { rows_at_least, rows_at_most, stored_bytes, .. } = *estimate;
    let is_packed = wanted.compression != Compression::None;
    let rows = rows_at_most as f64;
    let columns = wanted.columns.as_ref().map_or(COLUMNS.len(), Vec::len).max(1);
    let share = columns as f64 / COLUMNS.len() as f64;
    let plain = match wanted.format {
        Format::Parquet => stored_bytes as f64 * share,
        Format::Csv => rows * LINE_BYTES * CSV_SHARE * share,
        Format::Ndjson | Format::Json => rows * LINE_BYTES * share,
    };
    let bytes = if is_packed { plain * PACKED_SHARE } else { plain };
    let pace = if is_packed { ROWS_PER_SECOND * PACKED_PACE } else { ROWS_PER_SECOND };
    let seconds_estimate = rows / pace;
    let each = jobs::rows_per_file(state.config(), rows_at_most, wanted.shape.is_some());
    let is_long = seconds_estimate > PATIENCE_S;
    let is_large = rows_at_most > state.config().rows_per_part;
    let (advice, reason) = if is_long || is_large {
        ("job", "a stream of this size has to begin anew when it breaks off; a job goes on")
    } else {
        ("stream", "it is small enough to be had at once")
    };
    Preflight {
        rows_at_least,
        rows_at_most,
        rows: (rows_at_least == rows_at_most).then_some(rows_at_most),
        bytes_estimate: bytes as u64,
        seconds_estimate,
        advice: advice.to_owned(),
        files: jobs::files(rows_at_most, each),
        reason: reason.to_owned(),
    }
}
