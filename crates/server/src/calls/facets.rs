//! `GET /v1/events/facets`: the most frequent values of columns.

use std::collections::BTreeMap;

use auditlake_model::columns::{COLUMNS, Kind, at, parse_list};
use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::saved_queries;
use crate::identity::{Permission, Principal};
use crate::params::{FilterParams, Params};
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// What is of interest first.
const DEFAULT_COLUMNS: [usize; 6] =
    [at::TYPE, at::OUTCOME, at::ACTOR_KIND, at::ACTOR_ID, at::TARGET_KIND, at::TOOL];
const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 100;

/// The most frequent values of columns.
#[derive(Serialize, ToSchema)]
struct EventsFacets {
    /// For each column its most frequent values, the most frequent first.
    facets: BTreeMap<String, Vec<FacetValue>>,
    /// How many events there are in all.
    total: u64,
}

/// A value and how often it stands there.
#[derive(Serialize, ToSchema)]
struct FacetValue {
    /// The value; null for events that have none.
    #[schema(required = true)]
    value: Option<String>,
    /// How many events have it.
    events: u64,
}

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(facets))
}

/// Count events by value
///
/// For each column its most frequent values. Columns whose values hardly repeat (ids of events,
/// reasons, data) have no facets.
#[utoipa::path(
    get,
    path = "/v1/events/facets",
    tag = "events",
    params(
        FilterParams,
        ("columns" = Option<String>, Query,
            description = "Columns, with commas; if absent type, outcome, actor_kind, actor_id, \
                           target_kind and tool"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 100,
            description = "The most values of a column (10)"),
    ),
    responses(
        (status = 200, description = "The figures", body = EventsFacets),
        (status = 400, description = "A parameter is unknown or wrong", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn facets(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<EventsFacets>, Problem> {
    caller.require(Permission::AuditRead)?;
    let mut params = Params::read(request.uri().query());
    let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let columns = match params.take("columns")? {
        Some(list) => columns(&list)?,
        None => DEFAULT_COLUMNS.to_vec(),
    };
    let (filter, _) = saved_queries::narrowed(&state, &caller, &mut params).await?;
    params.finish()?;
    let scope = caller.scope();
    let snapshot = state.lake().snapshot();
    let question = async {
        let engine = state.engine();
        let total = engine.count(&snapshot, &scope, &filter).await?;
        let mut facets = BTreeMap::new();
        // One after the other: each of them keeps all threads of the engine busy.
        for column in columns {
            let found = engine.facet(&snapshot, &scope, &filter, column, limit).await?;
            let values = found.into_iter().map(|(value, events)| FacetValue { value, events });
            facets.insert(COLUMNS[column].name.to_owned(), values.collect());
        }
        Ok::<_, Problem>(EventsFacets { facets, total })
    };
    Ok(Json(state.in_query_time(question).await??))
}

/// The columns of a list, all of which have values that repeat.
fn columns(list: &str) -> Result<Vec<usize>, Problem> {
    let columns = parse_list(list)?;
    match columns.iter().find(|column| COLUMNS[**column].kind != Kind::Dict) {
        None => Ok(columns),
        Some(column) => {
            let allowed = COLUMNS.iter().filter(|column| column.kind == Kind::Dict);
            let allowed: Vec<_> = allowed.map(|column| column.name).collect();
            let name = COLUMNS[*column].name;
            let reason = format!("{name:?} has no facets; allowed: {}", allowed.join(", "));
            Err(Problem::parameter("columns", &reason))
        }
    }
}
