//! Tokens of an identity provider: which open, which do not, and how its keys are fetched.

use std::sync::Arc;

use auditlake_model::env::Environment;
use auditlake_server::{
    ClaimNames, Issuer, IssuerConfig, JwksSource, Kind, LoginConfig, Role, ServerConfig,
};
use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, event, event_with};
use crate::provider::{Provider, SigningKey, hmac_token, unsigned};

/// 2026-03-01T12:00:00Z
const NOW_S: i64 = 1_772_366_400;
const NOW_US: i64 = NOW_S * 1_000_000;
const MINUTE_US: i64 = 60_000_000;
const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "auditlake";

/// An issuer that has these keys.
fn issuer(keys: &[Value]) -> Issuer {
    let jwks = JwksSource::Static(json!({"keys": keys}).to_string());
    Issuer::new(IssuerConfig { jwks, ..IssuerConfig::new(ISSUER, AUDIENCE) }).unwrap()
}

/// The claims of an auditor, with some of them changed; a null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u_17",
        "exp": NOW_S + 600,
        "iat": NOW_S,
        "role": "auditor",
        "tenant_id": "acme",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

async fn reason(issuer: &Issuer, token: &str) -> String {
    issuer.verify(token, NOW_US).await.unwrap_err().to_string()
}

#[tokio::test]
async fn tokens_of_every_kind_of_key_are_taken() {
    let keys = [
        ("rsa", SigningKey::rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        ("p256", SigningKey::p256(), &["ES256"][..]),
        ("p384", SigningKey::p384(), &["ES384"][..]),
        ("ed", SigningKey::edwards(), &["EdDSA"][..]),
    ];
    let jwks: Vec<_> = keys.iter().map(|(kid, key, _)| key.jwk(kid)).collect();
    let issuer = issuer(&jwks);
    for (kid, key, algorithms) in &keys {
        for algorithm in *algorithms {
            let token = key.token(&json!({"alg": algorithm, "kid": kid}), &claims(json!({})));
            let principal = issuer.verify(&token, NOW_US).await.unwrap();
            assert_eq!((principal.id.as_str(), principal.kind), ("u_17", Kind::User));
            assert_eq!(principal.role, Role::Auditor);
            let other = if *kid == "ed" { "p256" } else { "ed" };
            let token = key.token(&json!({"alg": algorithm, "kid": other}), &claims(json!({})));
            assert!(reason(&issuer, &token).await.contains("alg"), "{algorithm} under {other}");
        }
    }
}

#[tokio::test]
async fn a_role_has_the_place_that_the_claims_give() {
    let key = SigningKey::edwards();
    let issuer = issuer(&[key.jwk("ed")]);
    // A directory gives everything to everyone; each role takes what it has a use for.
    let everything = json!({"org_id": "emea", "team_id": "red"});
    for (role, org, team) in [
        ("enterprise_admin", None, None),
        ("auditor", None, None),
        ("ingester", None, None),
        ("org_admin", Some("emea"), None),
        ("team_lead", Some("emea"), Some("red")),
        ("user", Some("emea"), Some("red")),
    ] {
        let mut claims = claims(everything.clone());
        claims["role"] = json!(["everybody", role]);
        // A set with one key needs no kid.
        let principal = issuer.verify(&key.token(&json!({"alg": "EdDSA"}), &claims), NOW_US).await;
        let principal = principal.unwrap_or_else(|refused| panic!("{role}: {refused}"));
        assert_eq!(principal.role.name(), role);
        let place = principal.place;
        assert_eq!(place.tenant_id.as_deref(), Some("acme"));
        assert_eq!((place.org_id.as_deref(), place.team_id.as_deref()), (org, team), "{role}");
        assert_eq!(place.user_id.as_deref(), Some("u_17"));
    }
}

#[tokio::test]
async fn claims_may_have_other_names() {
    let key = SigningKey::edwards();
    let jwks = JwksSource::Static(json!({"keys": [key.jwk("ed")]}).to_string());
    let names = ClaimNames {
        tenant: "https://example.com/tenant".to_owned(),
        user: "email".to_owned(),
        ..ClaimNames::default()
    };
    let config = IssuerConfig { jwks, claims: names, ..IssuerConfig::new(ISSUER, AUDIENCE) };
    let issuer = Issuer::new(config).unwrap();
    let changes = json!({
        "tenant_id": "globex",
        "https://example.com/tenant": "acme",
        "email": "jo@example.com",
        "aud": ["other", AUDIENCE],
    });
    let token = key.token(&json!({"alg": "EdDSA"}), &claims(changes));
    let place = issuer.verify(&token, NOW_US).await.unwrap().place;
    assert_eq!(place.tenant_id.as_deref(), Some("acme"));
    assert_eq!(place.user_id.as_deref(), Some("jo@example.com"));
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let key = SigningKey::edwards();
    let issuer = issuer(&[key.jwk("ed")]);
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    for (changes, words) in [
        (json!({"iss": null}), "iss"),
        (json!({"iss": "https://id.example.com"}), "iss"),
        (json!({"iss": [ISSUER]}), "iss"),
        (json!({"aud": null}), "aud"),
        (json!({"aud": "another"}), "aud"),
        (json!({"aud": ["another", "auditlake2"]}), "aud"),
        (json!({"exp": null}), "exp is missing"),
        (json!({"exp": (NOW_S + 600).to_string()}), "exp is no number"),
        (json!({"exp": "never"}), "exp is no number"),
        (json!({"exp": true}), "exp is no number"),
        (json!({"exp": NOW_S - 61}), "expired"),
        (json!({"exp": -1}), "expired"),
        (json!({"nbf": NOW_S + 61}), "not valid yet"),
        (json!({"nbf": "0"}), "nbf is no number"),
        (json!({"role": "operator"}), "operator"),
        (json!({"role": ["operator", "auditor"]}), "several"),
        (json!({"role": null}), "role"),
        (json!({"role": "owner"}), "none of the roles"),
        (json!({"tenant_id": null}), "tenant_id is missing"),
        (json!({"tenant_id": ""}), "tenant_id"),
        (json!({"tenant_id": "a\u{0}b"}), "control"),
        (json!({"sub": null}), "sub is missing"),
        (json!({"role": "org_admin"}), "needs a org_id"),
        (json!({"role": "team_lead"}), "needs a team_id"),
    ] {
        let token = key.token(&header, &claims(changes.clone()));
        let reason = reason(&issuer, &token).await;
        assert!(reason.contains(words), "{changes}: {reason}");
    }
    // Clocks may differ by a minute, and times may have fractions.
    for changes in [json!({"exp": NOW_S - 59}), json!({"nbf": NOW_S as f64 + 59.5})] {
        let token = key.token(&header, &claims(changes.clone()));
        assert!(issuer.verify(&token, NOW_US).await.is_ok(), "{changes}");
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let (key, attacker) = (SigningKey::rsa(), SigningKey::edwards());
    let public = key.jwk("rsa");
    let issuer = issuer(std::slice::from_ref(&public));
    let good = claims(json!({}));
    let header = json!({"alg": "RS256", "kid": "rsa"});
    let token = key.token(&header, &good);
    assert!(issuer.verify(&token, NOW_US).await.is_ok());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let other = key.token(&header, &claims(json!({"tenant_id": "globex"})));
    let other_claims = other.split('.').nth(1).unwrap();
    let own_key = json!({"alg": "EdDSA", "kid": "rsa", "jwk": attacker.jwk("rsa")});
    let mut damaged = signature.as_bytes().to_vec();
    damaged[10] = if damaged[10] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(damaged).unwrap();
    let large = "x".repeat(9 << 10);
    let (modulus, whole) = (public["n"].as_str().unwrap(), public.to_string().into_bytes());
    for (token, words) in [
        (unsigned(&json!({"alg": "none"}), &good, b""), "cannot be read"),
        (unsigned(&json!({"alg": "none", "kid": "rsa"}), &good, b"x"), "cannot be read"),
        (hmac_token(&json!({"alg": "HS256"}), &good, modulus.as_bytes()), "shared secret"),
        (hmac_token(&json!({"alg": "HS256", "kid": "rsa"}), &good, &whole), "shared secret"),
        (attacker.token(&own_key, &good), "alg"),
        (attacker.token(&json!({"alg": "EdDSA", "kid": "other"}), &good), "kid"),
        (format!("{message}.{damaged}"), "signature"),
        (format!("{message}."), "signature"),
        (format!("{head}.{other_claims}.{signature}"), "signature"),
        (message.to_owned(), "form"),
        (format!("{token}.{signature}"), ""),
        (String::new(), "form"),
        ("..".to_owned(), "cannot be read"),
        (key.token(&json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}), &good), "extension"),
        (key.token(&json!({"alg": "RS256", "kid": "rsa", "crit": []}), &good), "extension"),
        (key.token(&header, &claims(json!({"note": large}))), "bytes"),
    ] {
        let reason = reason(&issuer, &token).await;
        assert!(reason.contains(words), "{token}: {reason}");
    }
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_before_any_token() {
    let refused = |config: IssuerConfig| Issuer::new(config).unwrap_err();
    let config = || IssuerConfig::new(ISSUER, AUDIENCE);
    assert!(Issuer::new(config()).is_ok());
    assert!(refused(IssuerConfig::new("", AUDIENCE)).contains("issuer"));
    assert!(refused(IssuerConfig::new(ISSUER, "")).contains("audience"));
    assert!(refused(IssuerConfig::new("http://id.example.com", AUDIENCE)).contains("https://"));
    assert!(refused(IssuerConfig { leeway_s: 301, ..config() }).contains("301"));
    let jwks = JwksSource::Url("http://id.example.com/keys".to_owned());
    assert!(refused(IssuerConfig { jwks, ..config() }).contains("https://"));
    let jwks = JwksSource::Static("{\"keys\":[]}".to_owned());
    assert!(refused(IssuerConfig { jwks, ..config() }).contains("no key"));
    let claims = ClaimNames { tenant: String::new(), ..ClaimNames::default() };
    assert!(refused(IssuerConfig { claims, ..config() }).contains("tenant"));
    // What says who signed in would be a token for the API.
    let with = |client: &str| IssuerConfig { login: Some(LoginConfig::new(client)), ..config() };
    assert!(refused(with(AUDIENCE)).contains("client_id of the login equals audience"));
    assert!(Issuer::new(with("console")).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_when_they_are_needed_and_no_more() {
    let (old, new) = (SigningKey::edwards(), SigningKey::p256());
    let provider = Provider::start(vec![old.jwk("old")]).await;
    let issuer = Issuer::new(IssuerConfig::new(&provider.issuer, AUDIENCE)).unwrap();
    let claims = claims(json!({"iss": provider.issuer, "exp": NOW_S + 100_000}));
    let with_old = old.token(&json!({"alg": "EdDSA", "kid": "old"}), &claims);
    let with_new = new.token(&json!({"alg": "ES256", "kid": "new"}), &claims);
    let verify = |token: &str, at_us: i64| {
        let (issuer, token) = (issuer.clone(), token.to_owned());
        async move { issuer.verify(&token, at_us).await.is_ok() }
    };
    assert_eq!(provider.fetches(), 0);
    // Many at once fetch once.
    let all = (0..20).map(|_| verify(&with_old, NOW_US));
    assert!(futures::future::join_all(all).await.into_iter().all(|good| good));
    assert_eq!(provider.fetches(), 1);
    // An unknown key is looked for, but not by each token again.
    let mut now_us = NOW_US + MINUTE_US;
    for _ in 0..5 {
        assert!(!verify(&with_new, now_us).await);
    }
    assert_eq!(provider.fetches(), 2);
    // The provider gets a new key; it is found within a minute.
    provider.set_keys(Some(vec![old.jwk("old"), new.jwk("new")]));
    assert!(!verify(&with_new, now_us + MINUTE_US - 1).await);
    now_us += MINUTE_US;
    assert!(verify(&with_new, now_us).await);
    assert!(verify(&with_old, now_us).await);
    assert_eq!(provider.fetches(), 3);
    // And drops the old one; that is learned within an hour.
    provider.set_keys(Some(vec![new.jwk("new")]));
    assert!(verify(&with_old, now_us + 59 * MINUTE_US).await);
    now_us += 60 * MINUTE_US;
    assert!(verify(&with_new, now_us).await);
    assert!(!verify(&with_old, now_us).await);
    assert_eq!(provider.fetches(), 4);
    // While it is down, its keys stay.
    provider.set_keys(None);
    now_us += 60 * MINUTE_US;
    for _ in 0..5 {
        assert!(verify(&with_new, now_us).await);
    }
    assert_eq!(provider.fetches(), 5);
    // Another issuer's document does not bring its keys.
    provider.set_keys(Some(vec![old.jwk("old")]));
    provider.set_name("https://other.example.com");
    now_us += 60 * MINUTE_US;
    assert!(verify(&with_new, now_us).await);
    assert!(!verify(&with_old, now_us).await);
    assert_eq!(provider.fetches(), 5, "the keys of another issuer were fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_fetched_from_an_address() {
    let key = SigningKey::edwards();
    let provider = Provider::start(vec![key.jwk("ed")]).await;
    let jwks = JwksSource::Url(format!("{}/keys", provider.issuer));
    let issuer = Issuer::new(IssuerConfig { jwks, ..IssuerConfig::new(ISSUER, AUDIENCE) }).unwrap();
    let token = key.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(json!({})));
    assert!(issuer.verify(&token, NOW_US).await.is_ok());
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_tokens_beside_keys() {
    let key = SigningKey::edwards();
    let config = ServerConfig {
        issuer: Some(Arc::new(issuer(&[key.jwk("ed")]))),
        ..ServerConfig::default()
    };
    let server = Server::with(config).await;
    let other = event_with("other", json!({"tenant_id": "globex"}));
    server.take(&[event("mine"), other]).await;
    let now_s = Environment::system().clock.now_us() / 1_000_000;
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    let token = |changes: Value| {
        let mut claims = claims(changes);
        claims["exp"] = json!(now_s + 600);
        key.token(&header, &claims)
    };
    let auditor = token(json!({}));
    let answer = server.as_key(&auditor).get("/v1/events?type=user.*").await;
    assert_eq!(answer.ids(), ["mine"]);
    let answer = server.as_key(&auditor).post("/v1/events", event("more").to_string()).await;
    answer.problem(403, &["audit:write", "auditor"]);
    // What it does is written down under its own name.
    let admin = token(json!({"role": "enterprise_admin", "sub": "boss"}));
    let wanted = json!({"name": "ci", "role": "auditor"}).to_string();
    assert_eq!(server.as_key(&admin).post("/v1/keys", wanted).await.status, 201);
    let made = server.as_key(&auditor).get("/v1/events?type=key.created").await.json();
    assert_eq!(made["events"][0]["actor"]["id"], "boss");
    assert_eq!(made["events"][0]["actor"]["kind"], "user");
    // A token that is wrong in whatever way gets the answer of a stranger.
    let stranger = server.as_key("alk_nothing").get("/v1/events").await;
    for wrong in [
        key.token(&header, &claims(json!({"exp": now_s - 600}))),
        unsigned(&json!({"alg": "none"}), &claims(json!({})), b""),
        format!("{auditor}x"),
        "abc".to_owned(),
    ] {
        let answer = server.as_key(&wrong).send(Method::GET, "/v1/events", "").await;
        answer.problem(401, &["a valid key is needed"]);
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert_eq!(answer.body, stranger.body);
    }
    // Without a provider, no token is taken at all.
    let answer = Server::start().await.as_key(&auditor).get("/v1/events").await;
    answer.problem(401, &[]);
}
