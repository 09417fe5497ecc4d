//! Jobs as documents: every change is the next version, which only one of several servers can
//! write. That is how a job is locked, and how a server notices that it is not its own any
//! more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use auditlake_lake::{Document, LakeError};
use axum::http::StatusCode;

use super::document::Job;
use crate::problem::Problem;
use crate::state::AppState;

/// The kind of document that jobs are.
const KIND: &str = "jobs";
/// How an id begins.
pub(crate) const PREFIX: &str = "exp_";
/// The rest of an id: a ULID.
const ID_CHARS: usize = 26;
/// How often a change is tried that others keep getting in the way of.
const TRIES: u32 = 50;

/// Whether a text can be the id of a job: it becomes part of a path in the store.
pub(crate) fn is_id(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|ulid| {
        ulid.len() == ID_CHARS && ulid.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// A job, if there is one of this id.
pub(crate) async fn get(state: &AppState, id: &str) -> Result<Option<Document<Job>>, LakeError> {
    if !is_id(id) {
        return Ok(None);
    }
    state.lake().documents().get(KIND, id).await
}

/// Writes a new job, or nothing when there is one of this id.
pub(crate) async fn add(state: &AppState, id: &str, job: &Job) -> Result<(), LakeError> {
    match state.lake().documents().put(KIND, id, 1, job).await {
        // Somebody else has made it just now.
        Err(LakeError::Invalid(_)) => Ok(()),
        added => added,
    }
}

/// Writes the next version of a job; none when somebody else was faster.
pub(crate) async fn write(
    state: &AppState,
    held: &Document<Job>,
    next: Job,
) -> Result<Option<Document<Job>>, LakeError> {
    let documents = state.lake().documents();
    let (id, version) = (held.id.clone(), held.version + 1);
    match documents.put(KIND, &id, version, &next).await {
        Ok(()) => {}
        Err(LakeError::Invalid(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    // Old versions are only in the way; the next change deletes what this one could not.
    if let Err(error) = documents.prune(KIND, &id, version.saturating_sub(1)).await {
        tracing::debug!(%error, "old versions of job {id} stay");
    }
    Ok(Some(Document { id, version, value: next }))
}

/// Changes a job, whoever else does so meanwhile. `step` is asked again for every version that
/// it meets; with none, nothing is to be changed.
pub(crate) async fn change(
    state: &AppState,
    mut held: Document<Job>,
    mut step: impl FnMut(&Job) -> Result<Option<Job>, Problem>,
) -> Result<Document<Job>, Problem> {
    for _ in 0..TRIES {
        let Some(next) = step(&held.value)? else { return Ok(held) };
        if let Some(written) = write(state, &held, next).await? {
            return Ok(written);
        }
        if let Some(newer) = get(state, &held.id).await? {
            held = newer;
        }
    }
    let detail = "the export changes too fast to be changed now";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1))
}

/// The ids of all jobs, also of those that cannot be read.
pub(crate) async fn ids(state: &AppState) -> Result<BTreeSet<String>, LakeError> {
    Ok(state.lake().documents().newest(KIND).await?.into_keys().collect())
}

/// Every job, by id. What this server has read once it reads again only when it has changed.
pub(crate) async fn all(state: &AppState) -> Result<Vec<Document<Arc<Job>>>, LakeError> {
    let documents = state.lake().documents();
    let newest: BTreeMap<String, u64> = documents.newest(KIND).await?;
    let mut jobs = Vec::with_capacity(newest.len());
    for (id, version) in newest {
        if let Some(known) = state.jobs().known(&id, version) {
            jobs.push(Document { id, version, value: known });
            continue;
        }
        match documents.get::<Job>(KIND, &id).await {
            Ok(Some(Document { version, value, .. })) => {
                let value = Arc::new(value);
                state.jobs().remember(&id, version, &value);
                jobs.push(Document { id, version, value });
            }
            Ok(None) => {}
            // One that cannot be read, written by a later release perhaps, must not keep all
            // others from being run.
            Err(LakeError::Damaged { path, detail, .. }) => {
                tracing::warn!(path, detail, "a job cannot be read and is left alone");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_an_id() {
        assert!(is_id("exp_01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        for text in [
            "",
            "exp_",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "exp_01ARZ3NDEKTSV4RRFFQ69G5FA",
            "exp_01ARZ3NDEKTSV4RRFFQ69G5FAVX",
            "exp_../../../../../../keys/aaa",
            "exp_01ARZ3NDEKTSV4RRFFQ69G5FÄ",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
