//! What becomes of files that nobody is to fetch any more: those of a ready job go when its
//! time is over, all others after a grace in which the job may still be tried again.

use std::collections::HashSet;
use std::sync::Arc;

use auditlake_lake::{Document, LakeError};

use super::document::{Job, JobState};
use super::journal;
use crate::state::AppState;

/// How long files stay that belong to no job that needs them.
const GRACE_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Ends the time of jobs that are ready and were kept long enough.
pub(super) async fn expire(state: &AppState, jobs: &[Document<Arc<Job>>]) -> Result<(), LakeError> {
    let now_us = state.environment().clock.now_us();
    for held in jobs {
        let is_over = held.value.expires_at_us.is_some_and(|expires| expires <= now_us);
        if held.value.state != JobState::Ready || !is_over {
            continue;
        }
        let job = Job::clone(&held.value);
        let next = Job { state: JobState::Expired, ..job.clone() };
        let found = Document { id: held.id.clone(), version: held.version, value: job };
        // Nobody is to find a job that is ready and has no files: the word goes first.
        if journal::write(state, &found, next).await?.is_some() {
            tracing::info!(id = held.id, "export expires");
            if let Err(error) = state.lake().exports().delete(&held.id).await {
                // They are swept later; the jobs that wait are not to wait for that.
                tracing::warn!(%error, "files of export {} are deleted later", held.id);
            }
        }
    }
    Ok(())
}

/// Deletes what a crash or a failing store left behind.
pub(super) async fn sweep(state: &AppState) -> Result<(), LakeError> {
    let exports = state.lake().exports();
    let with_files = exports.jobs().await?;
    // Read after the files, so that a job made meanwhile is among them.
    let made = journal::ids(state).await?;
    let jobs = journal::all(state).await?;
    // Only what is known to be past: a job that cannot be read, written by a later release
    // perhaps, may need its files.
    let past: HashSet<&str> = jobs
        .iter()
        .filter(|held| held.value.state.is_over() && held.value.state != JobState::Ready)
        .map(|held| held.id.as_str())
        .collect();
    let before_us = state.environment().clock.now_us().saturating_sub(GRACE_US);
    for (id, written_us) in with_files {
        let is_left = past.contains(id.as_str()) || !made.contains(&id);
        if is_left && written_us < before_us {
            tracing::info!(id, "files of a past export are deleted");
            exports.delete(&id).await?;
        }
    }
    Ok(())
}
