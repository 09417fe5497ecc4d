//! Whose signatures count, and whether the heads of the logs and the checkpoints that are held
//! elsewhere bear them.

use std::collections::{BTreeMap, HashMap};

use auditlake_tlog::{Algorithm, Checkpoint, Note, Signature, VerifierKey, origin_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::LakeChecks;
use super::findings::{Found, LakeFinding, LakeFindingKind};
use crate::documents::Documents;
use crate::error::LakeError;
use crate::manifest::TenantHead;

/// The keys that are trusted, and what was signed by others.
#[derive(Debug)]
pub(super) struct Trust {
    /// What the lake is called.
    origin: Option<String>,
    keys: Vec<[u8; 32]>,
    /// Whether somebody named the keys who knows them, rather than the lake itself.
    are_given: bool,
    /// The keys under the name of each tenant's log, with their ids.
    verifiers: HashMap<String, Vec<(u32, VerifierKey)>>,
    /// Whether any head so far was signed.
    is_signed: bool,
    /// Heads before that.
    unsigned: u64,
    /// Signed heads of a lake that does not say what it is called.
    nameless: u64,
    /// Signatures of keys that are not trusted, by tenant and key id.
    strangers: BTreeMap<(String, u32), Stranger>,
}

#[derive(Debug)]
struct Stranger {
    heads: u64,
    first: String,
}

impl Trust {
    /// Takes the keys that were given, or those that the lake names.
    pub(super) async fn load(
        documents: &Documents,
        checks: &LakeChecks,
        found: &mut Found,
    ) -> Result<Self, LakeError> {
        let named = match documents.log_keys().await {
            Err(LakeError::Damaged { path, detail, .. }) => {
                found.add(LakeFinding::new(LakeFindingKind::Origin, detail).at(path));
                None
            }
            named => named?,
        };
        let are_given = !checks.keys.is_empty();
        let keys = match &named {
            Some(named) if are_given => named.following(&checks.keys),
            Some(named) => named.keys.clone(),
            None => checks.keys.clone(),
        };
        let origin = named.map(|named| named.origin);
        if origin.is_none() && are_given {
            let detail = "the lake does not say what it is called, so that no signature can be \
                          checked";
            found.add(LakeFinding::new(LakeFindingKind::Origin, detail));
        } else if keys.is_empty() {
            found.note("The lake names no key: no signature was checked.");
        } else if !are_given {
            found.note(
                "The keys were taken from the lake itself: whoever can write to it could have \
                 put others there. Give the keys that you know.",
            );
        }
        Ok(Self {
            origin,
            keys,
            are_given,
            verifiers: HashMap::new(),
            is_signed: false,
            unsigned: 0,
            nameless: 0,
            strangers: BTreeMap::new(),
        })
    }

    /// What the lake is called; empty if it does not say.
    pub(super) fn lake_origin(&self) -> &str {
        self.origin.as_deref().unwrap_or_default()
    }

    /// What a tenant's log is called.
    pub(super) fn origin_of(&self, tenant: &str) -> Option<String> {
        Some(origin_of(self.origin.as_deref()?, tenant))
    }

    /// Checks the signature of a head.
    pub(super) fn check(&mut self, tenant: &str, head: &TenantHead, path: &str, found: &mut Found) {
        let Some(origin) = self.origin_of(tenant) else {
            self.nameless += u64::from(head.signature.is_some());
            return;
        };
        let wrong = |detail: String| {
            LakeFinding::new(LakeFindingKind::Signature, detail).at(path).of(tenant)
        };
        let size = head.size;
        let Some(text) = &head.signature else {
            if self.is_signed {
                found.add(wrong(format!(
                    "the checkpoint of {size} events is not signed, and earlier ones are"
                )));
            }
            self.unsigned += 1;
            return;
        };
        self.is_signed = true;
        let Some(note) = note_of(&origin, head, text) else {
            found.add(wrong(format!("the signature of the checkpoint of {size} events is none")));
            return;
        };
        let id = note.signatures[0].key_id;
        let keys = &self.keys;
        let verifiers = self
            .verifiers
            .entry(tenant.to_owned())
            .or_insert_with(|| named(keys, &origin).map(|key| (key.id(), key)).collect());
        let mut known = verifiers.iter().filter(|(known, _)| *known == id).peekable();
        if known.peek().is_none() {
            self.strangers
                .entry((tenant.to_owned(), id))
                .and_modify(|stranger| stranger.heads += 1)
                .or_insert_with(|| Stranger { heads: 1, first: path.to_owned() });
        } else if !known.any(|(_, key)| key.verify(&note).is_ok()) {
            found.add(wrong(format!(
                "the signature of the checkpoint of {size} events does not hold: checkpoint or \
                 signature was changed"
            )));
        }
    }

    /// Whether a trusted key has signed this note about the log of that name.
    pub(super) fn vouches_for(&self, note: &Note, origin: &str) -> bool {
        named(&self.keys, origin).any(|key| key.verify(note).is_ok())
    }

    /// Whether there is any key to check a signature with.
    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Says what can only be said at the end: which keys were met that are not trusted, and
    /// which logs end with a head that nobody signed.
    pub(super) fn finish(&self, heads: &BTreeMap<String, TenantHead>, found: &mut Found) {
        for ((tenant, id), Stranger { heads, first }) in &self.strangers {
            let whose = if self.are_given { "were given" } else { "the lake names" };
            let detail = format!(
                "{heads} checkpoints, the first in {first}, are signed by the key {id:08x}, which \
                 is none of those that {whose}"
            );
            let finding = LakeFinding::new(LakeFindingKind::Signature, detail);
            found.add(finding.at(first).of(tenant));
        }
        if self.nameless > 0 && !self.are_given {
            let detail = format!(
                "{} checkpoints are signed, but the lake does not say any more what it is called \
                 and by which keys",
                self.nameless
            );
            found.add(LakeFinding::new(LakeFindingKind::Origin, detail));
        }
        if self.are_given && self.origin.is_some() {
            for (tenant, head) in heads.iter().filter(|(_, head)| head.signature.is_none()) {
                let detail = format!("its newest checkpoint, of {} events, is unsigned", head.size);
                found.add(LakeFinding::new(LakeFindingKind::Signature, detail).of(tenant));
            }
        }
        if self.unsigned > 0 {
            found.note(format!("{} checkpoints bear no signature.", self.unsigned));
        }
    }
}

/// Keys under the name of a log.
fn named<'a>(keys: &'a [[u8; 32]], origin: &'a str) -> impl Iterator<Item = VerifierKey> + 'a {
    keys.iter().filter_map(move |key| VerifierKey::new(origin, Algorithm::Ed25519, *key).ok())
}

/// The checkpoint of a head as the signed note that it is.
fn note_of(origin: &str, head: &TenantHead, signature: &str) -> Option<Note> {
    let bytes = STANDARD.decode(signature).ok()?;
    let (key_id, bytes) = bytes.split_first_chunk()?;
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: head.size,
        root: head.root,
        extensions: Vec::new(),
    };
    let (name, key_id) = (origin.to_owned(), u32::from_be_bytes(*key_id));
    let signature = Signature { name, key_id, bytes: bytes.to_vec() };
    Some(Note { text: checkpoint.to_string(), signatures: vec![signature] })
}
