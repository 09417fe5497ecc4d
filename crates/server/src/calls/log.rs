//! `/v1/log`: a tenant's log for those who check it: signed checkpoints, the keys that sign
//! them, proofs, and the tiles that anybody can compute proofs from; and the verification of all
//! logs at once.
//!
//! All of it is about committed events. A caller sees the log of its own tenant; of any other
//! tenant it learns as much as of one without a log.

mod proof;
mod verification;

use auditlake_lake::TenantLog;
use auditlake_tlog::{TileId, origin_of, tile};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Instrument;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::IMMUTABLE;
use crate::identity::{Permission, Principal};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::proving::no_checkpoint;
use crate::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(keys))
        .routes(routes!(tiles))
        .merge(proof::routes())
        .merge(verification::routes())
}

/// The keys that sign a tenant's checkpoints.
#[derive(Serialize, ToSchema)]
struct LogKeysView {
    /// The tenant.
    tenant_id: String,
    /// What the log is called in its checkpoints.
    origin: String,
    /// Public keys as C2SP signed-note writes them, name, id and key with `+` between them; the
    /// newest last. Old ones stay, because what they signed stays.
    keys: Vec<String>,
}

/// The tenant that is asked about: the caller's, or the one that is named by who is above all
/// tenants. Naming another one's is like naming one that has no log.
fn tenant_of(caller: &Principal, named: Option<String>) -> Result<String, Problem> {
    match (&caller.place.tenant_id, named) {
        (Some(own), None) => Ok(own.clone()),
        (Some(own), Some(named)) if *own != named => Err(no_checkpoint(&named)),
        (_, Some(named)) => Ok(named),
        (None, None) => {
            let reason = "is needed: each tenant has a log of its own, and you are above all of \
                          them";
            Err(Problem::parameter("tenant_id", reason))
        }
    }
}

/// The log of a tenant as it is committed.
async fn committed(state: &AppState, tenant: &str) -> Result<TenantLog, Problem> {
    let found = state.lake().log().tenant(&state.lake().snapshot(), tenant).await?;
    found.ok_or_else(|| no_checkpoint(tenant))
}

/// Answers a question that may have to read events. What reads them cannot be called off, so the
/// caller's place is taken until it ends, also when nobody waits for the answer any more.
async fn read<T: Send + 'static>(
    state: &AppState,
    caller: &Principal,
    question: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let (permit, stopping) = (state.log_reads().take(caller)?, state.stopping().clone());
    let reading = async move {
        let answer = stopping.run_until_cancelled(question).await;
        drop(permit);
        answer
    };
    let reading = state.tasks().spawn(reading.instrument(tracing::Span::current()));
    match state.in_log_time(reading).await? {
        Ok(Some(answer)) => answer,
        Ok(None) => {
            let detail = "the server stops; ask again when it is back";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
        Err(panic) => Err(Problem::internal("reading a log", &panic)),
    }
}

/// Gives the newest checkpoint of a tenant's log.
///
/// A signed note (C2SP tlog-checkpoint): the name of the log, the number of its committed events,
/// the root of its Merkle tree, and signatures: the lake's, and those of witnesses that have
/// signed it by now. Keep it somewhere else: whoever has it can tell later whether the log was
/// changed.
#[utoipa::path(
    get,
    path = "/v1/log/checkpoint",
    tag = "log",
    params(
        ("tenant_id" = Option<String>, Query,
            description = "The tenant; needed from who is above all tenants"),
        ("fresh" = Option<bool>, Query,
            description = "Commit everything that was acknowledged, first, unless that was done \
                           within the last second"),
        ("cosigned" = Option<bool>, Query,
            description = "The newest checkpoint that a witness has signed, not the newest of all"),
    ),
    responses(
        (status = 200, description = "The note", body = String,
            content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "A parameter is unknown, wrong or missing",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not read proofs", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such checkpoint yet", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn checkpoint(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::IntegrityRead)?;
    let mut params = Params::read(request.uri().query());
    let named = params.take("tenant_id")?;
    let is_fresh = params.switch("fresh")?.unwrap_or(false);
    let is_cosigned = params.switch("cosigned")?.unwrap_or(false);
    params.finish()?;
    let tenant = tenant_of(&caller, named)?;
    if is_fresh {
        state.flush_for_checkpoint().await?;
    }
    let question = async {
        if is_cosigned {
            let note = state.lake().log().cosigned(&tenant).await?;
            return note.ok_or_else(|| not_cosigned(&tenant));
        }
        let log = committed(&state, &tenant).await?;
        log.checkpoint().ok_or_else(|| no_checkpoint(&tenant))
    };
    let note = state.in_log_time(question).await??;
    let text: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((text, note.to_string()).into_response())
}

fn not_cosigned(tenant: &str) -> Problem {
    let detail = format!("no witness has signed a checkpoint of the log of {tenant} yet");
    Problem::new(StatusCode::NOT_FOUND, detail)
}

/// Gives the keys that sign the checkpoints of a tenant's log.
///
/// Get them once, on a way that you trust, and keep them: a key that comes with what it is to
/// check proves little.
#[utoipa::path(
    get,
    path = "/v1/log/keys",
    tag = "log",
    params(
        ("tenant_id" = Option<String>, Query,
            description = "The tenant; needed from who is above all tenants"),
    ),
    responses(
        (status = 200, description = "The keys", body = LogKeysView),
        (status = 400, description = "A parameter is unknown or missing", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read proofs", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such log, or no key", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn keys(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<LogKeysView>, Problem> {
    caller.require(Permission::IntegrityRead)?;
    let mut params = Params::read(request.uri().query());
    let named = params.take("tenant_id")?;
    params.finish()?;
    let tenant_id = tenant_of(&caller, named)?;
    let Some(found) = state.in_log_time(state.lake().log().keys()).await?? else {
        let detail = "this lake has no signing key yet";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    let keys = found.verifiers(&tenant_id).iter().map(ToString::to_string).collect();
    Ok(Json(LogKeysView { origin: origin_of(&found.origin, &tenant_id), tenant_id, keys }))
}

/// Gives a tile of a tenant's log.
///
/// Up to 256 neighbouring hashes of the Merkle tree, one after the other, under the paths of C2SP
/// tlog-tiles: `tile/0/x001/234`, and `tile/0/x001/234.p/17` for the first 17 of them. A tile that
/// is there never changes.
#[utoipa::path(
    get,
    path = "/v1/log/tiles/{*path}",
    tag = "log",
    params(
        ("path" = String, Path, description = "`tile/<level>/<number>`, and `.p/<width>` behind \
            it for a part of a tile"),
        ("tenant_id" = Option<String>, Query,
            description = "The tenant; needed from who is above all tenants"),
    ),
    responses(
        (status = 200, description = "The hashes", content_type = "application/octet-stream"),
        (status = 400, description = "This is no path of a tile, or a parameter is unknown or \
            missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The role may not read proofs", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "The log does not reach so far", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Enough proofs and tiles are read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 504, description = "It took too long", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn tiles(
    State(state): State<AppState>,
    caller: Principal,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::IntegrityRead)?;
    let mut params = Params::read(request.uri().query());
    let named = params.take("tenant_id")?;
    params.finish()?;
    let Path(path) = path.map_err(|_| Problem::bad_request("the path is no text"))?;
    let id = TileId::parse(&path).ok_or_else(|| no_tile(&path))?;
    let tenant = tenant_of(&caller, named)?;
    let shared = state.clone();
    let question = async move {
        let log = committed(&shared, &tenant).await?;
        let bytes = log.tile(id).await?;
        bytes.ok_or_else(|| {
            let size = log.size();
            let detail = format!("the log of {tenant} has {size} events, and no {path} yet");
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
    };
    let bytes = read(&state, &caller, question).await?;
    let mut headers = HeaderMap::new();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    if u64::from(id.width) == tile::WIDTH {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    }
    Ok((headers, bytes).into_response())
}

fn no_tile(path: &str) -> Problem {
    let detail = format!(
        "{path:?} is no path of a tile: these are tile/<level>/<number>, the number in groups of \
         three digits of which all but the last begin with x, and .p/<width> behind it for a part \
         of a tile (C2SP tlog-tiles)"
    );
    Problem::bad_request(detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_who_is_above_tenants_names_one() {
        let caller = |place: serde_json::Value| -> Principal {
            let mut caller = json!({"id": "one", "kind": "api_key", "role": "operator"});
            caller.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
            serde_json::from_value(caller).unwrap()
        };
        let above = caller(json!({}));
        let auditor = caller(json!({"role": "auditor", "tenant_id": "acme"}));
        let named = |name: &str| Some(name.to_owned());
        assert!(tenant_of(&above, None).is_err());
        assert_eq!(tenant_of(&above, named("zeta")).ok(), named("zeta"));
        assert_eq!(tenant_of(&auditor, None).ok(), named("acme"));
        assert_eq!(tenant_of(&auditor, named("acme")).ok(), named("acme"));
        assert!(tenant_of(&auditor, named("zeta")).is_err());
        assert!(tenant_of(&auditor, named("")).is_err());
    }
}
