//! `GET /v1/events`: the events that filters select, a page at a time.

use auditlake_query::{Order, ScanRequest};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::cursor::{Cursor, fingerprint, recorded_bound};
use crate::page::Page;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

pub(crate) async fn get(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let mut params = Params::read(request.uri().query());
    let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let newest_first = params.choice("order", &[("asc", false), ("desc", true)])?;
    let cursor = params.take("cursor")?;
    let mut filter = params.filter()?;
    params.finish()?;
    let fingerprint = fingerprint(&filter);
    let cursor = cursor.map(|text| Cursor::decode(&text)).transpose()?;
    if let Some(cursor) = &cursor {
        check(cursor, fingerprint, newest_first)?;
    }
    let snapshot = state.lake().snapshot();
    let (newest_first, recorded_to_us, after) = match cursor {
        Some(cursor) => (cursor.newest_first, cursor.recorded_to_us, Some(cursor.after)),
        None => (newest_first.unwrap_or(true), recorded_bound(&snapshot), None),
    };
    filter.recorded.to_us = match filter.recorded.to_us {
        Some(own) => Some(own.min(recorded_to_us)),
        None => Some(recorded_to_us),
    };
    let scan = ScanRequest {
        filter,
        columns: None,
        order: if newest_first { Order::NewestFirst } else { Order::OldestFirst },
        limit: Some(limit + 1),
        after,
    };
    let read = async {
        let stream = state.engine().scan(&snapshot, &scan).await?;
        Page::read(stream, limit).await
    };
    let page = state.in_time(read).await??;
    let next = page
        .continues
        .map(|after| Cursor { newest_first, filter: fingerprint, recorded_to_us, after }.encode());
    Ok(render(&page.events, next.as_deref()))
}

/// A cursor is a place in one list; in another it would skip events without a word.
fn check(cursor: &Cursor, fingerprint: [u8; 8], newest_first: Option<bool>) -> Result<(), Problem> {
    if cursor.filter != fingerprint {
        let reason = "belongs to another filter; repeat the filter of the first page, or leave \
                      the cursor out to begin anew";
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
fn render(events: &[u8], next_cursor: Option<&str>) -> Response {
    let mut body = Vec::with_capacity(events.len() + 128);
    body.extend_from_slice(b"{\"events\":[");
    body.extend_from_slice(events);
    body.extend_from_slice(b"],\"next_cursor\":");
    match next_cursor {
        Some(text) => body.extend_from_slice(format!("\"{text}\"").as_bytes()),
        None => body.extend_from_slice(b"null"),
    }
    body.extend_from_slice(b"}");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
