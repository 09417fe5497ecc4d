//! The secrets of a lake that its servers sign with: documents, made when they are needed for
//! the first time, so that all servers on a lake sign alike and those of another one do not. Where
//! reading the storage must not be enough to sign, it takes the lake's key too, which is kept
//! elsewhere. And statements that are signed with a secret: whoever carries such a text can read
//! it, and can neither change it nor make another one.

use auditlake_lake::LakeError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::state::AppState;

/// The kind of document that secrets are.
const KIND: &str = "secrets";
const SECRET_BYTES: usize = 32;

/// A secret as the lake keeps it.
#[derive(Serialize, Deserialize)]
struct Secret {
    /// In base64.
    secret: String,
}

/// What is signed with under an id: the secret of it, which is made if there is none.
pub(crate) async fn load(state: &AppState, id: &str) -> Result<hmac::Key, LakeError> {
    let secret = bytes(state, id).await?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

/// The same of which the document alone is worth nothing: it takes the key that signs the lake's
/// logs too. It ends with either of them.
pub(crate) async fn load_bound(state: &AppState, id: &str) -> Result<hmac::Key, LakeError> {
    let secret = bytes(state, id).await?;
    Ok(bound(&state.lake().derived_secret(id), &secret))
}

fn bound(derived: &[u8], secret: &[u8]) -> hmac::Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, derived), secret);
    hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
}

/// The secret in a document, which is made if there is none.
async fn bytes(state: &AppState, id: &str) -> Result<Vec<u8>, LakeError> {
    let documents = state.lake().documents();
    if let Some(found) = documents.get::<Secret>(KIND, id).await? {
        return read(id, &found.value);
    }
    let made = Secret { secret: random::<SECRET_BYTES>(state) };
    match documents.put(KIND, id, 1, &made).await {
        Ok(()) => read(id, &made),
        // Another server was faster, and its secret counts.
        Err(LakeError::Invalid(_)) => match documents.get::<Secret>(KIND, id).await? {
            Some(found) => read(id, &found.value),
            None => Err(LakeError::Invalid(format!("the secret of {id} is gone"))),
        },
        Err(error) => Err(error),
    }
}

/// So many random bytes, in base64 that may stand anywhere.
pub(crate) fn random<const BYTES: usize>(state: &AppState) -> String {
    let mut random = [0_u8; BYTES];
    state.environment().entropy.fill(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

/// A statement as text, signed. One that is made for a purpose is none for another.
pub(crate) fn seal<T: Serialize>(key: &hmac::Key, purpose: &str, statement: &T) -> String {
    // Structs of texts and numbers always serialize; an empty statement would open to nothing.
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(statement).unwrap_or_default());
    let tag = hmac::sign(key, &signed(purpose, &payload));
    format!("{payload}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// The statement in a text, if it was signed with this key and for this purpose.
pub(crate) fn open<T: DeserializeOwned>(key: &hmac::Key, purpose: &str, text: &str) -> Option<T> {
    let (payload, tag) = text.split_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    // In constant time, and before anything of it is read.
    hmac::verify(key, &signed(purpose, payload), &tag).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// What follows from a secret and a text for a purpose: who does not know the secret can tell it
/// from random bytes as little as guess it.
pub(crate) fn derived(key: &hmac::Key, purpose: &str, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(key, &signed(purpose, text)).as_ref())
}

/// No purpose has a line end, so that none can pass for another.
fn signed(purpose: &str, text: &str) -> Vec<u8> {
    format!("{purpose}\n{text}").into_bytes()
}

fn read(id: &str, secret: &Secret) -> Result<Vec<u8>, LakeError> {
    match URL_SAFE_NO_PAD.decode(&secret.secret) {
        Ok(bytes) if bytes.len() == SECRET_BYTES => Ok(bytes),
        _ => Err(LakeError::Invalid(format!("the secret of {id} is damaged"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; SECRET_BYTES])
    }

    #[test]
    fn a_statement_opens_unchanged_with_its_key_and_for_its_purpose() {
        let text = seal(&key(1), "session", &("ann", 7));
        let open_as = |key: &hmac::Key, purpose: &str, text: &str| -> Option<(String, u32)> {
            open(key, purpose, text)
        };
        assert_eq!(open_as(&key(1), "session", &text), Some(("ann".to_owned(), 7)));
        assert_eq!(open_as(&key(2), "session", &text), None);
        assert_eq!(open_as(&key(1), "login", &text), None);
        let (payload, tag) = text.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"["bob",7]"#);
        for forged in [
            format!("{other}.{tag}"),
            format!("{payload}."),
            format!("{payload}.AAAA"),
            payload.to_owned(),
            format!("{text}.{tag}"),
            String::new(),
        ] {
            assert_eq!(open_as(&key(1), "session", &forged), None, "{forged}");
        }
    }

    #[test]
    fn a_key_that_is_bound_takes_both_secrets() {
        let text = seal(&bound(b"one", b"two"), "session", &1);
        let opened = |key: &hmac::Key| open::<u32>(key, "session", &text);
        assert_eq!(opened(&bound(b"one", b"two")), Some(1));
        let alone = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        for other in [bound(b"", b"two"), bound(b"one", b""), alone(b"one"), alone(b"two")] {
            assert_eq!(opened(&other), None);
        }
    }

    #[test]
    fn what_is_derived_depends_on_key_purpose_and_text() {
        let one = derived(&key(1), "nonce", "a");
        assert_eq!(one.len(), 43);
        for other in [
            derived(&key(2), "nonce", "a"),
            derived(&key(1), "verifier", "a"),
            derived(&key(1), "nonce", "b"),
        ] {
            assert_ne!(one, other);
        }
    }
}
