//! `POST /v1/events`: events in. The answer comes after they are durable, never before.

use auditlake_lake::Receipt;
use auditlake_model::Draft;
use auditlake_model::env::Environment;
use auditlake_model::error::{ModelError, Rejection};
use auditlake_model::id::{FreshIds, IdSource, KeyedIds};
use auditlake_model::parse::{ParseOptions, Parsed, UnknownKeys, parse_events};
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::decode::{self, Encoding};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// What became of the events.
#[derive(Serialize)]
struct Accepted {
    accepted: u64,
    duplicates: u64,
    /// Null when nothing is new, or when the new events are of several tenants.
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Vec<Refused>>,
}

#[derive(Serialize)]
struct Refused {
    line: usize,
    key: Option<String>,
    reason: String,
}

/// How the events of a request are to be read.
struct Reading {
    encoding: Encoding,
    unknown: UnknownKeys,
    partial: bool,
    idempotency_key: Option<String>,
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
        let ids: &mut dyn IdSource = match &self.idempotency_key {
            // An operator's key is bound to no tenant.
            Some(key) => keyed.insert(KeyedIds { tenant: "", key }),
            None => &mut fresh,
        };
        let (unknown, partial) = (self.unknown, self.partial);
        let mut options = ParseOptions { unknown, default_tenant: None, partial, ids };
        Ok(parse_events(&text, &mut options))
    }
}

pub(crate) async fn post(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
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
        Problem::from(error)
    })
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

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
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
