//! `/v1/log/verification`: the verification of the whole lake, all tenants' logs at once. What it
//! finds names tenants, so operators begin it and read it; who reads proofs of one tenant learns
//! when the last one was and how it ended.

use auditlake_model::time::format_rfc3339;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::identity::{Permission, Principal, Role};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;
use crate::verifying::{self, Finding, Verification, VerificationState};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, begin))
}

/// The last verification of the lake. Who is no operator is told its state and its times alone:
/// everything else is about all tenants, and null or empty.
#[derive(Serialize, ToSchema)]
struct VerificationView {
    /// How it ended, or that it runs, or that there was none yet.
    state: VerificationState,
    /// Who asked for it: the id of a key, or the subject of a token.
    asked_by: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended; null while it runs.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// Events read so far.
    events: Option<u64>,
    /// How many events there are to be read; null until that is known.
    expected_events: Option<u64>,
    /// Commits read.
    commits: Option<u64>,
    /// Checkpoints in them.
    checkpoints: Option<u64>,
    /// Segments read.
    segments: Option<u64>,
    /// What is wrong: the first 100.
    findings: Vec<Finding>,
    /// How many more there are.
    findings_left_out: Option<u64>,
    /// What was not verified or cannot be known, in sentences.
    notes: Vec<String>,
}

impl VerificationView {
    /// That there was none yet.
    fn none() -> Self {
        Self {
            state: VerificationState::None,
            asked_by: None,
            started_at: None,
            finished_at: None,
            events: None,
            expected_events: None,
            commits: None,
            checkpoints: None,
            segments: None,
            findings: Vec::new(),
            findings_left_out: None,
            notes: Vec::new(),
        }
    }

    /// What is told of it to who sees one tenant.
    fn outline(self) -> Self {
        let Self { state, started_at, finished_at, .. } = self;
        Self { state, started_at, finished_at, ..Self::none() }
    }
}

impl From<Verification> for VerificationView {
    fn from(one: Verification) -> Self {
        Self {
            state: one.state,
            asked_by: Some(one.asked_by),
            started_at: Some(format_rfc3339(one.started_at_us)),
            finished_at: one.finished_at_us.map(format_rfc3339),
            events: Some(one.events),
            expected_events: one.expected,
            commits: Some(one.commits),
            checkpoints: Some(one.checkpoints),
            segments: Some(one.segments),
            findings: one.findings,
            findings_left_out: Some(one.findings_left_out),
            notes: one.notes,
        }
    }
}

/// Shows the last verification of the whole lake, or how far one is.
///
/// Who is no operator learns `state`, `started_at` and `finished_at`; everything else is null or
/// empty, since it tells of other tenants too.
#[utoipa::path(
    get,
    path = "/v1/log/verification",
    tag = "log",
    responses(
        (status = 200, description = "The last one", body = VerificationView),
        (status = 400, description = "A parameter was given; there is none", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role sees no whole tenant", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<VerificationView>, Problem> {
    caller.require(Permission::IntegrityRead)?;
    Params::read(request.uri().query()).finish()?;
    let last = state.in_time(verifying::last(&state)).await??;
    let view = last.map_or_else(VerificationView::none, |last| last.value.into());
    Ok(Json(if caller.role == Role::Operator { view } else { view.outline() }))
}

/// Begins a verification of the whole lake.
///
/// It reads every commit, checkpoint and event in the background, as `auditlake verify` does, and
/// holds them to each other. A lake that was rewritten as a whole by who has its key is told
/// apart only by checkpoints that were kept elsewhere; the command takes these. That it began is
/// recorded as `log.verification_started`.
#[utoipa::path(
    post,
    path = "/v1/log/verification",
    tag = "log",
    responses(
        (status = 202, description = "It has begun", body = VerificationView),
        (status = 400, description = "A parameter was given; there is none", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The caller is no operator", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "One runs already", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn begin(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require_operator()?;
    Params::read(request.uri().query()).finish()?;
    let begun = state.in_time(verifying::begin(&state, &caller)).await??;
    Ok((StatusCode::ACCEPTED, Json(VerificationView::from(begun))).into_response())
}
