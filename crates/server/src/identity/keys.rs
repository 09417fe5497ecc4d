//! The API keys that open this server. The lake keeps only the SHA-256 of a key: a secret of
//! 190 random bits needs no slow hash.
//!
//! Keys are documents of the lake, so that every server on it takes the same ones: what one
//! of them makes or revokes, the others learn at their next [`Keys::refresh`]. A revoked key
//! stays known, and never becomes valid again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use auditlake_lake::{Documents, LakeError};
use auditlake_model::env::Environment;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::key_text;
use super::key_usage::{Usage, UsageDocument};
use super::key_view::{KeyError, KeyView, NewKey};
use super::principal::{Kind, Place, Principal};
use super::role::Role;

/// The kind of document that keys are.
const KIND: &str = "keys";

/// The keys of a lake, as this process knows them. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    by_id: RwLock<HashMap<String, Known>>,
    /// Held while a key is revoked: which one is the last must not be judged twice at a time.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Known {
    /// Of its document.
    version: u64,
    document: KeyDocument,
    usage: Arc<Usage>,
}

/// A key as the lake keeps it. What stands here with a default was not written by the first
/// release, whose keys were all made at a first start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeyDocument {
    #[serde(default = "first_name")]
    pub(super) name: String,
    pub(super) role: Role,
    #[serde(flatten)]
    pub(super) place: Place,
    /// Of the whole key, in hexadecimal.
    pub(super) sha256: String,
    pub(super) created_at_us: i64,
    #[serde(default = "first_start")]
    pub(super) created_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at_us: Option<i64>,
}

fn first_name() -> String {
    "first operator".to_owned()
}

fn first_start() -> String {
    "first start".to_owned()
}

impl KeyDocument {
    fn is_valid(&self, now_us: i64) -> bool {
        self.revoked_at_us.is_none() && self.expires_at_us.is_none_or(|end_us| now_us < end_us)
    }
}

impl Keys {
    /// Reads the keys of a lake.
    pub async fn load(documents: &Documents) -> Result<Self, LakeError> {
        let keys = Self::default();
        keys.read_keys(documents).await?;
        keys.read_usage(documents).await?;
        Ok(keys)
    }

    /// Learns what other servers made and revoked, and writes down which keys were used today,
    /// once for each key and day. When it fails, what was known stays known.
    pub async fn refresh(&self, documents: &Documents) -> Result<(), LakeError> {
        self.read_keys(documents).await?;
        self.write_usage(documents).await
    }

    /// Makes an operator's key when no valid one is left, and shows its text: the only time
    /// that anybody sees it. It counts only once it was shown: a key that nobody saw would
    /// lock everybody out.
    pub async fn first_operator(
        &self,
        documents: &Documents,
        environment: &Environment,
        show: impl FnOnce(&str) -> std::io::Result<()>,
    ) -> Result<(), LakeError> {
        let now_us = environment.clock.now_us();
        if self.valid_operators(now_us) > 0 {
            return Ok(());
        }
        let (id, text) = key_text::new(environment);
        let document = KeyDocument {
            name: first_name(),
            role: Role::Operator,
            place: Place::default(),
            sha256: key_text::digest(&text),
            created_at_us: now_us,
            created_by: first_start(),
            expires_at_us: None,
            revoked_at_us: None,
        };
        show(&text).map_err(|source| LakeError::Io { path: "standard output".into(), source })?;
        documents.put(KIND, &id, 1, &document).await?;
        self.learn(id, 1, document);
        Ok(())
    }

    /// Makes a key. The text is given here and never again.
    pub async fn create(
        &self,
        documents: &Documents,
        environment: &Environment,
        new: NewKey,
    ) -> Result<(KeyView, String), KeyError> {
        let now_us = environment.clock.now_us();
        new.check(now_us).map_err(KeyError::Invalid)?;
        let (id, text) = key_text::new(environment);
        let document = KeyDocument {
            name: new.name,
            role: new.role,
            place: new.place,
            sha256: key_text::digest(&text),
            created_at_us: now_us,
            created_by: new.created_by,
            expires_at_us: new.expires_at_us,
            revoked_at_us: None,
        };
        documents.put(KIND, &id, 1, &document).await?;
        let view = KeyView::new(&id, &document, None);
        self.learn(id, 1, document);
        Ok((view, text))
    }

    /// Revokes a key for ever; one that is revoked already stays as it is. The last valid key
    /// of an operator is not revoked: nobody could make another one.
    pub async fn revoke(
        &self,
        documents: &Documents,
        id: &str,
        now_us: i64,
    ) -> Result<KeyView, KeyError> {
        let _changing = self.shared.changing.lock().await;
        // What other servers did meanwhile decides which key is the last.
        self.read_keys(documents).await?;
        let unknown = || KeyError::Unknown(id.to_owned());
        let Known { version, mut document, .. } =
            self.known().get(id).cloned().ok_or_else(unknown)?;
        if document.revoked_at_us.is_none() {
            let opens_all = document.role == Role::Operator && document.is_valid(now_us);
            if opens_all && self.valid_operators(now_us) == 1 {
                return Err(KeyError::LastOperator);
            }
            document.revoked_at_us = Some(now_us);
            match documents.put(KIND, id, version + 1, &document).await {
                Ok(()) => self.learn(id.to_owned(), version + 1, document),
                // Another server was first; all that it can have done is to revoke the key.
                Err(LakeError::Invalid(_)) => self.read_keys(documents).await?,
                Err(error) => return Err(error.into()),
            }
        }
        self.get(id).ok_or_else(unknown)
    }

    /// Every key, also those that are no longer valid, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<KeyView> {
        let known = self.known();
        let mut views: Vec<_> = known.iter().map(|(id, key)| key.view(id)).collect();
        views.sort_by(|one, two| (&one.created_at, &one.id).cmp(&(&two.created_at, &two.id)));
        views
    }

    /// One key.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<KeyView> {
        self.known().get(id).map(|key| key.view(id))
    }

    /// Whose key this is; none for a mistyped, unknown, wrong, expired or revoked one, without
    /// saying which.
    #[must_use]
    pub fn verify(&self, text: &str, now_us: i64) -> Option<Principal> {
        let id = key_text::id_of(text)?;
        let given = key_text::digest(text);
        let known = self.known();
        let key = known.get(id)?;
        let same: bool = given.as_bytes().ct_eq(key.document.sha256.as_bytes()).into();
        if !same {
            return None;
        }
        key.used(id, now_us)
    }

    /// Whose key it is that was shown before, as a session states it; none for one that is
    /// unknown, expired or revoked.
    pub(crate) fn holder(&self, id: &str, now_us: i64) -> Option<Principal> {
        self.known().get(id)?.used(id, now_us)
    }

    /// Whether a caller who came in before would still come in. Of who showed a token nothing
    /// is known but the token.
    #[must_use]
    pub(crate) fn still_opens(&self, caller: &Principal, now_us: i64) -> bool {
        let known = self.known();
        let is_valid = |key: &Known| key.document.is_valid(now_us);
        caller.kind != Kind::ApiKey || known.get(&caller.id).is_some_and(is_valid)
    }

    /// Learns when the keys were last used elsewhere.
    pub(crate) async fn read_usage(&self, documents: &Documents) -> Result<(), LakeError> {
        let found = documents.list::<UsageDocument>(UsageDocument::KIND).await?;
        let known = self.known();
        for document in found {
            if let Some(key) = known.get(&document.id) {
                key.usage.stored(document.value.last_used_at_us);
            }
        }
        Ok(())
    }

    async fn write_usage(&self, documents: &Documents) -> Result<(), LakeError> {
        let due: Vec<_> = self
            .known()
            .iter()
            .filter(|(_, key)| key.usage.is_due())
            .map(|(id, key)| (id.clone(), Arc::clone(&key.usage)))
            .collect();
        for (id, usage) in due {
            usage.write(documents, &id).await?;
        }
        Ok(())
    }

    async fn read_keys(&self, documents: &Documents) -> Result<(), LakeError> {
        for found in documents.list::<KeyDocument>(KIND).await? {
            self.learn(found.id, found.version, found.value);
        }
        Ok(())
    }

    /// Takes a version of a key, unless a later one is known: a listing may be older than what
    /// this process wrote meanwhile.
    fn learn(&self, id: String, version: u64, document: KeyDocument) {
        let mut known = self.known_mut();
        match known.entry(id) {
            Entry::Occupied(mut entry) => {
                let key = entry.get_mut();
                if version > key.version {
                    (key.version, key.document) = (version, document);
                }
            }
            Entry::Vacant(entry) => {
                entry.insert(Known { version, document, usage: Arc::default() });
            }
        }
    }

    fn valid_operators(&self, now_us: i64) -> usize {
        let opens_all =
            |key: &&Known| key.document.role == Role::Operator && key.document.is_valid(now_us);
        self.known().values().filter(opens_all).count()
    }

    // Nothing panics while it holds the lock, and no half-made change is ever in the map.
    fn known(&self) -> RwLockReadGuard<'_, HashMap<String, Known>> {
        self.shared.by_id.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Known>> {
        self.shared.by_id.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whose key it is, if it opens now; notes that it was used.
    fn used(&self, id: &str, now_us: i64) -> Option<Principal> {
        if !self.document.is_valid(now_us) {
            return None;
        }
        self.usage.use_at(now_us);
        Some(Principal {
            id: id.to_owned(),
            kind: Kind::ApiKey,
            role: self.document.role,
            place: self.document.place.clone(),
        })
    }

    fn view(&self, id: &str) -> KeyView {
        KeyView::new(id, &self.document, self.usage.last_us())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_opens_and_only_while_it_is_valid() {
        let environment = Environment::system();
        let ((id, text), (_, other)) = (key_text::new(&environment), key_text::new(&environment));
        let document = KeyDocument {
            name: "ci".to_owned(),
            role: Role::Auditor,
            place: Place { tenant_id: Some("acme".to_owned()), ..Place::default() },
            sha256: key_text::digest(&text),
            created_at_us: 0,
            created_by: first_start(),
            expires_at_us: Some(100),
            revoked_at_us: None,
        };
        let keys = Keys::default();
        keys.learn(id.clone(), 1, document.clone());
        assert_eq!(keys.get(&id).unwrap().last_used_at, None);
        let principal = keys.verify(&text, 99).unwrap();
        assert_eq!((principal.role, principal.kind), (Role::Auditor, Kind::ApiKey));
        assert_eq!(principal.place.tenant_id.as_deref(), Some("acme"));
        assert_eq!(keys.verify(&other, 99), None);
        assert_eq!(keys.verify(&text, 100), None, "it is over at its end");
        let used = keys.get(&id).unwrap().last_used_at;
        assert_eq!(used.as_deref(), Some("1970-01-01T00:00:00.000099Z"));
        keys.learn(id.clone(), 2, KeyDocument { revoked_at_us: Some(50), ..document.clone() });
        assert_eq!(keys.verify(&text, 51), None);
        // An older version that comes late changes nothing.
        keys.learn(id, 1, document);
        assert_eq!(keys.verify(&text, 51), None);
    }

    #[test]
    fn a_key_of_the_first_release_is_an_operators() {
        let text = r#"{"role":"operator","sha256":"00","created_at_us":5}"#;
        let document: KeyDocument = serde_json::from_str(text).unwrap();
        assert_eq!(document.role, Role::Operator);
        assert_eq!(document.place, Place::default());
        assert_eq!(document.created_by, "first start");
        assert!(document.is_valid(i64::MAX));
        let written = serde_json::to_string(&document).unwrap();
        let again: KeyDocument = serde_json::from_str(&written).unwrap();
        assert_eq!(again.created_at_us, 5);
    }
}
