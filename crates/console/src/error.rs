//! What went wrong, as a page. The API's problems become [`ApiError`]s, which travel through
//! the pages as they are; one place turns them into the page that a person gets, because only
//! there it is known who looks and where they wanted to go.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Console;
use crate::format;
use crate::page::{Frame, Nav, NavItem, page};
use crate::query::Query;
use crate::session::{self, Viewer};

/// No problem of the API is larger.
const MAX_PROBLEM_BYTES: usize = 64 << 10;
/// The longest address of a page. A page repeats its own in each of its links, so that a long one
/// makes a page that is many times as large.
const MAX_ADDRESS_BYTES: usize = 16 << 10;
/// The most parameters of one. A page has links for each of them, and each link repeats the rest.
const MAX_PARAMETERS: usize = 256;

/// What the API says is wrong (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) title: String,
    pub(crate) detail: String,
    /// The parameter that is wrong.
    pub(crate) parameter: Option<String>,
    /// The permission that is missing.
    pub(crate) permission: Option<String>,
}

/// Something other than the answer that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
    /// When to try again.
    retry_after_s: Option<u32>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let problem = Problem { title, detail: detail.to_owned(), ..Problem::default() };
        Self { status, problem, retry_after_s: None }
    }

    /// Nobody is signed in, or not any more.
    pub(crate) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign in first")
    }

    /// The address is longer than any that a page makes.
    pub(crate) fn too_long() -> Self {
        let detail = format!(
            "the address has more than {MAX_ADDRESS_BYTES} bytes or {MAX_PARAMETERS} parameters"
        );
        Self::new(StatusCode::URI_TOO_LONG, &detail)
    }

    /// A fault of ours; the server's log has the reason.
    pub(crate) fn internal() -> Self {
        let detail = "the console could not make this page; the server's log has the reason";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// What an answer of the API says is wrong.
    pub(crate) async fn read(answer: Response) -> Self {
        let status = answer.status();
        let retry = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s = retry.and_then(|text| text.parse().ok());
        let bytes = to_bytes(answer.into_body(), MAX_PROBLEM_BYTES).await.unwrap_or_default();
        match serde_json::from_slice(&bytes) {
            Ok(problem) => Self { status, problem, retry_after_s },
            // Some answers of the router have no body: a path that is too long, for one.
            Err(_) => Self { retry_after_s, ..Self::new(status, "the server says no more") },
        }
    }
}

/// Goes to where it is known who looks; there it becomes a page.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What was asked for when something went wrong.
pub(crate) struct Asked {
    method: Method,
    uri: Uri,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        Self { method: request.method().clone(), uri: request.uri().clone() }
    }

    /// Where to go after signing in: back to the page, but not to a form that was sent.
    fn next(&self) -> &str {
        if self.method == Method::GET { self.target() } else { "/" }
    }

    /// The path and what is asked of it.
    fn target(&self) -> &str {
        self.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    /// Whether the address is longer than any that a page makes, or has more parameters.
    pub(crate) fn is_too_long(&self) -> bool {
        let separators = self.target().bytes().filter(|byte| *byte == b'&').count();
        self.target().len() > MAX_ADDRESS_BYTES || separators >= MAX_PARAMETERS
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    heading: String,
    problem: Problem,
    advice: &'static str,
    wait: Option<String>,
    /// The same page again, where trying again makes sense.
    again: Option<String>,
    /// The first page that is open to the viewer.
    way: Option<&'static NavItem>,
}

/// The page for what went wrong; whoever is signed out goes to sign in.
pub(crate) fn answer(
    console: &Console,
    viewer: Option<&Viewer>,
    asked: &Asked,
    error: &ApiError,
) -> Response {
    if error.status == StatusCode::UNAUTHORIZED {
        let target = Query::default().with("next", asked.next()).href("/login");
        return see_other(&target);
    }
    let (heading, advice) = words(error);
    let frame = match viewer {
        Some(viewer) => console.frame(viewer, Nav::Nowhere, heading.clone()),
        None => console.bare_frame(Nav::Nowhere, heading.clone()),
    };
    let way = viewer.and_then(|_| frame.ways().first().copied());
    let may_help = error.status == StatusCode::TOO_MANY_REQUESTS || error.status.is_server_error();
    let again = (may_help && asked.method == Method::GET).then(|| asked.next().to_owned());
    let wait = error.retry_after_s.map(|seconds| format::seconds(f64::from(seconds)));
    let status = error.status.as_u16();
    let problem = error.problem.clone();
    let template = ErrorPage { frame, status, heading, problem, advice, wait, again, way };
    let mut response = page(&template);
    *response.status_mut() = error.status;
    if let Some(seconds) = error.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What happened, and what to do about it.
fn words(error: &ApiError) -> (String, &'static str) {
    let (heading, advice) = match error.status {
        StatusCode::BAD_REQUEST => (
            "This question cannot be answered",
            "Change what is named above, or start again without filters.",
        ),
        StatusCode::FORBIDDEN => (
            "Your role may not do this",
            "Who administers your tenant can give you a key with another role.",
        ),
        StatusCode::NOT_FOUND => (
            "There is nothing here",
            "It may have been removed, have expired, or lie outside of what you may see.",
        ),
        StatusCode::CONFLICT => (
            "Somebody was faster",
            "Open the page again to see what it has become, and repeat the change.",
        ),
        StatusCode::GONE => ("This has expired", "Run it again to get it anew."),
        StatusCode::URI_TOO_LONG => (
            "This address is too long",
            "Leave out some filters, or say what is meant with an expression.",
        ),
        StatusCode::TOO_MANY_REQUESTS => {
            ("Too much at once", "The server answers a bounded number of questions at a time.")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            ("The server is busy", "Nothing is lost. Try again in a moment.")
        }
        StatusCode::GATEWAY_TIMEOUT => (
            "This took too long",
            "Narrow the time range or the filters; an export has no such limit.",
        ),
        status if status.is_server_error() => {
            ("Something went wrong on the server", "It was not your doing. Try again in a moment.")
        }
        _ => (error.problem.title.as_str(), ""),
    };
    (heading.to_owned(), advice)
}

/// Sends the browser somewhere else with GET.
pub(crate) fn see_other(target: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let target = HeaderValue::try_from(target).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, target);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What is no page of the console is the API's. Only where a person has opened the address in a
/// browser and something is wrong, a page says so; programs get the API's own answer.
pub(crate) async fn fall_through(State(console): State<Console>, request: Request) -> Response {
    let asked = Asked::of(&request);
    let headers = request.headers().clone();
    let response = console.api.ask(request).await;
    if !is_opened(&asked, &headers) || !is_problem(&response) {
        return response;
    }
    let error = ApiError::read(response).await;
    let (viewer, _) = session::find(&console, &headers).await;
    answer(&console, viewer.as_ref(), &asked, &error)
}

/// Whether a browser opens the address for somebody to look at.
fn is_opened(asked: &Asked, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_signed_otherwise = headers.contains_key(header::AUTHORIZATION);
    let takes_pages = accepts.is_some_and(|kinds| kinds.contains("text/html"));
    asked.method == Method::GET && takes_pages && !is_signed_otherwise
}

/// Whether an answer is a problem of the server rather than a page.
pub(crate) fn is_problem(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_bounded_in_bytes_and_in_parameters() {
        let is_too_long = |target: &str| {
            let uri = target.parse().unwrap();
            Asked { method: Method::GET, uri }.is_too_long()
        };
        let with = |parameters: usize| format!("/logs?{}", vec!["a=b"; parameters].join("&"));
        assert!(!is_too_long("/logs"));
        assert!(!is_too_long(&with(MAX_PARAMETERS)));
        assert!(is_too_long(&with(MAX_PARAMETERS + 1)));
        let path = "/logs?q=";
        let filled = |bytes: usize| format!("{path}{}", "a".repeat(bytes - path.len()));
        assert!(!is_too_long(&filled(MAX_ADDRESS_BYTES)));
        assert!(is_too_long(&filled(MAX_ADDRESS_BYTES + 1)));
    }
}
