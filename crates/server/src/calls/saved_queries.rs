//! `/v1/saved-queries`: filters with a name, for oneself or for everybody of the tenant.
//!
//! A saved query says what is asked, never what may be seen: whoever uses one sees what lies in
//! the own scope, whoever saved it. It is used by its id wherever filters are: `saved_query=`.
//!
//! Every change is an event before it is made: the log may tell of a change that a crash then
//! prevented, but it never misses one.

use std::collections::BTreeMap;

use auditlake_lake::{Document, LakeError};
use auditlake_model::filter::Filter;
use auditlake_model::id::new_ulid;
use auditlake_model::time::format_rfc3339;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::HeaderName;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::Deed;
use crate::decode;
use crate::identity::{Kind, Permission, Principal};
use crate::params::{
    FilterBody, FilterValues, Params, body_of, filter_of as filter_of_pairs, pairs_of,
};
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// The kind of document that saved queries are.
const KIND: &str = "saved-queries";
const PREFIX: &str = "sq_";
/// Characters of a ULID.
const ULID_CHARS: usize = 26;
const MAX_NAME_BYTES: usize = 256;

/// A saved query as the lake keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedQuery {
    name: String,
    filter: Vec<(String, String)>,
    owner: String,
    owner_kind: Kind,
    /// The tenant of the owner; none for those above all tenants.
    tenant_id: Option<String>,
    shared: bool,
    created_at_us: i64,
    changed_at_us: i64,
    /// What was deleted stays as a document that says so: its versions go on.
    #[serde(default)]
    deleted: bool,
}

/// A saved query to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewQuery {
    /// What people call it.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// The filters, with the names of the parameters of a list.
    filter: BTreeMap<String, FilterValues>,
    /// Whether everybody of the tenant may use it; only its owner if left out.
    #[serde(default)]
    shared: bool,
}

/// What a saved query is to become.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedQuery {
    /// What people call it.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// The filters, with the names of the parameters of a list.
    filter: BTreeMap<String, FilterValues>,
    /// Whether everybody of the tenant may use it.
    shared: bool,
    /// The version that the change is made to, so that no other change is lost.
    #[schema(minimum = 1)]
    version: u64,
}

/// A saved query.
#[derive(Serialize, ToSchema)]
struct QueryView {
    /// Its id, to be used as `saved_query=`.
    id: String,
    /// What people call it.
    name: String,
    /// The filters, with the names of the parameters of a list.
    filter: BTreeMap<String, FilterValues>,
    /// The same in words.
    filter_text: String,
    /// Whether everybody of the tenant may use it.
    shared: bool,
    /// Who saved it: the id of a key, or the subject of a token.
    owner: String,
    /// Counted up by each change.
    version: u64,
    /// When it was saved.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    changed_at: String,
}

/// Saved queries by name.
#[derive(Serialize, ToSchema)]
struct QueryList {
    saved_queries: Vec<QueryView>,
}

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

/// The filter that the parameters of a request mean, with the saved query that they name; and
/// the parameters as they were given.
pub(crate) async fn narrowed(
    state: &AppState,
    caller: &Principal,
    params: &mut Params,
) -> Result<(Filter, Vec<(String, String)>), Problem> {
    let saved = params.take("saved_query")?;
    let mut pairs = params.filters();
    let mut filter = filter_of_pairs(&pairs)?;
    if let Some(id) = saved {
        filter = filter.and(filter_of_pairs(&filter_of(state, caller, &id).await?)?);
        pairs.push(("saved_query".to_owned(), id));
    }
    state.engine().check(&filter)?;
    Ok((filter, pairs))
}

/// The filters of a saved query that the caller may use, as parameters would give them.
pub(crate) async fn filter_of(
    state: &AppState,
    caller: &Principal,
    id: &str,
) -> Result<Vec<(String, String)>, Problem> {
    match find(state, caller, id).await? {
        Some(found) => Ok(found.value.filter),
        None => {
            let reason = format!("there is no saved query {id:?}");
            Err(Problem::parameter("saved_query", &reason))
        }
    }
}

/// Save a query
#[utoipa::path(
    post,
    path = "/v1/saved-queries",
    tag = "saved queries",
    request_body = NewQuery,
    responses(
        (status = 201, description = "The saved query", body = QueryView,
            headers(("location" = String, description = "Where it is found"))),
        (status = 400, description = "No saved query can be like this", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read events", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    let new: NewQuery = decode::json(&parts.headers, body, state.config()).await?;
    let now_us = state.environment().clock.now_us();
    let query = SavedQuery {
        name: name(new.name)?,
        filter: checked(&state, new.filter)?,
        owner: caller.id.clone(),
        owner_kind: caller.kind,
        tenant_id: caller.place.tenant_id.clone(),
        shared: new.shared,
        created_at_us: now_us,
        changed_at_us: now_us,
        deleted: false,
    };
    let id = format!("{PREFIX}{}", new_ulid(state.environment()));
    state.record(&caller, deed("saved_query.created", &id, &query)).await?;
    state.lake().documents().put(KIND, &id, 1, &query).await?;
    let location = format!("/v1/saved-queries/{id}");
    let location: [(HeaderName, String); 1] = [(header::LOCATION, location)];
    let view = view(Document { id, version: 1, value: query });
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

/// List saved queries
///
/// The caller's own and those that others of the tenant share, by name.
#[utoipa::path(
    get,
    path = "/v1/saved-queries",
    tag = "saved queries",
    responses(
        (status = 200, description = "The saved queries", body = QueryList),
        (status = 400, description = "A parameter was given; there is none", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read events", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<QueryList>, Problem> {
    caller.require(Permission::AuditRead)?;
    Params::read(request.uri().query()).finish()?;
    let mut found = state.lake().documents().list::<SavedQuery>(KIND).await?;
    found.retain(|found| !found.value.deleted && found.value.is_listed_for(&caller));
    found.sort_by(|a, b| (&a.value.name, &a.id).cmp(&(&b.value.name, &b.id)));
    Ok(Json(QueryList { saved_queries: found.into_iter().map(view).collect() }))
}

/// Get a saved query
#[utoipa::path(
    get,
    path = "/v1/saved-queries/{id}",
    tag = "saved queries",
    params(("id" = String, Path, description = "The id of a saved query")),
    responses(
        (status = 200, description = "The saved query", body = QueryView),
        (status = 400, description = "A parameter was given; there is none", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read events", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such saved query for this caller",
            body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<QueryView>, Problem> {
    caller.require(Permission::AuditRead)?;
    Params::read(request.uri().query()).finish()?;
    Ok(Json(view(visible(&state, &caller, id).await?)))
}

/// Change a saved query
///
/// Its owner may, and who may change how the tenant is kept.
#[utoipa::path(
    put,
    path = "/v1/saved-queries/{id}",
    tag = "saved queries",
    params(("id" = String, Path, description = "The id of a saved query")),
    request_body = ChangedQuery,
    responses(
        (status = 200, description = "The saved query as it is now", body = QueryView),
        (status = 400, description = "No saved query can be like this", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "It is somebody else's", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such saved query for this caller",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn change(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<QueryView>, Problem> {
    caller.require(Permission::AuditRead)?;
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    let before = visible(&state, &caller, id).await?;
    before.value.require_change_by(&caller)?;
    let changed: ChangedQuery = decode::json(&parts.headers, body, state.config()).await?;
    if changed.version != before.version {
        return Err(meanwhile(before.version));
    }
    let after = SavedQuery {
        name: name(changed.name)?,
        filter: checked(&state, changed.filter)?,
        shared: changed.shared,
        changed_at_us: state.environment().clock.now_us(),
        ..before.value
    };
    let deed = deed("saved_query.changed", &before.id, &after);
    state.record(&caller, deed).await?;
    let version = put_next(&state, &before.id, before.version, &after).await?;
    Ok(Json(view(Document { id: before.id, version, value: after })))
}

/// Delete a saved query
///
/// Its owner may, and who may change how the tenant is kept. Exports made with it go on.
#[utoipa::path(
    delete,
    path = "/v1/saved-queries/{id}",
    tag = "saved queries",
    params(("id" = String, Path, description = "The id of a saved query")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A parameter was given; there is none", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "It is somebody else's", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such saved query for this caller",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn delete(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<StatusCode, Problem> {
    caller.require(Permission::AuditRead)?;
    Params::read(request.uri().query()).finish()?;
    let Document { id, version, mut value } = visible(&state, &caller, id).await?;
    value.require_change_by(&caller)?;
    state.record(&caller, deed("saved_query.deleted", &id, &value)).await?;
    value.deleted = true;
    value.changed_at_us = state.environment().clock.now_us();
    put_next(&state, &id, version, &value).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl SavedQuery {
    fn is_of(&self, caller: &Principal) -> bool {
        self.owner == caller.id && self.owner_kind == caller.kind && self.is_of_tenant(caller)
    }

    fn is_of_tenant(&self, caller: &Principal) -> bool {
        self.tenant_id == caller.place.tenant_id
    }

    /// Whether it is the caller's own, or shared with the caller.
    fn is_listed_for(&self, caller: &Principal) -> bool {
        self.is_of(caller) || (self.shared && self.is_of_tenant(caller))
    }

    fn may_be_changed_by(&self, caller: &Principal) -> bool {
        let keeps_tenant = caller.role.may(Permission::ConfigWrite);
        self.is_of(caller) || (keeps_tenant && self.is_of_tenant(caller))
    }

    fn require_change_by(&self, caller: &Principal) -> Result<(), Problem> {
        if self.may_be_changed_by(caller) {
            return Ok(());
        }
        let detail = "it is shared with you, but only its owner changes it, or who has the \
                      permission config:write";
        Err(Problem::new(StatusCode::FORBIDDEN, detail).with("permission", "config:write"))
    }
}

/// A saved query that the caller may know of.
async fn find(
    state: &AppState,
    caller: &Principal,
    id: &str,
) -> Result<Option<Document<SavedQuery>>, Problem> {
    let ulid = id.strip_prefix(PREFIX).unwrap_or_default();
    // What is no id of ours names no document, and must not become part of a path.
    if ulid.len() != ULID_CHARS || !ulid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let found = state.lake().documents().get::<SavedQuery>(KIND, id).await?;
    Ok(found.filter(|found| {
        let query = &found.value;
        !query.deleted && (query.is_listed_for(caller) || query.may_be_changed_by(caller))
    }))
}

async fn visible(
    state: &AppState,
    caller: &Principal,
    id: Result<Path<String>, PathRejection>,
) -> Result<Document<SavedQuery>, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    find(state, caller, &id).await?.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no saved query {id:?}"))
    })
}

/// Writes the next version; answers which that is.
async fn put_next(
    state: &AppState,
    id: &str,
    version: u64,
    query: &SavedQuery,
) -> Result<u64, Problem> {
    let documents = state.lake().documents();
    let next = version + 1;
    match documents.put(KIND, id, next, query).await {
        Ok(()) => {}
        Err(LakeError::Invalid(_)) => return Err(meanwhile(next)),
        Err(error) => return Err(error.into()),
    }
    // Versions that are left over take room and nothing else.
    if let Err(error) = documents.prune(KIND, id, next).await {
        tracing::warn!(%error, id, "old versions of a saved query are left over");
    }
    Ok(next)
}

fn meanwhile(version: u64) -> Problem {
    let detail = format!("it was changed meanwhile and has version {version} now; read it again");
    Problem::new(StatusCode::CONFLICT, detail).with("version", version)
}

fn name(name: String) -> Result<String, Problem> {
    if name.trim().is_empty() || name.len() > MAX_NAME_BYTES {
        let detail = format!("name: give 1 to {MAX_NAME_BYTES} bytes that are not all blank");
        return Err(Problem::bad_request(detail).with("key", "name"));
    }
    Ok(name)
}

/// The filters of a body, if they would do as parameters.
fn checked(state: &AppState, body: FilterBody) -> Result<Vec<(String, String)>, Problem> {
    let pairs = pairs_of(body)?;
    let filter = filter_of_pairs(&pairs)?;
    state.engine().check(&filter)?;
    Ok(pairs)
}

fn deed<'a>(r#type: &'static str, id: &'a str, query: &'a SavedQuery) -> Deed<'a> {
    Deed {
        r#type,
        outcome: "success",
        target: ("saved_query", id),
        tenant_id: query.tenant_id.as_deref(),
        data: json!({
            "name": query.name,
            "filter": body_of(&query.filter),
            "shared": query.shared,
            "owner": query.owner,
        }),
    }
}

fn view(document: Document<SavedQuery>) -> QueryView {
    let Document { id, version, value } = document;
    // It was checked when it was saved.
    let filter_text = filter_of_pairs(&value.filter).map(|filter| filter.to_string());
    QueryView {
        id,
        name: value.name,
        filter: body_of(&value.filter),
        filter_text: filter_text.unwrap_or_default(),
        shared: value.shared,
        owner: value.owner,
        version,
        created_at: format_rfc3339(value.created_at_us),
        changed_at: format_rfc3339(value.changed_at_us),
    }
}
