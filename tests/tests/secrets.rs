//! What the log never holds, however much it is told to say: keys, tokens, and the signatures
//! of links; given in the right way, in the wrong way, and where they do not belong.

use std::time::{Duration, Instant};

use auditlake_tests::{Site, Target};
use serde_json::{Value, json};

/// Everything that the parts of this program say.
const LOG: &str = "warn,auditlake=trace,auditlake_server=trace,auditlake_lake=trace,\
                   auditlake_query=trace,auditlake_export=trace,auditlake_model=trace";
/// A token in every respect but its signature.
const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29t\
                     IiwiYXVkIjoiYXVkaXRsYWtlIiwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwLCJ0ZW5hbnR\
                     faWQiOiJhY21lIiwicm9sZSI6ImF1ZGl0b3IifQ.BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\
                     HBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw";
/// The public key of an example in RFC 7517.
const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
const READY: Duration = Duration::from_secs(60);

async fn post(target: &Target, path: &str, body: Value) -> Value {
    let answer = target.post(path, body.to_string().into_bytes()).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body);
    assert!((200..300).contains(&answer.status), "{path}: {} {text}", answer.status);
    answer.json()
}

/// The path of a signed link to a finished export.
async fn link(target: &Target) -> String {
    let job = post(target, "/v1/exports", json!({"format": "ndjson"})).await;
    let path = format!("/v1/exports/{}", job["id"].as_str().expect("a job has an id"));
    let started = Instant::now();
    loop {
        let job = target.get(&path).await.expect("an answer").json();
        if job["state"] == "ready" {
            break;
        }
        assert!(started.elapsed() < READY, "the export is not ready: {job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let link = post(target, &format!("{path}/links"), json!({})).await;
    link["url"].as_str().expect("a link has an address").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_ever_logged() {
    let site = Site::new();
    let jwks = site.folder().join("jwks.json");
    std::fs::write(&jwks, JWKS).expect("a file for the key");
    let (issuer, audience) = ("https://id.example.com", "auditlake");
    site.set(&format!(
        "[oidc]\nissuer = \"{issuer}\"\naudience = \"{audience}\"\njwks = \"{}\"\n",
        jwks.display()
    ));
    let server = site.start_with(&[], &[("AUDITLAKE_LOG", LOG)]).await;
    let target = server.target();
    let made = post(&target, "/v1/keys", json!({"name": "ci", "role": "ingester"})).await;
    let made_key = made["key"].as_str().expect("the key is shown").to_owned();
    let create = ["keys", "create", "--role", "auditor", "--tenant", "acme"];
    let other = site.run_env(create, ("AUDITLAKE_LOG", LOG)).ok();
    let other_key = other.text().trim().to_owned();
    assert!(other_key.starts_with("alk_") && !other.stderr.contains(&other_key));

    // One that was mistyped at its end is a secret nearly whole.
    let mistyped = format!("{}x", &target.key[..target.key.len() - 1]);
    let client = reqwest::Client::builder().no_proxy().tls_built_in_root_certs(false).build();
    let client = client.expect("a client");
    let events = format!("{}/v1/events", target.url);
    for key in [target.key.as_str(), &made_key, &other_key, &mistyped, TOKEN] {
        for scheme in ["Bearer ", "", "Basic ", "bearer  "] {
            let authorization = format!("{scheme}{key}");
            let request = client.get(&events).header("authorization", authorization);
            request.send().await.expect("an answer");
        }
        // Where it does not belong.
        for request in [
            client.get(format!("{events}?key={key}")).bearer_auth(&target.key),
            client.get(format!("{events}?cursor={key}")).bearer_auth(&target.key),
            client.get(format!("{events}/export?where={key}")).bearer_auth(&target.key),
            client.post(&events).bearer_auth(key).header("idempotency-key", key).body("{}"),
        ] {
            request.send().await.expect("an answer");
        }
    }
    let link = link(&target).await;
    let (_, signature) = link.rsplit_once("signature=").expect("a link is signed");
    let signature = signature.split('&').next().unwrap_or_default().to_owned();
    assert!(signature.len() > 20, "{link}");
    let url = if link.starts_with('/') { format!("{}{link}", target.url) } else { link };
    let answer = client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200, "the link leads to the export");
    let forged = client.get(format!("{url}x")).send().await.expect("an answer");
    assert_eq!(forged.status().as_u16(), 401);

    let log = server.log();
    let answered = log.lines().filter(|line| line.contains("answered")).count();
    assert!(answered > 40, "the log tells of {answered} requests");
    let id = target.key.split('_').nth(1).expect("a key has an id");
    assert!(log.contains(id), "the log does not tell who called");
    for (what, secret) in [
        ("the operator's key", target.key.as_str()),
        ("a mistyped key", &mistyped),
        ("a key made over HTTP", &made_key),
        ("a key made on the command line", &other_key),
        ("a token", TOKEN),
        ("a signature", &signature),
    ] {
        // Also a part of it would help whoever guesses the rest.
        let half = &secret[secret.len() / 2..];
        let line = log.lines().find(|line| line.contains(secret) || line.contains(half));
        assert!(line.is_none(), "{what} is in the log: {}", line.unwrap_or_default());
    }
    assert!(server.stop().await.success());
}
