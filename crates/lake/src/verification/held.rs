//! Checkpoints that somebody holds: those given to the verification, and those that witnesses
//! have signed and the lake keeps. Each must be a state that the log went through. This is what
//! shows that a lake was rolled back, or rewritten by somebody who has its key.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use auditlake_tlog::{Checkpoint, Hash, Note, VerifierKey};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::LakeChecks;
use super::findings::{Found, LakeFinding, LakeFindingKind};
use super::trust::Trust;
use crate::error::LakeError;
use crate::hex;
use crate::manifest::TenantHead;

/// The checkpoints by the name of their log and their size.
#[derive(Debug, Default)]
pub(super) struct Held {
    logs: BTreeMap<String, BTreeMap<u64, Vec<Known>>>,
    /// Whether any came from elsewhere, or from a witness.
    is_any: bool,
}

/// A checkpoint that a log must have gone through.
#[derive(Debug)]
struct Known {
    root: Hash,
    /// Where it was found; none for one that was given.
    path: Option<String>,
    /// Whether it has been compared.
    is_met: bool,
}

impl Known {
    fn called(&self, size: u64) -> String {
        match &self.path {
            None => format!("the given checkpoint of {size} events"),
            Some(_) => format!("the cosigned checkpoint of {size} events"),
        }
    }

    fn at(&self, finding: LakeFinding) -> LakeFinding {
        match &self.path {
            Some(path) => finding.at(path),
            None => finding,
        }
    }
}

/// No cosigned checkpoint is longer.
const MAX_NOTE_BYTES: u64 = auditlake_tlog::MAX_NOTE_BYTES as u64;

impl Held {
    /// Gathers the given checkpoints and those that the lake keeps in these files.
    pub(super) async fn gather(
        store: &Arc<dyn ObjectStore>,
        files: &[Path],
        checks: &LakeChecks,
        trust: &Trust,
        found: &mut Found,
    ) -> Result<Self, LakeError> {
        let mut held = Self::default();
        for note in &checks.against {
            held.admit(note, None, checks, trust, found);
        }
        for path in files {
            match read(store, path).await? {
                Ok(note) => held.admit(&note, Some(path.to_string()), checks, trust, found),
                Err(why) => {
                    let detail = format!("it is no cosigned checkpoint: {why}");
                    found.add(LakeFinding::new(LakeFindingKind::Signature, detail).at(path));
                }
            }
        }
        if !held.is_any {
            found.note(
                "Without a checkpoint that was kept elsewhere, a lake that was put back to an \
                 older state, or rewritten with its own key, looks like any other.",
            );
        }
        Ok(held)
    }

    fn admit(
        &mut self,
        note: &Note,
        path: Option<String>,
        checks: &LakeChecks,
        trust: &Trust,
        found: &mut Found,
    ) {
        let is_given = path.is_none();
        let mut wrong = |kind, detail: String| {
            let finding = LakeFinding::new(kind, detail);
            found.add(match &path {
                Some(path) => finding.at(path),
                None => finding,
            });
        };
        let checkpoint = match Checkpoint::parse(&note.text) {
            Ok(checkpoint) => checkpoint,
            Err(why) => {
                let detail = format!("what is to be compared with is no checkpoint: {why}");
                return wrong(LakeFindingKind::Signature, detail);
            }
        };
        let Checkpoint { origin, size, root, .. } = checkpoint;
        let lake = trust.lake_origin();
        if !origin.strip_prefix(lake).is_some_and(|rest| rest.starts_with('/')) {
            let detail = format!("a checkpoint is of {origin:?}, but this lake is {lake:?}");
            return wrong(LakeFindingKind::Origin, detail);
        }
        if trust.has_keys() && !trust.vouches_for(note, &origin) {
            let detail = format!(
                "the checkpoint of {size} events of {origin} bears no signature of a trusted key \
                 that holds"
            );
            wrong(LakeFindingKind::Signature, detail);
        }
        match cosigned(note, &checks.witnesses) {
            Cosigned::Forged(witness) => wrong(
                LakeFindingKind::Signature,
                format!(
                    "the cosignature of {witness} on the checkpoint of {size} events of {origin} \
                     does not hold"
                ),
            ),
            // What a lake keeps may be older than a witness that it has now.
            Cosigned::ByNone if is_given && !checks.witnesses.is_empty() => wrong(
                LakeFindingKind::Signature,
                format!(
                    "the checkpoint of {size} events of {origin} bears no cosignature of a given \
                     witness"
                ),
            ),
            Cosigned::ByNone => {}
            Cosigned::By(witness) if is_given => found.note(format!(
                "The given checkpoint of {size} events of {origin} was cosigned by {witness}."
            )),
            Cosigned::By(_) => {}
        }
        self.is_any = true;
        let known = Known { root, path, is_met: false };
        self.logs.entry(origin).or_default().entry(size).or_default().push(known);
    }

    /// The sizes strictly within the range at which the root of a log is still to be compared.
    pub(super) fn sizes_within(&self, origin: &str, range: &Range<u64>) -> Vec<u64> {
        let bounds = (Bound::Excluded(range.start), Bound::Excluded(range.end));
        match self.logs.get(origin) {
            Some(sizes) if range.start < range.end => sizes
                .range(bounds)
                .filter(|(_, known)| known.iter().any(|known| !known.is_met))
                .map(|(size, _)| *size)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Compares with the root that a log has at this size.
    pub(super) fn compare(
        &mut self,
        origin: &str,
        tenant: &str,
        size: u64,
        root: &Hash,
        found: &mut Found,
    ) {
        let known = self.logs.get_mut(origin).and_then(|sizes| sizes.get_mut(&size));
        for known in known.into_iter().flatten().filter(|known| !known.is_met) {
            known.is_met = true;
            if known.root != *root {
                let detail = format!(
                    "history was rewritten: {} has root {}, the log has {} there",
                    known.called(size),
                    hex::encode(&known.root),
                    hex::encode(root)
                );
                let forked = LakeFinding::new(LakeFindingKind::Forked, detail);
                found.add(known.at(forked.of(tenant).within(0..size)));
            }
        }
    }

    /// Says what the logs are too short for, and what could not be compared.
    pub(super) fn finish(
        &self,
        trust: &Trust,
        heads: &BTreeMap<String, TenantHead>,
        found: &mut Found,
    ) {
        let tenants: BTreeMap<String, (&String, u64)> = heads
            .iter()
            .filter_map(|(tenant, head)| Some((trust.origin_of(tenant)?, (tenant, head.size))))
            .collect();
        for (origin, sizes) in &self.logs {
            let (tenant, now) = match tenants.get(origin) {
                Some((tenant, now)) => (Some(*tenant), *now),
                None => (None, 0),
            };
            for (size, known) in sizes {
                let open = known.iter().filter(|known| !known.is_met && *size > 0);
                for known in open {
                    let called = known.called(*size);
                    if *size <= now {
                        found.note(format!("The log {origin}: {called} was not compared."));
                        continue;
                    }
                    let detail = format!(
                        "the lake was rolled back: {called} of {origin} is known, the log has {now}"
                    );
                    let shorter = LakeFinding::new(LakeFindingKind::Shorter, detail);
                    let shorter = shorter.within(now..*size);
                    found.add(known.at(match tenant {
                        Some(tenant) => shorter.of(tenant),
                        None => shorter,
                    }));
                }
            }
        }
    }
}

async fn read(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
) -> Result<Result<Note, String>, LakeError> {
    let file = store.get(path).await.map_err(LakeError::store(path))?;
    if file.meta.size > MAX_NOTE_BYTES {
        return Ok(Err(format!("it has {} bytes", file.meta.size)));
    }
    let bytes = file.bytes().await.map_err(LakeError::store(path))?;
    let text = std::str::from_utf8(&bytes).map_err(|source| source.to_string());
    Ok(text.and_then(|text| Note::parse(text).map_err(|source| source.to_string())))
}

/// Which of the witnesses have signed a note.
enum Cosigned {
    By(String),
    ByNone,
    /// One is named, but its cosignature does not hold.
    Forged(String),
}

fn cosigned(note: &Note, witnesses: &[VerifierKey]) -> Cosigned {
    let mut by = Cosigned::ByNone;
    for witness in witnesses {
        let (name, id) = (&witness.name, witness.id());
        if witness.verify(note).is_ok() {
            by = Cosigned::By(name.clone());
        } else if note.signatures.iter().any(|line| line.name == *name && line.key_id == id) {
            return Cosigned::Forged(name.clone());
        }
    }
    by
}
