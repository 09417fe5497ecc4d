//! The web console: pages to read the log, find events and take them away, for people.
//!
//! It is a client of the canonical API and of nothing else. Each page asks `/v1/…` in this
//! process, with the session of whoever looks at it, and shows what that answers; so scopes,
//! filters, limits and the audit of what is taken away are those of the API. [`mount`] puts the
//! pages in front of it. It promises: every page works without JavaScript for reading,
//! filtering and exporting; no page runs or loads anything that is not served from here; text
//! of events is text, whatever it looks like.

mod api;
mod assets;
mod chart;
mod error;
mod format;
mod page;
mod pages;
mod quarters;
mod query;
mod ranges;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;

use api::Api;
use assets::Assets;

/// What the console has to know about the server in front of which it stands.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleConfig {
    /// Whether browsers reach the server over TLS, so that its cookies say `Secure`.
    pub secure_cookies: bool,
    /// Whether people may sign in with the identity provider.
    pub oidc: bool,
}

/// What every page needs.
#[derive(Clone)]
pub(crate) struct Console {
    /// The canonical API, asked in this process.
    pub(crate) api: Api,
    /// Styles, scripts and icons.
    pub(crate) assets: Arc<Assets>,
    pub(crate) config: ConsoleConfig,
}

/// Puts the console in front of the API: its pages and assets are served here, every other path
/// by the API.
pub fn mount(api: Router, config: ConsoleConfig) -> Router {
    let console = Console { api: Api::new(api), assets: Arc::new(Assets::embedded()), config };
    pages::routes()
        // Inside the packing, so that error pages are packed as well.
        .layer(from_fn_with_state(console.clone(), session::accompany))
        .layer(from_fn(page::pack))
        .route("/assets/{name}", get(assets::serve))
        .fallback(error::fall_through)
        .with_state(console)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use axum::response::Response;
    use tower::ServiceExt;

    use super::*;

    const CONFIG: ConsoleConfig = ConsoleConfig { secure_cookies: false, oidc: false };

    async fn get_page(router: Router, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn an_address_that_is_too_long_is_refused_before_anybody_is_looked_up() {
        let most = 16 << 10;
        for (bytes, status) in [(most, 303_u16), (most + 1, 414)] {
            let begin = "/logs?q=";
            let path = format!("{begin}{}", "a".repeat(bytes - begin.len()));
            // There is no API behind it that could be asked.
            let answer = get_page(mount(Router::new(), CONFIG), &path).await;
            assert_eq!(answer.status(), status, "{bytes}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_page() {
        async fn broken() -> &'static str {
            panic!("what a page must not do")
        }
        let console = Console {
            api: Api::new(Router::new()),
            assets: Arc::new(Assets::embedded()),
            config: CONFIG,
        };
        let pages = Router::new()
            .route("/", get(broken))
            .layer(from_fn_with_state(console.clone(), session::accompany))
            .with_state(console);
        let answer = get_page(pages, "/").await;
        assert_eq!(answer.status(), 500);
        let page = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(page.contains("Something went wrong on the server"), "{page}");
        assert!(!page.contains("must not do"), "{page}");
    }
}
