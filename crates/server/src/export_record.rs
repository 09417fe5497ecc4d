//! What is told of a streamed export: to the client in the headers and trailers of its answer,
//! and to the log in two events, one before anything leaves and one before the clean end.

use auditlake_export::Format;
use auditlake_model::columns::{COLUMNS, at};
use auditlake_model::id::new_ulid;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::audit::Deed;
use crate::calls::export::StreamRequest;
use crate::file_headers::{REPR_DIGEST, attachment, repr_digest, value};
use crate::hex;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::pump::Broken;
use crate::state::AppState;

const EXPORT_ID: HeaderName = HeaderName::from_static("auditlake-export-id");
const LIMIT: HeaderName = HeaderName::from_static("auditlake-limit");
/// One of the trailers, which come only behind a whole file.
const ROWS: HeaderName = HeaderName::from_static("auditlake-rows");
const TRAILERS: &str = "auditlake-rows, repr-digest";

/// What became of an export, as an event.
const EXPORTED: &str = "audit.exported";

/// What is told of an export.
pub(crate) struct ExportRecord {
    pub(crate) id: String,
    pub(crate) caller: Principal,
    /// The tenant in whose log an operator's export is to stand.
    tenant_id: Option<String>,
    data: Map<String, Value>,
}

impl ExportRecord {
    /// Of an export that is about to begin.
    pub(crate) fn new(state: &AppState, caller: &Principal, request: &StreamRequest) -> Self {
        let StreamRequest { scan, options, shape, filter, proof, .. } = request;
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
        if let Some(claim) = proof {
            data.insert("proof".to_owned(), claim.to_string().into());
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
    pub(crate) fn headers(&self, request: &StreamRequest) -> Result<HeaderMap, Problem> {
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

    /// Writes down that the export was asked for: an event of the log before anything leaves,
    /// should the server not live to tell the rest.
    pub(crate) async fn requested(&self, state: &AppState) -> Result<(), Problem> {
        self.record(state, "audit.export_requested", "success").await
    }

    /// Writes down a whole export; with the trailers that come back its answer may end.
    pub(crate) async fn exported(
        &mut self,
        state: &AppState,
        rows: u64,
        bytes: u64,
        sha256: &[u8; 32],
    ) -> Result<HeaderMap, Broken> {
        self.data.insert("rows".to_owned(), rows.into());
        self.data.insert("bytes".to_owned(), bytes.into());
        self.data.insert("sha256".to_owned(), hex::encode(sha256).into());
        if self.record(state, EXPORTED, "success").await.is_err() {
            return Err(Broken::Internal("the export could not be recorded".to_owned()));
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(ROWS, HeaderValue::from(rows));
        if let Ok(digest) = repr_digest(sha256) {
            trailers.insert(REPR_DIGEST, digest);
        }
        Ok(trailers)
    }

    /// Says what became of the answer behind a whole export: it is recorded already as given
    /// out, which all but its end was.
    pub(crate) fn ended(&self, ended: Result<(), Broken>) {
        let told = |name: &str| self.data.get(name).and_then(Value::as_u64);
        match ended {
            Ok(()) => {
                let (rows, bytes) = (told("rows"), told("bytes"));
                tracing::info!(export = self.id, rows, bytes, "export done");
            }
            Err(broken) => broken.log(),
        }
    }

    /// Writes down an export that broke off behind so many events, as well as it can be done:
    /// the lake itself may be what broke it off.
    pub(crate) async fn broke_off(mut self, state: &AppState, broken: &Broken, rows: u64) {
        broken.log();
        self.data.insert("rows".to_owned(), rows.into());
        self.data.insert("reason".to_owned(), broken.reason().into());
        let outcome = if rows > 0 { "partial" } else { "failure" };
        if self.record(state, EXPORTED, outcome).await.is_err() {
            tracing::warn!(export = self.id, "a broken export could not be recorded");
        }
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
