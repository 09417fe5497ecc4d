//! Whether checkpoints are signed by keys that the caller trusts, and cosigned by witnesses.

use auditlake_tlog::{Algorithm, Note, NoteError, VerifierKey, origin_of};

use crate::claims::Log;
use crate::verdict::{Finding, FindingKind};

/// Who signed a checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) key: VerifierKey,
    /// Whether the caller trusts the key, or it only came with the proof.
    pub(crate) is_trusted: bool,
}

/// The key that signed the checkpoint of a log.
pub(crate) fn signer(log: &Log<'_>, trusted: &[VerifierKey]) -> Result<Signer, Box<Finding>> {
    let is_trusted = !trusted.is_empty();
    let keys = if is_trusted { keys_of(log, trusted) } else { log.keys.clone() };
    if keys.is_empty() {
        let of = if is_trusted { "that are trusted is" } else { "in the proof is" };
        return Err(unsigned(format!("none of the keys {of} one of its log")));
    }
    let key = by_one_of(&keys, &log.note).map_err(|error| {
        let by: Vec<String> = log
            .note
            .signatures
            .iter()
            .map(|signature| format!("{}+{:08x}", signature.name, signature.key_id))
            .collect();
        unsigned(format!("its checkpoint carries signatures by {}: {error}", by.join(", ")))
    })?;
    Ok(Signer { key, is_trusted })
}

fn unsigned(detail: String) -> Box<Finding> {
    Box::new(Finding::new(FindingKind::Signature, detail))
}

/// Which of the keys may sign in the name of the log: those that bear its name, and those of the
/// whole lake.
pub(crate) fn keys_of(log: &Log<'_>, keys: &[VerifierKey]) -> Vec<VerifierKey> {
    let origin = &log.checkpoint.origin;
    keys.iter()
        .filter(|key| key.algorithm == Algorithm::Ed25519)
        .filter(|key| {
            key.name == *origin || origin_of(&key.name, &log.claimed.tenant_id) == *origin
        })
        .filter_map(|key| VerifierKey::new(origin, key.algorithm, key.public).ok())
        .collect()
}

/// The first of the keys that signed the note. That one of them signed does not make good that a
/// signature of another one does not hold.
pub(crate) fn by_one_of(keys: &[VerifierKey], note: &Note) -> Result<VerifierKey, NoteError> {
    let mut signed = Err(NoteError::NoSignatures);
    for key in keys {
        match key.verify(note) {
            Ok(_) if signed.is_err() => signed = Ok(key.clone()),
            Ok(_) => {}
            Err(NoteError::NotSigned(name)) => {
                signed = signed.or(Err(NoteError::NotSigned(name)));
            }
            Err(error) => return Err(error),
        }
    }
    signed
}

/// When a witness cosigned one of the notes, in seconds since 1970.
pub(crate) fn cosigned<'a>(
    witness: &VerifierKey,
    notes: impl Iterator<Item = &'a Note>,
) -> Result<u64, NoteError> {
    let mut error = NoteError::NoSignatures;
    for note in notes {
        match witness.verify(note) {
            Ok(signed) => return Ok(signed.time_s.unwrap_or_default()),
            Err(other) => error = other,
        }
    }
    Err(error)
}
