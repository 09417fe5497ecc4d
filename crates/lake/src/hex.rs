//! Hashes as lowercase hexadecimal text, alone and in JSON.

/// Bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text as a hash of 32 bytes.
fn decode(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// One hash, for serde.
pub(crate) mod one {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(hash: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&super::encode(hash))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(input)?;
        super::decode(&text).ok_or_else(|| D::Error::custom("not a SHA-256 in hexadecimal"))
    }
}

/// A list of hashes, for serde.
pub(crate) mod many {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(hashes: &[[u8; 32]], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(hashes.iter().map(|hash| super::encode(hash)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<[u8; 32]>, D::Error> {
        let texts = Vec::<String>::deserialize(input)?;
        let hashes: Option<Vec<_>> = texts.iter().map(|text| super::decode(text)).collect();
        hashes.ok_or_else(|| D::Error::custom("not a list of SHA-256 in hexadecimal"))
    }
}
