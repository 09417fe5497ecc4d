//! Signing in with an identity provider: the way there and back, and everything that must not
//! sign anybody in.

use std::sync::Arc;

use auditlake_model::env::Environment;
use auditlake_server::{Issuer, IssuerConfig, LoginConfig, ServerConfig};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Answer, Server, event, event_with};
use crate::provider::{Provider, SigningKey};

const CLIENT: &str = "console";
const START: &str = "/v1/session/oidc?next=/logs%3Ftype%3Da.b%26q%3D1";

/// A server that people sign in to with a provider, and that provider's key.
struct Site {
    server: Server,
    provider: Provider,
    key: SigningKey,
}

/// A browser on its way: what it keeps, and where it was sent.
struct Sent {
    cookie: String,
    location: String,
}

impl Site {
    async fn open(change: impl FnOnce(&mut LoginConfig)) -> Self {
        let key = SigningKey::edwards();
        let provider = Provider::start(vec![key.jwk("ed")]).await;
        let mut login = LoginConfig::new(CLIENT);
        change(&mut login);
        let issuer =
            IssuerConfig { login: Some(login), ..IssuerConfig::new(&provider.issuer, "api") };
        let config = ServerConfig {
            issuer: Some(Arc::new(Issuer::new(issuer).unwrap())),
            public_url: Some("https://audit.example.com".to_owned()),
            ..ServerConfig::default()
        };
        Self { server: Server::with(config).await, provider, key }
    }

    async fn get(&self, uri: &str, cookie: &str) -> Answer {
        let request = Request::get(uri).header("cookie", cookie).body(Body::empty()).unwrap();
        self.server.send(request).await
    }

    /// Begins to sign in.
    async fn begin(&self) -> Sent {
        let answer = self.get(START, "").await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let set = answer.header("set-cookie").to_owned();
        assert!(set.starts_with("__Host-auditlake_login="), "{set}");
        for word in ["; HttpOnly", "; SameSite=Lax", "; Path=/; ", "=600", "; Secure"] {
            assert!(set.contains(word), "{word} is not in {set}");
        }
        let location = answer.header("location").to_owned();
        Sent { cookie: set.split(';').next().unwrap().to_owned(), location }
    }

    /// Signs in at the provider, which says this of the person beside the nonce.
    fn authorize(&self, sent: &Sent, changes: &Value) -> Url {
        self.provider.authorize(&sent.location, |nonce| self.token(nonce, changes))
    }

    fn token(&self, nonce: &str, changes: &Value) -> String {
        let now_s = Environment::system().clock.now_us() / 1_000_000;
        let mut claims = json!({
            "iss": self.provider.issuer,
            "aud": CLIENT,
            "sub": "u_17",
            "exp": now_s + 300,
            "nonce": nonce,
            "role": "auditor",
            "tenant_id": "acme",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.key.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims)
    }

    /// Comes back from the provider.
    async fn back(&self, sent: &Sent, url: &Url) -> Answer {
        assert!(url.as_str().starts_with("https://audit.example.com/v1/session/oidc/callback?"));
        self.get(&format!("{}?{}", url.path(), url.query().unwrap()), &sent.cookie).await
    }
}

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> Vec<String> {
    let all = answer.headers.get_all("set-cookie").iter();
    all.map(|one| one.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_is_who_the_provider_says() {
    let site = Site::open(|_| {}).await;
    let other = event_with("other", json!({"tenant_id": "globex"}));
    site.server.take(&[event("mine"), other]).await;
    let sent = site.begin().await;
    let url = site.authorize(&sent, &json!({}));
    let answer = site.back(&sent, &url).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // A page of this server leads on, so that the browser sends the strict cookie.
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let text = answer.text();
    assert!(text.contains("content=\"0; url=/logs?type=a.b&amp;q=1\""), "{text}");
    let set = cookies(&answer);
    assert_eq!(set.len(), 2);
    assert_eq!(set[1], "__Host-auditlake_login=", "the attempt is over");
    assert!(answer.header("set-cookie").contains("SameSite=Strict"));
    let session = site.get("/v1/session", &set[0]).await.json();
    assert_eq!((&session["id"], &session["kind"]), (&json!("u_17"), &json!("user")));
    assert_eq!((&session["role"], &session["tenant_id"]), (&json!("auditor"), &json!("acme")));
    assert_eq!((&session["oidc"], &session["user_id"]), (&json!(true), &json!("u_17")));
    assert_eq!(site.get("/v1/events?type=user.*", &set[0]).await.ids(), ["mine"]);
    let told = site.server.get("/v1/events?type=session.*").await.json();
    let told = told["events"].as_array().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["type"], "session.started");
    assert_eq!(told[0]["tenant_id"], "acme");
    assert_eq!(told[0]["target"], json!({"kind": "user", "id": "u_17"}));
    assert_eq!(told[0]["data"], json!({"by": "oidc"}));
    // A code is good once.
    site.back(&sent, &url).await.problem(403, &["does not know this sign-in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_secret_shows_it() {
    let site = Site::open(|login| login.client_secret = Some("a:b c".to_owned())).await;
    site.provider.set_secret(CLIENT, "a%3Ab+c");
    let sent = site.begin().await;
    let url = site.authorize(&sent, &json!({}));
    assert_eq!(site.back(&sent, &url).await.status, 200);
    site.provider.set_secret(CLIENT, "another");
    let sent = site.begin().await;
    let url = site.authorize(&sent, &json!({}));
    let answer = site.back(&sent, &url).await;
    answer.problem(403, &["does not know this sign-in"]);
    assert!(cookies(&answer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_browser_that_began_comes_back() {
    let site = Site::open(|_| {}).await;
    let (mine, theirs) = (site.begin().await, site.begin().await);
    let url = site.authorize(&theirs, &json!({}));
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let callback = "/v1/session/oidc/callback";
    let began = ["has begun no such sign-in"];
    // Somebody else's answer, in the browser of somebody who has begun too, or has not.
    site.back(&mine, &url).await.problem(400, &began);
    let nobody = Sent { cookie: String::new(), location: String::new() };
    site.back(&nobody, &url).await.problem(400, &began);
    site.get(&format!("{callback}?code={code}"), &theirs.cookie).await.problem(400, &began);
    let forged = Sent { cookie: format!("{}x", theirs.cookie), location: String::new() };
    site.back(&forged, &url).await.problem(400, &began);
    // The cookie of a session is none of an attempt, nor the other way round.
    let name = theirs.cookie.replace("auditlake_login", "auditlake_session");
    site.get("/v1/session", &name).await.problem(401, &[]);
    // None of this has used up the code.
    assert_eq!(site.back(&theirs, &url).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_of_this_sign_in_signs_nobody_in() {
    let site = Site::open(|_| {}).await;
    for changes in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "api"}),
        json!({"aud": ["api", "other"]}),
        json!({"azp": "other"}),
        json!({"iss": "https://id.example.com"}),
        json!({"exp": 1}),
        json!({"role": "operator"}),
        json!({"role": "owner"}),
        json!({"tenant_id": null}),
    ] {
        let sent = site.begin().await;
        let url = site.authorize(&sent, &changes);
        let answer = site.back(&sent, &url).await;
        answer.problem(403, &["does not say what you may do here"]);
        assert!(cookies(&answer).is_empty(), "{changes}");
    }
    // The token of a sign-in is none of the API.
    let token = site.token("n", &json!({}));
    site.server.as_key(&token).get("/v1/events").await.problem(401, &[]);
    let token = site.token("n", &json!({"aud": "api"}));
    assert_eq!(site.server.as_key(&token).get("/v1/events").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_refuses_or_does_not_answer_is_told() {
    let site = Site::open(|_| {}).await;
    let sent = site.begin().await;
    let url = site.authorize(&sent, &json!({}));
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let callback = format!("/v1/session/oidc/callback?state={state}");
    let answer = site.get(&format!("{callback}&error=access_denied"), &sent.cookie).await;
    answer.problem(403, &["has signed nobody in: access_denied"]);
    let answer = site.get(&format!("{callback}&error=%3Cb%3E"), &sent.cookie).await;
    answer.problem(400, &["no code"]);
    site.get(&callback, &sent.cookie).await.problem(400, &["no code"]);
    site.provider.set_deaf(true);
    let answer = site.back(&sent, &url).await;
    answer.problem(503, &["does not answer as it should"]);
    assert!(!answer.header("retry-after").is_empty());
    site.provider.set_deaf(false);
    assert_eq!(site.back(&sent, &url).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_leads_nowhere_else_and_nowhere_without_a_provider() {
    let site = Site::open(|_| {}).await;
    for next in ["https://evil.example", "//evil.example", "/%5Cevil.example", "logs", "/%0Aa"] {
        let answer = site.get(&format!("/v1/session/oidc?next={next}"), "").await;
        answer.problem(400, &["parameter next"]);
    }
    // Nor to where it would do something by that.
    for next in ["/v1/events/export", "/compat/openclaw/api/v1/audit", "/api/x", "/logs/../v1/x"] {
        let answer = site.get(&format!("/v1/session/oidc?next={next}"), "").await;
        answer.problem(400, &["parameter next"]);
    }
    site.get("/v1/session/oidc?then=/", "").await.problem(400, &["then"]);
    // Another issuer's document sends nobody anywhere.
    let astray = Site::open(|_| {}).await;
    astray.provider.set_name("https://other.example.com");
    astray.get(START, "").await.problem(503, &["the identity provider"]);
    let server = Server::start().await;
    for uri in [START, "/v1/session/oidc/callback?code=a&state=b"] {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        server.send(request).await.problem(404, &["nobody signs in with an identity provider"]);
    }
}
