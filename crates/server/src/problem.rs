//! Errors as RFC 9457 problems. What is wrong with the server goes to its log; the client
//! gets a calm sentence and the request id under which the log has the rest.

use std::collections::BTreeMap;

use auditlake_export::ExportError;
use auditlake_lake::LakeError;
use auditlake_model::ModelError;
use auditlake_query::QueryError;
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Seconds after which a client may try again when the lake takes no events.
const RETRY_LAKE: u32 = 5;

/// An answer other than the one asked for.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    members: BTreeMap<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a call gave something else than was asked for (RFC 9457). What a program may want to
/// know beyond the status stands in members of its own: `parameter`, `line`, `key`, `permission`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// Always `about:blank`: the status says what kind of problem it is.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, where, and what is allowed instead.
    detail: String,
    #[serde(flatten)]
    members: BTreeMap<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: BTreeMap::new(), headers: Vec::new() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A query parameter that is not allowed, or a value it may not have.
    pub(crate) fn parameter(name: &str, reason: &str) -> Self {
        Self::bad_request(format!("parameter {name}: {reason}")).with("parameter", name)
    }

    /// A fault of ours: logged here, and nothing of it told.
    pub(crate) fn internal(doing: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "{doing} failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server could not do this; its log has the reason under this x-request-id",
        )
    }

    /// Adds a member for programs.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Says when to try again.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let body = ProblemBody {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            members: self.members,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Event(rejection) => Self::bad_request(rejection.to_string())
                .with("line", rejection.line)
                .with("key", rejection.key)
                .with("reason", rejection.reason),
            ModelError::Filter { name, reason } => Self::parameter(&name, &reason),
            other => Self::internal("reading events", &other),
        }
    }
}

impl From<LakeError> for Problem {
    fn from(error: LakeError) -> Self {
        let detail = match &error {
            LakeError::Stopped(_) | LakeError::Fenced { .. } | LakeError::Locked(_) => {
                "the lake takes no more events until the server has been started again"
            }
            LakeError::Store { .. } | LakeError::Io { .. } => {
                "the lake's storage does not answer as it should"
            }
            LakeError::Invalid(_) | LakeError::Damaged { .. } | LakeError::Data { .. } => {
                return Self::internal("a call to the lake", &error);
            }
        };
        tracing::error!(%error, "a call to the lake failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_LAKE)
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            // What is wrong with an SQL expression is wrong with the parameter that holds it.
            QueryError::Invalid(detail) => match detail.strip_prefix("where: ") {
                Some(reason) => Self::parameter("where", reason),
                None => Self::bad_request(detail),
            },
            QueryError::Resources(detail) => {
                tracing::warn!(detail, "a query needed too much");
                let detail = "the query needs more memory than it may use; narrow its time range \
                              or filters, or come back when fewer queries run";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_LAKE)
            }
            QueryError::Lake(error) => Self::from(error),
            other => Self::internal("a query", &other),
        }
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Option { name, given, allowed } => {
                Self::parameter(name, &format!("{given:?} is not allowed; allowed: {allowed}"))
            }
            other => Self::internal("an export", &other),
        }
    }
}
