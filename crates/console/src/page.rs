//! What all pages have in common: the frame around them, the headers of their answers, and
//! that they are packed on their way.

use std::io::Write;

use askama::Template;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Console;
use crate::error::ApiError;
use crate::format;
use crate::session::Viewer;

/// Nothing is loaded or run but what is served from here, and nobody frames a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// Larger pages are sent as they are: none of ours is.
const MAX_PACKED_BYTES: usize = 8 << 20;

/// Where a page stands in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nav {
    Overview,
    Logs,
    Exports,
    Queries,
    Integrity,
    Access,
    /// Beside it: signing in, and what went wrong.
    Nowhere,
}

/// A way to a page.
pub(crate) struct NavItem {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) icon: &'static str,
    /// What leads there after `g`.
    pub(crate) key: &'static str,
    nav: Nav,
    /// Without which it leads nowhere.
    permission: Option<&'static str>,
}

/// Every way there is; a viewer sees those that lead somewhere.
static NAV: [NavItem; 6] = [
    item("/", "Overview", "overview", "o", Nav::Overview, Some("audit:read")),
    item("/logs", "Read logs", "logs", "l", Nav::Logs, Some("audit:read")),
    item("/exports", "Exports", "exports", "e", Nav::Exports, Some("audit:export")),
    item("/queries", "Saved queries", "queries", "q", Nav::Queries, Some("audit:read")),
    item("/integrity", "Integrity", "integrity", "i", Nav::Integrity, Some("integrity:read")),
    // Everybody may know what they may do.
    item("/access", "Access", "access", "a", Nav::Access, None),
];

const fn item(
    href: &'static str,
    label: &'static str,
    icon: &'static str,
    key: &'static str,
    nav: Nav,
    permission: Option<&'static str>,
) -> NavItem {
    NavItem { href, label, icon, key, nav, permission }
}

/// Who looks at a page, as the frame shows it.
#[derive(Clone, Debug)]
pub(crate) struct ViewerView {
    /// The id of the key, or of the person.
    pub(crate) name: String,
    pub(crate) role: String,
    /// What they see, in words: `acme`, `all tenants`.
    pub(crate) place: String,
    /// What every form of the page repeats.
    pub(crate) csrf: String,
    /// When the session ends, RFC 3339.
    pub(crate) expires_at: String,
    permissions: Vec<String>,
}

impl From<&Viewer> for ViewerView {
    fn from(viewer: &Viewer) -> Self {
        let session = &viewer.session;
        let narrower = [&session.org_id, &session.team_id, &session.user_id];
        let mut place = session.tenant_id.clone().unwrap_or_else(|| "all tenants".to_owned());
        for part in narrower.into_iter().flatten() {
            place.push_str(" / ");
            place.push_str(part);
        }
        Self {
            name: session.id.clone(),
            role: format::words(&session.role),
            place,
            csrf: session.csrf.clone(),
            expires_at: session.expires_at.clone(),
            permissions: session.permissions.clone(),
        }
    }
}

/// What `layout.html` puts around a page; every page's template has it as `frame`.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) nav: Nav,
    /// Nobody on the pages that a stranger may see.
    pub(crate) viewer: Option<ViewerView>,
    /// Of the assets.
    pub(crate) version: String,
}

impl Frame {
    /// The address of an asset, which changes with what it holds.
    pub(crate) fn asset(&self, name: &str) -> String {
        format!("/assets/{name}?v={}", self.version)
    }

    /// Whether the viewer may do something: `audit:export`.
    pub(crate) fn may(&self, permission: &str) -> bool {
        let viewer = self.viewer.as_ref();
        viewer.is_some_and(|viewer| viewer.permissions.iter().any(|held| held == permission))
    }

    /// What a form of this page repeats; empty where nobody is signed in.
    pub(crate) fn csrf(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| viewer.csrf.as_str())
    }

    /// The ways that lead somewhere for the viewer.
    pub(crate) fn ways(&self) -> Vec<&'static NavItem> {
        NAV.iter().filter(|item| item.permission.is_none_or(|needed| self.may(needed))).collect()
    }

    /// Whether this page is where a way leads.
    pub(crate) fn is_at(&self, item: &NavItem) -> bool {
        self.nav == item.nav
    }
}

impl Console {
    /// The frame of a page for whoever looks at it.
    pub(crate) fn frame(&self, viewer: &Viewer, nav: Nav, title: impl Into<String>) -> Frame {
        Frame { viewer: Some(viewer.into()), ..self.bare_frame(nav, title) }
    }

    /// The frame of a page that a stranger may see.
    pub(crate) fn bare_frame(&self, nav: Nav, title: impl Into<String>) -> Frame {
        let version = self.assets.version().to_owned();
        Frame { title: title.into(), nav, viewer: None, version }
    }
}

/// A page as an answer.
pub(crate) fn page<T: Template>(template: &T) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            return ApiError::internal().into_response();
        }
    };
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    let all = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Pages show events, and what they show depends on who looks.
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Addresses of pages hold filters, which name people.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    headers.extend(all.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// Packs pages for browsers that take it. What the API streams passes as it is.
pub(crate) async fn pack(request: Request, next: Next) -> Response {
    let takes = takes_gzip(request.headers().get(header::ACCEPT_ENCODING));
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !takes || !is_page || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    // What is larger, or may be, goes as it is: it is not held to be packed.
    let most = response.body().size_hint().upper();
    if most.is_none_or(|bytes| bytes > MAX_PACKED_BYTES as u64) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = to_bytes(body, MAX_PACKED_BYTES).await else {
        return ApiError::internal().into_response();
    };
    let Some(packed) = gzip(&plain, Compression::new(5)) else {
        return Response::from_parts(parts, Body::from(plain));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(parts, Body::from(packed))
}

/// Whether a browser takes gzip; `gzip;q=0` is how one says that it does not.
pub(crate) fn takes_gzip(accepted: Option<&HeaderValue>) -> bool {
    let text = accepted.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let is_gzip = words.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        is_gzip && !words.any(|word| word.starts_with("q=0") && !word.contains(is_above_zero))
    })
}

fn is_above_zero(digit: char) -> bool {
    ('1'..='9').contains(&digit)
}

/// Bytes under gzip; nothing if that fails, which writing to memory does not.
pub(crate) fn gzip(plain: &[u8], level: Compression) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), level);
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::response::Html;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn pages_are_packed_unless_they_are_too_large() {
        for (bytes, is_packed) in [(1000, true), (MAX_PACKED_BYTES + 1, false)] {
            let pages: Router = Router::new()
                .route("/", get(move || async move { Html("x".repeat(bytes)) }))
                .layer(from_fn(pack));
            let asked = Request::get("/").header(header::ACCEPT_ENCODING, "gzip");
            let answer = pages.oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200, "{bytes}");
            let encoding = answer.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(encoding, is_packed, "{bytes}");
            let body = to_bytes(answer.into_body(), 2 * MAX_PACKED_BYTES).await.unwrap();
            assert_eq!(body.len() == bytes, !is_packed, "{bytes}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let takes = |text| takes_gzip(Some(&HeaderValue::from_static(text)));
        assert!(takes("gzip, deflate, br"));
        assert!(takes("br;q=1.0, GZIP;q=0.8"));
        assert!(!takes("gzip;q=0, br"));
        assert!(!takes("gzip;q=0.0"));
        assert!(!takes("br"));
        assert!(!takes_gzip(None));
    }
}
