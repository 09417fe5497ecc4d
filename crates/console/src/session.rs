//! Who is signed in. Each request for a page asks the API once, before the page is made; pages
//! take a [`Viewer`], and those who change something a [`Posted`], and cannot be written
//! without one.

use std::time::Duration;

use auditlake_model::time::parse_rfc3339;
use auditlake_server::{Role, catch_panic};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::Console;
use crate::api;
use crate::api::session::SessionView;
use crate::error::{self, ApiError};
use crate::query::Query;

/// A form of the console is no larger, and comes within this time.
const MAX_FORM_BYTES: usize = 64 << 10;
const FORM_TIME: Duration = Duration::from_secs(30);

/// Whoever looks at a page.
#[derive(Clone)]
pub(crate) struct Viewer {
    pub(crate) session: SessionView,
    cookie: HeaderValue,
}

impl Viewer {
    /// Whether the role may do something: `audit:export`.
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.session.permissions.iter().any(|held| held == permission)
    }

    /// Refuses who may not do something; `detail` says what needs the permission.
    pub(crate) fn require(&self, permission: &str, detail: &str) -> Result<(), ApiError> {
        if self.may(permission) {
            return Ok(());
        }
        let mut error = ApiError::new(StatusCode::FORBIDDEN, detail);
        error.problem.permission = Some(permission.to_owned());
        Err(error)
    }

    /// Whether what is of the lake as a whole is for them.
    pub(crate) fn runs_installation(&self) -> bool {
        self.session.role == Role::Operator.name()
    }

    /// Whether they are above all tenants, so that a page has to say which one it is about.
    pub(crate) fn sees_many_tenants(&self) -> bool {
        self.session.tenant_id.is_none()
    }

    /// What the browser sent, to be sent on.
    pub(crate) fn cookie(&self) -> &HeaderValue {
        &self.cookie
    }

    /// The server's clock when the page was asked for, in microseconds.
    pub(crate) fn now_us(&self) -> i64 {
        parse_rfc3339(&self.session.now).unwrap_or_default()
    }
}

/// A page that needs somebody does not exist for a stranger: who asks for it signs in first.
impl FromRequestParts<Console> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::signed_out)
    }
}

/// A form that a page of the viewer's own session has sent. The calls to the API carry the token
/// by themselves, so it is here that it has to be held against the form's.
pub(crate) struct Posted {
    pub(crate) viewer: Viewer,
    /// The fields, without the token.
    pub(crate) fields: Query,
}

impl FromRequest<Console> for Posted {
    type Rejection = ApiError;

    async fn from_request(request: Request, console: &Console) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, console).await?;
        let fields = form(body, MAX_FORM_BYTES, FORM_TIME).await?;
        if fields.get("csrf") != Some(viewer.session.csrf.as_str()) {
            let detail = "the form is not of this session; open the page again and repeat it";
            return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
        }
        Ok(Self { viewer, fields: fields.without("csrf") })
    }
}

/// The fields of a form, which may be so large and take so long.
pub(crate) async fn form(body: Body, most: usize, within: Duration) -> Result<Query, ApiError> {
    let bytes = in_time(within, to_bytes(body, most)).await?.map_err(|_| {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "the form is larger than any of ours")
    })?;
    Ok(Query::parse(&String::from_utf8_lossy(&bytes)))
}

async fn in_time<T>(within: Duration, reading: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(within, reading).await.map_err(|_| {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "the form came too slowly; nothing was done")
    })
}

/// Finds out who asks before the page is made, and turns what went wrong into a page after it.
pub(crate) async fn accompany(
    State(console): State<Console>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = error::Asked::of(&request);
    // Before anybody is looked up: it takes no key to send one.
    if asked.is_too_long() {
        return error::answer(&console, None, &asked, &ApiError::too_long());
    }
    let headers = request.headers().clone();
    let (viewer, renewed) = find(&console, &headers).await;
    if let Some(viewer) = &viewer {
        request.extensions_mut().insert(viewer.clone());
    }
    let mut response = catch_panic(request, next).await;
    let mut wrong = response.extensions_mut().remove::<ApiError>();
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR && error::is_problem(&response) {
        wrong = Some(ApiError::internal());
    }
    if let Some(error) = wrong {
        response = error::answer(&console, viewer.as_ref(), &asked, &error);
    }
    // A page that signs in or out says itself what becomes of the cookie.
    if !response.headers().contains_key(header::SET_COOKIE) {
        response.headers_mut().extend(renewed.map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

/// Who is signed in, if anybody is, and the cookie that the API renews theirs with.
pub(crate) async fn find(
    console: &Console,
    headers: &HeaderMap,
) -> (Option<Viewer>, Option<HeaderValue>) {
    let Some(cookie) = cookies(headers) else { return (None, None) };
    let Ok(mut request) = api::request(Method::GET, "/v1/session", None) else {
        return (None, None);
    };
    request.headers_mut().insert(header::COOKIE, cookie.clone());
    let answer = console.api.ask(request).await;
    if !answer.status().is_success() {
        return (None, None);
    }
    let renewed = answer.headers().get(header::SET_COOKIE).cloned();
    let Ok(bytes) = api::bytes_of(answer).await else { return (None, None) };
    match serde_json::from_slice::<SessionView>(&bytes) {
        Ok(session) => (Some(Viewer { session, cookie }), renewed),
        Err(error) => {
            tracing::error!(%error, "the session is not what the console expects");
            (None, None)
        }
    }
}

/// All cookies in one header: HTTP/2 lets browsers send each in one of its own.
fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let parts = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let parts: Vec<&[u8]> = parts.collect();
    let joined = parts.join(b"; ".as_slice());
    HeaderValue::from_bytes(&joined).ok().filter(|cookies| !cookies.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_one_however_they_came() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookies(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(cookies(&headers).unwrap(), "a=1; b=2");
    }

    #[tokio::test]
    async fn a_form_is_neither_waited_for_nor_held_for_ever() {
        let slow = in_time(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert_eq!(slow.unwrap_err().status, StatusCode::REQUEST_TIMEOUT);
        let large = form(Body::from("a=12345"), 6, FORM_TIME).await;
        assert_eq!(large.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        let fields = form(Body::from("a=12345"), 7, FORM_TIME).await.unwrap();
        assert_eq!(fields.get("a"), Some("12345"));
    }
}
