//! The console's client of the canonical API: requests in this process, with the cookie of
//! whoever looks at the page. Answers are typed in the modules below this one; members that a
//! page does not need are ignored.

pub(crate) mod event_schema;
pub(crate) mod events;
pub(crate) mod exports;
pub(crate) mod facets;
pub(crate) mod histogram;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod preflight;
pub(crate) mod saved_queries;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod verification;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

use crate::error::ApiError;
use crate::session::Viewer;

/// What a cookie's bearer must repeat with every call that changes something.
const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
/// An answer that a page is made of is no larger: a page of events ends after 16 MiB.
const MAX_ANSWER_BYTES: usize = 32 << 20;

/// The API, asked in this process.
#[derive(Clone)]
pub(crate) struct Api {
    router: Router,
}

impl Api {
    pub(crate) fn new(router: Router) -> Self {
        Self { router }
    }

    /// What a path answers, read as `T`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        viewer: &Viewer,
        path_and_query: &str,
    ) -> Result<T, ApiError> {
        self.send(viewer, Method::GET, path_and_query, None).await
    }

    /// Sends a call with the viewer's cookie and token. An empty answer is read as `null`, which
    /// is what `()` is.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        viewer: &Viewer,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ApiError> {
        let request = request(method, path, body)?;
        let answer = good(self.raw(viewer, request).await).await?;
        let bytes = bytes_of(answer).await?;
        let bytes = if bytes.is_empty() { b"null".as_slice() } else { bytes.as_slice() };
        serde_json::from_slice(bytes).map_err(|error| {
            tracing::error!(%error, path, "an answer of the API is not what the console expects");
            ApiError::internal()
        })
    }

    /// What a path answers, as text.
    pub(crate) async fn text(
        &self,
        viewer: &Viewer,
        path_and_query: &str,
    ) -> Result<String, ApiError> {
        let request = request(Method::GET, path_and_query, None)?;
        let answer = good(self.raw(viewer, request).await).await?;
        Ok(String::from_utf8_lossy(&bytes_of(answer).await?).into_owned())
    }

    /// Hands a request on with the viewer's cookie and token, and gives the answer as it comes,
    /// streams included.
    pub(crate) async fn raw(&self, viewer: &Viewer, mut request: Request) -> Response {
        let headers = request.headers_mut();
        headers.insert(header::COOKIE, viewer.cookie().clone());
        if let Ok(token) = HeaderValue::try_from(viewer.session.csrf.as_str()) {
            headers.insert(CSRF_TOKEN, token);
        }
        self.ask(request).await
    }

    /// Hands a request on as it is.
    pub(crate) async fn ask(&self, request: Request) -> Response {
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }
}

/// A request for the API.
pub(crate) fn request(
    method: Method,
    path_and_query: &str,
    body: Option<&Value>,
) -> Result<Request, ApiError> {
    let builder = Request::builder().method(method).uri(path_and_query);
    let made = match body {
        Some(value) => builder
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(value.to_string())),
        None => builder.body(Body::empty()),
    };
    // Only what a viewer typed into the address can make a path that is none.
    made.map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "this address cannot be read"))
}

/// The path of a thing in a collection; what is no id must not become part of a path.
pub(crate) fn path_of(collection: &str, id: &str) -> Result<String, ApiError> {
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_id {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "there is nothing that has this id"));
    }
    Ok(format!("{collection}/{id}"))
}

/// The answer, unless it says that something is wrong.
pub(crate) async fn good(answer: Response) -> Result<Response, ApiError> {
    if answer.status().is_client_error() || answer.status().is_server_error() {
        return Err(ApiError::read(answer).await);
    }
    Ok(answer)
}

/// The whole body of an answer.
pub(crate) async fn bytes_of(answer: Response) -> Result<Vec<u8>, ApiError> {
    match to_bytes(answer.into_body(), MAX_ANSWER_BYTES).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) => {
            tracing::error!(%error, "an answer of the API could not be read whole");
            Err(ApiError::internal())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_path_is_asked_than_that_of_an_id() {
        assert_eq!(path_of("/v1/exports", "exp_01H").unwrap(), "/v1/exports/exp_01H");
        for id in ["..", "../keys", "a/b", "a?b", "a%2fb", "ü"] {
            assert_eq!(path_of("/v1/exports", id).unwrap_err().status, StatusCode::NOT_FOUND);
        }
    }
}
