//! `GET /v1/events/export`: all events that filters select, as one file, streamed. And the one
//! way in which any streamed export leaves: within the bounds on how many may run, with its
//! digest, and recorded before its end.

use std::sync::Arc;

use auditlake_export::{Encoder, Envelope, Format, Options, Shape};
use auditlake_model::columns::{self, COLUMNS, at};
use auditlake_model::id::new_ulid;
use auditlake_model::time::format_rfc3339;
use auditlake_query::{Order, ScanRequest};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tracing::Instrument;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::saved_queries;
use crate::accept;
use crate::audit::Deed;
use crate::file_headers::{REPR_DIGEST, attachment, repr_digest, value};
use crate::flow::{Finished, Flow, is_crowded};
use crate::hex;
use crate::identity::{Permission, Principal};
use crate::params::{FilterParams, Params};
use crate::problem::{Problem, ProblemBody};
use crate::pump::{self, Broken};
use crate::state::AppState;

const EXPORT_ID: HeaderName = HeaderName::from_static("auditlake-export-id");
const LIMIT: HeaderName = HeaderName::from_static("auditlake-limit");
/// One of the trailers, which come only behind a whole file.
const ROWS: HeaderName = HeaderName::from_static("auditlake-rows");
const TRAILERS: &str = "auditlake-rows, repr-digest";

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
    ),
    responses(
        (status = 200, description = "The file", content(
            (String = "application/x-ndjson"),
            (String = "text/csv; charset=utf-8"),
            (Vec<serde_json::Value> = "application/json"),
            (Vec<u8> = "application/vnd.apache.parquet"),
            (Vec<u8> = "application/gzip"),
            (Vec<u8> = "application/zstd"),
        )),
        (status = 400, description = "A parameter is unknown or wrong", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not export", body = ProblemBody,
            content_type = "application/problem+json"),
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
    let options = options(&mut params, &parts.headers)?;
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
    })
}

fn options(params: &mut Params, headers: &HeaderMap) -> Result<Options, Problem> {
    let format = match params.take("format")? {
        Some(text) => text.parse::<Format>()?,
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
/// here.
pub(crate) async fn stream(
    state: &AppState,
    caller: &Principal,
    request: StreamRequest,
) -> Result<Response, Problem> {
    let permit = state.exports().take(caller)?;
    let is_parquet = request.options.format == Format::Parquet;
    let whole = if is_parquet { Some(state.turns().whole()?) } else { None };
    // Once the answer has begun, nothing can be refused any more.
    state.engine().check(&request.scan.filter)?;
    let export = Export::new(state, caller, &request);
    let headers = export.headers(&request)?;
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
    // An event of the log before anything leaves, should the server not live to tell the rest.
    export.record(state, "audit.export_requested", "success").await?;
    tracing::info!(export = export.id, "export begins");
    let owner = state.clone();
    let running = async move { export.run(&owner, flow).await };
    drop(state.tasks().spawn(running.instrument(tracing::Span::current())));
    Ok((headers, body).into_response())
}

/// What became of an export, as an event.
const EXPORTED: &str = "audit.exported";

/// What is told of an export.
struct Export {
    id: String,
    caller: Principal,
    /// The tenant in whose log an operator's export is to stand.
    tenant_id: Option<String>,
    data: Map<String, Value>,
}

impl Export {
    fn new(state: &AppState, caller: &Principal, request: &StreamRequest) -> Self {
        let StreamRequest { scan, options, shape, filter, .. } = request;
        let filter: Vec<Value> =
            filter.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let columns: Vec<&str> = match (shape, &scan.columns) {
            (Some((shape, _)), _) => shape.columns().to_vec(),
            (None, Some(columns)) => columns.iter().map(|at| COLUMNS[*at].name).collect(),
            (None, None) => COLUMNS.iter().map(|column| column.name).collect(),
        };
        let mut data = Map::new();
        data.insert("format".to_owned(), options.format.to_string().into());
        data.insert("compression".to_owned(), options.compression.to_string().into());
        if options.format == Format::Csv {
            data.insert("csv_safe".to_owned(), options.csv.safe.into());
        }
        data.insert("columns".to_owned(), columns.into());
        data.insert("order".to_owned(), scan.order.to_string().into());
        if let Some(limit) = scan.limit {
            data.insert("limit".to_owned(), limit.into());
        }
        data.insert("scope".to_owned(), scan.scope.to_string().into());
        data.insert("filter".to_owned(), filter.into());
        data.insert("filter_text".to_owned(), scan.filter.to_string().into());
        Self {
            id: format!("exp_{}", new_ulid(state.environment())),
            caller: caller.clone(),
            tenant_id: scan.filter.exactly(at::TENANT_ID).map(str::to_owned),
            data,
        }
    }

    /// The headers of the answer.
    fn headers(&self, request: &StreamRequest) -> Result<HeaderMap, Problem> {
        let content_type = HeaderValue::from_static(request.options.content_type());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CONTENT_DISPOSITION, attachment(&request.file_name)?);
        headers.insert(header::TRAILER, HeaderValue::from_static(TRAILERS));
        headers.insert(EXPORT_ID, value(&self.id)?);
        if let Some(limit) = request.scan.limit {
            headers.insert(LIMIT, HeaderValue::from(limit));
        }
        for (name, value) in &request.headers {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }

    /// Runs the export and records what became of it.
    async fn run(mut self, state: &AppState, flow: Flow) {
        let progress = flow.progress();
        let broken = match flow.run().await {
            Ok(finished) => self.finish(state, finished).await.err(),
            Err(broken) => Some(broken),
        };
        let Some(broken) = broken else { return };
        broken.log();
        let rows = progress.rows();
        self.data.insert("rows".to_owned(), rows.into());
        self.data.insert("reason".to_owned(), broken.reason().into());
        let outcome = if rows > 0 { "partial" } else { "failure" };
        // As well as it can be done: the lake itself may be what broke the export off.
        if self.record(state, EXPORTED, outcome).await.is_err() {
            tracing::warn!(export = self.id, "a broken export could not be recorded");
        }
    }

    /// Records a whole export, and then lets its answer end.
    async fn finish(&mut self, state: &AppState, finished: Finished) -> Result<(), Broken> {
        let (rows, bytes) = (finished.totals.rows, finished.totals.bytes);
        let sha256 = finished.sha256;
        self.data.insert("rows".to_owned(), rows.into());
        self.data.insert("bytes".to_owned(), bytes.into());
        self.data.insert("sha256".to_owned(), hex::encode(&sha256).into());
        if self.record(state, EXPORTED, "success").await.is_err() {
            return Err(Broken::Internal("the export could not be recorded".to_owned()));
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(ROWS, HeaderValue::from(rows));
        if let Ok(digest) = repr_digest(&sha256) {
            trailers.insert(REPR_DIGEST, digest);
        }
        match finished.end(trailers, state.config().export_stall_timeout).await {
            Ok(()) => tracing::info!(export = self.id, rows, bytes, "export done"),
            // It is recorded already as given out, which all but its end was.
            Err(broken) => broken.log(),
        }
        Ok(())
    }

    async fn record(
        &self,
        state: &AppState,
        r#type: &'static str,
        outcome: &'static str,
    ) -> Result<(), Problem> {
        let deed = Deed {
            r#type,
            outcome,
            target: ("export", self.id.as_str()),
            tenant_id: self.tenant_id.as_deref(),
            data: Value::Object(self.data.clone()),
        };
        state.in_time(state.record(&self.caller, deed)).await?
    }
}

/// `auditlake-export-20260301T093000Z.ndjson.gz`
fn file_name(now_us: i64, options: &Options) -> String {
    let now = format_rfc3339(now_us);
    let seconds: String =
        now.chars().take_while(|char| *char != '.').filter(char::is_ascii_alphanumeric).collect();
    let (format, compression) = (options.format.extension(), options.compression.extension());
    format!("auditlake-export-{seconds}Z.{format}{compression}")
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
