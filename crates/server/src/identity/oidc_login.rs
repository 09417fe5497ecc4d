//! Signing in with an identity provider in a browser: the authorization code flow of OpenID
//! Connect with PKCE. The browser is sent to the provider with an attempt that only this browser
//! can finish, comes back with a code, and the code is exchanged here for a token about who it
//! is.
//!
//! Where the provider has its endpoints is asked of its discovery document, and kept for an hour;
//! strangers can begin to sign in, and must not make this server hammer the provider.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore};
use url::{Url, form_urlencoded};

use super::fetching::{Fetcher, checked, discovery_of};

/// The least time between two looks at the discovery document, and the age at which it is looked
/// at again.
const REST_US: i64 = 10_000_000;
const MAX_AGE_US: i64 = 3_600_000_000;
/// Codes that are exchanged at a time, and how long one waits for its turn: a code is good once, so
/// that whoever is sent away has to sign in again.
const MAX_EXCHANGES: usize = 8;
const TURN: Duration = Duration::from_secs(5);
/// What makes a sign-in one of OpenID Connect.
const OPENID: &str = "openid";

/// How people sign in with an identity provider.
#[derive(Clone)]
pub struct LoginConfig {
    /// What the provider calls this server.
    pub client_id: String,
    /// What this server proves to the provider that it is the client; none for a public client,
    /// which PKCE alone protects.
    pub client_secret: Option<String>,
    /// What the provider is asked for; `openid` among it.
    pub scopes: Vec<String>,
}

impl LoginConfig {
    /// A public client that asks for who it is, and nothing else.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), client_secret: None, scopes: vec![OPENID.to_owned()] }
    }
}

impl fmt::Debug for LoginConfig {
    /// Without the secret: a configuration may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginConfig")
            .field("client_id", &self.client_id)
            .field("has_secret", &self.client_secret.is_some())
            .field("scopes", &self.scopes)
            .finish()
    }
}

/// A provider that people can sign in with. Clones share what they know of it.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    config: LoginConfig,
    issuer: String,
    discovery: Url,
    fetcher: Fetcher,
    known: Arc<Mutex<Known>>,
    exchanges: Arc<Semaphore>,
}

/// What is known of a provider's endpoints.
#[derive(Debug, Default)]
struct Known {
    endpoints: Option<Endpoints>,
    fetched_us: i64,
    /// When it was last tried, successfully or not.
    tried_us: Option<i64>,
}

/// Where the provider takes browsers, and where it takes codes.
#[derive(Clone, Debug)]
struct Endpoints {
    authorization: Url,
    token: Url,
}

/// What ties the two halves of a sign-in together.
pub(crate) struct Attempt {
    /// What the provider has to send back with the browser.
    pub(crate) state: String,
    /// What the provider has to write into the token.
    pub(crate) nonce: String,
    /// What proves to the provider that who exchanges the code is who asked for it.
    pub(crate) verifier: String,
    /// Where the provider sends the browser.
    pub(crate) redirect_uri: String,
}

/// Why nobody was signed in; for the log.
#[derive(Debug)]
pub(crate) enum LoginError {
    /// The provider does not answer as it should: it may do so later.
    Provider(String),
    /// The provider has refused the code.
    Refused(String),
    /// Enough codes are exchanged already, and went on for long.
    Busy,
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(reason) | Self::Refused(reason) => f.write_str(reason),
            Self::Busy => f.write_str("enough codes are exchanged already"),
        }
    }
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

/// What the provider gives for a code.
#[derive(Deserialize)]
struct Given {
    id_token: String,
}

/// Why it gives nothing.
#[derive(Deserialize)]
struct NotGiven {
    error: String,
}

impl Login {
    pub(super) fn new(issuer: &str, config: LoginConfig) -> Result<Self, String> {
        if config.client_id.is_empty() {
            return Err("client_id is empty".to_owned());
        }
        if config.client_secret.as_deref() == Some("") {
            return Err("client_secret is empty; leave it out for a public client".to_owned());
        }
        let is_word = |scope: &String| !scope.is_empty() && !scope.contains(char::is_whitespace);
        if !config.scopes.iter().all(is_word) || !config.scopes.iter().any(|one| one == OPENID) {
            return Err(format!("scopes must be a list of words with {OPENID} among them"));
        }
        Ok(Self {
            discovery: discovery_of(issuer)?,
            issuer: issuer.to_owned(),
            fetcher: Fetcher::new()?,
            known: Arc::default(),
            exchanges: Arc::new(Semaphore::new(MAX_EXCHANGES)),
            config,
        })
    }

    /// What the provider calls this server.
    pub(crate) fn client_id(&self) -> &str {
        &self.config.client_id
    }

    /// Where the browser is sent.
    pub(crate) async fn address(&self, attempt: &Attempt, now_us: i64) -> Result<Url, LoginError> {
        let mut url = self.endpoints(now_us).await?.authorization;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.verifier.as_bytes()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &attempt.redirect_uri)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// The token that the provider gives for a code: still to be verified.
    pub(crate) async fn exchange(
        &self,
        attempt: &Attempt,
        code: &str,
        now_us: i64,
    ) -> Result<String, LoginError> {
        let turn = tokio::time::timeout(TURN, self.exchanges.acquire()).await;
        let Ok(Ok(_place)) = turn else { return Err(LoginError::Busy) };
        let address = self.endpoints(now_us).await?.token;
        let config = &self.config;
        let fields = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &attempt.redirect_uri)
            .append_pair("client_id", &config.client_id)
            .append_pair("code_verifier", &attempt.verifier)
            .finish();
        let mut request = self.fetcher.form(&address, fields);
        if let Some(secret) = &config.client_secret {
            // RFC 6749, 2.3.1: both are encoded as in a form first.
            let encoded = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            request = request.basic_auth(encoded(&config.client_id), Some(encoded(secret)));
        }
        let answer = self.fetcher.send(&address, request).await;
        match answer.map_err(LoginError::Provider)? {
            (StatusCode::OK, body) => match serde_json::from_slice::<Given>(&body) {
                Ok(given) => Ok(given.id_token),
                Err(_) => Err(LoginError::Provider(format!("{address} gives no id_token"))),
            },
            (status, body) if status.is_client_error() => {
                Err(LoginError::Refused(format!("{address} answers {status}{}", told(&body))))
            }
            (status, _) => Err(LoginError::Provider(format!("{address} answers {status}"))),
        }
    }

    /// The provider's endpoints, as they were known within the hour. Those that cannot be learned
    /// again stay as they are. Who comes meanwhile waits for who is asking.
    async fn endpoints(&self, now_us: i64) -> Result<Endpoints, LoginError> {
        let mut known = self.known.lock().await;
        let is_old = (now_us - known.fetched_us).abs() >= MAX_AGE_US;
        let may_try = known.tried_us.is_none_or(|tried| (now_us - tried).abs() >= REST_US);
        if (known.endpoints.is_none() || is_old) && may_try {
            let discovered = self.discover().await;
            // Only now: who leaves in the middle of it has tried nothing.
            known.tried_us = Some(now_us);
            match discovered {
                Ok(endpoints) => {
                    (known.endpoints, known.fetched_us) = (Some(endpoints), now_us);
                }
                Err(reason) if known.endpoints.is_none() => {
                    return Err(LoginError::Provider(reason));
                }
                Err(reason) => {
                    tracing::warn!(reason, "the identity provider cannot be looked up again");
                }
            }
        }
        known.endpoints.clone().ok_or_else(|| {
            LoginError::Provider("the provider could not be looked up a moment ago".to_owned())
        })
    }

    async fn discover(&self) -> Result<Endpoints, String> {
        let body = self.fetcher.get(&self.discovery).await?;
        let found: Discovered = serde_json::from_slice(&body)
            .map_err(|error| format!("{} is no discovery document: {error}", self.discovery))?;
        // Another issuer's document would send people, and codes, to another issuer.
        if found.issuer != self.issuer {
            return Err(format!("{} is the document of another issuer", self.discovery));
        }
        let authorization = checked(&found.authorization_endpoint)?;
        Ok(Endpoints { authorization, token: checked(&found.token_endpoint)? })
    }
}

/// The error that a provider names, if it is a word: what else it says is not for our log.
fn told(body: &[u8]) -> String {
    let named = serde_json::from_slice::<NotGiven>(body).map(|not| not.error).unwrap_or_default();
    if names_error(&named) { format!(": {named}") } else { String::new() }
}

/// Whether a text can be the name of an error of OAuth.
pub(crate) fn names_error(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_sign_anybody_in_is_refused() {
        let login = |change: fn(&mut LoginConfig)| {
            let mut config = LoginConfig::new("console");
            change(&mut config);
            Login::new("https://id.example.com", config).map(|_| ())
        };
        // As the process does at its start; another test may have done so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert_eq!(login(|_| {}), Ok(()));
        let changes: [fn(&mut LoginConfig); 4] = [
            |config| config.client_id.clear(),
            |config| config.client_secret = Some(String::new()),
            |config| config.scopes = vec!["profile".to_owned()],
            |config| config.scopes.push("a b".to_owned()),
        ];
        for change in changes {
            assert!(login(change).is_err());
        }
        let plain = Login::new("http://id.example.com", LoginConfig::new("console"));
        assert!(plain.unwrap_err().contains("https://"));
    }

    #[tokio::test]
    async fn an_exchange_waits_for_its_turn() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody answers there, which is found out only when it is one's turn.
        let login = Login::new("http://127.0.0.1:1", LoginConfig::new("console")).unwrap();
        let attempt = Attempt {
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            redirect_uri: "http://127.0.0.1:2/back".to_owned(),
        };
        let all = u32::try_from(MAX_EXCHANGES).unwrap();
        let others = login.exchanges.acquire_many(all).await.unwrap();
        let leave = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(others);
        };
        let (exchanged, ()) = tokio::join!(login.exchange(&attempt, "code", 0), leave);
        assert!(matches!(exchanged, Err(LoginError::Provider(_))), "{exchanged:?}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Some("hush".to_owned());
        let config = LoginConfig { client_secret: secret, ..LoginConfig::new("console") };
        let shown = format!("{config:?}");
        assert!(shown.contains("has_secret: true") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn only_words_of_a_provider_are_told() {
        assert_eq!(told(br#"{"error":"invalid_grant"}"#), ": invalid_grant");
        for body in [r#"{"error":"no\nline"}"#, r#"{"error":"<b>"}"#, "{}", ""] {
            assert_eq!(told(body.as_bytes()), "", "{body}");
        }
    }
}
