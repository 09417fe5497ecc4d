//! `/v1/session`: a browser with a cookie is the holder of the key that it showed, for as long as
//! the key opens; and nobody else's page can act for it.

use std::convert::Infallible;
use std::time::Duration;

use auditlake_server::{ServerConfig, app};
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::hmac;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::exporting::beside;
use crate::harness::{Answer, Server, event, event_with};
use crate::keys::{at_noon, overtaken};

const MINUTE_US: i64 = 60_000_000;
/// How long a test waits for what comes at once.
const LONG: Duration = Duration::from_secs(20);

/// What a browser keeps, and what its pages know.
struct Browser<'a> {
    server: &'a Server,
    /// `name=value`
    cookie: String,
    csrf: String,
}

async fn show_key(server: &Server, key: &str) -> Answer {
    let request = Request::post("/v1/session").header("content-type", "application/json");
    let body = json!({ "key": key }).to_string();
    server.send(request.body(Body::from(body)).unwrap()).await
}

/// What a browser keeps of a cookie.
fn kept(set_cookie: &str) -> String {
    set_cookie.split(';').next().unwrap().to_owned()
}

impl<'a> Browser<'a> {
    async fn signed_in(server: &'a Server, key: &str) -> Self {
        let answer = show_key(server, key).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let mut browser =
            Self { server, cookie: kept(answer.header("set-cookie")), csrf: String::new() };
        let session = browser.get("/v1/session").await;
        assert_eq!(session.status, 200, "{}", session.text());
        session.json()["csrf"].as_str().unwrap().clone_into(&mut browser.csrf);
        browser
    }

    async fn get(&self, uri: &str) -> Answer {
        self.send(Method::GET, uri, None, "").await
    }

    /// Sends the cookie, and the token that is given.
    async fn send(&self, method: Method, uri: &str, csrf: Option<&str>, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("cookie", &self.cookie);
        if let Some(csrf) = csrf {
            request = request.header("x-csrf-token", csrf);
        }
        self.server.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

fn auditor() -> Value {
    json!({"tenant_id": "acme"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_shown_once_opens_through_the_cookie() {
    let server = Server::start().await;
    server.take(&[event("mine"), event_with("other", json!({"tenant_id": "globex"}))]).await;
    let key = server.key_for("auditor", auditor()).await;
    let answer = show_key(&server, &key).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("auditlake_session="), "{cookie}");
    for word in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=3"] {
        assert!(cookie.contains(word), "{word} is not in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert!(!cookie.contains(&key[16..]), "the key is in the cookie");
    let browser = Browser::signed_in(&server, &key).await;
    let session = browser.get("/v1/session").await.json();
    assert_eq!((&session["id"], &session["kind"]), (&json!(&key[4..16]), &json!("api_key")));
    assert_eq!((&session["role"], &session["tenant_id"]), (&json!("auditor"), &json!("acme")));
    let permissions = json!(["audit:read", "audit:export", "integrity:read"]);
    assert_eq!((&session["permissions"], &session["oidc"]), (&permissions, &json!(false)));
    assert!(session["expires_at"].as_str() > session["now"].as_str());
    let answer = browser.get("/v1/events?type=user.*").await;
    assert_eq!(answer.ids(), ["mine"]);
    // Nothing but the canonical calls takes the cookie.
    let answer = browser.get("/compat/openclaw/api/v1/audit").await;
    answer.problem(401, &["a valid key is needed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_opens_nothing_begins_nothing() {
    let server = Server::start().await;
    let other = Server::start().await.key;
    let longer = format!("{}x", server.key);
    for wrong in ["", "alk_nothing", other.as_str(), longer.as_str()] {
        let answer = show_key(&server, wrong).await;
        answer.problem(401, &["this key opens nothing"]);
        assert_eq!(answer.header("set-cookie"), "");
    }
    for (body, status) in [("", 400), ("{}", 400), (r#"{"key":7}"#, 400), (r#"{"kee":"x"}"#, 400)] {
        let request = Request::post("/v1/session").body(Body::from(body)).unwrap();
        assert_eq!(server.send(request).await.status, status, "{body}");
    }
    // A form of another site comes as one of these, or says where it comes from.
    let body = json!({ "key": server.key }).to_string();
    for (name, value, status) in [
        ("content-type", "text/plain", 415),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 204),
        ("sec-fetch-site", "none", 204),
    ] {
        let request = Request::post("/v1/session").header(name, value);
        let answer = server.send(request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!(answer.status, status, "{name}: {value}: {}", answer.text());
        assert_eq!(answer.header("set-cookie").is_empty(), status != 204, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_which_the_log_knows_nothing_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let (router, _, key) = overtaken(folder.path()).await;
    let body = Body::from(json!({ "key": key }).to_string());
    let answer = router.oneshot(Request::post("/v1/session").body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(!answer.headers().contains_key("set-cookie"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_browsers_do_not_say_how_near_a_page_is_they_say_which() {
    let public_url = Some("https://audit.example.com".to_owned());
    let server = Server::with(ServerConfig { public_url, ..ServerConfig::default() }).await;
    let body = json!({ "key": server.key }).to_string();
    for (origin, status) in [
        ("http://10.0.0.7:7400", 204),
        ("https://audit.example.com", 204),
        ("null", 403),
        ("https://evil.example", 403),
        ("http://10.0.0.7:7401", 403),
        ("https://audit.example.com.evil.example", 403),
    ] {
        let request = Request::post("/v1/session").header("host", "10.0.0.7:7400");
        let request = request.header("origin", origin).body(Body::from(body.clone())).unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text());
        assert_eq!(answer.header("set-cookie").is_empty(), status != 204, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_sends_slowly_is_not_waited_for() {
    let sign_in_timeout = Duration::from_millis(50);
    let config = ServerConfig { sign_in_timeout, ..ServerConfig::default() };
    let server = Server::with(config).await;
    let never = Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
    let request = Request::post("/v1/session").body(never).unwrap();
    server.send(request).await.problem(408, &["too slowly"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_stand_in_the_log() {
    let server = Server::start().await;
    let key = server.key_for("auditor", auditor()).await;
    let other = Server::start().await.key;
    assert_eq!(show_key(&server, &other).await.status, 401);
    let browser = Browser::signed_in(&server, &key).await;
    let operator = Browser::signed_in(&server, &server.key).await;
    for browser in [&browser, &operator] {
        let csrf = Some(browser.csrf.as_str());
        assert_eq!(browser.send(Method::DELETE, "/v1/session", csrf, "").await.status, 204);
    }
    // Who shows a key has no session that could end.
    let request = server.request(Method::DELETE, "/v1/session").body(Body::empty()).unwrap();
    assert_eq!(server.send(request).await.status, 204);
    for (tenant, id) in [("acme", &key[4..16]), ("_auditlake", &server.key[4..16])] {
        let uri = format!("/v1/events?type=session.*&order=asc&tenant_id={tenant}");
        let told = server.get(&uri).await.json();
        let told = told["events"].as_array().unwrap();
        let types: Vec<_> = told.iter().map(|event| &event["type"]).collect();
        assert_eq!(types, ["session.started", "session.ended"], "{tenant}");
        for event in told {
            assert_eq!(event["actor"]["id"], id, "{event}");
            assert_eq!(event["target"], json!({"kind": "api_key", "id": id}), "{event}");
            assert_eq!(event["data"], json!({"by": "key"}), "{event}");
            assert_eq!(event["outcome"], "success", "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_repeats_the_token() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.key).await;
    let other = Browser::signed_in(&server, &server.key).await;
    assert_ne!(browser.csrf, other.csrf);
    let body = event("mine").to_string();
    for wrong in [None, Some(""), Some("token"), Some(other.csrf.as_str())] {
        let answer = browser.send(Method::POST, "/v1/events", wrong, &body).await;
        answer.problem(403, &["x-csrf-token"]);
        let answer = browser.send(Method::DELETE, "/v1/keys/none", wrong, "").await;
        answer.problem(403, &["x-csrf-token"]);
        let answer = browser.send(Method::DELETE, "/v1/session", wrong, "").await;
        answer.problem(403, &["x-csrf-token"]);
    }
    let right = Some(browser.csrf.as_str());
    let answer = browser.send(Method::POST, "/v1/events", right, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.get("/v1/events/mine").await.status, 200);
    // Whoever shows a key needs no token.
    let request = server.request(Method::POST, "/v1/events").header("cookie", &browser.cookie);
    let request = request.body(Body::from(event("more").to_string())).unwrap();
    assert_eq!(server.send(request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cookie_of_this_lake_opens_nothing() {
    let server = Server::start().await;
    let elsewhere = Server::start().await;
    let good = Browser::signed_in(&server, &server.key).await.cookie;
    let foreign = Browser::signed_in(&elsewhere, &elsewhere.key).await.cookie;
    let (name, value) = good.split_once('=').unwrap();
    let (payload, tag) = value.split_once('.').unwrap();
    let flipped = if payload.starts_with('e') { "f" } else { "e" };
    let (_, foreign_tag) = foreign.split_once('.').unwrap();
    for wrong in [
        foreign.clone(),
        format!("{name}="),
        format!("{name}={payload}"),
        format!("{name}={payload}."),
        format!("{name}={flipped}{}.{tag}", &payload[1..]),
        format!("{name}={payload}.{foreign_tag}"),
        format!("{name}={}", server.key),
        format!("{good}; {foreign}"),
        format!("x{good}"),
    ] {
        let browser = Browser { server: &server, cookie: wrong.clone(), csrf: String::new() };
        for path in ["/v1/session", "/v1/events"] {
            browser.get(path).await.problem(401, &["a valid key is needed"]);
        }
    }
    let browser = Browser { server: &server, cookie: format!("a=1; {good}"), csrf: String::new() };
    assert_eq!(browser.get("/v1/session").await.status, 200);
    // A cookie of somebody else, in no encoding that we know.
    let bytes = [b"a=\xff\xfe; ".as_slice(), good.as_bytes()].concat();
    let foreign = HeaderValue::from_bytes(&bytes).unwrap();
    let request = Request::get("/v1/session").header("cookie", foreign);
    assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_only_read_the_storage_makes_no_session() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.key).await;
    let (name, value) = browser.cookie.split_once('=').unwrap();
    let (payload, _) = value.split_once('.').unwrap();
    let documents = server.lake.documents();
    let found = documents.get::<Value>("secrets", "sessions").await.unwrap().unwrap();
    let secret = URL_SAFE_NO_PAD.decode(found.value["secret"].as_str().unwrap()).unwrap();
    assert_eq!(secret.len(), 32);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let tag = hmac::sign(&key, format!("session\n{payload}").as_bytes());
    let cookie = format!("{name}={payload}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
    let forged = Browser { server: &server, cookie, csrf: String::new() };
    forged.get("/v1/session").await.problem(401, &["a valid key is needed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_goes_before_the_cookie() {
    let server = Server::start().await;
    let key = server.key_for("auditor", auditor()).await;
    let browser = Browser::signed_in(&server, &key).await;
    let ask = |authorization: String| {
        let request = Request::get("/v1/session").header("cookie", &browser.cookie);
        let request = request.header("authorization", authorization);
        server.send(request.body(Body::empty()).unwrap())
    };
    let answer = ask(format!("Bearer {}", server.key)).await.json();
    assert_eq!((&answer["role"], &answer["csrf"]), (&json!("operator"), &Value::Null));
    assert_eq!(answer["expires_at"], Value::Null);
    for wrong in ["Bearer alk_nothing", "Bearer a.b.c", "Basic dXNlcjpwYXNz"] {
        ask(wrong.to_owned()).await.problem(401, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key() {
    let (server, hands) = at_noon().await;
    let key = server.key_for("auditor", auditor()).await;
    let browser = Browser::signed_in(&server, &key).await;
    let request = server.request(Method::DELETE, &format!("/v1/keys/{}", &key[4..16]));
    assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.status, 200);
    browser.get("/v1/events").await.problem(401, &[]);
    let mut place = auditor();
    place["expires_at"] = "2026-03-01T12:10:00Z".into();
    let browser_key = server.key_for("auditor", place).await;
    let browser = Browser::signed_in(&server, &browser_key).await;
    hands.go_on(9 * MINUTE_US);
    assert_eq!(browser.get("/v1/events").await.status, 200);
    hands.go_on(MINUTE_US);
    browser.get("/v1/events").await.problem(401, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_used_goes_on_for_half_a_day() {
    let (server, hands) = at_noon().await;
    let mut browser = Browser::signed_in(&server, &server.key).await;
    let idle = Browser::signed_in(&server, &server.key).await;
    hands.go_on(29 * MINUTE_US);
    assert_eq!(browser.get("/v1/events").await.header("set-cookie"), "");
    hands.go_on(30 * MINUTE_US);
    let answer = idle.get("/v1/events").await;
    assert_eq!(answer.status, 200, "a minute before its end");
    hands.go_on(-MINUTE_US);
    let answer = browser.get("/v1/session").await;
    assert_eq!(answer.json()["expires_at"], "2026-03-01T13:58:00.000000Z");
    assert_eq!(answer.json()["csrf"], json!(browser.csrf), "a page that is open stays good");
    browser.cookie = kept(answer.header("set-cookie"));
    hands.go_on(2 * MINUTE_US);
    idle.get("/v1/events").await.problem(401, &[]);
    assert_eq!(browser.get("/v1/events").await.status, 200);
    // However often it is used.
    let mut minutes = 60;
    while minutes + 40 < 12 * 60 {
        hands.go_on(40 * MINUTE_US);
        minutes += 40;
        let answer = browser.get("/v1/events").await;
        assert_eq!(answer.status, 200, "{minutes}: {}", answer.text());
        if !answer.header("set-cookie").is_empty() {
            browser.cookie = kept(answer.header("set-cookie"));
        }
    }
    hands.go_on((12 * 60 - minutes) * MINUTE_US);
    browser.get("/v1/events").await.problem(401, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_has_opened_ends_with_it() {
    let (server, hands) = at_noon().await;
    let browser = Browser::signed_in(&server, &server.key).await;
    let exports = server.post("/v1/exports", "{}").await.json();
    let job = format!("/v1/exports/{}/events", exports["id"].as_str().unwrap());
    for uri in ["/v1/events/stream", job.as_str()] {
        let browser = Browser::signed_in(&server, &server.key).await;
        let end = async {
            server.metric("auditlake_live_running 1", LONG).await;
            // Near its end a stream is still open.
            hands.go_on(59 * MINUTE_US);
            tokio::time::sleep(Duration::from_millis(700)).await;
            server.metric("auditlake_live_running 1", Duration::ZERO).await;
            hands.go_on(MINUTE_US);
        };
        let (followed, ()) = tokio::join!(tokio::time::timeout(LONG, browser.get(uri)), end);
        assert_eq!(followed.unwrap().status, 200, "{uri}");
        server.metric("auditlake_live_running 0", LONG).await;
        browser.get(uri).await.problem(401, &[]);
    }
    browser.get("/v1/events").await.problem(401, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_lake_that_takes_no_events() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.key).await;
    let config = ServerConfig { request_timeout: Duration::ZERO, ..ServerConfig::default() };
    let hasty = app(beside(&server, config).await);
    let request = Request::delete("/v1/session").header("cookie", &browser.cookie);
    let request = request.header("x-csrf-token", &browser.csrf).body(Body::empty()).unwrap();
    let answer = hasty.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 204);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("auditlake_session=; ") && cookie.contains("Max-Age=0"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_takes_the_cookie_away() {
    let (server, hands) = at_noon().await;
    let browser = Browser::signed_in(&server, &server.key).await;
    // Also when it would have been renewed.
    hands.go_on(45 * MINUTE_US);
    let answer = browser.send(Method::DELETE, "/v1/session", Some(&browser.csrf), "").await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 1);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("auditlake_session=; ") && cookie.contains("Max-Age=0"), "{cookie}");
    let request = Request::delete("/v1/session").body(Body::empty()).unwrap();
    server.send(request).await.problem(401, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_cookie_stays_there() {
    let public_url = Some("https://audit.example.com".to_owned());
    let server = Server::with(ServerConfig { public_url, ..ServerConfig::default() }).await;
    let answer = show_key(&server, &server.key).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-auditlake_session="), "{cookie}");
    assert!(cookie.contains("; Path=/; ") && cookie.ends_with("; Secure"), "{cookie}");
    let browser = Browser::signed_in(&server, &server.key).await;
    // Another host of the domain could set one without the prefix.
    let cookie = browser.cookie.replace("__Host-", "");
    let plain = Browser { server: &server, cookie, csrf: String::new() };
    plain.get("/v1/session").await.problem(401, &[]);
}
