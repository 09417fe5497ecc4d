//! Styles, scripts and icons: embedded in the binary, packed once at the start, served from
//! memory. An address with the version of the assets never changes what it gives.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use rust_embed::Embed;

use crate::Console;
use crate::page::{gzip, takes_gzip};

/// Twelve hex digits of a digest: no two versions of the console share them.
const VERSION_BYTES: usize = 6;

#[derive(Embed)]
#[folder = "assets/"]
struct Files;

/// Every asset by its name.
pub(crate) struct Assets {
    files: HashMap<String, Asset>,
    version: String,
}

struct Asset {
    plain: Bytes,
    packed: Option<Bytes>,
    kind: &'static str,
    /// Of its own content, in quotes.
    etag: String,
}

impl Assets {
    /// Those that the binary carries.
    pub(crate) fn embedded() -> Self {
        let mut names: Vec<Cow<'static, str>> = Files::iter().collect();
        names.sort();
        let mut version = [0_u8; VERSION_BYTES];
        let mut files = HashMap::new();
        for name in names {
            let Some(file) = Files::get(&name) else { continue };
            let digest = file.metadata.sha256_hash();
            // Each file moves the version, and so does its place among the others.
            for (byte, of_file) in version.iter_mut().zip(digest) {
                *byte = byte.rotate_left(1) ^ of_file;
            }
            let plain = Bytes::from(file.data.into_owned());
            let packed = gzip(&plain, Compression::best()).map(Bytes::from);
            let kind = kind_of(&name);
            let etag = format!("\"{}\"", hex(&digest[..VERSION_BYTES]));
            files.insert(name.into_owned(), Asset { plain, packed, kind, etag });
        }
        Self { files, version: hex(&version) }
    }

    /// Changes when any asset does.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }
}

/// `GET /assets/{name}`.
pub(crate) async fn serve(
    State(console): State<Console>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let Some(asset) = console.assets.files.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = request.headers();
    let known = headers.get(header::IF_NONE_MATCH);
    let mut response = if known.is_some_and(|known| known.as_bytes() == asset.etag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body(asset, headers)
    };
    let keep = how_long(request.uri(), &name, console.assets.version());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(etag) = HeaderValue::try_from(asset.etag.as_str()) {
        headers.insert(header::ETAG, etag);
    }
    response
}

fn body(asset: &Asset, asked: &HeaderMap) -> Response {
    let packed = asset.packed.clone();
    let packed = packed.filter(|_| takes_gzip(asked.get(header::ACCEPT_ENCODING)));
    let is_packed = packed.is_some();
    let mut response = Response::new(Body::from(packed.unwrap_or_else(|| asset.plain.clone())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Modules import each other without a version, so browsers ask whether those are still the
/// same; icons may be old for an hour.
fn how_long(uri: &Uri, name: &str, version: &str) -> &'static str {
    let asked = uri.query().and_then(|query| query.strip_prefix("v="));
    if asked == Some(version) {
        "public, max-age=31536000, immutable"
    } else if name.ends_with(".svg") {
        "public, max-age=3600"
    } else {
        "public, no-cache"
    }
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_known_and_packed() {
        let assets = Assets::embedded();
        assert_eq!(assets.version().len(), 2 * VERSION_BYTES);
        assert!(assets.files.contains_key("console.css") && assets.files.contains_key("keys.js"));
        for (name, asset) in &assets.files {
            assert!(asset.packed.as_ref().unwrap().len() < asset.plain.len(), "{name}");
            assert_ne!(asset.kind, "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn only_the_address_of_this_version_is_kept_for_good() {
        let keep = |text: &'static str, name| how_long(&Uri::from_static(text), name, "abc");
        assert!(keep("/assets/a.js?v=abc", "a.js").ends_with("immutable"));
        assert_eq!(keep("/assets/a.js?v=old", "a.js"), "public, no-cache");
        assert_eq!(keep("/assets/a.js", "a.js"), "public, no-cache");
        assert_eq!(keep("/assets/icons.svg", "icons.svg"), "public, max-age=3600");
    }
}
