//! An identity provider of a test: real keys that sign tokens, and a server on this machine
//! that gives its discovery document and its JWKS, and tokens for the codes of people who signed
//! in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

/// A key that was made for tests and guards nothing: `ring` makes no RSA keys.
const RSA: &str = include_str!("provider/rsa2048.pk8.b64");

pub(crate) enum SigningKey {
    Rsa(RsaKeyPair),
    /// With the name of its curve.
    Curve(EcdsaKeyPair, &'static str),
    Edwards(Ed25519KeyPair),
}

impl SigningKey {
    pub(crate) fn rsa() -> Self {
        let text: String = RSA.split_whitespace().collect();
        Self::Rsa(RsaKeyPair::from_pkcs8(&STANDARD.decode(text).unwrap()).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::curve(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")
    }

    pub(crate) fn p384() -> Self {
        Self::curve(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")
    }

    fn curve(algorithm: &'static EcdsaSigningAlgorithm, name: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Curve(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap(), name)
    }

    pub(crate) fn edwards() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Edwards(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    /// Its public half.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": kid, "n": b64(&public.n), "e": b64(&public.e)})
            }
            Self::Curve(pair, name) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(match *name {
                    "P-256" => 32,
                    _ => 48,
                });
                json!({"kty": "EC", "crv": name, "kid": kid, "x": b64(x), "y": b64(y)})
            }
            Self::Edwards(pair) => {
                let x = b64(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
            }
        }
    }

    /// A token with this header and these claims, signed as the header says.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding = padding(header["alg"].as_str().unwrap());
                pair.sign(padding, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Curve(pair, _) => {
                pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec()
            }
            Self::Edwards(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", b64(&signature))
    }
}

/// A token with a signature of nobody.
pub(crate) fn unsigned(header: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}", message(header, claims), b64(signature))
}

/// A token that takes `secret` for a shared one.
pub(crate) fn hmac_token(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", b64(tag.as_ref()))
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()))
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn padding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RS256" => &RSA_PKCS1_SHA256,
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        "PS256" => &RSA_PSS_SHA256,
        "PS384" => &RSA_PSS_SHA384,
        "PS512" => &RSA_PSS_SHA512,
        other => panic!("{other} is none of RSA"),
    }
}

/// A provider that can be asked over HTTP.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    shared: Arc<Shared>,
}

struct Shared {
    address: String,
    /// The issuer that the discovery document names.
    named: Mutex<String>,
    /// None while the provider is down.
    keys: Mutex<Option<Vec<Value>>>,
    fetches: AtomicUsize,
    /// What `Authorization` clients have to show for a token, if they have to.
    secret: Mutex<Option<String>>,
    /// By code.
    grants: Mutex<HashMap<String, Grant>>,
    /// Whether it answers nobody who brings a code.
    is_deaf: AtomicBool,
}

/// What a person who signed in has allowed.
struct Grant {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    token: String,
}

impl Provider {
    pub(crate) async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            address: issuer.clone(),
            named: Mutex::new(issuer.clone()),
            keys: Mutex::new(Some(keys)),
            fetches: AtomicUsize::new(0),
            secret: Mutex::default(),
            grants: Mutex::default(),
            is_deaf: AtomicBool::new(false),
        });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(jwks))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        drop(tokio::spawn(async move { axum::serve(listener, app).await }));
        Self { issuer, shared }
    }

    /// How often its keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    /// Has other keys from now on, or none at all: it is down.
    pub(crate) fn set_keys(&self, keys: Option<Vec<Value>>) {
        *self.shared.keys.lock().unwrap() = keys;
    }

    /// Gives tokens only to the client with this secret from now on.
    pub(crate) fn set_secret(&self, client_id: &str, secret: &str) {
        let shown = format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}")));
        *self.shared.secret.lock().unwrap() = Some(shown);
    }

    /// Answers nobody who brings a code, or everybody again.
    pub(crate) fn set_deaf(&self, is_deaf: bool) {
        self.shared.is_deaf.store(is_deaf, Ordering::SeqCst);
    }

    /// What happens when a browser is sent here and its person signs in: the token that `sign`
    /// makes for the nonce can be had for a code, and the answer is where the browser is sent.
    pub(crate) fn authorize(&self, sent: &str, sign: impl FnOnce(&str) -> String) -> Url {
        let url = Url::parse(sent).unwrap();
        assert_eq!(url.path(), "/authorize");
        assert!(sent.starts_with(&self.issuer), "{sent}");
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"), "{asked:?}");
        assert!(asked["state"].len() >= 32 && asked["nonce"].len() >= 32, "{asked:?}");
        let grant = Grant {
            client_id: asked["client_id"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
            challenge: asked["code_challenge"].clone(),
            token: sign(&asked["nonce"]),
        };
        let mut back = Url::parse(&grant.redirect_uri).unwrap();
        let mut grants = self.shared.grants.lock().unwrap();
        let code = format!("code-{}", grants.len());
        grants.insert(code.clone(), grant);
        let pairs = [("code", code.as_str()), ("state", asked["state"].as_str())];
        back.query_pairs_mut().extend_pairs(pairs);
        back
    }

    /// Calls itself something else from now on.
    pub(crate) fn set_name(&self, issuer: &str) {
        issuer.clone_into(&mut self.shared.named.lock().unwrap());
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let named = shared.named.lock().unwrap().clone();
    let address = &shared.address;
    Json(json!({
        "issuer": named,
        "jwks_uri": format!("{address}/keys"),
        "authorization_endpoint": format!("{address}/authorize"),
        "token_endpoint": format!("{address}/token"),
    }))
}

/// A token for a code, once, for the client that it was given to and nobody else.
async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    if shared.is_deaf.load(Ordering::SeqCst) {
        return (StatusCode::BAD_GATEWAY, Json(Value::Null));
    }
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error })));
    let shown = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    if shown != *shared.secret.lock().unwrap() {
        return refused("invalid_client");
    }
    let fields: HashMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let Some(grant) = shared.grants.lock().unwrap().remove(field("code")) else {
        return refused("invalid_grant");
    };
    let challenge = b64(&Sha256::digest(field("code_verifier").as_bytes()));
    let is_whole = field("grant_type") == "authorization_code"
        && field("client_id") == grant.client_id
        && field("redirect_uri") == grant.redirect_uri
        && challenge == grant.challenge;
    if !is_whole {
        return refused("invalid_grant");
    }
    let id_token = grant.token;
    let given = json!({"access_token": "none", "token_type": "Bearer", "id_token": id_token});
    (StatusCode::OK, Json(given))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, StatusCode> {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let keys = shared.keys.lock().unwrap().clone();
    keys.map(|keys| Json(json!({"keys": keys}))).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}
