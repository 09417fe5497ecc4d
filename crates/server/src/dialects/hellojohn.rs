//! HelloJohn: `GET /v1/audit-logs`, pages with a cursor, and `GET /v1/audit-logs/export`, CSV
//! or NDJSON as long as there are events.

mod log;

use std::sync::Arc;

use auditlake_export::{Envelope, Format, Options};
use auditlake_lake::Snapshot;
use auditlake_model::columns::OUTCOMES;
use auditlake_model::filter::Filter;
use auditlake_query::{Order, Position, ScanRequest};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::asked::Asked;
use super::period::End;
use super::reading::{self, Elements};
use crate::accept::preferred;
use crate::calls::export::{StreamRequest, only_get, stream};
use crate::cursor::{Cursor, Fingerprint, fingerprint, recorded_bound};
use crate::file_headers::compact_day;
use crate::identity::{Permission, Principal};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

pub(super) use log::Log;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// The rows of what a dashboard downloads.
const MAX_ROWS: usize = 100_000;
/// A page is closed after so many bytes; its cursor leads on.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// The formats under their documented names.
const FORMATS: [(&str, Format); 3] =
    [("csv", Format::Csv), ("json", Format::Ndjson), ("ndjson", Format::Ndjson)];

/// The formats by the media types that ask for them; JSON is one object per line.
const MEDIA_TYPES: [(Format, &[&str]); 2] = [
    (Format::Ndjson, &["application/x-ndjson", "application/ndjson", "application/json"]),
    (Format::Csv, &["text/csv"]),
];

pub(super) fn routes(prefix: &str) -> Router<AppState> {
    Router::new()
        .route(&format!("{prefix}/v1/audit-logs"), get(list))
        .route(&format!("{prefix}/v1/audit-logs/export"), get(export).head(only_get))
}

async fn list(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let mut params = Params::read(request.uri().query());
    let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let cursor = params.take("cursor")?;
    let filter = filters(&mut params)?.filter()?;
    params.finish()?;
    let snapshot = state.lake().snapshot();
    let start = Start::of(cursor.as_deref(), &filter, &caller, &snapshot)?;
    let logs = start.read(&state, &caller, &snapshot, filter, limit).await?;
    // Without a cursor the loop of a client ends: there is none on the last page.
    let meta = match logs.continues.clone() {
        Some(after) => format!("{{\"cursor\":\"{}\",\"has_more\":true}}", start.cursor(after)),
        None => "{\"has_more\":false}".to_owned(),
    };
    let tail = format!("],\"meta\":{meta}}}");
    let body = [b"{\"data\":[".as_slice(), &logs.bytes, tail.as_bytes()].concat();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Where in the list a page begins, and what the first page saw.
struct Start {
    fingerprint: Fingerprint,
    recorded_to_us: i64,
    after: Option<Position>,
}

impl Start {
    fn of(
        cursor: Option<&str>,
        filter: &Filter,
        caller: &Principal,
        snapshot: &Snapshot,
    ) -> Result<Self, Problem> {
        let fingerprint = fingerprint(&caller.scope(), filter);
        let Some(cursor) = cursor.map(Cursor::decode).transpose()? else {
            let recorded_to_us = recorded_bound(snapshot);
            return Ok(Self { fingerprint, recorded_to_us, after: None });
        };
        if cursor.filter != fingerprint || !cursor.newest_first {
            let reason = "belongs to another list; repeat the filter of the first page, or \
                          leave the cursor out to begin anew";
            return Err(Problem::parameter("cursor", reason));
        }
        let Cursor { recorded_to_us, after, .. } = cursor;
        Ok(Self { fingerprint, recorded_to_us, after: Some(after) })
    }

    async fn read(
        &self,
        state: &AppState,
        caller: &Principal,
        snapshot: &Snapshot,
        mut filter: Filter,
        limit: usize,
    ) -> Result<Elements, Problem> {
        filter.recorded.to_us = Some(self.recorded_to_us);
        let scan = ScanRequest {
            filter,
            order: Order::NewestFirst,
            // One more tells whether the page is the last.
            limit: Some(limit + 1),
            after: self.after.clone(),
            ..ScanRequest::of(caller.scope())
        };
        let question = async {
            let stream = state.engine().scan(snapshot, &scan).await?;
            reading::read(stream, Arc::new(Log), 0, limit, MAX_PAGE_BYTES).await
        };
        state.in_query_time(question).await?
    }

    fn cursor(&self, after: Position) -> String {
        let Self { fingerprint, recorded_to_us, .. } = *self;
        Cursor { newest_first: true, filter: fingerprint, recorded_to_us, after }.encode()
    }
}

async fn export(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditExport)?;
    let mut params = Params::read(request.uri().query());
    let format = match params.choice("format", &FORMATS)? {
        Some(format) => format,
        None => accepted(request.headers())?,
    };
    let limit = params.number("limit", 1..=MAX_ROWS)?;
    let asked = filters(&mut params)?;
    params.finish()?;
    let day = compact_day(state.environment().clock.now_us());
    let request = StreamRequest {
        scan: ScanRequest {
            filter: asked.filter()?,
            // A limit leaves out the oldest. Without one nothing is left out, and the order is
            // the one that costs nothing: for one tenant that of time.
            order: if limit.is_some() { Order::NewestFirst } else { Order::Log },
            limit,
            ..ScanRequest::of(caller.scope())
        },
        options: Options::new(format),
        shape: Some((Arc::new(Log), Envelope::array())),
        file_name: format!("audit-logs-{day}.{}", format.extension()),
        filter: asked.into_pairs(),
        headers: Vec::new(),
        proof: None,
    };
    stream(&state, &caller, request).await
}

/// The filters that list and export share.
fn filters(params: &mut Params) -> Result<Asked, Problem> {
    let mut asked = Asked::default();
    asked.period(params, &["from"], &["to"], End::Turn)?;
    for (name, term) in [
        ("type", "type"),
        ("actor_id", "actor_id"),
        ("actor_email", "actor_email"),
        ("actor_type", "actor_kind"),
        ("resource_id", "target_id"),
        ("resource_type", "target_kind"),
        ("tenant_id", "tenant_id"),
        ("organization_id", "org_id"),
        ("ip_address", "ip"),
    ] {
        asked.take(params, name, term)?;
    }
    let outcomes = OUTCOMES.map(|outcome| (outcome, outcome));
    asked.choose(params, "result", "outcome", &outcomes)?;
    Ok(asked)
}

/// The format that the `Accept` header prefers, where no parameter names one.
fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    preferred(headers, &MEDIA_TYPES).ok_or_else(|| {
        let detail = "header Accept: an export comes as application/x-ndjson or text/csv, and it \
                      allows neither; the parameter format goes before the header";
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
    })
}
