//! The proof of a job: worked out when its files are done, and kept beside them with what makes
//! an evidence bundle of them.

use auditlake_export::bundle;
use auditlake_export::manifest::Manifest;
use auditlake_export::proof::{PROOF, Proof, ProofFile};
use auditlake_lake::{Document, Snapshot};
use auditlake_query::provable_before;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::attempt::Fault;
use super::document::{FileDone, Job};
use super::record;
use crate::manifesting::{self, MANIFEST};
use crate::proving;
use crate::state::AppState;

/// What makes an evidence bundle of files and their manifest.
pub(crate) const PAPERS: [&str; 5] =
    [PROOF, bundle::README, bundle::HTML, bundle::CHECKPOINT, bundle::KEYS];

/// What stands beside the files of a job.
pub(super) struct Papers {
    pub(super) manifest_sha256: String,
    /// Of the proof, if there is one.
    pub(super) proof_sha256: Option<String>,
    /// Names and bytes: the manifest, and with a proof the rest of a bundle.
    pub(super) files: Vec<(String, Bytes)>,
}

/// Proves what a job claims of the events in its files; none if it claims nothing.
pub(super) async fn prove(state: &AppState, job: &Job) -> Result<Option<Proof>, Fault> {
    let Some(claim) = job.request.proof else { return Ok(None) };
    let snapshot = committed(state, job.pin.recorded_before_us).await?;
    let (logs, scan) = (state.lake().log(), job.whole_scan()?);
    let logs = state.engine().prove(&snapshot, &logs, &scan, claim).await?;
    let files = job.files.iter().map(file).collect();
    match proving::proof(claim, &job.request.options(), files, logs) {
        Ok(proof) => Ok(Some(proof)),
        Err(found) => Err(Fault::Changed { counted: job.rows_done(), found }),
    }
}

/// The lake, with all that was recorded before an instant in committed logs. It is so since the
/// job was made, but for events that an earlier writer had taken and another one found again.
async fn committed(state: &AppState, before_us: i64) -> Result<Snapshot, Fault> {
    let snapshot = state.lake().snapshot();
    if provable_before(&snapshot) >= before_us {
        return Ok(snapshot);
    }
    state.lake().flush().await?;
    Ok(state.lake().snapshot())
}

fn file(done: &FileDone) -> ProofFile {
    ProofFile { name: done.name.clone(), rows: done.rows, sha256: done.sha256.clone() }
}

/// What stands beside the files of a job whose files are done. The manifest depends on the job
/// alone, not on when or by whom it was run, but for what is said of the proof.
pub(super) fn papers(held: &Document<Job>, proof: Option<&Proof>) -> Result<Papers, Fault> {
    let manifest = record::manifest(held, proof).map_err(|_logged| Fault::Unrecorded)?;
    let json = manifesting::to_json(&manifest).map_err(|_logged| Fault::Unrecorded)?;
    let manifest_sha256 = digest(&json);
    let mut files = vec![(MANIFEST.to_owned(), Bytes::from(json))];
    let proof_sha256 = proof.map(|proof| add_bundle(&mut files, &manifest, proof));
    Ok(Papers { manifest_sha256, proof_sha256, files })
}

/// Adds what makes a bundle; answers the digest of the proof.
fn add_bundle(files: &mut Vec<(String, Bytes)>, manifest: &Manifest, proof: &Proof) -> String {
    let json = proof.to_json();
    let sha256 = digest(&json);
    files.push((PROOF.to_owned(), Bytes::from(json)));
    let rest = bundle::companions(manifest, proof).into_iter();
    files.extend(rest.map(|(name, bytes)| (name, Bytes::from(bytes))));
    sha256
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
