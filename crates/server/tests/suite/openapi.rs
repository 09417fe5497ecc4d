//! The description of the API: it is complete, it is open, and nothing is mounted beside it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{self, Server};

/// The calls under `/v1` that need no key: with them a browser begins a session.
const BEGIN: [&str; 3] =
    ["POST /v1/session", "GET /v1/session/oidc", "GET /v1/session/oidc/callback"];

/// Every call: method, path, and what is said of it.
fn calls(description: &Value) -> Vec<(Method, String, Value)> {
    let mut calls = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            calls.push((method, path.clone(), call.clone()));
        }
    }
    calls
}

async fn ask(server: &Server, uri: &str) -> harness::Answer {
    server.send(Request::get(uri).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_description_is_whole() {
    let server = Server::start().await;
    let answer = ask(&server, "/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let description = answer.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{description}");
    assert_eq!(description["info"]["title"], "auditlake");
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(description["servers"][0]["url"], "/");
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    assert_eq!(schemes["session"]["in"], "cookie");
    assert_eq!(schemes["session"]["name"], "auditlake_session");
    let tags = description["tags"].as_array().unwrap().iter();
    let tags: Vec<&Value> = tags.map(|tag| &tag["name"]).collect();
    let (mut names, mut used) = (HashSet::new(), HashSet::new());
    for (method, path, call) in calls(&description) {
        let at = format!("{method} {path}");
        assert!(call["summary"].as_str().is_some_and(|text| text.len() > 5), "{at}: no summary");
        let name = call["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{at}: a second {name}");
        let tag = &call["tags"][0];
        assert!(tags.contains(&tag), "{at}: {tag} is no tag of the description");
        used.insert(tag.to_string());
        let responses = call["responses"].as_object().unwrap();
        let is_open = !path.starts_with("/v1/") || BEGIN.contains(&at.as_str());
        assert_eq!(call["security"] == json!([{}]), is_open, "{at}: {}", call["security"]);
        let wanted: &[&str] = if is_open { &["500"] } else { &["401", "500", "503"] };
        for status in wanted {
            assert!(responses.contains_key(*status), "{at}: {status} is not described");
        }
        for (status, response) in responses {
            if status.starts_with(['4', '5']) {
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/ProblemBody", "{at}: {status}");
            } else {
                assert!(status.starts_with(['2', '3']), "{at}: {status}");
            }
        }
    }
    assert_eq!(used.len(), tags.len(), "a tag that no call has: {tags:?}, {used:?}");
}

#[tokio::test]
async fn what_is_described_is_there() {
    let server = Server::start().await;
    let description = ask(&server, "/openapi.json").await.json();
    for (method, path, _) in calls(&description) {
        let uri: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { "none" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let request = server.request(method.clone(), &uri).body(Body::empty()).unwrap();
        // The bodies of some have no end, so only that of a 404 is read.
        let response = server.app.clone().oneshot(request).await.unwrap();
        assert_ne!(response.status(), 405, "{method} {path}");
        if response.status() == 404 {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let detail = body["detail"].as_str().unwrap();
            assert_ne!(detail, format!("there is no {uri}"), "{method} {path}");
        }
    }
    // What is neither described nor there.
    server.get("/v1/none").await.problem(404, &["there is no /v1/none"]);
    let answer = server.post("/v1/events/facets", "").await;
    answer.problem(405, &["/v1/events/facets does not take POST"]);
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn the_page_shows_every_call_and_may_do_nothing() {
    let server = Server::start().await;
    let description = ask(&server, "/openapi.json").await.json();
    let page = ask(&server, "/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let text = page.text();
    for foreign in ["<script", "src=", "href=\"http", " style=", "@import", "<link"] {
        assert!(!text.contains(foreign), "{foreign} is in the page");
    }
    for (method, path, call) in calls(&description) {
        let heading = format!("<b class=\"method\">{method}</b> {path}</code>");
        assert!(text.contains(&heading), "{method} {path} is not on the page");
        let id = format!("<section id=\"{}\">", call["operationId"].as_str().unwrap());
        assert_eq!(text.matches(&id).count(), 1, "{id}");
    }
}

#[tokio::test]
async fn the_server_is_where_the_configuration_says() {
    let public_url = Some("https://audit.example.com".to_owned());
    let config = auditlake_server::ServerConfig { public_url, ..Default::default() };
    let server = Server::with(config).await;
    let description = ask(&server, "/openapi.json").await.json();
    assert_eq!(description["servers"][0]["url"], "https://audit.example.com");
}

/// Calls are mounted by the macro that describes them too. Beside it there are the description
/// itself, and the dialects, which are described in the documents of other systems.
#[test]
fn nothing_is_mounted_beside_the_description() {
    let mut mounted = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_dialect = file.components().any(|part| part.as_os_str() == "dialects");
        for line in text.lines().filter(|_| !is_dialect) {
            let mounts = [".route(", ".route_service(", ".nest(", ".nest_service("];
            if mounts.iter().any(|mount| line.contains(mount)) {
                mounted.push(line.trim().to_owned());
            }
        }
    }
    let known = "Router::new().route(\"/openapi.json\", get_json(&described)).route(\"/docs\", \
                 get_page(&described))";
    assert_eq!(mounted, [known]);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}
