//! The text of an API key: `alk_<id>_<secret><checksum>`. The checksum tells a mistyped key
//! apart without a look-up, and lets scanners of leaked secrets recognise one.

use auditlake_model::env::Environment;
use sha2::{Digest, Sha256};

/// How every key begins; nothing else that a caller shows does.
pub(crate) const PREFIX: &str = "alk_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 32;
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key: its id and its text.
pub(super) fn new(environment: &Environment) -> (String, String) {
    let id = random_base62(environment, ID_CHARS);
    let text = signed(format!("{PREFIX}{id}_{}", random_base62(environment, SECRET_CHARS)));
    (id, text)
}

/// The id in a key of the right form with the right checksum.
pub(super) fn id_of(text: &str) -> Option<&str> {
    let wanted = PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS;
    if text.len() != wanted || !text.is_ascii() {
        return None;
    }
    let (body, sum) = text.split_at(wanted - CHECKSUM_CHARS);
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == ID_CHARS && secret.len() == SECRET_CHARS && checksum(body) == sum).then_some(id)
}

/// What is kept of a key, in hexadecimal.
pub(super) fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
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

    #[test]
    fn a_key_has_its_form_and_no_other_has() {
        let (id, text) = new(&Environment::system());
        assert_eq!(text.len(), 55);
        assert_eq!(id_of(&text), Some(id.as_str()));
        for at in 0..text.len() {
            let mut mangled = text.clone().into_bytes();
            mangled[at] = if mangled[at] == b'a' { b'b' } else { b'a' };
            let mangled = String::from_utf8(mangled).unwrap();
            assert_eq!(id_of(&mangled), None, "{mangled}");
        }
        assert_eq!(id_of(""), None);
        assert_eq!(id_of(&"é".repeat(28)), None);
    }

    #[test]
    fn another_secret_under_the_same_id_has_the_form_but_not_the_digest() {
        let environment = Environment::system();
        let ((id, text), (_, other)) = (new(&environment), new(&environment));
        let forged = signed(format!("{}{}", &text[..17], &other[17..49]));
        assert_eq!(id_of(&forged), Some(id.as_str()));
        assert_ne!(digest(&forged), digest(&text));
    }

    #[test]
    fn the_largest_checksum_fits() {
        assert!(62_u64.pow(CHECKSUM_CHARS as u32) > u64::from(u32::MAX));
    }
}
