//! The body of a request: read within limits of size and time, and decompressed so that a
//! small body cannot become a large one unnoticed. Events come in bodies of their own; what
//! other calls take is one small JSON document.

use std::io::Read;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::config::ServerConfig;
use crate::problem::Problem;

/// The largest body that is one JSON document rather than events.
const MAX_JSON_BYTES: usize = 256 << 10;
const ENCODINGS: &str = "gzip, zstd";
const TYPES: [&str; 4] =
    ["application/json", "application/x-ndjson", "application/ndjson", "application/octet-stream"];

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// What `Content-Encoding` says.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let (first, second) = (values.next(), values.next());
        let Some(value) = first else { return Ok(Self::Identity) };
        let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
        match (name.as_str(), second) {
            ("" | "identity", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("zstd", None) => Ok(Self::Zstd),
            _ => {
                let detail = format!(
                    "this Content-Encoding is not understood; one of {ENCODINGS}, or none, is"
                );
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
                    .header(header::ACCEPT_ENCODING, ENCODINGS))
            }
        }
    }
}

/// Refuses a `Content-Type` that events do not come in. None at all is fine: the parser tells
/// the forms apart by themselves.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if TYPES.iter().any(|allowed| allowed.eq_ignore_ascii_case(essence.trim())) {
        return Ok(());
    }
    let detail = format!("events do not come in this Content-Type; allowed: {}", TYPES.join(", "));
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// Reads a whole body of events.
pub(crate) async fn read(body: Body, config: &ServerConfig) -> Result<Bytes, Problem> {
    read_within(body, config.max_body_bytes, config).await
}

/// Reads a body that is one JSON document. What serde says of a wrong one names the member,
/// and what is allowed.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    config: &ServerConfig,
) -> Result<T, Problem> {
    let named = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let essence = named.map(|text| text.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| !essence.eq_ignore_ascii_case("application/json")) {
        let detail = "this body does not come in this Content-Type; allowed: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    if Encoding::of(headers)? != Encoding::Identity {
        let detail = "this body does not come compressed";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let text = read_within(body, MAX_JSON_BYTES, config).await?;
    serde_json::from_slice(&text)
        .map_err(|error| Problem::bad_request(format!("the body is not as it should be: {error}")))
}

async fn read_within(body: Body, limit: usize, config: &ServerConfig) -> Result<Bytes, Problem> {
    let slow = |_| {
        let detail = "the body came too slowly; nothing was kept";
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    };
    let collected = collect(body, limit, config, slow);
    tokio::time::timeout(config.body_timeout, collected).await.map_err(slow)?
}

async fn collect(
    mut body: Body,
    limit: usize,
    config: &ServerConfig,
    slow: impl Fn(tokio::time::error::Elapsed) -> Problem,
) -> Result<Bytes, Problem> {
    /// Room made on the word of a `Content-Length` alone.
    const TRUSTED: usize = 1 << 20;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large("the body", limit));
    }
    let mut whole = Vec::with_capacity(announced.min(TRUSTED));
    loop {
        let next = tokio::time::timeout(config.body_idle_timeout, body.frame());
        let Some(frame) = next.await.map_err(&slow)? else { return Ok(Bytes::from(whole)) };
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            Problem::bad_request("the body broke off; nothing was kept")
        })?;
        // Trailers say nothing about events.
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(too_large("the body", limit));
        }
        whole.extend_from_slice(&data);
    }
}

/// Decompresses a body; blocking. A bomb is given up at the limit, having taken no more.
pub(crate) fn decompress(body: Bytes, encoding: Encoding, limit: usize) -> Result<Bytes, Problem> {
    let mut text = Vec::new();
    let most = limit as u64 + 1;
    let done = match encoding {
        Encoding::Identity => return Ok(body),
        Encoding::Gzip => {
            flate2::bufread::MultiGzDecoder::new(&body[..]).take(most).read_to_end(&mut text)
        }
        Encoding::Zstd => zstd::stream::read::Decoder::with_buffer(&body[..])
            .and_then(|decoder| decoder.take(most).read_to_end(&mut text)),
    };
    if text.len() > limit {
        return Err(too_large("the decompressed body", limit));
    }
    match done {
        Ok(_) => Ok(Bytes::from(text)),
        Err(error) => {
            let name = if encoding == Encoding::Gzip { "gzip" } else { "zstd" };
            Err(Problem::bad_request(format!("the body is no whole {name} stream: {error}")))
        }
    }
}

fn too_large(what: &str, limit: usize) -> Problem {
    let detail = format!("{what} is larger than {limit} bytes; send several smaller ones");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).with("limit_bytes", limit)
}
