//! The description of the API (OpenAPI 3.1), made of the calls themselves, and a page that
//! shows it. Both are open to strangers: they tell what the source code tells anyway.

mod page;

use axum::Router;
use axum::http::header::{self, HeaderName};
use axum::routing::{MethodRouter, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, Content, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, Response,
    ResponseBuilder, ServerBuilder,
};

use crate::identity::session;
use crate::problem::ProblemBody;
use crate::state::AppState;

/// The names of the two ways to say who is calling.
const BEARER: &str = "bearer";
const SESSION: &str = "session";

const DESCRIPTION: &str = "\
Audit events go in over HTTP and are durable when the answer comes. They come out through \
filters, as pages, counts, streams and export jobs.\n\n\
A call says who is calling with an API key or a token of the identity provider: \
`Authorization: Bearer alk_…`. Browsers may have a session instead (`POST /v1/session`): a \
cookie, and for what changes something its token in the header `x-csrf-token`. Everybody sees \
the events of the own scope (the installation, a tenant, an organisation, a team, the own deeds) \
and nothing else; an id outside of it does not exist.\n\n\
Filters: repeat a parameter or list values with commas for *or*, put `!` in front for *not*, end \
with `*` for a prefix. An unknown parameter is refused by name. Errors are \
`application/problem+json` (RFC 9457).";

/// The kinds of calls, in the order of the page; a call names its own.
const TAGS: [(&str, &str); 7] = [
    ("events", "Events in, events out, and figures about them."),
    ("exports", "Events as files: streamed at once, or made by a job."),
    ("log", "Tenants' logs for those who check them: checkpoints, proofs, tiles, verification."),
    ("saved queries", "Filters with a name."),
    ("keys", "API keys: made, listed, revoked."),
    ("sessions", "Who is calling, and sessions of browsers."),
    ("operations", "What the lake holds; and what probes and scrapers ask."),
];

/// Answers that the layers around every call may give, so that no call has to list them.
const ANYWHERE: [(&str, &str, bool); 3] = [
    ("401", "No valid key or token was given.", true),
    ("500", "The server failed; its log has the reason under the x-request-id.", false),
    ("503", "The server cannot do this now; Retry-After says when to try again.", false),
];

/// A description without calls.
pub(crate) fn frame() -> OpenApi {
    let license = LicenseBuilder::new().name("Apache License 2.0").identifier(Some("Apache-2.0"));
    let info = InfoBuilder::new()
        .title("auditlake")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license.build()))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key (`alk_…`), or a token (JWT) of the identity provider."))
        .build();
    let mut components = Components::new();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        session::COOKIE,
        "The cookie of a session. Calls that change something repeat its token in the header \
         `x-csrf-token`; `Authorization` goes before it.",
    );
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let either = [BEARER, SESSION].map(|name| SecurityRequirement::new(name, Vec::<String>::new()));
    let described =
        |(name, text): (&str, &str)| TagBuilder::new().name(name).description(Some(text)).build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some(either))
        .tags(Some(TAGS.map(described)))
        .build()
}

/// What is known only when every call is there: where the server is, a name for each call, and
/// the answers that any of them may give.
pub(crate) fn finish(mut api: OpenApi, url: Option<&str>) -> OpenApi {
    api.servers = Some(vec![ServerBuilder::new().url(url.unwrap_or("/")).build()]);
    // What the router calls the rest of a path is a parameter like any other to everybody else.
    let paths = std::mem::take(&mut api.paths.paths).into_iter();
    api.paths.paths = paths.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(name_of(method, path));
            let is_open = is_open(operation);
            for (status, text, is_for_strangers) in ANYWHERE {
                if !(is_open && is_for_strangers) {
                    let responses = &mut operation.responses.responses;
                    responses.entry(status.to_owned()).or_insert_with(|| problem(text).into());
                }
            }
        }
    }
    let components = api.components.get_or_insert_with(Components::new);
    components.schemas.entry(PROBLEM.to_owned()).or_insert_with(ProblemBody::schema);
    api
}

/// The description, and the page that shows it.
pub(crate) fn routes(api: &OpenApi) -> Router<AppState> {
    let described = serde_json::to_value(api).unwrap_or_default();
    Router::new().route("/openapi.json", get_json(&described)).route("/docs", get_page(&described))
}

/// The schema of errors.
const PROBLEM: &str = "ProblemBody";

/// Whether a call says that it needs no key.
fn is_open(operation: &Operation) -> bool {
    let nobody = SecurityRequirement::default();
    let needed = operation.security.as_ref();
    needed.is_some_and(|needed| needed.iter().all(|one| *one == nobody))
}

fn problem(text: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(PROBLEM)));
    ResponseBuilder::new().description(text).content("application/problem+json", content).build()
}

/// Which calls a path takes.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("head", &mut item.head),
        ("patch", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `GET /v1/events/{id}` is `get_events_id`: the names of the functions say nothing outside.
fn name_of(method: &str, path: &str) -> String {
    let words = path.split(|char: char| !char.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && *word != "v1");
    words.fold(method.to_owned(), |name, word| name + "_" + word)
}

fn get_json(described: &Value) -> MethodRouter<AppState> {
    let body = Bytes::from(described.to_string());
    get(move || async move { ([(header::CONTENT_TYPE, "application/json")], body) })
}

/// The page may do nothing but look as it does: no script, no frame, nothing from elsewhere.
fn get_page(described: &Value) -> MethodRouter<AppState> {
    let style = STANDARD.encode(Sha256::digest(page::STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let body = Bytes::from(page::render(described));
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    get(move || async move { (headers, body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_method_and_path() {
        assert_eq!(name_of("get", "/v1/events/{id}"), "get_events_id");
        assert_eq!(name_of("post", "/v1/saved-queries"), "post_saved_queries");
        assert_eq!(name_of("get", "/livez"), "get_livez");
    }
}
