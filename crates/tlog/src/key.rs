//! The keys that sign notes and verify them: Ed25519 as in C2SP signed-note, and the timestamped
//! cosignatures of witnesses as in C2SP tlog-cosignature.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::error::NoteError;
use crate::note::{Note, Signature, check_text, is_name};

/// What a key signs, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 over the text of the note.
    Ed25519,
    /// The cosignature, version 1, of a witness: Ed25519 over a time and the text of a checkpoint.
    Cosignature,
}

impl Algorithm {
    /// The byte that stands for it in keys and their ids.
    fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature].into_iter().find(|known| known.byte() == byte)
    }
}

/// A public key by its name, as text `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// The name that signatures carry.
    pub name: String,
    /// What it verifies.
    pub algorithm: Algorithm,
    /// The Ed25519 public key.
    pub public: [u8; 32],
}

/// What a valid signature says beside that the text is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// When a witness signed, in seconds since 1970; none for other signatures.
    pub time_s: Option<u64>,
}

impl VerifierKey {
    /// The key of this name.
    pub fn new(name: &str, algorithm: Algorithm, public: [u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Name(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), algorithm, public })
    }

    /// The id that its signatures carry. It is short: it finds the key, and proves nothing.
    #[must_use]
    pub fn id(&self) -> u32 {
        let mut hash = Sha256::new();
        hash.update(&self.name);
        hash.update([b'\n', self.algorithm.byte()]);
        hash.update(self.public);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether the note carries a signature by this key that fits the text. Signatures by other
    /// keys are not looked at.
    pub fn verify(&self, note: &Note) -> Result<Signed, NoteError> {
        let id = self.id();
        let mut own = note
            .signatures
            .iter()
            .filter(|signature| signature.key_id == id && signature.name == self.name);
        let signature = own.next().ok_or_else(|| NoteError::NotSigned(self.called()))?;
        if own.next().is_some() {
            return Err(NoteError::SignedTwice(self.called()));
        }
        self.signed(&note.text, &signature.bytes).ok_or_else(|| NoteError::Forged(self.called()))
    }

    fn signed(&self, text: &str, bytes: &[u8]) -> Option<Signed> {
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        match self.algorithm {
            Algorithm::Ed25519 => {
                key.verify(text.as_bytes(), bytes).ok()?;
                Some(Signed { time_s: None })
            }
            Algorithm::Cosignature => {
                let (time, bytes) = bytes.split_first_chunk()?;
                let time_s = u64::from_be_bytes(*time);
                i64::try_from(time_s).ok()?;
                let message = format!("cosignature/v1\ntime {time_s}\n{text}");
                key.verify(message.as_bytes(), bytes).ok()?;
                Some(Signed { time_s: Some(time_s) })
            }
        }
    }

    /// Name and id, as messages name the key.
    fn called(&self) -> String {
        format!("{}+{:08x}", self.name, self.id())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.called(), encoded(self.algorithm, &self.public))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    /// Reads `name+id+base64`; spaces and line ends around it do not matter.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, id, rest) = parts(text.trim())
            .ok_or(NoteError::Key("not a public key: it has the form name+id+base64"))?;
        let (byte, public) = decoded(rest)
            .ok_or(NoteError::Key("not a public key: the last part is base64 of 33 bytes"))?;
        let algorithm = Algorithm::of_byte(byte).ok_or(NoteError::Key(
            "a public key of an unknown kind: Ed25519 (1) and cosignature (4) are known",
        ))?;
        let key = Self::new(name, algorithm, public)?;
        check_id(id, &key)?;
        Ok(key)
    }
}

/// An Ed25519 key that signs notes. Its secret leaves it only by [`Self::to_secret_text`].
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// What a secret key's text begins with, before the name.
const SECRET: &str = "PRIVATE+KEY+";

impl SigningKey {
    /// The key that these random bytes are.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        match Ed25519KeyPair::from_seed_unchecked(&seed) {
            Ok(pair) => Self { seed, pair },
            Err(_) => unreachable!("any 32 bytes are an Ed25519 seed"),
        }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        public
    }

    /// The public key under this name, for Ed25519 signatures.
    pub fn verifier(&self, name: &str) -> Result<VerifierKey, NoteError> {
        VerifierKey::new(name, Algorithm::Ed25519, self.public())
    }

    /// Signs the text of a note, which ends with a line end, in this name.
    pub fn sign(&self, name: &str, text: &str) -> Result<Signature, NoteError> {
        check_text(text)?;
        let key = self.verifier(name)?;
        let bytes = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        Ok(Signature { key_id: key.id(), name: key.name, bytes })
    }

    /// The secret key as text: `PRIVATE+KEY+name+id+base64`.
    #[must_use]
    pub fn to_secret_text(&self, name: &str) -> String {
        let algorithm = Algorithm::Ed25519;
        let key = VerifierKey { name: name.to_owned(), algorithm, public: self.public() };
        format!("{SECRET}{}+{}", key.called(), encoded(algorithm, &self.seed))
    }

    /// Reads what [`Self::to_secret_text`] wrote: the key and its name. Spaces and line ends
    /// around it do not matter, and no message repeats the secret.
    pub fn from_secret_text(text: &str) -> Result<(String, Self), NoteError> {
        let (name, id, rest) = text.trim().strip_prefix(SECRET).and_then(parts).ok_or(
            NoteError::Key("not a secret key: it has the form PRIVATE+KEY+name+id+base64"),
        )?;
        let (byte, seed) = decoded(rest)
            .ok_or(NoteError::Key("not a secret key: the last part is base64 of 33 bytes"))?;
        if Algorithm::of_byte(byte) != Some(Algorithm::Ed25519) {
            return Err(NoteError::Key("a secret key of an unknown kind: Ed25519 (1) is known"));
        }
        let key = Self::from_seed(seed);
        check_id(id, &key.verifier(name)?)?;
        Ok((name.to_owned(), key))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = STANDARD.encode(self.public());
        f.debug_struct("SigningKey").field("public", &public).finish_non_exhaustive()
    }
}

/// The parts of `name+id+base64`. Only the last may hold a plus sign.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, rest) = rest.split_once('+')?;
    Some((name, id, rest))
}

fn encoded(algorithm: Algorithm, key: &[u8; 32]) -> String {
    STANDARD.encode([[algorithm.byte()].as_slice(), key.as_slice()].concat())
}

fn decoded(text: &str) -> Option<(u8, [u8; 32])> {
    let bytes = STANDARD.decode(text).ok()?;
    let [byte, key @ ..] = <[u8; 33]>::try_from(bytes).ok()?;
    Some((byte, key))
}

fn check_id(given: &str, key: &VerifierKey) -> Result<(), NoteError> {
    let derived = key.id();
    if given == format!("{derived:08x}") {
        return Ok(());
    }
    Err(NoteError::KeyId { given: given.to_owned(), derived })
}
