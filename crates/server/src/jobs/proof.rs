//! The proof of a job: worked out when its files are done, and kept beside them with what makes
//! an evidence bundle of them.

use auditlake_export::bundle;
use auditlake_export::manifest::MANIFEST;
use auditlake_export::proof::{PROOF, Proof, ProofFile};
use auditlake_lake::{Document, Snapshot};
use auditlake_model::claim::Claim;
use auditlake_query::{LogProof, provable_before};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::attempt::Fault;
use super::document::{FileDone, Job};
use super::record;
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

/// What was proved of the events in a job's files.
pub(super) struct Proved {
    claim: Claim,
    logs: Vec<LogProof>,
}

/// Proves what a job claims of the events in its files; none if it claims nothing.
pub(super) async fn prove(state: &AppState, job: &Job) -> Result<Option<Proved>, Fault> {
    let Some(claim) = job.request.proof else { return Ok(None) };
    let snapshot = committed(state, job.pin.recorded_before_us).await?;
    let (logs, scan) = (state.lake().log(), job.whole_scan()?);
    let logs = state.engine().prove(&snapshot, &logs, &scan, claim).await?;
    Ok(Some(Proved { claim, logs }))
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
///
/// All of it is made in memory, which takes a while where the proof is large.
pub(super) fn papers(held: &Document<Job>, proved: Option<Proved>) -> Result<Papers, Fault> {
    let proof = proved.map(|proved| document(&held.value, proved)).transpose()?;
    let manifest = record::manifest(held, proof.as_ref()).map_err(|_logged| Fault::Unrecorded)?;
    let Some(proof) = proof else {
        let json = manifest.to_json();
        let manifest_sha256 = digest(&json);
        let files = vec![(MANIFEST.to_owned(), Bytes::from(json))];
        return Ok(Papers { manifest_sha256, proof_sha256: None, files });
    };
    let members = bundle::members(&manifest, &proof);
    let digest_of = |wanted: &str| {
        members.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| digest(bytes))
    };
    Ok(Papers {
        manifest_sha256: digest_of(MANIFEST).unwrap_or_default(),
        proof_sha256: digest_of(PROOF),
        files: members.into_iter().map(|(name, bytes)| (name, Bytes::from(bytes))).collect(),
    })
}

/// The proof as a document.
fn document(job: &Job, proved: Proved) -> Result<Proof, Fault> {
    let files = job.files.iter().map(file).collect();
    let Proved { claim, logs } = proved;
    Proof::of(claim, &job.request.options(), files, logs)
        .map_err(|found| Fault::Changed { counted: job.rows_done(), found })
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
