//! `GET /v1/events/{id}`: one event, exactly as its line in an export.

use auditlake_model::columns::at;
use auditlake_model::filter::{Filter, Match, Term};
use auditlake_query::{Order, ScanRequest};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::identity::{Permission, Principal};
use crate::page::Page;
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_event))
}

/// Get one event
///
/// The event as its canonical line. An event that the caller may not see is not there.
#[utoipa::path(
    get,
    path = "/v1/events/{id}",
    tag = "events",
    params(
        ("id" = String, Path, description = "The id of the event"),
        ("tenant_id" = Option<String>, Query,
            description = "The tenant, where several use the same id; if absent, the newest event \
                           of this id is given"),
    ),
    responses(
        (status = 200, description = "The event", body = serde_json::Value,
            content_type = "application/json"),
        (status = 400, description = "A parameter is unknown or wrong", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such event for this caller", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_event(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    let mut params = Params::read(request.uri().query());
    let tenant_id = params.take("tenant_id")?;
    params.finish()?;
    // Built by hand: in an id, `,`, `!` and `*` stand for themselves.
    let mut filter = Filter { terms: vec![exactly(at::ID, &id)], ..Filter::default() };
    filter.terms.extend(tenant_id.map(|tenant| exactly(at::TENANT_ID, &tenant)));
    let scan = ScanRequest {
        filter,
        // Tenants may use the same id: the newest event is the one that is meant.
        order: Order::NewestFirst,
        limit: Some(1),
        ..ScanRequest::of(caller.scope())
    };
    let snapshot = state.lake().snapshot();
    let read = async {
        let stream = state.engine().scan(&snapshot, &scan).await?;
        Page::read(stream, 1, None).await
    };
    let page = state.in_query_time(read).await??;
    if page.rows == 0 {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no event {id:?}")));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], page.events).into_response())
}

fn exactly(column: usize, text: &str) -> Term {
    Term { column, any: vec![Match::Exact(text.to_owned())], none: Vec::new() }
}
