//! OpenClaw Enterprise: `GET /api/v1/audit`, pages by number with totals, and
//! `GET /api/v1/audit/export`, a JSON array, CSV or JSON lines for two kinds of admins.

mod entry;

use std::sync::Arc;

use auditlake_export::{Envelope, Format, Options};
use auditlake_model::columns::CLASSIFICATIONS;
use auditlake_query::{Order, ScanRequest};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::asked::Asked;
use super::period::End;
use super::reading::{self, Window};
use crate::calls::export::{StreamRequest, only_get, stream};
use crate::file_headers::compact_day;
use crate::identity::{Permission, Principal, Role};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

pub(super) use entry::Entry;

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;

/// The documented kinds of action. Entries of other types are listed, but not asked for by it.
const ACTION_TYPES: [&str; 6] = [
    "tool_invocation",
    "data_access",
    "model_call",
    "policy_decision",
    "agent_exchange",
    "policy_change",
];
const POLICY_RESULTS: [&str; 3] = ["allow", "deny", "require_approval"];

/// The roles that the document lets export; who runs the installation may do what they may.
const EXPORTERS: [Role; 3] = [Role::EnterpriseAdmin, Role::OrgAdmin, Role::Operator];

/// The formats under their documented names.
const FORMATS: [(&str, (Format, &str)); 3] = [
    ("json", (Format::Json, "json")),
    ("csv", (Format::Csv, "csv")),
    ("jsonl", (Format::Ndjson, "jsonl")),
];

pub(super) fn routes(prefix: &str) -> Router<AppState> {
    Router::new()
        .route(&format!("{prefix}/api/v1/audit"), get(list))
        .route(&format!("{prefix}/api/v1/audit/export"), get(export).head(only_get))
}

async fn list(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let mut params = Params::read(request.uri().query());
    let page = params.number("page", 1..=usize::MAX)?.unwrap_or(1);
    let size = params.number("pageSize", 1..=MAX_PAGE_SIZE)?.unwrap_or(DEFAULT_PAGE_SIZE);
    let asked = filters(&mut params)?;
    params.finish()?;
    let window =
        Window { skip: (page - 1).saturating_mul(size), limit: size, limit_name: "pageSize" };
    let scope = caller.scope();
    let (total, entries) =
        reading::page(&state, &scope, asked.filter()?, Arc::new(Entry), window).await?;
    let pages = total.div_ceil(size as u64);
    let tail = format!(
        "],\"pagination\":{{\"page\":{page},\"pageSize\":{size},\"totalEntries\":{total},\
         \"totalPages\":{pages}}}}}"
    );
    let body = [b"{\"entries\":[".as_slice(), &entries.bytes, tail.as_bytes()].concat();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn export(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    may_export(&caller)?;
    let mut params = Params::read(request.uri().query());
    let (format, extension) = params.choice("format", &FORMATS)?.unwrap_or((Format::Json, "json"));
    let asked = filters(&mut params)?;
    params.finish()?;
    let day = compact_day(state.environment().clock.now_us());
    let request = StreamRequest {
        // Everything, in the order that costs nothing: for one tenant that of time.
        scan: ScanRequest {
            filter: asked.filter()?,
            order: Order::Log,
            ..ScanRequest::of(caller.scope())
        },
        options: Options::new(format),
        shape: Some((Arc::new(Entry), Envelope::array())),
        file_name: format!("openclaw-audit-{day}.{extension}"),
        filter: asked.into_pairs(),
        headers: Vec::new(),
        proof: None,
    };
    stream(&state, &caller, request).await
}

/// The filters that list and export share.
fn filters(params: &mut Params) -> Result<Asked, Problem> {
    let mut asked = Asked::default();
    asked.take(params, "userId", "actor_id")?;
    asked.choose(params, "actionType", "type", &ACTION_TYPES.map(itself))?;
    asked.choose(params, "policyResult", "policy_result", &POLICY_RESULTS.map(itself))?;
    asked.choose(params, "outcome", "outcome", &entry::OUTCOMES)?;
    let classifications = CLASSIFICATIONS.map(itself);
    asked.choose(params, "dataClassification", "classification", &classifications)?;
    asked.period(params, &["startDate"], &["endDate"], End::Included)?;
    asked.take(params, "requestId", "request_id")?;
    Ok(asked)
}

/// A word that means the same there and here.
fn itself(word: &'static str) -> (&'static str, &'static str) {
    (word, word)
}

fn may_export(caller: &Principal) -> Result<(), Problem> {
    if EXPORTERS.contains(&caller.role) {
        return Ok(());
    }
    let role = caller.role.name();
    let detail = format!(
        "insufficient permissions: export is restricted to users with the enterprise_admin or \
         org_admin role, and this caller has the role {role}"
    );
    Err(Problem::new(StatusCode::FORBIDDEN, detail)
        .with("permission", Permission::AuditExport.name())
        .with("role", role))
}
