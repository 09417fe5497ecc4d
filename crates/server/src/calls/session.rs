//! `/v1/session`: a browser shows a key once and gets a cookie for it, asks who it is, and signs
//! out. With an identity provider there is no key to be shown: see `oidc`.

mod oidc;

use auditlake_model::time::format_rfc3339;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Position, Url};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::Deed;
use crate::config::ServerConfig;
use crate::decode;
use crate::identity::session::{Cookie, Holder, Session, cookie};
use crate::identity::{Kind, Permission, Principal, Role};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// What the log says of sessions.
const STARTED: &str = "session.started";
const ENDED: &str = "session.ended";

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(sign_in, show, sign_out)).merge(oidc::routes())
}

/// A key, shown to begin a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ShownKey {
    /// The key: `alk_…`.
    key: String,
}

/// Who is calling, and what that lets them do.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// The id of the key, or the subject of the token.
    id: String,
    /// Whether it is a key or a person.
    kind: Kind,
    /// What the caller may do.
    role: Role,
    /// The tenant; null for who is bound to none.
    tenant_id: Option<String>,
    /// The organisation.
    org_id: Option<String>,
    /// The team.
    team_id: Option<String>,
    /// The person, as `actor.id` has it.
    user_id: Option<String>,
    /// What the role may do, by name.
    permissions: Vec<String>,
    /// What the header `x-csrf-token` has to repeat in calls that change something; null for a
    /// caller without a session.
    csrf: Option<String>,
    /// When the session ends unless it is used, and that of a person in any case; null for a
    /// caller without one.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The server's clock.
    #[schema(format = DateTime)]
    now: String,
    /// Whether people may sign in with an identity provider.
    oidc: bool,
}

/// Begins a session with an API key.
///
/// For browsers: the answer sets a cookie that stands for the key in calls without
/// `Authorization`. It is good for an hour; a call in the second half of it brings a new one, for
/// twelve hours at most. The key is not in it, and the session ends with the key. That it began is
/// recorded as `session.started`.
#[utoipa::path(
    post,
    path = "/v1/session",
    tag = "sessions",
    security(()),
    request_body = ShownKey,
    responses(
        (status = 204, description = "The session has begun.",
            headers(("set-cookie" = String, description = "The cookie."))),
        (status = 400, description = "The body is not as it should be.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "The key opens nothing.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Another site asks for it.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON, or compressed.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be recorded, so it does not begin.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn sign_in(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Params::read(parts.uri.query()).finish()?;
    check_site(&parts, state.config())?;
    let reading = decode::json(&parts.headers, body, state.config());
    let read = tokio::time::timeout(state.config().sign_in_timeout, reading).await;
    let shown: ShownKey = read.map_err(|_| too_slow())??;
    let now_us = state.environment().clock.now_us();
    let Some(principal) = state.keys().verify(shown.key.trim(), now_us) else {
        let detail = "this key opens nothing: it is mistyped, unknown, expired or revoked";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    };
    tracing::Span::current().record("caller", principal.id.as_str());
    let session = Session::begin(&state, Holder::Key(principal.id.clone()));
    let cookie = session.cookie(&state).await?;
    state.in_time(state.record(&principal, deed(STARTED, &principal))).await??;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// That a session began or ended, as the log has it.
fn deed<'a>(r#type: &'static str, caller: &'a Principal) -> Deed<'a> {
    let (kind, by) = match caller.kind {
        Kind::ApiKey => ("api_key", "key"),
        Kind::User => ("user", "oidc"),
    };
    Deed {
        r#type,
        outcome: "success",
        target: (kind, caller.id.as_str()),
        tenant_id: None,
        data: json!({ "by": by }),
    }
}

fn too_slow() -> Problem {
    let detail = "the body came too slowly; nothing was kept";
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

/// Another site that could sign a browser in here would see what is done in it: it would be done
/// with that site's key. Browsers say whose page asks: how near it is, or where they do not, what
/// it is. What is no browser says neither.
fn check_site(parts: &Parts, config: &ServerConfig) -> Result<(), Problem> {
    let said = |name: &str| {
        let value = parts.headers.get(name)?;
        Some(value.to_str().unwrap_or_default())
    };
    let is_own = match (said("sec-fetch-site"), said("origin")) {
        (Some(site), _) => ["same-origin", "none"].contains(&site),
        (None, Some(origin)) => is_here(origin, parts, config),
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    let detail = "only a page of this server begins a session here";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// Whether an origin is where the request went to, or where clients find this server: a proxy may
/// call it otherwise. What says no host, `null`, is nowhere.
fn is_here(origin: &str, parts: &Parts, config: &ServerConfig) -> bool {
    let Some((scheme, _)) = origin.split_once("://") else { return false };
    let Some(asking) = authority_of(origin) else { return false };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the address, and so has a request to a proxy.
    let host = parts.uri.authority().map(|authority| authority.as_str()).or(host);
    let asked = host.and_then(|host| authority_of(&format!("{scheme}://{host}")));
    let public = config.public_url.as_deref().and_then(authority_of);
    [asked, public].contains(&Some(asking))
}

/// The host of an address and its port, unless it is the one that the scheme has anyway.
fn authority_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(Url::has_host)?;
    Some(url[Position::BeforeHost..Position::AfterPort].to_owned())
}

/// Shows who is calling.
///
/// With a session it also tells the token that changes need, and gives the cookie a later end
/// when half of its time is over, as every call does. The session of a person who signed in with
/// the identity provider has no later end.
#[utoipa::path(
    get,
    path = "/v1/session",
    tag = "sessions",
    responses(
        (status = 200, description = "Who is calling.", body = SessionView),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn show(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<SessionView>, Problem> {
    Params::read(request.uri().query()).finish()?;
    let now_us = state.environment().clock.now_us();
    let session = going_on(request.extensions(), now_us);
    let role = caller.role;
    let may = Permission::ALL.into_iter().filter(|permission| role.may(*permission));
    let place = caller.place;
    Ok(Json(SessionView {
        id: caller.id,
        kind: caller.kind,
        role,
        tenant_id: place.tenant_id,
        org_id: place.org_id,
        team_id: place.team_id,
        user_id: place.user_id,
        permissions: may.map(|permission| permission.name().to_owned()).collect(),
        csrf: session.as_ref().map(|session| session.csrf().to_owned()),
        expires_at: session.map(|session| format_rfc3339(session.expires_us())),
        now: format_rfc3339(now_us),
        oidc: state.config().offers_login(),
    }))
}

/// The session of a request, with the end that the answer gives it.
fn going_on(extensions: &Extensions, now_us: i64) -> Option<Session> {
    let session = extensions.get::<Session>()?;
    Some(session.renewed(now_us).unwrap_or_else(|| session.clone()))
}

/// Signs out: the browser forgets its session.
///
/// Whoever copied the cookie could use it until it ends; revoking its key ends it before. That it
/// ended is recorded as `session.ended`, if the lake takes the event in time.
#[utoipa::path(
    delete,
    path = "/v1/session",
    tag = "sessions",
    responses(
        (status = 204, description = "The browser has no session any more.",
            headers(("set-cookie" = String, description = "A cookie that is over."))),
        (status = 400, description = "A parameter was given; there is none.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The token of the session is not repeated.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn sign_out(
    State(state): State<AppState>,
    caller: Principal,
    session: Option<Extension<Session>>,
    request: Request,
) -> Result<Response, Problem> {
    Params::read(request.uri().query()).finish()?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    // Who shows a key may have no cookie that could end.
    if session.is_some() {
        let recorded = state.in_time(state.record(&caller, deed(ENDED, &caller))).await;
        if let Err(problem) | Ok(Err(problem)) = recorded {
            // Nobody has to stay signed in because the lake takes no events, or takes too long.
            tracing::error!(?problem, "the end of a session could not be recorded");
        }
        let over = cookie(&state, &Cookie::ending(0));
        response.headers_mut().insert(header::SET_COOKIE, over);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// Whether a page with these headers may begin a session at this address.
    fn is_let_in(uri: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let public_url = Some("https://audit.example.com:443/".to_owned());
        check_site(&parts, &ServerConfig { public_url, ..ServerConfig::default() }).is_ok()
    }

    #[test]
    fn a_page_of_another_site_is_not_let_in() {
        let host = ("host", "10.0.0.7:7400");
        assert!(is_let_in("/", &[host]), "no browser");
        let public = ["https://audit.example.com", "https://AUDIT.example.com:443"];
        for origin in ["http://10.0.0.7:7400"].into_iter().chain(public) {
            assert!(is_let_in("/", &[host, ("origin", origin)]), "{origin}");
        }
        for origin in [
            "null",
            "",
            "10.0.0.7:7400",
            "http://10.0.0.7",
            "http://10.0.0.7:7401",
            "https://evil.example",
            "https://audit.example.com.evil.example",
            "http://audit.example.com:8080",
            "file:///etc/passwd",
        ] {
            assert!(!is_let_in("/", &[host, ("origin", origin)]), "{origin}");
        }
        // How near the page is says more than where it is.
        let near = [host, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")];
        assert!(is_let_in("/", &near));
        let far = [host, ("origin", "http://10.0.0.7:7400"), ("sec-fetch-site", "same-site")];
        assert!(!is_let_in("/", &far));
    }

    #[test]
    fn the_port_of_the_scheme_and_the_address_of_http_2_count() {
        let origin = ("origin", "https://audit.example.org");
        assert!(is_let_in("/", &[("host", "audit.example.org:443"), origin]));
        assert!(!is_let_in("/", &[("host", "audit.example.org:80"), origin]));
        assert!(is_let_in("https://audit.example.org/v1/session", &[origin]));
        assert!(!is_let_in("https://other.example.org/v1/session", &[origin]));
        assert!(!is_let_in("/", &[origin]), "nobody knows where this is");
    }
}
