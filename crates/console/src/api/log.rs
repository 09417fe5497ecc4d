//! `/v1/log/…`: the checkpoints of a tenant's log, and the keys that sign them.

use auditlake_tlog::{Checkpoint, Note};
use serde::Deserialize;

/// A cosignature: the time in seconds, and the signature itself.
const COSIGNATURE_BYTES: usize = 8 + 64;

/// The keys that sign a tenant's checkpoints.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LogKeys {
    /// What the log is called in its checkpoints.
    pub(crate) origin: String,
    /// Public keys, the newest last.
    pub(crate) keys: Vec<String>,
}

/// A checkpoint as it came. What it says is read, and its signatures are not verified: that is
/// for those who do not trust the server that gave it.
#[derive(Clone, Debug)]
pub(crate) struct SignedHead {
    /// The whole note.
    pub(crate) note: String,
    pub(crate) size: u64,
    /// The root of the log's tree in base64, as the note has it.
    pub(crate) root: String,
    /// Who has signed beside the log itself.
    pub(crate) witnesses: Vec<Witness>,
}

/// Somebody else who has seen the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) name: String,
    /// When, in seconds since 1970; none for a signature that does not say.
    pub(crate) time_s: Option<i64>,
}

impl SignedHead {
    /// Reads a note; nothing if it is no checkpoint.
    pub(crate) fn read(text: String) -> Option<Self> {
        let note = Note::parse(&text).ok()?;
        let head = Checkpoint::parse(&note.text).ok()?;
        let others = note.signatures.iter().filter(|signature| signature.name != head.origin);
        let witnesses = others.map(|signature| Witness {
            name: signature.name.clone(),
            time_s: time_of(&signature.bytes),
        });
        Some(Self {
            size: head.size,
            root: note.text.lines().nth(2)?.to_owned(),
            witnesses: witnesses.collect(),
            note: text,
        })
    }
}

fn time_of(signature: &[u8]) -> Option<i64> {
    let (time, _) = signature.split_first_chunk()?;
    let time_s = i64::try_from(u64::from_be_bytes(*time)).ok()?;
    (signature.len() == COSIGNATURE_BYTES).then_some(time_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_says_who_has_seen_it_and_when() {
        let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        // In base64 an id of four bytes, a time of eight (256 s), and a signature of 64.
        let cosigned = format!("AAAAAQAAAAAAAAEA{}==", "A".repeat(86));
        let plain = format!("AAAAAQ{}=", "A".repeat(85));
        let signatures = format!("\u{2014} lake/acme {plain}\n\u{2014} wit.example {cosigned}\n");
        let note = format!("lake/acme\n750\n{root}\n\n{signatures}");
        let head = SignedHead::read(note.clone()).unwrap();
        assert_eq!((head.size, head.root.as_str()), (750, root));
        assert_eq!(head.note, note);
        let witness = Witness { name: "wit.example".to_owned(), time_s: Some(256) };
        assert_eq!(head.witnesses, [witness]);
        assert!(SignedHead::read("lake/acme\n".to_owned()).is_none());
    }
}
