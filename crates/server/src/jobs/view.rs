//! A job as its caller sees it.

use auditlake_model::time::format_rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::{FileDone, Job, JobState};
use crate::problem::Problem;
use crate::state::AppState;

/// An export job.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// Its id.
    pub(crate) id: String,
    /// How far it is.
    pub(crate) state: JobState,
    /// When it was asked for, RFC 3339.
    pub(crate) created_at: String,
    /// When a server first began with it.
    pub(crate) started_at: Option<String>,
    /// When it came to its end.
    pub(crate) finished_at: Option<String>,
    /// When its files are deleted, once they are ready.
    pub(crate) expires_at: Option<String>,
    /// Who asked for it.
    pub(crate) requested_by: JobRequester,
    /// The filter as it was given.
    pub(crate) filter: Vec<JobParameter>,
    /// The filter in words, that of the saved query included.
    pub(crate) filter_text: String,
    /// The saved query whose filter holds as well.
    pub(crate) saved_query: Option<String>,
    /// The format of its files.
    pub(crate) format: String,
    /// Their compression.
    pub(crate) compression: String,
    /// Whether formulas are guarded, in CSV.
    pub(crate) csv_safe: Option<bool>,
    /// The columns, if not all of them are meant.
    pub(crate) columns: Option<Vec<String>>,
    /// The order of the events over all files.
    pub(crate) order: String,
    /// The dialect whose shape the events have.
    pub(crate) shape: Option<String>,
    /// What is claimed of the events, and proved.
    #[schema(pattern = "^(inclusion|complete)$")]
    pub(crate) proof: Option<String>,
    /// How often a server began or went on with it.
    pub(crate) attempt: u32,
    /// What is written so far.
    pub(crate) progress: JobProgress,
    /// The exact number of events, once they were counted.
    pub(crate) rows: Option<u64>,
    /// The files; there are some only once the job is ready.
    pub(crate) files: Vec<JobFile>,
    /// Where the manifest is, once the job is ready.
    pub(crate) manifest_url: Option<String>,
    /// Where the proof is, once a job that has one is ready.
    pub(crate) proof_url: Option<String>,
    /// Where all files are in one zip archive, once the job is ready; with a proof it is an
    /// evidence bundle.
    pub(crate) archive_url: Option<String>,
    /// Why it failed.
    pub(crate) error: Option<String>,
}

/// Who asked for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct JobRequester {
    /// The id of the key, or the subject of the token.
    pub(crate) id: String,
    /// Its role at that time.
    pub(crate) role: String,
}

/// A parameter of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct JobParameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct JobProgress {
    /// Events written.
    pub(crate) rows: u64,
    /// Bytes written, as they lie in the files.
    pub(crate) bytes: u64,
    /// Events written of all, once they were counted.
    pub(crate) percent: Option<f64>,
    /// Since the job began.
    pub(crate) rows_per_second: Option<f64>,
}

/// A file of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct JobFile {
    /// Its name.
    pub(crate) name: String,
    /// Events in it.
    pub(crate) rows: u64,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub(crate) sha256: String,
    /// Where it is.
    pub(crate) url: String,
}

/// What a caller is told of a job.
pub(crate) fn view(state: &AppState, id: &str, job: &Job) -> Result<JobView, Problem> {
    let request = &job.request;
    let is_ready = job.state == JobState::Ready;
    let url = |rest: &str| format!("/v1/exports/{id}/{rest}");
    let file = |file: &FileDone| JobFile {
        name: file.name.clone(),
        rows: file.rows,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        url: url(&format!("files/{}", file.name)),
    };
    let parameter = |(name, value): &(String, String)| JobParameter {
        name: name.clone(),
        value: value.clone(),
    };
    Ok(JobView {
        id: id.to_owned(),
        state: job.state,
        created_at: format_rfc3339(job.created_at_us),
        started_at: job.started_at_us.map(format_rfc3339),
        finished_at: job.finished_at_us.map(format_rfc3339),
        expires_at: job.expires_at_us.map(format_rfc3339),
        requested_by: JobRequester { id: job.caller.id.clone(), role: job.caller.role.to_string() },
        filter: request.filter.iter().map(parameter).collect(),
        filter_text: request.filter()?.to_string(),
        saved_query: request.saved.as_ref().map(|saved| saved.id.clone()),
        format: request.format.to_string(),
        compression: request.compression.to_string(),
        csv_safe: request.csv_safe,
        columns: request.columns.clone(),
        order: request.order.to_string(),
        shape: request.shape.clone(),
        proof: request.proof.map(|claim| claim.to_string()),
        attempt: job.attempt,
        progress: progress(state, id, job),
        rows: job.rows_total,
        files: if is_ready { job.files.iter().map(file).collect() } else { Vec::new() },
        manifest_url: is_ready.then(|| url("manifest")),
        proof_url: (is_ready && job.proof_sha256.is_some()).then(|| url("proof")),
        archive_url: is_ready.then(|| url("archive.zip")),
        error: job.error.clone(),
    })
}

/// The document is as old as the last sign of life; who runs the job knows better.
fn progress(state: &AppState, id: &str, job: &Job) -> JobProgress {
    let live = (job.state == JobState::Running).then(|| state.jobs().progress(id)).flatten();
    let (rows, bytes) = live
        .map_or((job.rows, job.bytes), |(rows, bytes)| (rows.max(job.rows), bytes.max(job.bytes)));
    let percent = job.rows_total.map(|total| match total {
        0 if job.state == JobState::Running => 0.0,
        0 => 100.0,
        total => 100.0 * rows as f64 / total as f64,
    });
    let until_us = job.finished_at_us.unwrap_or_else(|| state.environment().clock.now_us());
    let seconds = job.started_at_us.map(|started| (until_us - started) as f64 / 1e6);
    let rows_per_second = seconds.filter(|seconds| *seconds > 0.0).map(|s| rows as f64 / s);
    JobProgress { rows, bytes, percent, rows_per_second }
}
