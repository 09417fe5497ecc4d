//! What is written down of an export: its manifest, and the event in the log.

use auditlake_export::manifest::{
    self, Edge, MANIFEST_VERSION, Manifest, ManifestFile, ManifestProof, SnapshotPoint,
};
use auditlake_export::proof::Proof;
use auditlake_export::{CsvOptions, Format};
use auditlake_lake::Document;
use auditlake_model::columns::at;
use auditlake_model::time::format_rfc3339;
use serde_json::{Value, json};

use super::document::{FileDone, Job, Place};
use super::proof::Papers;
use crate::audit::Deed;
use crate::manifesting;
use crate::problem::Problem;
use crate::state::AppState;

/// The manifest of a job whose files are done. It depends on the job alone, not on when or by
/// whom it was run; with a proof, also on what is proved.
pub(super) fn manifest(held: &Document<Job>, proof: Option<&Proof>) -> Result<Manifest, Problem> {
    let Document { id, value: job, .. } = held;
    let request = &job.request;
    let csv_safe = request.csv_safe.unwrap_or(CsvOptions::default().safe);
    Ok(Manifest {
        manifest_version: MANIFEST_VERSION,
        export_id: id.clone(),
        created_at: format_rfc3339(job.created_at_us),
        engine: manifest::engine(),
        requested_by: manifesting::requester(&job.caller)?,
        filter: request.told_filter(),
        filter_text: request.filter()?.to_string(),
        scope: job.scope().to_string(),
        snapshot: SnapshotPoint {
            commit: job.pin.commit,
            recorded_before: format_rfc3339(job.pin.recorded_before_us),
        },
        order: request.order.to_string(),
        columns: job.column_names()?,
        format: request.format.to_string(),
        compression: request.compression.to_string(),
        csv_safe: (request.format == Format::Csv).then_some(csv_safe),
        rows: job.rows_done(),
        bytes: job.bytes_done(),
        copied_bytes: 0,
        files: job.files.iter().map(file).collect(),
        proof: proof.map(ManifestProof::from),
    })
}

fn file(file: &FileDone) -> ManifestFile {
    ManifestFile {
        name: file.name.clone(),
        rows: file.rows,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        first: file.first.as_ref().map(edge),
        last: file.last.as_ref().map(edge),
    }
}

fn edge(place: &Place) -> Edge {
    manifesting::edge(&place.tenant_id, place.seq, place.occurred_at_us)
}

/// Writes down that events were exported; answers when that is durable.
pub(super) async fn exported(
    state: &AppState,
    held: &Document<Job>,
    papers: &Papers,
) -> Result<(), Problem> {
    let job = &held.value;
    let mut data = json!({
        "rows": job.rows_done(),
        "bytes": job.bytes_done(),
        "files": job.files.len(),
        "manifest_sha256": papers.manifest_sha256,
    });
    if let Some(sha256) = &papers.proof_sha256 {
        data["proof_sha256"] = sha256.as_str().into();
    }
    record(state, held, "success", data).await
}

/// Writes down that an export failed.
pub(super) async fn failed(
    state: &AppState,
    held: &Document<Job>,
    reason: &str,
) -> Result<(), Problem> {
    record(state, held, "failure", json!({ "error": reason })).await
}

async fn record(
    state: &AppState,
    held: &Document<Job>,
    outcome: &'static str,
    mut data: Value,
) -> Result<(), Problem> {
    let Document { id, value: job, .. } = held;
    let filter = job.request.filter()?;
    data["filter"] = json!(job.request.told_filter());
    data["filter_text"] = filter.to_string().into();
    data["format"] = job.request.format.to_string().into();
    if let Some(claim) = job.request.proof {
        data["proof"] = claim.to_string().into();
    }
    let deed = Deed {
        r#type: "audit.exported",
        outcome,
        target: ("export", id),
        tenant_id: filter.exactly(at::TENANT_ID),
        data,
    };
    state.record(&job.caller, deed).await
}
