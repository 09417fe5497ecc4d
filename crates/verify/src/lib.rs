//! Checks exports offline: what a proof claims of files against what the files say. Nothing is
//! asked of anybody: an export, its proof, and what the caller trusts are all that is needed.
//!
//! Everything in an export may be forged, but for what a trusted key has signed. So nothing here
//! panics or takes memory by what a file says of itself, and a [`Verdict`] says exactly what was
//! proved, what was not, and where each fault is. `docs/rfcs/0003-proofs.md` describes the checks.
//!
//! Memory: a few pieces of the files, and the proof. What was seen of a log is kept as hashes,
//! one for each 256 neighbours, so that many events apart from each other take most.

mod check;
mod claims;
mod conclusion;
mod findings;
mod held;
mod manifest;
mod report;
mod rows;
mod signing;
mod source;
mod verdict;

use std::path::Path;

use auditlake_tlog::{Note, VerifierKey};

pub use crate::verdict::{Finding, FindingKind, Verdict, VerifyError};

/// What the caller knows from elsewhere, and holds the export against.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Keys of the log: under the name of a tenant's log, or of the lake for all of its logs.
    /// Without any, those that came with the export are taken, and the verdict says so.
    pub keys: Vec<VerifierKey>,
    /// Witnesses, each of which must have cosigned a checkpoint of each log.
    pub witnesses: Vec<VerifierKey>,
    /// Checkpoints that were kept elsewhere: the logs must still contain what they had then.
    pub against: Vec<Note>,
}

/// Checks an export: a bundle as a zip file or as the folder that it was unpacked to, or a file
/// with its proof beside it (`<file>.proof.json`, or as one of the files of a `proof.json`).
///
/// `progress` is told how many more events have been read. An error means that there was nothing
/// to check: no proof, or one that cannot be read. Whatever else is wrong is a finding.
pub fn verify_export(
    path: &Path,
    trust: &Trust,
    progress: &dyn Fn(u64),
) -> Result<Verdict, VerifyError> {
    check::check(&source::Source::open(path, None)?, trust, progress)
}

/// [`verify_export`] with a proof that lies elsewhere.
pub fn verify_export_with(
    path: &Path,
    proof: &Path,
    trust: &Trust,
    progress: &dyn Fn(u64),
) -> Result<Verdict, VerifyError> {
    check::check(&source::Source::open(path, Some(proof))?, trust, progress)
}
