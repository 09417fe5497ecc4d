//! `/login`: a key becomes a session, or the identity provider says who it is; `/logout` ends it.

use std::time::Duration;

use askama::Template;
use auditlake_server::leads_here;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use crate::Console;
use crate::api;
use crate::error::{ApiError, see_other};
use crate::page::{Frame, Nav, page};
use crate::query::Query;
use crate::session::{self, Posted, Viewer};

/// A key is far shorter, and whoever sends it is still a stranger.
const MAX_FORM_BYTES: usize = 16 << 10;
const FORM_TIME: Duration = Duration::from_secs(10);
/// What says whose page sends the form.
const SENDER: [HeaderName; 3] =
    [HeaderName::from_static("sec-fetch-site"), header::ORIGIN, header::HOST];
/// Who asks for one of these sits at the machine itself, where nothing is in between.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/login", get(show).post(sign_in)).route("/logout", post(sign_out))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    /// Where to go then.
    next: String,
    /// Where the identity provider is asked, if there is one.
    oidc: Option<String>,
    wrong: Option<String>,
    /// Whether somebody in between could read the key.
    is_open: bool,
}

async fn show(
    State(console): State<Console>,
    query: Query,
    viewer: Result<Viewer, ApiError>,
    headers: HeaderMap,
) -> Response {
    // With a `next` something has sent whoever it is here, session or not; sending them back
    // could go on forever.
    if viewer.is_ok() && query.get("next").is_none() {
        return see_other("/");
    }
    form(&console, &headers, local(query.get("next")), None)
}

async fn sign_in(State(console): State<Console>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let fields = session::form(body, MAX_FORM_BYTES, FORM_TIME).await?;
    let next = local(fields.get("next"));
    let key = fields.get("key").unwrap_or_default().trim();
    match exchange(&console, key, &sender(&parts)).await {
        Ok(cookie) => Ok(with_cookie(see_other(next), Some(cookie))),
        Err(error) => {
            let wrong = match error.status {
                StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => {
                    "This key is not known here, or not valid any more.".to_owned()
                }
                _ => error.problem.detail,
            };
            let mut response = form(&console, &parts.headers, next, Some(wrong));
            *response.status_mut() = error.status;
            Ok(response)
        }
    }
}

/// What the API judges by whether a page of this server has sent the form: a page elsewhere must
/// not sign its visitors in here, as somebody of its choice.
fn sender(parts: &Parts) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in SENDER {
        for value in parts.headers.get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
    // HTTP/2 has the host in the address, and nowhere else.
    let host = parts.uri.authority().and_then(|host| HeaderValue::try_from(host.as_str()).ok());
    if let Some(host) = host {
        headers.insert(header::HOST, host);
    }
    headers
}

/// A key for a session's cookie.
async fn exchange(
    console: &Console,
    key: &str,
    sender: &HeaderMap,
) -> Result<HeaderValue, ApiError> {
    let mut request = api::request(Method::POST, "/v1/session", Some(&json!({ "key": key })))?;
    request.headers_mut().extend(sender.clone());
    let answer = api::good(console.api.ask(request).await).await?;
    answer.headers().get(header::SET_COOKIE).cloned().ok_or_else(ApiError::internal)
}

async fn sign_out(State(console): State<Console>, posted: Posted) -> Result<Response, ApiError> {
    let request = api::request(Method::DELETE, "/v1/session", None)?;
    let answer = api::good(console.api.raw(&posted.viewer, request).await).await?;
    let cookie = answer.headers().get(header::SET_COOKIE).cloned();
    Ok(with_cookie(see_other("/login"), cookie))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

fn form(console: &Console, headers: &HeaderMap, next: &str, wrong: Option<String>) -> Response {
    let oidc =
        console.config.oidc.then(|| Query::default().with("next", next).href("/v1/session/oidc"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_local = LOCAL_HOSTS.iter().any(|local| host.starts_with(local));
    page(&LoginPage {
        frame: console.bare_frame(Nav::Nowhere, "Sign in"),
        next: next.to_owned(),
        oidc,
        wrong,
        is_open: !console.config.secure_cookies && !is_local,
    })
}

/// A page of this console; anything else would send people who just signed in to a stranger, or
/// have them do something. The API holds what it is given to the same.
fn local(next: Option<&str>) -> &str {
    let next = next.unwrap_or("/");
    if leads_here(next) && !next.starts_with("/login") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(local(Some("/logs?type=a&q=//b")), "/logs?type=a&q=//b");
        for next in ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nb"] {
            assert_eq!(local(Some(next)), "/", "{next:?}");
        }
        for next in ["/v1/events/export", "/compat/openclaw/api/v1/audit", "/api/v1/audit"] {
            assert_eq!(local(Some(next)), "/", "{next}");
        }
        assert_eq!(local(Some("/login?next=/login")), "/");
        assert_eq!(local(None), "/");
        let long = format!("/logs?q={}", "a".repeat(1992));
        assert_eq!(local(Some(&long)), long);
        assert_eq!(local(Some(&format!("{long}a"))), "/");
    }

    #[test]
    fn the_api_learns_whose_page_sends_the_form() {
        let parts = |uri: &str| {
            let request = Request::post(uri)
                .header("origin", "https://a.example")
                .header("host", "b.example")
                .header("sec-fetch-site", "same-site")
                .header("authorization", "none of its business");
            request.body(()).unwrap().into_parts().0
        };
        let headers = sender(&parts("/login"));
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["origin"], "https://a.example");
        assert_eq!(headers["sec-fetch-site"], "same-site");
        assert_eq!(headers["host"], "b.example");
        assert_eq!(sender(&parts("https://c.example/login"))["host"], "c.example");
    }
}
