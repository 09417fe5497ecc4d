//! `/v1/keys`: API keys are made, listed and revoked. A tenant's administrator sees and changes
//! the keys of its own tenant, an operator those of all.
//!
//! The text of a key leaves the server once, in the answer that made it, after the making of
//! it is durable in the log.

use auditlake_model::time::parse_rfc3339;
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
use crate::identity::{KeyError, KeyView, NewKey, Permission, Place, Principal, Role};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, revoke))
}

/// A key to be made. Which of the ids a role needs: `enterprise_admin` and `auditor` a tenant,
/// `org_admin` a tenant and an organisation, `team_lead` a tenant and a team, `user` a tenant
/// and a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedKey {
    /// What people call it.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// What its holder may do.
    role: Role,
    /// The tenant of its holder. A tenant's administrator may leave it out: it is the own one.
    #[schema(min_length = 1, max_length = 256)]
    tenant_id: Option<String>,
    /// The organisation of its holder.
    #[schema(min_length = 1, max_length = 256)]
    org_id: Option<String>,
    /// The team of its holder.
    #[schema(min_length = 1, max_length = 256)]
    team_id: Option<String>,
    /// The person that its holder is, as `actor.id` has it.
    #[schema(min_length = 1, max_length = 256)]
    user_id: Option<String>,
    /// From when on it no longer opens; never if left out.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key that was made just now.
#[derive(Serialize, ToSchema)]
struct CreatedKey {
    /// The key itself. It is shown only here; the lake keeps a hash of it.
    key: String,
    #[serde(flatten)]
    view: KeyView,
}

/// Keys, the oldest first, with those that expired or were revoked.
#[derive(Serialize, ToSchema)]
struct KeyList {
    keys: Vec<KeyView>,
}

impl WantedKey {
    /// The key as this caller may make it. Whoever runs one tenant makes keys of that tenant,
    /// and none that opens more.
    fn made_by(self, caller: &Principal) -> Result<NewKey, Problem> {
        let Self { name, role, tenant_id, org_id, team_id, user_id, expires_at } = self;
        let own = caller.place.tenant_id.clone();
        if caller.role != Role::Operator {
            if role == Role::Operator {
                let detail = "only an operator makes keys of role operator";
                return Err(Problem::new(StatusCode::FORBIDDEN, detail).with("key", "role"));
            }
            if tenant_id.is_some() && tenant_id != own {
                let detail = "keys of another tenant are not yours to make; leave tenant_id out";
                return Err(Problem::new(StatusCode::FORBIDDEN, detail).with("key", "tenant_id"));
            }
        }
        let expires_at_us = expires_at.as_deref().map(parse_rfc3339).transpose();
        let expires_at_us = expires_at_us.map_err(|reason| {
            Problem::bad_request(format!("expires_at {reason}")).with("key", "expires_at")
        })?;
        let place = Place { tenant_id: tenant_id.or(own), org_id, team_id, user_id };
        Ok(NewKey { name, role, place, expires_at_us, created_by: caller.id.clone() })
    }
}

/// Makes an API key.
///
/// Its text is in the answer and nowhere else. It opens every server of this lake, the others
/// a few seconds later.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    request_body = WantedKey,
    responses(
        (status = 201, description = "The key, with its text.", body = CreatedKey,
            headers(("location" = String, description = "Where the key is found."))),
        (status = 400, description = "No key can be like this.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may make no keys, or not this one.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn create(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::KeysWrite)?;
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    let wanted: WantedKey = decode::json(&parts.headers, body, state.config()).await?;
    let new = wanted.made_by(&caller)?;
    let documents = state.lake().documents();
    let (view, key) = state.keys().create(documents, state.environment(), new).await?;
    if let Err(problem) = state.record(&caller, deed("key.created", &view)).await {
        // A key of which the log knows nothing must open nothing. It was shown to nobody, so
        // that it is safe as it is should this fail too.
        let now_us = state.environment().clock.now_us();
        if let Err(error) = state.keys().revoke(documents, &view.id, now_us).await {
            tracing::error!(%error, key = view.id, "a key that was shown to nobody is left over");
        }
        return Err(problem);
    }
    let location: [(HeaderName, String); 1] = [(header::LOCATION, format!("/v1/keys/{}", view.id))];
    Ok((StatusCode::CREATED, location, Json(CreatedKey { key, view })).into_response())
}

/// Lists API keys, the oldest first.
///
/// An operator sees all, a tenant's administrator those of its tenant. No text of a key is
/// shown.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "keys",
    responses(
        (status = 200, description = "The keys.", body = KeyList),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not see keys.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn list(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<KeyList>, Problem> {
    caller.require(Permission::KeysWrite)?;
    Params::read(request.uri().query()).finish()?;
    learn(&state).await?;
    let mut keys = state.keys().list();
    keys.retain(|view| may_see(&caller, view));
    Ok(Json(KeyList { keys }))
}

/// Shows an API key, without its text.
#[utoipa::path(
    get,
    path = "/v1/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "The id of a key: what stands behind `alk_`.")),
    responses(
        (status = 200, description = "The key.", body = KeyView),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not see keys.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key, or it is not the caller's to see.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn get(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<KeyView>, Problem> {
    caller.require(Permission::KeysWrite)?;
    Params::read(request.uri().query()).finish()?;
    Ok(Json(visible(&state, &caller, id).await?))
}

/// Revokes an API key, for ever.
///
/// It opens nothing from now on; other servers of this lake learn so within seconds. A key
/// that is revoked already stays as it is. The last valid key of an operator cannot be revoked.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "The id of a key: what stands behind `alk_`.")),
    responses(
        (status = 200, description = "The key, revoked.", body = KeyView),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not revoke keys.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key, or it is not the caller's to revoke.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is the last valid key of an operator.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn revoke(
    State(state): State<AppState>,
    caller: Principal,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<KeyView>, Problem> {
    caller.require(Permission::KeysWrite)?;
    Params::read(request.uri().query()).finish()?;
    let before = visible(&state, &caller, id).await?;
    let now_us = state.environment().clock.now_us();
    let after = state.keys().revoke(state.lake().documents(), &before.id, now_us).await?;
    if before.revoked_at.is_none() {
        state.record(&caller, deed("key.revoked", &after)).await?;
    }
    Ok(Json(after))
}

/// Learns what other servers know of the keys, so that answers about them are not late.
async fn learn(state: &AppState) -> Result<(), Problem> {
    let documents = state.lake().documents();
    state.keys().refresh(documents).await?;
    state.keys().read_usage(documents).await?;
    Ok(())
}

/// The key of an id, if it is there and the caller's to know.
async fn visible(
    state: &AppState,
    caller: &Principal,
    id: Result<Path<String>, PathRejection>,
) -> Result<KeyView, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id in the path is no text"))?;
    learn(state).await?;
    let found = state.keys().get(&id).filter(|view| may_see(caller, view));
    found.ok_or_else(|| KeyError::Unknown(id).into())
}

fn may_see(caller: &Principal, view: &KeyView) -> bool {
    let own = &caller.place.tenant_id;
    caller.role == Role::Operator || (own.is_some() && *own == view.tenant_id)
}

fn deed<'a>(r#type: &'static str, view: &'a KeyView) -> Deed<'a> {
    Deed {
        r#type,
        outcome: "success",
        target: ("api_key", view.id.as_str()),
        tenant_id: view.tenant_id.as_deref(),
        data: json!({
            "name": view.name,
            "role": view.role,
            "tenant_id": view.tenant_id,
            "org_id": view.org_id,
            "team_id": view.team_id,
            "user_id": view.user_id,
            "expires_at": view.expires_at,
        }),
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let status = match error {
            KeyError::Lake(error) => return Self::from(error),
            KeyError::Invalid(_) => StatusCode::BAD_REQUEST,
            KeyError::Unknown(_) => StatusCode::NOT_FOUND,
            KeyError::LastOperator => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
