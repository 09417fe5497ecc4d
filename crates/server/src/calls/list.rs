//! `GET /v1/events`: the events that filters select, a page at a time.

use auditlake_lake::Snapshot;
use auditlake_model::columns::parse_list;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::{Order, ScanRequest};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::saved_queries;
use crate::cursor::{Cursor, Fingerprint, fingerprint, recorded_bound};
use crate::identity::{Permission, Principal};
use crate::page::Page;
use crate::params::{FilterParams, Params};
use crate::placing::with_places;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// A page of events; it is written without this, which only describes it.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct EventsPage {
    /// The events, as their canonical lines.
    #[schema(value_type = Vec<Object>)]
    events: Vec<serde_json::Value>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// How many events the whole list has, if that was asked for.
    #[schema(nullable = false)]
    total: Option<u64>,
}

/// A list as it was asked for.
struct List {
    scope: Scope,
    filter: Filter,
    fingerprint: Fingerprint,
    limit: usize,
    columns: Option<Vec<usize>>,
    newest_first: Option<bool>,
    cursor: Option<Cursor>,
    total: bool,
}

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_events))
}

/// List events
///
/// Pages follow each other by cursor. They neither skip nor repeat an event, however many have
/// the same time, and hold none that arrived after the first page was read.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(
        FilterParams,
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000,
            description = "The most events of a page (100)"),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$",
            description = "By time; desc, the newest first, if absent"),
        ("columns" = Option<String>, Query,
            description = "Columns to show, with commas; all if absent"),
        ("total" = Option<bool>, Query,
            description = "Whether to count the whole list, which takes longer"),
        ("cursor" = Option<String>, Query,
            description = "`next_cursor` of the page before, with the same filters"),
    ),
    responses(
        (status = 200, description = "A page", body = EventsPage),
        (status = 400, description = "A parameter is unknown or wrong", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_events(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let list = List::read(&state, &caller, Params::read(request.uri().query())).await?;
    let snapshot = state.lake().snapshot();
    let (page, next, total) = state.in_query_time(list.page(&state, &snapshot)).await??;
    Ok(render(&page.events, next.as_deref(), total))
}

impl List {
    async fn read(
        state: &AppState,
        caller: &Principal,
        mut params: Params,
    ) -> Result<Self, Problem> {
        let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let newest_first = params.choice("order", &[("asc", false), ("desc", true)])?;
        let columns = params.take("columns")?.map(|list| parse_list(&list)).transpose()?;
        let total = params.switch("total")?.unwrap_or_default();
        let cursor = params.take("cursor")?;
        let (filter, _) = saved_queries::narrowed(state, caller, &mut params).await?;
        params.finish()?;
        let scope = caller.scope();
        let fingerprint = fingerprint(&scope, &filter);
        let cursor = cursor.map(|text| Cursor::decode(&text)).transpose()?;
        if let Some(cursor) = &cursor {
            check(cursor, fingerprint, newest_first)?;
        }
        Ok(Self { scope, filter, fingerprint, limit, columns, newest_first, cursor, total })
    }

    /// The page, the cursor of the next one, and how many events the list has.
    async fn page(
        self,
        state: &AppState,
        snapshot: &Snapshot,
    ) -> Result<(Page, Option<String>, Option<u64>), Problem> {
        let (newest_first, recorded_to_us, after) = match self.cursor {
            Some(cursor) => (cursor.newest_first, cursor.recorded_to_us, Some(cursor.after)),
            None => (self.newest_first.unwrap_or(true), recorded_bound(snapshot), None),
        };
        let mut filter = self.filter;
        filter.recorded.to_us = match filter.recorded.to_us {
            Some(own) => Some(own.min(recorded_to_us)),
            None => Some(recorded_to_us),
        };
        let engine = state.engine();
        let total = match self.total {
            true => Some(engine.count(snapshot, &self.scope, &filter).await?),
            false => None,
        };
        let scan = ScanRequest {
            scope: self.scope,
            filter,
            columns: self.columns.as_deref().map(with_places),
            order: if newest_first { Order::NewestFirst } else { Order::OldestFirst },
            limit: Some(self.limit + 1),
            after,
        };
        let stream = engine.scan(snapshot, &scan).await?;
        let shown = self.columns.as_ref().map(Vec::len);
        let mut page = Page::read(stream, self.limit, shown).await?;
        let next = page.continues.take().map(|after| {
            Cursor { newest_first, filter: self.fingerprint, recorded_to_us, after }.encode()
        });
        Ok((page, next, total))
    }
}

/// A cursor is a place in one list; in another it would skip events without a word.
fn check(cursor: &Cursor, fingerprint: [u8; 8], newest_first: Option<bool>) -> Result<(), Problem> {
    if cursor.filter != fingerprint {
        let reason = "belongs to another filter or another caller; repeat the filter of the first \
                      page, or leave the cursor out to begin anew";
        return Err(Problem::parameter("cursor", reason));
    }
    if newest_first.is_some_and(|newest_first| newest_first != cursor.newest_first) {
        let order = if cursor.newest_first { "desc" } else { "asc" };
        let reason = format!("belongs to a list in order {order}");
        return Err(Problem::parameter("cursor", &reason));
    }
    Ok(())
}

/// The answer around the events; a cursor is hexadecimal, so nothing needs an escape.
fn render(events: &[u8], next_cursor: Option<&str>, total: Option<u64>) -> Response {
    let mut body = Vec::with_capacity(events.len() + 128);
    body.extend_from_slice(b"{\"events\":[");
    body.extend_from_slice(events);
    body.extend_from_slice(b"],\"next_cursor\":");
    match next_cursor {
        Some(text) => body.extend_from_slice(format!("\"{text}\"").as_bytes()),
        None => body.extend_from_slice(b"null"),
    }
    if let Some(total) = total {
        body.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    body.extend_from_slice(b"}");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
