//! `GET /v1/events/{id}`: one event, exactly as its line in an export.

use auditlake_model::columns::at;
use auditlake_model::filter::{Filter, Match, Term};
use auditlake_query::{Order, ScanRequest};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::page::Page;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

pub(crate) async fn get(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    let mut params = Params::read(request.uri().query());
    let tenant_id = params.take("tenant_id")?;
    params.finish()?;
    // Built by hand: in an id, `,`, `!` and `*` stand for themselves.
    let mut filter = Filter { terms: vec![exactly(at::ID, &id)], ..Filter::default() };
    filter.terms.extend(tenant_id.map(|tenant| exactly(at::TENANT_ID, &tenant)));
    let scan = ScanRequest {
        filter,
        columns: None,
        // Tenants may use the same id: the newest event is the one that is meant.
        order: Order::NewestFirst,
        limit: Some(1),
        after: None,
    };
    let snapshot = state.lake().snapshot();
    let read = async {
        let stream = state.engine().scan(&snapshot, &scan).await?;
        Page::read(stream, 1).await
    };
    let page = state.in_time(read).await??;
    if page.rows == 0 {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no event {id:?}")));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], page.events).into_response())
}

fn exactly(column: usize, text: &str) -> Term {
    Term { column, any: vec![Match::Exact(text.to_owned())], none: Vec::new() }
}
