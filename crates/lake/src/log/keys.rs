//! Whose signatures a lake's logs bear: what the lake is called, and its public keys, as
//! documents that anybody may read.

use std::collections::BTreeMap;

use auditlake_model::time::format_rfc3339;
use auditlake_tlog::{Algorithm, Note, VerifierKey, origin_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::documents::Documents;
use crate::error::LakeError;
use crate::hex;
use crate::retry::Retry;

/// The kind and id of the document that says what the lake is called.
const ORIGIN: (&str, &str) = ("log", "origin");
/// The kind of the documents of public keys.
const KEYS: &str = "log_keys";

/// The keys that sign the logs of a lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeys {
    /// What the lake is called in its checkpoints.
    pub origin: String,
    /// The public keys, oldest first. Old ones stay, so that what they signed can be checked.
    pub keys: Vec<[u8; 32]>,
    /// Keys with the notes in which the keys before them endorse them.
    endorsed: Vec<([u8; 32], Note)>,
}

impl LogKeys {
    /// The keys under the name that they have in the checkpoints of this tenant.
    #[must_use]
    pub fn verifiers(&self, tenant: &str) -> Vec<VerifierKey> {
        let name = origin_of(&self.origin, tenant);
        let named = |key: &[u8; 32]| VerifierKey::new(&name, Algorithm::Ed25519, *key);
        self.keys.iter().filter_map(|key| named(key).ok()).collect()
    }

    /// The keys that follow from these: themselves, and whatever key one of them endorsed.
    pub(crate) fn following(&self, trusted: &[[u8; 32]]) -> Vec<[u8; 32]> {
        let mut keys = trusted.to_vec();
        let named = |key: [u8; 32]| VerifierKey::new(&self.origin, Algorithm::Ed25519, key).ok();
        // An endorsed key may endorse a later one in its turn, and times of making may be wrong.
        loop {
            let found = self.endorsed.iter().find(|(key, note)| {
                let says = named(*key).is_some_and(|key| note.text == endorsement(&key));
                let by = |by: &[u8; 32]| named(*by).is_some_and(|by| by.verify(note).is_ok());
                !keys.contains(key) && says && keys.iter().any(by)
            });
            let Some((key, _)) = found else { return keys };
            keys.push(*key);
        }
    }
}

/// What a key says of the one that follows it, both under the name of the lake.
pub(super) fn endorsement(next: &VerifierKey) -> String {
    format!("{}\nauditlake log key\n{next}\n", next.name)
}

#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    origin: String,
}

/// A public key as it is published.
#[derive(Debug, Serialize, Deserialize)]
struct PublicKey {
    public_key: String,
    created_at: String,
    /// A note about this key that the key before it signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsed_by: Option<String>,
}

impl PublicKey {
    fn bytes(&self) -> Option<[u8; 32]> {
        STANDARD.decode(&self.public_key).ok()?.try_into().ok()
    }
}

/// The id of the document of a public key.
fn id_of(public: &[u8; 32]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}

impl Documents {
    /// The keys that sign the logs of this lake; none if it was never opened with one.
    pub async fn log_keys(&self) -> Result<Option<LogKeys>, LakeError> {
        let Some(origin) = self.log_origin().await? else { return Ok(None) };
        // In the order of their making, and of equal times always the same.
        let (mut keys, mut endorsed) = (BTreeMap::new(), Vec::new());
        for id in self.newest(KEYS).await?.into_keys() {
            let (Some(key), _) = self.made_once::<PublicKey>(KEYS, &id).await? else { continue };
            let Some(bytes) = key.bytes() else {
                let detail = "its public_key is no base64 of 32 bytes";
                return Err(LakeError::damaged(format!("{KEYS} {id}"), detail));
            };
            let note = key.endorsed_by.as_deref().map(Note::parse);
            endorsed.extend(note.and_then(Result::ok).map(|note| (bytes, note)));
            keys.insert((key.created_at, bytes), bytes);
        }
        Ok(Some(LogKeys { origin, keys: keys.into_values().collect(), endorsed }))
    }

    /// What the lake is called, if it has been given a name.
    pub(super) async fn log_origin(&self) -> Result<Option<String>, LakeError> {
        let (found, _) = self.made_once::<Origin>(ORIGIN.0, ORIGIN.1).await?;
        Ok(found.map(|found| found.origin))
    }

    /// Gives the lake its name, unless it has one; answers the one it has.
    pub(super) async fn name_log(&self, origin: String, retry: Retry) -> Result<String, LakeError> {
        let named = self.make_once(ORIGIN.0, ORIGIN.1, &Origin { origin }, retry).await?;
        Ok(named.origin)
    }

    /// Publishes a public key, unless it is; answers whether it was new.
    pub(super) async fn publish_log_key(
        &self,
        public: &[u8; 32],
        endorsed_by: Option<String>,
        now_us: i64,
        retry: Retry,
    ) -> Result<bool, LakeError> {
        let id = id_of(public);
        if self.made_once::<PublicKey>(KEYS, &id).await?.0.is_some() {
            return Ok(false);
        }
        let public_key = STANDARD.encode(public);
        let key = PublicKey { public_key, created_at: format_rfc3339(now_us), endorsed_by };
        self.make_once(KEYS, &id, &key, retry).await?;
        Ok(true)
    }
}
