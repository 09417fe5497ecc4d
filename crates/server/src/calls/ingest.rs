//! `POST /v1/events`: events in. The answer comes after they are durable, never before. A
//! caller that is bound to a tenant writes for no other.

use auditlake_lake::Receipt;
use auditlake_model::Draft;
use auditlake_model::env::Environment;
use auditlake_model::error::{ModelError, Rejection};
use auditlake_model::id::{FreshIds, IdSource, KeyedIds};
use auditlake_model::parse::{
    OTHER_TENANT, ParseOptions, Parsed, TenantRule, UnknownKeys, parse_events,
};
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::event_schema::EventBody;
use crate::decode::{self, Encoding};
use crate::identity::{Permission, Principal};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_IDEMPOTENCY_KEY: usize = 255;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What became of the events.
#[derive(Serialize, ToSchema)]
struct Accepted {
    /// Events that are new.
    accepted: u64,
    /// Events that the lake had already, by tenant, day and id.
    duplicates: u64,
    /// The place of the first new event in its tenant's log. Null when nothing is new, or when
    /// the new events are of several tenants.
    first_seq: Option<u64>,
    /// The place of the last new event in its tenant's log.
    last_seq: Option<u64>,
    /// Only with `partial=true`: the events that were not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Vec<Refused>>,
}

/// An event that was not taken.
#[derive(Serialize, ToSchema)]
struct Refused {
    /// Its line, or its place in the array, counted from 1.
    line: usize,
    /// The key at fault, if one is.
    key: Option<String>,
    /// What is wrong, and what is allowed.
    reason: String,
}

/// The parameters of the call, as they are described; `Params` reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // It is only described.
struct IngestParams {
    /// What becomes of keys that no event has: they are refused (`refuse`, as if nothing is
    /// said), or moved into `data`.
    #[param(inline)]
    unknown: Option<UnknownParam>,
    /// Whether good events are taken although others are refused.
    partial: Option<bool>,
}

/// What parameter `unknown` may say.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)] // It is only described.
enum UnknownParam {
    Data,
    Refuse,
}

/// How the events of a request are to be read.
struct Reading {
    encoding: Encoding,
    unknown: UnknownKeys,
    partial: bool,
    idempotency_key: Option<String>,
    /// The tenant that the caller is bound to.
    tenant_id: Option<String>,
}

impl Reading {
    /// The events in a body, or what is wrong with one of them.
    fn read(
        &self,
        body: Bytes,
        environment: &Environment,
        limit: usize,
    ) -> Result<Result<Parsed, ModelError>, Problem> {
        let text = decode::decompress(body, self.encoding, limit)?;
        let (mut fresh, mut keyed) = (FreshIds(environment), None);
        let bound = self.tenant_id.as_deref();
        let ids: &mut dyn IdSource = match &self.idempotency_key {
            Some(key) => keyed.insert(KeyedIds { tenant: bound.unwrap_or_default(), key }),
            None => &mut fresh,
        };
        let (unknown, partial) = (self.unknown, self.partial);
        let tenant = bound.map_or(TenantRule::Named, TenantRule::Only);
        let mut options = ParseOptions { unknown, tenant, partial, ids };
        Ok(parse_events(&text, &mut options))
    }
}

/// Takes events.
///
/// One JSON object, an array, or NDJSON; gzip or zstd if `Content-Encoding` says so. The answer
/// comes once the events are durable. A request is all or nothing, unless it says
/// `partial=true`. An event that the lake has already (same tenant, day and id) is not taken
/// twice, so that a request may be sent again.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    params(
        IngestParams,
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Events without an id get one that depends on this key, their place \
                           and what they say: the same request sent again names the same events."),
    ),
    request_body(
        description = "An event, an array of events, or a line for each event.",
        content((EventBody = "application/json"), (EventBody = "application/x-ndjson"))
    ),
    responses(
        (status = 200, description = "The events are durable.", body = Accepted),
        (status = 400, description = "An event, a parameter or a header is wrong. For an event: \
                                      `line`, `key` and `reason`.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not write, or an event is of a tenant that \
                                      the caller may not write for (`line` and `key`).",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Events do not come in this type or encoding.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditWrite)?;
    let (parts, body) = request.into_parts();
    let mut params = Params::read(parts.uri.query());
    let unknown = params
        .choice("unknown", &[("data", UnknownKeys::IntoData), ("refuse", UnknownKeys::Refuse)])?;
    let partial = params.switch("partial")?;
    params.finish()?;
    decode::check_type(&parts.headers)?;
    let reading = Reading {
        encoding: Encoding::of(&parts.headers)?,
        unknown: unknown.unwrap_or_default(),
        partial: partial.unwrap_or_default(),
        idempotency_key: idempotency_key(&parts.headers)?,
        tenant_id: caller.place.tenant_id,
    };
    let partial = reading.partial;
    // Held until the events are durable: what waits for the lake is bounded too.
    let said = body.size_hint().upper();
    let _held = state.in_time(state.body_permit(said)).await??;
    let body = decode::read(body, state.config()).await?;
    state.metrics().ingest_bytes.inc_by(body.len() as u64);
    let Parsed { draft, rejected } = parse(&state, body, reading).await?;
    let receipt = append(&state, draft).await?;
    let metrics = state.metrics();
    metrics.accepted.inc_by(receipt.accepted);
    metrics.duplicates.inc_by(receipt.duplicates);
    metrics.rejected.inc_by(rejected.len() as u64);
    Ok(Json(Accepted::new(receipt, partial.then_some(rejected))).into_response())
}

/// Decompresses and parses, away from the threads that serve connections.
async fn parse(state: &AppState, body: Bytes, reading: Reading) -> Result<Parsed, Problem> {
    let permit = state.in_time(state.parse_permit()).await??;
    let limit = state.config().max_decompressed_bytes;
    let environment = state.environment().clone();
    let span = tracing::Span::current();
    let work = state.tasks().spawn_blocking(move || {
        // Given back when the body is gone, also when the client has left meanwhile.
        let _permit = permit;
        let _entered = span.enter();
        reading.read(body, &environment, limit)
    });
    let parsed = work.await.map_err(|error| Problem::internal("parsing events", &error))??;
    parsed.map_err(|error| {
        if matches!(error, ModelError::Event(_)) {
            state.metrics().rejected.inc();
        }
        refusal(error)
    })
}

/// An event of a tenant that the caller may not write for is forbidden; any other is wrong.
fn refusal(error: ModelError) -> Problem {
    match error {
        ModelError::Event(rejection) if rejection.reason == OTHER_TENANT => {
            Problem::new(StatusCode::FORBIDDEN, rejection.to_string())
                .with("line", rejection.line)
                .with("key", rejection.key)
                .with("reason", rejection.reason)
        }
        other => Problem::from(other),
    }
}

/// Appends the events. When this gives up, they may still become durable; a client that sends
/// them again, with the same ids or the same idempotency key, has each of them once.
async fn append(state: &AppState, draft: Draft) -> Result<Receipt, Problem> {
    let appended = state.in_time(state.lake().append(draft)).await.map_err(|_| {
        let detail = "the lake is too busy; the events may still be kept, so send them again \
                      with the same ids or the same Idempotency-Key";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
    })?;
    Ok(appended?)
}

/// What the client calls a request, so that it may send it again.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.as_bytes();
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.iter().all(u8::is_ascii_graphic) {
        return Err(Problem::bad_request(format!(
            "header Idempotency-Key: give 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
        )));
    }
    Ok(Some(key.iter().copied().map(char::from).collect()))
}

impl Accepted {
    fn new(receipt: Receipt, rejected: Option<Vec<Rejection>>) -> Self {
        let Receipt { accepted, duplicates, seqs } = receipt;
        let (first_seq, last_seq) = seqs.unzip();
        let rejected = rejected.map(|rejected| {
            let refused = rejected.into_iter();
            refused.map(|Rejection { line, key, reason }| Refused { line, key, reason }).collect()
        });
        Self { accepted, duplicates, first_seq, last_seq, rejected }
    }
}
