//! `/v1/session/oidc`: a browser signs in with the identity provider. It is sent there with an
//! attempt that a short cookie of its own names, comes back with a code, and leaves with a
//! session.

use auditlake_lake::LakeError;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::form_urlencoded;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{STARTED, deed};
use crate::identity::session::{self, Cookie, Holder, Session};
use crate::identity::{Attempt, Issuer, Login, LoginError, names_error};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::secrets;
use crate::state::AppState;

/// The cookie that names an attempt, and where it is sent. The browser comes back from another
/// site, so it is sent then too. `session::name_of` completes its name.
const COOKIE: &str = "auditlake_login";
const PATH: &str = "/v1/session/oidc";
const CALLBACK: &str = "/v1/session/oidc/callback";
/// How long an attempt may take.
const LIFE_US: i64 = 600_000_000;
/// What attempts are signed for, and what follows from the state of one.
const PURPOSE: &str = "login";
const NONCE: &str = "login nonce";
const VERIFIER: &str = "login verifier";
const STATE_BYTES: usize = 32;
/// The longest code.
const MAX_CODE_BYTES: usize = 4096;
/// Seconds after which a browser may come again.
const RETRY: u32 = 5;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(finish))
}

/// An attempt to sign in, as its cookie states it.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    /// Where the browser is sent behind its sign-in.
    next: String,
    expires_us: i64,
}

/// Sends a browser to the identity provider, to sign in there.
#[utoipa::path(
    get,
    path = "/v1/session/oidc",
    tag = "sessions",
    security(()),
    params(
        ("next" = Option<String>, Query,
            description = "The path of a page of this server that the browser is sent to when it \
                           has signed in; / if absent"),
    ),
    responses(
        (status = 303, description = "To the provider.",
            headers(("location" = String, description = "Where people sign in."),
                    ("set-cookie" = String, description = "What names the attempt."))),
        (status = 400, description = "A parameter is unknown, or next leads elsewhere.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no identity provider to sign in with.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The provider does not answer.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn begin(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let mut params = Params::read(request.uri().query());
    let next = params.take("next")?.unwrap_or_else(|| "/".to_owned());
    params.finish()?;
    if !session::leads_here(&next) {
        let reason = "must be the path of a page of this server, from / on";
        return Err(Problem::parameter("next", reason));
    }
    let (_, login) = provider(&state)?;
    let now_us = state.environment().clock.now_us();
    let expires_us = now_us.saturating_add(LIFE_US);
    let begun = Begun { state: secrets::random::<STATE_BYTES>(&state), next, expires_us };
    let attempt = attempt(&state, &begun.state).await?;
    let address = login.address(&attempt, now_us).await?;
    let named = secrets::seal(session::key(&state).await?, PURPOSE, &begun);
    let mut headers = HeaderMap::new();
    let location = HeaderValue::try_from(String::from(address));
    let location = location.map_err(|error| Problem::internal("leading to a provider", &error))?;
    headers.insert(header::LOCATION, location);
    headers.insert(header::SET_COOKIE, cookie(&state, &named, LIFE_US));
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// Takes a browser back that has signed in at the identity provider.
///
/// The answer is a page that leads on by itself rather than a redirect: browsers do not send the
/// session's cookie with the first request behind another site, and would send none with that of
/// a redirect. That the session began is recorded as `session.started`.
#[utoipa::path(
    get,
    path = "/v1/session/oidc/callback",
    tag = "sessions",
    security(()),
    params(
        ("state" = Option<String>, Query, description = "What the attempt is called"),
        ("code" = Option<String>, Query, description = "What the provider gave the browser"),
        ("error" = Option<String>, Query, description = "Why it gave nothing"),
    ),
    responses(
        (status = 200, description = "A page that leads on.", body = String,
            content_type = "text/html; charset=utf-8",
            headers(("set-cookie" = String, description = "The cookie of the session."))),
        (status = 400, description = "The browser has begun no such attempt, or too long ago.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The provider does not say who it is, or somebody without a \
            role here.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no identity provider to sign in with.",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The provider does not answer, or it cannot be recorded.",
            body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn finish(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (issuer, login) = provider(&state)?;
    let back = Back::read(request.uri().query());
    let named = session::cookie_in(request.headers(), &session::name_of(&state, COOKIE));
    let begun = begun(&state, named, &back).await?;
    let code = back.code()?;
    let attempt = attempt(&state, &begun.state).await?;
    let now_us = state.environment().clock.now_us();
    let token = login.exchange(&attempt, &code, now_us).await?;
    let verified = issuer.verify_login(login, &token, &attempt.nonce, now_us).await;
    let principal = verified.map_err(|refused| {
        tracing::warn!(%refused, "a person was not signed in");
        not_let_in()
    })?;
    tracing::Span::current().record("caller", principal.id.as_str());
    let holder = Holder::Person { issuer: issuer.name().to_owned(), principal: principal.clone() };
    let signed_in = Session::begin(&state, holder).cookie(&state).await?;
    state.in_time(state.record(&principal, deed(STARTED, &principal))).await??;
    let mut response = onward(&begun.next);
    response.headers_mut().append(header::SET_COOKIE, signed_in);
    response.headers_mut().append(header::SET_COOKIE, cookie(&state, "", 0));
    Ok(response)
}

/// The provider that people sign in with.
fn provider(state: &AppState) -> Result<(&Issuer, &Login), Problem> {
    let found = state.issuer().and_then(|issuer| Some((issuer, issuer.login()?)));
    found.ok_or_else(|| {
        let detail = "nobody signs in with an identity provider here; show a key";
        Problem::new(StatusCode::NOT_FOUND, detail)
    })
}

/// What belongs to the state of an attempt. It follows from the state and a secret of this lake,
/// so that the browser carries none of it.
async fn attempt(state: &AppState, name: &str) -> Result<Attempt, LakeError> {
    let key = session::key(state).await?;
    Ok(Attempt {
        state: name.to_owned(),
        nonce: secrets::derived(key, NONCE, name),
        verifier: secrets::derived(key, VERIFIER, name),
        redirect_uri: format!("{}{CALLBACK}", state.config().address()),
    })
}

fn cookie(state: &AppState, value: &str, life_us: i64) -> HeaderValue {
    session::cookie(state, &Cookie { name: COOKIE, value, path: PATH, is_lax: true, life_us })
}

/// The attempt that this browser has begun, if it is the one that the provider answers. Who was
/// led here with somebody else's answer has no such cookie.
async fn begun(state: &AppState, named: Option<String>, back: &Back) -> Result<Begun, Problem> {
    let key = session::key(state).await?;
    let begun = named.and_then(|text| secrets::open::<Begun>(key, PURPOSE, &text));
    let now_us = state.environment().clock.now_us();
    let given = back.state.as_deref().unwrap_or_default().as_bytes();
    let is_answered = |begun: &Begun| bool::from(given.ct_eq(begun.state.as_bytes()));
    let is_meant = |begun: &Begun| now_us < begun.expires_us && is_answered(begun);
    begun.filter(is_meant).ok_or_else(|| {
        let detail = "this browser has begun no such sign-in here, or too long ago; begin again";
        Problem::bad_request(detail)
    })
}

/// What the provider sent back with the browser. What else it sends is for others.
#[derive(Default)]
struct Back {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

impl Back {
    fn read(query: Option<&str>) -> Self {
        let mut back = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let slot = match name.as_ref() {
                "state" => &mut back.state,
                "code" => &mut back.code,
                "error" => &mut back.error,
                _ => continue,
            };
            *slot = Some(value.into_owned());
        }
        back
    }

    fn code(self) -> Result<String, Problem> {
        match (self.code, self.error) {
            (Some(code), None) if code.len() <= MAX_CODE_BYTES => Ok(code),
            (_, Some(error)) if names_error(&error) => {
                let detail = format!("the identity provider has signed nobody in: {error}");
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
            _ => Err(Problem::bad_request("the identity provider has sent no code")),
        }
    }
}

/// A page that leads on by itself, without a script. Its own address holds a code, which is told
/// to nobody.
fn onward(next: &str) -> Response {
    let next = next.replace('&', "&amp;").replace('\'', "&#39;");
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Signed in</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={next}\"></head>\
         <body><p>You are signed in. <a href=\"{next}\">Go on</a></p></body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, page).into_response()
}

fn not_let_in() -> Problem {
    let detail = "the identity provider has signed you in, but does not say what you may do here; \
                  the server's log has the reason";
    Problem::new(StatusCode::FORBIDDEN, detail)
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        tracing::warn!(%error, "a person was not signed in");
        match error {
            LoginError::Provider(_) => {
                let detail = "the identity provider does not answer as it should; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY)
            }
            LoginError::Refused(_) => {
                let detail = "the identity provider does not know this sign-in; begin again";
                Self::new(StatusCode::FORBIDDEN, detail)
            }
            LoginError::Busy => {
                let detail = "many people sign in just now; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_sends_is_a_code_or_a_reason() {
        let of = |query: &str| Back::read(Some(query)).code();
        assert_eq!(of("code=abc&state=s&session_state=x").ok().as_deref(), Some("abc"));
        for query in ["", "state=s", "error=access_denied&state=s", "code=a&error=b", "error=%3Cb"]
        {
            assert!(of(query).is_err(), "{query}");
        }
    }
}
