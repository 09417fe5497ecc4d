//! ClawForge: `GET /api/v1/audit/{org}`, a list, and `GET /api/v1/audit/{org}/export`, the same
//! events as one file of CSV or NDJSON, for admins, up to a number of rows.

mod entry;

use std::sync::Arc;

use auditlake_export::{Envelope, Format, Options};
use auditlake_model::columns::OUTCOMES;
use auditlake_query::{Order, ScanRequest};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::asked::{Asked, pinned};
use super::period::End;
use super::reading::{self, Window};
use crate::calls::export::{StreamRequest, only_get, stream};
use crate::file_headers::compact_day;
use crate::identity::{Permission, Principal};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

pub(super) use entry::Entry;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
const DEFAULT_ROWS: usize = 10_000;
const MAX_ROWS: usize = 100_000;

/// How many events the filter means, whatever the limit.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");
/// Whether the limit left some of them out.
const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");

pub(super) fn routes(prefix: &str) -> Router<AppState> {
    Router::new()
        .route(&format!("{prefix}/api/v1/audit/{{org}}"), get(list))
        .route(&format!("{prefix}/api/v1/audit/{{org}}/export"), get(export).head(only_get))
}

async fn list(
    State(state): State<AppState>,
    caller: Principal,
    org: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let mut asked = of_org(&caller, org)?;
    let mut params = Params::read(request.uri().query());
    let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let skip = params.number("offset", 0..=usize::MAX)?.unwrap_or(0);
    filters(&mut asked, &mut params)?;
    params.finish()?;
    let window = Window { skip, limit, limit_name: "limit" };
    let scope = caller.scope();
    let (total, events) =
        reading::page(&state, &scope, asked.filter()?, Arc::new(Entry), window).await?;
    let tail = format!("],\"total\":{total},\"limit\":{limit},\"offset\":{skip}}}");
    let body = [b"{\"events\":[".as_slice(), &events.bytes, tail.as_bytes()].concat();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn export(
    State(state): State<AppState>,
    caller: Principal,
    org: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditExport)?;
    let mut asked = of_org(&caller, org)?;
    let mut params = Params::read(request.uri().query());
    let formats = [("csv", Format::Csv), ("json", Format::Ndjson)];
    let format = params.choice("format", &formats)?.unwrap_or(Format::Ndjson);
    let limit = params.number("limit", 1..=MAX_ROWS)?.unwrap_or(DEFAULT_ROWS);
    filters(&mut asked, &mut params)?;
    params.finish()?;
    // Counted and exported are the same events, although more may arrive in between.
    let snapshot = state.lake().snapshot();
    let filter = pinned(asked.filter()?, &snapshot);
    let scope = caller.scope();
    // Whoever gets the first so many rows is told so. A count that takes too long is left out:
    // the export itself has all the time it needs.
    let total = match state.in_query_time(state.engine().count(&snapshot, &scope, &filter)).await {
        Ok(total) => Some(total?),
        Err(_too_slow) => None,
    };
    let day = compact_day(state.environment().clock.now_us());
    let request = StreamRequest {
        scan: ScanRequest {
            filter,
            // The limit leaves out the oldest.
            order: Order::NewestFirst,
            limit: Some(limit),
            ..ScanRequest::of(scope)
        },
        options: Options::new(format),
        shape: Some((Arc::new(Entry), Envelope::array())),
        file_name: format!("clawforge-audit-{day}.{}", format.extension()),
        filter: asked.into_pairs(),
        headers: total.map(|total| counted(total, limit)).unwrap_or_default(),
        proof: None,
    };
    stream(&state, &caller, request).await
}

fn counted(total: u64, limit: usize) -> Vec<(HeaderName, HeaderValue)> {
    let is_cut = if total > limit as u64 { "true" } else { "false" };
    vec![(TOTAL, HeaderValue::from(total)), (TRUNCATED, HeaderValue::from_static(is_cut))]
}

/// The filters that list and export share.
fn filters(asked: &mut Asked, params: &mut Params) -> Result<(), Problem> {
    asked.period(params, &["startDate"], &["endDate"], End::Included)?;
    asked.take(params, "userId", "actor_id")?;
    asked.take(params, "eventType", "type")?;
    asked.take(params, "toolName", "tool")?;
    asked.choose(params, "outcome", "outcome", &OUTCOMES.map(|outcome| (outcome, outcome)))
}

/// The events of the organisation in the path, as far as its name is one that the caller may
/// know: its tenant's, or one within it. Who belongs to no tenant names the tenant.
fn of_org(caller: &Principal, org: Result<Path<String>, PathRejection>) -> Result<Asked, Problem> {
    let Path(org) =
        org.map_err(|_| Problem::bad_request("the organisation in the path is no text"))?;
    let mut asked = Asked::default();
    let place = &caller.place;
    match (&place.tenant_id, &place.org_id) {
        (None, _) => asked.hold("org", "tenant_id", &org)?,
        (Some(tenant), _) if *tenant == org => {}
        (Some(_), Some(own)) if *own != org => {
            let detail = format!("there is no organisation {org:?}");
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
        (Some(_), _) => asked.hold("org", "org_id", &org)?,
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn caller(members: serde_json::Value) -> Principal {
        let mut principal = json!({"id": "k", "kind": "api_key"});
        for (name, value) in members.as_object().unwrap() {
            principal[name] = value.clone();
        }
        serde_json::from_value(principal).unwrap()
    }

    #[test]
    fn an_org_is_a_tenant_or_lies_within_the_callers_own() {
        let of = |members, org: &str| {
            let asked = of_org(&caller(members), Ok(Path(org.to_owned())));
            asked.ok().map(|asked| asked.filter().unwrap().to_string())
        };
        let admin = json!({"role": "enterprise_admin", "tenant_id": "acme"});
        let emea = json!({"role": "org_admin", "tenant_id": "acme", "org_id": "emea"});
        let all = Some("all events".to_owned());
        assert_eq!(of(json!({"role": "operator"}), "acme"), Some("tenant_id in (acme)".to_owned()));
        assert_eq!(of(admin.clone(), "acme"), all);
        assert_eq!(of(admin.clone(), "emea"), Some("org_id in (emea)".to_owned()));
        assert_eq!(of(admin, "a,b"), Some("(org_id = 'a,b')".to_owned()));
        assert_eq!(of(emea.clone(), "emea"), Some("org_id in (emea)".to_owned()));
        assert_eq!(of(emea.clone(), "acme"), all);
        assert_eq!(of(emea, "apac"), None);
    }
}
