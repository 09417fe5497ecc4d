//! API keys: `alk_<id>_<secret><checksum>`. The checksum tells a mistyped key apart without a
//! look-up, and lets scanners of leaked secrets recognise one. The lake keeps only the SHA-256
//! of a key: a secret of 190 random bits needs no slow hash.

use std::collections::HashMap;

use auditlake_lake::{Documents, LakeError};
use auditlake_model::env::Environment;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The kind of document that keys are.
const KIND: &str = "keys";
const PREFIX: &str = "alk_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 32;
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key's holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, for every tenant: runs the installation.
    Operator,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The id of the key.
    pub key_id: String,
    /// What it may do.
    pub role: Role,
}

/// The keys that open this server.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_id: HashMap<String, KeyDocument>,
}

/// A key as the lake keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeyDocument {
    role: Role,
    /// Of the whole key, in hexadecimal.
    sha256: String,
    created_at_us: i64,
}

impl Keys {
    /// Reads the keys of a lake.
    pub async fn load(documents: &Documents) -> Result<Self, LakeError> {
        let found = documents.list::<KeyDocument>(KIND).await?;
        let by_id = found.into_iter().map(|document| (document.id, document.value)).collect();
        Ok(Self { by_id })
    }

    /// Makes an operator's key when there is none, and shows its text: the only time that
    /// anybody sees it. It counts only once it was shown: a key that nobody saw would lock
    /// everybody out.
    pub async fn first_operator(
        &mut self,
        documents: &Documents,
        environment: &Environment,
        show: impl FnOnce(&str) -> std::io::Result<()>,
    ) -> Result<(), LakeError> {
        if self.by_id.values().any(|key| key.role == Role::Operator) {
            return Ok(());
        }
        let id = random_base62(environment, ID_CHARS);
        let text = signed(format!("{PREFIX}{id}_{}", random_base62(environment, SECRET_CHARS)));
        let document = KeyDocument {
            role: Role::Operator,
            sha256: digest(&text),
            created_at_us: environment.clock.now_us(),
        };
        show(&text).map_err(|source| LakeError::Io { path: "standard output".into(), source })?;
        documents.put(KIND, &id, 1, &document).await?;
        self.by_id.insert(id, document);
        Ok(())
    }

    /// Whose key this is; none for a mistyped, unknown or wrong one, without saying which.
    pub(crate) fn verify(&self, text: &str) -> Option<Principal> {
        let id = well_formed(text)?;
        let given = digest(text);
        let known = self.by_id.get(id)?;
        let same: bool = given.as_bytes().ct_eq(known.sha256.as_bytes()).into();
        same.then(|| Principal { key_id: id.to_owned(), role: known.role })
    }
}

/// The id in a key of the right form with the right checksum.
fn well_formed(text: &str) -> Option<&str> {
    let wanted = PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS;
    if text.len() != wanted || !text.is_ascii() {
        return None;
    }
    let (body, sum) = text.split_at(wanted - CHECKSUM_CHARS);
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == ID_CHARS && secret.len() == SECRET_CHARS && checksum(body) == sum).then_some(id)
}

fn signed(body: String) -> String {
    let sum = checksum(&body);
    body + &sum
}

/// CRC-32C in base62; six digits hold every value.
fn checksum(body: &str) -> String {
    let mut rest = crc32c::crc32c(body.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

/// Random characters, each of the 62 as likely as any other: bytes that would favour the
/// first ones are thrown away.
fn random_base62(environment: &Environment, chars: usize) -> String {
    const FAIR: u8 = 4 * 62;
    let mut text = String::with_capacity(chars);
    let mut random = [0_u8; 64];
    while text.len() < chars {
        environment.entropy.fill(&mut random);
        let fair = random.iter().filter(|byte| **byte < FAIR);
        let wanted = chars - text.len();
        text.extend(fair.take(wanted).map(|byte| char::from(BASE62[usize::from(byte % 62)])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        let environment = Environment::system();
        let (id, secret) = (random_base62(&environment, 12), random_base62(&environment, 32));
        signed(format!("{PREFIX}{id}_{secret}"))
    }

    #[test]
    fn a_key_has_its_form_and_no_other_has() {
        let text = key();
        assert_eq!(text.len(), 55);
        assert_eq!(well_formed(&text), Some(&text[4..16]));
        for at in 0..text.len() {
            let mut mangled = text.clone().into_bytes();
            mangled[at] = if mangled[at] == b'a' { b'b' } else { b'a' };
            let mangled = String::from_utf8(mangled).unwrap();
            assert_eq!(well_formed(&mangled), None, "{mangled}");
        }
        assert_eq!(well_formed(""), None);
        assert_eq!(well_formed(&"é".repeat(28)), None);
    }

    #[test]
    fn only_the_key_itself_opens() {
        let (text, other) = (key(), key());
        let document =
            KeyDocument { role: Role::Operator, sha256: digest(&text), created_at_us: 0 };
        let keys = Keys { by_id: HashMap::from([(text[4..16].to_owned(), document)]) };
        assert_eq!(keys.verify(&text).unwrap().role, Role::Operator);
        assert_eq!(keys.verify(&other), None);
        let forged = signed(format!("{}{}", &text[..17], &other[17..49]));
        assert!(well_formed(&forged).is_some());
        assert_eq!(keys.verify(&forged), None);
    }

    #[test]
    fn the_largest_checksum_fits() {
        assert!(62_u64.pow(CHECKSUM_CHARS as u32) > u64::from(u32::MAX));
    }
}
