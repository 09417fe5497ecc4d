//! `GET /v1/events/export`: all events that filters select, as one file, streamed. And the one
//! way in which any streamed export leaves: within the bounds on how many may run, with its
//! digest, and recorded before its end.

use std::sync::Arc;

use auditlake_export::{Encoder, Envelope, Format, Options, Shape};
use auditlake_model::claim::Claim;
use auditlake_model::columns;
use auditlake_query::{Order, ScanRequest};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::saved_queries;
use crate::export_record::ExportRecord;
use crate::file_headers::compact_second;
use crate::flow::{Flow, is_crowded};
use crate::identity::{Permission, Principal};
use crate::params::{FilterParams, Params};
use crate::problem::{Problem, ProblemBody};
use crate::pump::{self, Broken};
use crate::state::AppState;
use crate::{accept, bundling};

/// The formats by the media types that ask for them.
const MEDIA_TYPES: [(Format, &[&str]); 4] = [
    (Format::Ndjson, &["application/x-ndjson", "application/ndjson", "application/jsonl"]),
    (Format::Csv, &["text/csv"]),
    (Format::Json, &["application/json"]),
    (Format::Parquet, &["application/vnd.apache.parquet"]),
];

/// An export that is to leave as a stream.
#[derive(Debug)]
pub(crate) struct StreamRequest {
    /// Which events, within the scope of the caller.
    pub(crate) scan: ScanRequest,
    /// In which format.
    pub(crate) options: Options,
    /// In another schema than that of events, and what stands around its elements in JSON.
    pub(crate) shape: Option<(Arc<dyn Shape>, Envelope)>,
    /// What a client should call the file.
    pub(crate) file_name: String,
    /// The filter as the client gave it, for the event that tells of the export.
    pub(crate) filter: Vec<(String, String)>,
    /// Headers of the answer; they take the place of those that an export has anyway.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What is to be claimed of the events, and proved.
    pub(crate) proof: Option<Claim>,
}

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    let (schemas, paths, calls): UtoipaMethodRouter<AppState> = routes!(export_events);
    OpenApiRouter::new().routes((schemas, paths, calls.head(only_get)))
}

/// Answers `HEAD`, which would otherwise go to the call for `GET` and begin an export that
/// nobody reads.
pub(crate) async fn only_get(request: Request) -> Problem {
    let detail = format!("{} does not take HEAD, only GET", request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header(header::ALLOW, "GET")
}

/// Export events as a file
///
/// Streams every event that the filters select, without a cap, in constant memory. A whole file
/// ends with the trailers `Auditlake-Rows` and `Repr-Digest` (HTTP/1.1 clients get them if they
/// send `TE: trailers`); an export that fails never ends cleanly. It is recorded as the event
/// `audit.exported`, under the id in the header `Auditlake-Export-Id`.
///
/// With `proof` the answer is an evidence bundle: a zip archive of the file, a manifest, the proof
/// and what is needed to check it without this server.
#[utoipa::path(
    get,
    path = "/v1/events/export",
    tag = "events",
    params(
        FilterParams,
        ("format" = Option<String>, Query, pattern = "^(csv|ndjson|json|parquet)$",
            description = "If absent, what `Accept` prefers, and ndjson if it says nothing"),
        ("compression" = Option<String>, Query, pattern = "^(none|gzip|zstd)$",
            description = "Of the whole file; parquet has its own"),
        ("columns" = Option<String>, Query,
            description = "Columns, with commas, in this order; all if absent"),
        ("order" = Option<String>, Query, pattern = "^(log|asc|desc)$",
            description = "log, if absent: day after day as events are stored; asc, desc: by time"),
        ("limit" = Option<u64>, Query, minimum = 1, description = "The most events; all if absent"),
        ("csv_safe" = Option<bool>, Query,
            description = "Whether CSV cells that a spreadsheet would run get a `'` in front"),
        ("proof" = Option<String>, Query, pattern = "^(inclusion|complete)$",
            description = "What is claimed and proved: inclusion (every event is one of the log), \
                           complete (and none is missing from a range of one tenant's log). Whole \
                           events only: without `columns`"),
    ),
    responses(
        (status = 200, description = "The file, or with `proof` a zip archive", content(
            (String = "application/x-ndjson"),
            (String = "text/csv; charset=utf-8"),
            (Vec<serde_json::Value> = "application/json"),
            (Vec<u8> = "application/vnd.apache.parquet"),
            (Vec<u8> = "application/gzip"),
            (Vec<u8> = "application/zstd"),
            (Vec<u8> = "application/zip"),
        )),
        (status = 400, description = "A parameter is unknown or wrong, or what `proof` is to claim \
            cannot be claimed of these events", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not export", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "The log that is to be complete has no checkpoint yet",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "`Accept` names none of the formats", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Enough exports run", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn export_events(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditExport)?;
    let (parts, _) = request.into_parts();
    let request = read(&state, &caller, &parts).await?;
    stream(&state, &caller, request).await
}

async fn read(
    state: &AppState,
    caller: &Principal,
    parts: &Parts,
) -> Result<StreamRequest, Problem> {
    let mut params = Params::read(parts.uri.query());
    let proof = params.take("proof")?.map(|text| text.parse::<Claim>()).transpose();
    let proof = proof.map_err(|error| Problem::parameter("proof", &error.to_string()))?;
    let options = options(&mut params, &parts.headers, proof.is_some())?;
    let columns = params.take("columns")?.map(|list| columns::parse_list(&list)).transpose()?;
    let order = params.take("order")?.map(|text| text.parse::<Order>());
    let order = order.transpose().map_err(|reason| Problem::parameter("order", &reason))?;
    let limit = params.number("limit", 1..=usize::MAX)?;
    let (filter, pairs) = saved_queries::narrowed(state, caller, &mut params).await?;
    params.finish()?;
    let order = order.unwrap_or_default();
    let scan = ScanRequest { scope: caller.scope(), filter, columns, order, limit, after: None };
    Ok(StreamRequest {
        scan,
        options,
        shape: None,
        file_name: file_name(state.environment().clock.now_us(), &options),
        filter: pairs,
        headers: Vec::new(),
        proof,
    })
}

fn options(params: &mut Params, headers: &HeaderMap, is_bundle: bool) -> Result<Options, Problem> {
    let format = match params.take("format")? {
        Some(text) => text.parse::<Format>()?,
        // Who wants a bundle may rightly accept nothing but a zip archive.
        None if is_bundle => accept::preferred(headers, &MEDIA_TYPES).unwrap_or(Format::Ndjson),
        None => accept::preferred(headers, &MEDIA_TYPES).ok_or_else(not_acceptable)?,
    };
    let mut options = Options::new(format);
    if let Some(text) = params.take("compression")? {
        options.compression = text.parse()?;
    }
    if let Some(safe) = params.switch("csv_safe")? {
        if options.format != Format::Csv {
            let reason = format!("format {} has no use for it, only csv has", options.format);
            return Err(Problem::parameter("csv_safe", &reason));
        }
        options.csv.safe = safe;
    }
    options.check()?;
    Ok(options)
}

fn not_acceptable() -> Problem {
    let names = MEDIA_TYPES.iter().flat_map(|(_, names)| names.iter().copied());
    let names: Vec<&str> = names.collect();
    let detail = format!(
        "header Accept: none of its media types can be given; there are {}. The parameter format \
         goes before the header",
        names.join(", ")
    );
    Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
}

/// Streams an export: the only way in which one leaves as a stream. Whether the caller may
/// export is for the call to say; how many exports may run, and that it is recorded, is seen to
/// here. One with a proof leaves as an evidence bundle.
pub(crate) async fn stream(
    state: &AppState,
    caller: &Principal,
    request: StreamRequest,
) -> Result<Response, Problem> {
    if let Some(claim) = request.proof {
        return bundling::stream(state, caller, request, claim).await;
    }
    let permit = state.exports().take(caller)?;
    let is_parquet = request.options.format == Format::Parquet;
    let whole = if is_parquet { Some(state.turns().whole()?) } else { None };
    // Once the answer has begun, nothing can be refused any more.
    state.engine().check(&request.scan.filter)?;
    let record = ExportRecord::new(state, caller, &request);
    let headers = record.headers(&request)?;
    let StreamRequest { mut scan, options, shape, .. } = request;
    let encoder = match shape {
        Some((shape, envelope)) => {
            scan.columns = None;
            Encoder::shaped(shape, options, envelope)?
        }
        None => Encoder::in_order(scan.schema()?, options, scan.keeps_segment_order())?,
    };
    let (outlet, body) = pump::channel(state, is_crowded(state));
    let flow = Flow::new(state, scan, encoder, &options, (outlet, permit), whole)?;
    record.requested(state).await?;
    tracing::info!(export = record.id, "export begins");
    let running = run(record, state.clone(), flow);
    drop(state.tasks().spawn(running.instrument(tracing::Span::current())));
    Ok((headers, body).into_response())
}

/// Runs an export and records what became of it.
async fn run(mut record: ExportRecord, state: AppState, flow: Flow) {
    let progress = flow.progress();
    if let Err(broken) = send(&mut record, &state, flow).await {
        record.broke_off(&state, &broken, progress.rows()).await;
    }
}

/// Sends an export, and lets its answer end once it is recorded.
async fn send(record: &mut ExportRecord, state: &AppState, flow: Flow) -> Result<(), Broken> {
    let finished = flow.run().await?;
    let (rows, bytes) = (finished.totals.rows, finished.totals.bytes);
    let trailers = record.exported(state, rows, bytes, &finished.sha256).await?;
    record.ended(finished.end(trailers, state.config().export_stall_timeout).await);
    Ok(())
}

/// `auditlake-export-20260301T093000Z.ndjson.gz`
fn file_name(now_us: i64, options: &Options) -> String {
    let (format, compression) = (options.format.extension(), options.compression.extension());
    format!("auditlake-export-{}.{format}{compression}", compact_second(now_us))
}

#[cfg(test)]
mod tests {
    use auditlake_export::Compression;

    use super::*;

    #[test]
    fn a_file_is_named_by_its_second() {
        let mut options = Options::new(Format::Csv);
        options.compression = Compression::Zstd;
        let name = file_name(1_772_357_400_999_999, &options);
        assert_eq!(name, "auditlake-export-20260301T093000Z.csv.zst");
    }
}
