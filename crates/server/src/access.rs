//! What happens around every request: an id, a line in the log, the counters, who calls, and
//! an answer even to a panic.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use auditlake_model::id::new_ulid;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::identity::session::{self, Session};
use crate::identity::{KEY_PREFIX, Principal};
use crate::links;
use crate::problem::Problem;
use crate::state::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For the few answers that never change and tell of no event: who asked may keep them.
pub(crate) const IMMUTABLE: &str = "private, max-age=31536000, immutable";

/// What probes, scrapers and readers of the description ask without a key; none of it tells
/// about events.
const OPEN: [&str; 5] = ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs"];

/// Where a browser begins a session: whoever calls has nothing to show yet.
const BEGIN: [(Method, &str); 3] = [
    (Method::POST, "/v1/session"),
    (Method::GET, "/v1/session/oidc"),
    (Method::GET, "/v1/session/oidc/callback"),
];

/// Under which paths a session may stand for a key.
const API: &str = "/v1/";

/// Under which path a signed link may stand for a key.
const LINKED: &str = "/v1/exports/";

/// Gives the request an id, logs it and counts it.
///
/// The line has neither query (filters name people, links are signed there) nor headers (they
/// hold the key); who called is told by the id of their key. Its seconds end with the headers
/// of the answer; how an export's body went is logged there.
pub(crate) async fn observe(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = new_ulid(state.environment()).to_string();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("unknown", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", %id, caller = tracing::field::Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    state.metrics().answered(&route, status, seconds);
    span.in_scope(|| tracing::info!(%method, path, status, seconds, "answered"));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    // Answers depend on the key and on the moment, and hold what must not lie in caches.
    if headers.get(header::CACHE_CONTROL).is_none_or(|value| value != IMMUTABLE) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Turns a panic into a 500; the panic hook has logged where it was. For whatever stands in front
/// of the API too.
pub async fn catch_panic(request: Request, next: Next) -> Response {
    // Nothing is used after the panic but what is shared between requests anyway.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without words".to_owned());
            Problem::internal("answering", &text).into_response()
        }
    }
}

/// Lets only those pass who prove who they are, and tells the call who that is.
pub(crate) async fn require_key(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if is_open(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    if request.version() < Version::HTTP_11 {
        return too_old().into_response();
    }
    let shown = Shown::by(request.headers());
    let link =
        (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let name = session::name_of(&state, session::COOKIE);
    let cookie = session::cookie_in(request.headers(), &name);
    let now_us = state.environment().clock.now_us();
    let principal = match &shown {
        Shown::Key(key) => state.keys().verify(key, now_us),
        Shown::Token(token) => holder(&state, token).await,
        Shown::Nothing if is_signed(&link) => links::verify(&state, &link.0, &link.1).await,
        Shown::Nothing => match cookie.filter(|_| link.0.starts_with(API)) {
            Some(cookie) => return by_session(&state, &cookie, request, next).await,
            None => None,
        },
        Shown::Other => None,
    };
    match principal {
        Some(principal) => {
            tracing::Span::current().record("caller", principal.id.as_str());
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        None => unauthorized(&shown).into_response(),
    }
}

/// Lets those pass whose browser has a session. What changes something must come from a page of
/// this server; a session that is used goes on.
async fn by_session(state: &AppState, cookie: &str, mut request: Request, next: Next) -> Response {
    let Some((principal, session)) = session::shown(state, cookie).await else {
        return unauthorized(&Shown::Nothing).into_response();
    };
    tracing::Span::current().record("caller", principal.id.as_str());
    if !request.method().is_safe() && !session.is_repeated_in(request.headers()) {
        return not_repeated().into_response();
    }
    let renewed = session.renewed(state.environment().clock.now_us());
    request.extensions_mut().insert(principal);
    request.extensions_mut().insert(session);
    let mut response = next.run(request).await;
    // Who signs out must not be signed in again by the same answer.
    if !response.headers().contains_key(header::SET_COOKIE)
        && let Some(cookie) = renewed_cookie(state, renewed).await
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The session as it goes on. One that cannot be renewed now can be at the next request.
async fn renewed_cookie(state: &AppState, renewed: Option<Session>) -> Option<HeaderValue> {
    renewed?.cookie(state).await.ok()
}

fn is_open(method: &Method, path: &str) -> bool {
    OPEN.contains(&path) || BEGIN.iter().any(|(begins, at)| begins == method && *at == path)
}

fn not_repeated() -> Problem {
    let detail = "what changes something with the cookie of a session needs its token in the \
                  header x-csrf-token; GET /v1/session tells it";
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// Before HTTP/1.1 the end of a connection is the end of an answer: a part of an export that
/// broke off would look like the whole.
fn too_old() -> Problem {
    let detail = "answers can only be told whole from HTTP/1.1 on; a proxy in between may have to \
                  be told to use it";
    Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, detail)
}

/// What a caller shows to prove who it is.
enum Shown {
    /// No `Authorization` at all.
    Nothing,
    /// An API key.
    Key(String),
    /// A token of the identity provider, or what is to pass for one.
    Token(String),
    /// Another scheme than ours.
    Other,
}

impl Shown {
    /// What stands in `Authorization`: `Bearer <key or token>`, or a key alone. Two of them say
    /// nothing: which one counts would be a guess.
    fn by(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Nothing,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Self::Other,
        };
        let Ok(text) = value.to_str() else { return Self::Other };
        let shown = match text.trim().split_once(' ') {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") => shown.trim(),
            Some(_) => return Self::Other,
            None if text.trim().starts_with(KEY_PREFIX) => text.trim(),
            None => return Self::Other,
        };
        if shown.starts_with(KEY_PREFIX) {
            Self::Key(shown.to_owned())
        } else {
            Self::Token(shown.to_owned())
        }
    }
}

/// Whose token it is, if the identity provider's tokens are taken at all.
async fn holder(state: &AppState, token: &str) -> Option<Principal> {
    let issuer = state.issuer()?;
    match issuer.verify(token, state.environment().clock.now_us()).await {
        Ok(principal) => Some(principal),
        Err(refused) => {
            tracing::info!(%refused, "a token was refused");
            None
        }
    }
}

fn is_signed((path, query): &(String, String)) -> bool {
    path.starts_with(LINKED) && query.split('&').any(|pair| pair.starts_with("signature="))
}

/// One answer for no key, an unknown one and a wrong one: it tells nothing about which. Only
/// that one was shown is told, as RFC 6750 has it, so that a client fetches a new token.
fn unauthorized(shown: &Shown) -> Problem {
    let challenge = match shown {
        Shown::Nothing | Shown::Other => "Bearer",
        Shown::Key(_) | Shown::Token(_) => "Bearer error=\"invalid_token\"",
    };
    let detail = "a valid key is needed: Authorization: Bearer alk_…";
    Problem::new(StatusCode::UNAUTHORIZED, detail).header(header::WWW_AUTHENTICATE, challenge)
}
