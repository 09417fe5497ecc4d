//! The keys of an identity provider: given, or fetched from it and kept.
//!
//! Fetching is bounded in time, bytes and number: strangers can send tokens, and must not make
//! this server hammer the provider. Keys that cannot be fetched again stay as they are: a
//! provider that is down for a while locks nobody out.

use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::task::TaskTracker;
use url::Url;

use super::fetching::{Fetcher, checked, discovery_of};
use super::token::Refused;

/// The least time between two fetches, and the age at which keys are fetched again.
const REST_US: i64 = 60_000_000;
const MAX_AGE_US: i64 = 3_600_000_000;

/// Where the keys of an identity provider come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// Its discovery document says where: `<issuer>/.well-known/openid-configuration`.
    Discovery,
    /// A JWKS at this address.
    Url(String),
    /// This JWKS, as JSON text.
    Static(String),
}

/// The keys of a provider. Clones share what they fetched.
#[derive(Clone, Debug)]
pub(super) struct KeySource {
    known: Arc<RwLock<Known>>,
    /// None when the keys were given once and for all.
    origin: Option<Arc<Origin>>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    fetched_us: i64,
    /// When it was last tried, successfully or not.
    tried_us: Option<i64>,
}

#[derive(Debug)]
struct Origin {
    issuer: String,
    address: Url,
    is_discovery: bool,
    fetcher: Fetcher,
    /// Held while keys are fetched; whoever waits for it finds what the other one brought.
    fetching: Arc<tokio::sync::Mutex<()>>,
    /// Owns the fetches. Each ends by itself when its time is over.
    tasks: TaskTracker,
}

impl KeySource {
    pub(super) fn new(issuer: &str, source: &JwksSource) -> Result<Self, String> {
        let (address, is_discovery) = match source {
            JwksSource::Static(text) => {
                let keys = KeySet::parse(text.as_bytes())?;
                let known = Known { keys: Some(Arc::new(keys)), ..Known::default() };
                return Ok(Self { known: Arc::new(RwLock::new(known)), origin: None });
            }
            JwksSource::Url(address) => (checked(address)?, false),
            JwksSource::Discovery => (discovery_of(issuer)?, true),
        };
        let origin = Origin {
            issuer: issuer.to_owned(),
            address,
            is_discovery,
            fetcher: Fetcher::new()?,
            fetching: Arc::default(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { known: Arc::default(), origin: Some(Arc::new(origin)) })
    }

    /// The key that a token says it is signed with.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now_us: i64,
    ) -> Result<DecodingKey, Refused> {
        if self.is_old(now_us) {
            self.fetch(now_us, false).await;
        }
        let mut found = self.look_up(kid, algorithm);
        if matches!(found, Err(Missing::Unknown)) {
            // The provider may have new keys.
            self.fetch(now_us, true).await;
            found = self.look_up(kid, algorithm);
        }
        found.map_err(|missing| Refused(missing.reason().to_owned()))
    }

    fn look_up(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Missing> {
        let keys = self.read(|known| known.keys.clone()).ok_or(Missing::Unknown)?;
        keys.find(kid, algorithm)
    }

    /// Whether the keys are there and old; if there are none at all, a look-up says so.
    fn is_old(&self, now_us: i64) -> bool {
        self.read(|known| known.keys.is_some() && now_us - known.fetched_us >= MAX_AGE_US)
    }

    fn may_fetch(&self, now_us: i64) -> bool {
        self.read(|known| known.tried_us.is_none_or(|tried| (now_us - tried).abs() >= REST_US))
    }

    /// Fetches the keys unless that was tried just now. Whoever does not need the outcome does
    /// not wait for a fetch that somebody else has begun.
    async fn fetch(&self, now_us: i64, waits: bool) {
        let Some(origin) = &self.origin else { return };
        let fetching = Arc::clone(&origin.fetching);
        let turn = match fetching.clone().try_lock_owned() {
            Ok(turn) => turn,
            Err(_) if waits => fetching.lock_owned().await,
            Err(_) => return,
        };
        if !self.may_fetch(now_us) {
            return;
        }
        let (known, origin) = (Arc::clone(&self.known), Arc::clone(origin));
        let task_origin = Arc::clone(&origin);
        // A task, so that a caller who leaves does not take the keys of all others along.
        let fetched = origin.tasks.spawn(async move {
            let _turn = turn;
            let keys = task_origin.fetch().await;
            let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
            known.tried_us = Some(now_us);
            match keys {
                Ok(keys) => (known.keys, known.fetched_us) = (Some(Arc::new(keys)), now_us),
                Err(reason) => {
                    tracing::warn!(reason, "the keys of the identity provider cannot be fetched");
                }
            }
        });
        if let Err(error) = fetched.await {
            tracing::error!(%error, "fetching keys of the identity provider broke off");
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Origin {
    async fn fetch(&self) -> Result<KeySet, String> {
        let body = self.fetcher.get(&self.address).await?;
        if !self.is_discovery {
            return KeySet::parse(&body);
        }
        let discovered: Discovered = serde_json::from_slice(&body)
            .map_err(|error| format!("{} is no discovery document: {error}", self.address))?;
        // Another issuer's document would bring another issuer's keys.
        if discovered.issuer != self.issuer {
            return Err(format!("{} is the document of another issuer", self.address));
        }
        KeySet::parse(&self.fetcher.get(&checked(&discovered.jwks_uri)?).await?)
    }
}

/// The keys of one JWKS that can have signed a token.
#[derive(Debug)]
struct KeySet {
    keys: Vec<TokenKey>,
}

#[derive(Debug)]
struct TokenKey {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why no key of a set fits a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Unknown,
    Ambiguous,
    OtherAlgorithm,
}

impl Missing {
    fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "the provider has no key of its kid",
            Self::Ambiguous => "it has no kid, and the provider has several keys",
            Self::OtherAlgorithm => "its alg is not that of its key",
        }
    }
}

impl KeySet {
    /// Reads a JWKS. Keys of a kind that is not understood are left out, as RFC 7517 wants it:
    /// a provider may have them for others.
    fn parse(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set =
            serde_json::from_slice(json).map_err(|error| format!("this is no JWKS: {error}"))?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(TokenKey::read).collect();
        if keys.is_empty() {
            return Err("the JWKS has no key that tokens can be checked with".to_owned());
        }
        Ok(Self { keys })
    }

    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Missing> {
        let meant: Vec<_> = match kid {
            Some(kid) => self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).collect(),
            None if self.keys.len() > 1 => return Err(Missing::Ambiguous),
            None => self.keys.iter().collect(),
        };
        if meant.is_empty() {
            return Err(Missing::Unknown);
        }
        let fits = meant.into_iter().find(|key| key.algorithms.contains(&algorithm));
        fits.map(|key| key.key.clone()).ok_or(Missing::OtherAlgorithm)
    }
}

impl TokenKey {
    fn read(json: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        let common = &jwk.common;
        if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let verifies =
            |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
        if !common.key_operations.as_ref().is_none_or(verifies) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                vec![Algorithm::EdDSA]
            }
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then(|| Self { kid: common.key_id.clone(), algorithms, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_for_other_uses_are_left_out() {
        let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let set = |keys: &str| KeySet::parse(format!("{{\"keys\":[{keys}]}}").as_bytes());
        let secret = r#"{"kty":"oct","k":"c2VjcmV0","kid":"s"}"#;
        let curve = r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA","kid":"k"}"#;
        let two =
            set(&format!("{{{ed},\"kid\":\"a\"}},{secret},{curve},{{\"kty\":\"odd\"}}")).unwrap();
        assert_eq!(two.keys.len(), 1);
        assert!(two.find(Some("a"), Algorithm::EdDSA).is_ok());
        assert!(two.find(None, Algorithm::EdDSA).is_ok(), "it is the only one");
        assert_eq!(two.find(Some("b"), Algorithm::EdDSA).unwrap_err(), Missing::Unknown);
        assert_eq!(two.find(Some("a"), Algorithm::ES256).unwrap_err(), Missing::OtherAlgorithm);
        for keys in [
            format!("{{{ed},\"use\":\"enc\"}}"),
            format!("{{{ed},\"key_ops\":[\"sign\"]}}"),
            format!("{{{ed},\"alg\":\"RS256\"}}"),
            secret.to_owned(),
            String::new(),
        ] {
            assert!(set(&keys).is_err(), "{keys}");
        }
        let several = set(&format!("{{{ed},\"kid\":\"a\"}},{{{ed},\"kid\":\"b\"}}")).unwrap();
        assert_eq!(several.find(None, Algorithm::EdDSA).unwrap_err(), Missing::Ambiguous);
    }
}
