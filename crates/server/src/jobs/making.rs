//! What callers do to jobs: make, find, list, call off and try again. Who may not see a job is
//! told that there is none.

use std::cmp::Reverse;
use std::sync::Arc;

use auditlake_lake::Document;
use auditlake_model::columns::at;
use auditlake_model::id::new_ulid;
use axum::http::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::document::{Job, JobRequest, JobState, Pin};
use super::journal::{self, PREFIX};
use super::view::{JobView, view};
use crate::audit::Deed;
use crate::cursor::recorded_bound;
use crate::identity::{Permission, Principal, Role};
use crate::problem::Problem;
use crate::proving;
use crate::state::AppState;

/// Seconds after which a tenant with too many jobs may ask again.
const RETRY_FULL: u32 = 30;

/// Makes a job.
pub(crate) async fn create(
    state: &AppState,
    caller: &Principal,
    request: JobRequest,
) -> Result<JobView, Problem> {
    create_once(state, caller, request, None).await
}

/// Makes a job; with a key of the caller's, only the first time that this key is used.
pub(crate) async fn create_once(
    state: &AppState,
    caller: &Principal,
    request: JobRequest,
    key: Option<&str>,
) -> Result<JobView, Problem> {
    caller.require(Permission::AuditExport)?;
    request.check(state.engine(), caller)?;
    let id = match key {
        Some(key) => keyed_id(caller, key),
        None => format!("{PREFIX}{}", new_ulid(state.environment())),
    };
    if key.is_some()
        && let Some(made) = journal::get(state, &id).await?
    {
        return same(state, caller, &made, &request);
    }
    check_room(state, caller).await?;
    // Pinned first: what is written down of the request does not belong to the export.
    let job = new_job(state, caller, request.clone(), pin(state).await?);
    if let Some(claim) = request.proof {
        let snapshot = state.lake().snapshot();
        let scan = request.all(caller)?;
        proving::check_log(state, &snapshot, claim, &scan).await?;
        proving::check_rows(state, &snapshot, &scan).await?;
    }
    let filter = request.filter()?;
    let mut data = json!({
        "filter": request.told_filter(),
        "filter_text": filter.to_string(),
        "format": request.format.to_string(),
    });
    if let Some(claim) = request.proof {
        data["proof"] = claim.to_string().into();
    }
    let deed = Deed {
        r#type: "audit.export_requested",
        outcome: "success",
        target: ("export", &id),
        tenant_id: filter.exactly(at::TENANT_ID),
        data,
    };
    // The request is an event of the log before anything comes of it.
    state.record(caller, deed).await?;
    journal::add(state, &id, &job).await?;
    state.jobs().wake();
    // A server may have begun with it already, and with a key somebody else may have made it.
    match journal::get(state, &id).await? {
        Some(made) => same(state, caller, &made, &request),
        None => Err(Problem::internal("making an export job", &"it is not there")),
    }
}

/// The events that the lake has now. They are moved into segments first: any server may run the
/// job, and only the one that took an event knows it before that.
async fn pin(state: &AppState) -> Result<Pin, Problem> {
    let recorded_before_us = match recorded_bound(&state.lake().snapshot()) {
        // Nothing is there yet: what comes later does not belong to this export.
        i64::MAX => 0,
        bound => bound,
    };
    state.in_time(state.lake().flush()).await??;
    Ok(Pin { recorded_before_us, commit: state.lake().snapshot().manifest().version })
}

fn new_job(state: &AppState, caller: &Principal, request: JobRequest, pin: Pin) -> Job {
    Job {
        request,
        caller: caller.clone(),
        state: JobState::Queued,
        pin,
        created_at_us: state.environment().clock.now_us(),
        started_at_us: None,
        finished_at_us: None,
        attempt: 0,
        rows_total: None,
        rows_per_file: None,
        files: Vec::new(),
        rows: 0,
        bytes: 0,
        error: None,
        expires_at_us: None,
        lease: None,
        manifest_sha256: None,
        proof_sha256: None,
        papers_attempt: None,
    }
}

/// The job that a key stands for, unless the key was used for another one.
/// One whose rights are less by now meant another one.
fn same(
    state: &AppState,
    caller: &Principal,
    made: &Document<Job>,
    request: &JobRequest,
) -> Result<JobView, Problem> {
    if is_visible(caller, &made.value) && made.value.request.means_the_same(request) {
        return view(state, &made.id, &made.value);
    }
    let detail = format!(
        "this Idempotency-Key was used for another export, {}; use a key for one export only",
        made.id
    );
    Err(Problem::new(StatusCode::CONFLICT, detail).with("id", made.id.as_str()))
}

/// Refuses a further job to a tenant that has enough of them waiting and running.
async fn check_room(state: &AppState, caller: &Principal) -> Result<(), Problem> {
    let most = state.config().max_queued_jobs;
    let jobs = journal::all(state).await?;
    let unfinished = jobs.iter().filter(|held| {
        !held.value.state.is_over() && held.value.caller.place.tenant_id == caller.place.tenant_id
    });
    if unfinished.count() < most {
        return Ok(());
    }
    let detail = format!("{most} exports wait or run already, and no more may; come back later");
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY_FULL))
}

/// An id that depends on nothing but the caller and the key.
fn keyed_id(caller: &Principal, key: &str) -> String {
    let tenant = caller.place.tenant_id.as_deref().unwrap_or_default();
    let kind = format!("{:?}", caller.kind);
    let mut hash = Sha256::new();
    for part in ["export", kind.as_str(), tenant, caller.id.as_str(), key] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    format!("{PREFIX}{}", Ulid::from_bytes(bytes))
}

/// Whether a caller may know of a job: its own, and those of its tenant or of all for whom
/// runs these. What it may see of events has to hold all that the job gives.
fn is_visible(caller: &Principal, job: &Job) -> bool {
    let same_tenant = caller.place.tenant_id == job.caller.place.tenant_id;
    let is_own = caller.id == job.caller.id && caller.kind == job.caller.kind && same_tenant;
    let runs_it = match caller.role {
        Role::Operator => true,
        Role::EnterpriseAdmin => same_tenant,
        _ => false,
    };
    let scope = job.scope();
    let holds_all =
        caller.scope().bounds().all(|(column, value)| scope.exactly(column) == Some(value));
    (is_own || runs_it) && holds_all
}

/// A job that the caller may know of.
pub(crate) async fn find(
    state: &AppState,
    caller: &Principal,
    id: &str,
) -> Result<Document<Job>, Problem> {
    caller.require(Permission::AuditExport)?;
    match journal::get(state, id).await? {
        Some(held) if is_visible(caller, &held.value) => Ok(held),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no export {id:?}"))),
    }
}

/// Who made a job, for a link that has the same rights.
pub(crate) async fn owner(state: &AppState, id: &str) -> Option<Principal> {
    let found = journal::get(state, id).await.inspect_err(|error| {
        tracing::error!(%error, "the export of a link cannot be read");
    });
    Some(found.ok()??.value.caller)
}

/// The jobs that the caller may know of, the newest first.
pub(crate) async fn listed(
    state: &AppState,
    caller: &Principal,
) -> Result<Vec<Document<Arc<Job>>>, Problem> {
    caller.require(Permission::AuditExport)?;
    let mut jobs = journal::all(state).await?;
    jobs.retain(|held| is_visible(caller, &held.value));
    jobs.sort_by_cached_key(|held| Reverse((held.value.created_at_us, held.id.clone())));
    Ok(jobs)
}

/// Calls a job off; of one that is ready, the files are deleted.
pub(crate) async fn cancel(
    state: &AppState,
    caller: &Principal,
    id: &str,
) -> Result<JobView, Problem> {
    let found = find(state, caller, id).await?;
    let now_us = state.environment().clock.now_us();
    if matches!(found.value.state, JobState::Queued | JobState::Running | JobState::Ready) {
        let deed = Deed {
            r#type: "audit.export_canceled",
            outcome: "success",
            target: ("export", id),
            tenant_id: found.value.caller.place.tenant_id.as_deref(),
            data: json!({ "state": found.value.state.name() }),
        };
        state.record(caller, deed).await?;
    }
    let changed = journal::change(state, found, |job| {
        let next = match job.state {
            JobState::Queued | JobState::Running => JobState::Canceled,
            JobState::Ready => JobState::Expired,
            JobState::Failed | JobState::Canceled | JobState::Expired => return Ok(None),
        };
        let finished_at_us = Some(job.finished_at_us.unwrap_or(now_us));
        Ok(Some(Job { state: next, finished_at_us, lease: None, ..job.clone() }))
    })
    .await?;
    state.jobs().stop(id);
    // Whoever runs it deletes them again once it has stopped.
    if matches!(changed.value.state, JobState::Canceled | JobState::Expired)
        && let Err(error) = state.lake().exports().delete(id).await
    {
        tracing::warn!(%error, "files of export {id} are deleted later");
    }
    view(state, id, &changed.value)
}

/// Puts a job that failed or was called off back into the queue, with the same events.
pub(crate) async fn retry(
    state: &AppState,
    caller: &Principal,
    id: &str,
) -> Result<JobView, Problem> {
    let found = find(state, caller, id).await?;
    if matches!(found.value.state, JobState::Failed | JobState::Canceled) {
        check_room(state, caller).await?;
    }
    let changed = journal::change(state, found, |job| {
        let mut next = job.clone();
        match job.state {
            JobState::Failed => {}
            JobState::Canceled => next.forget_files(),
            // Asked twice, it is tried once.
            JobState::Queued => return Ok(None),
            other => {
                let detail = format!(
                    "export {id} is {}; only one that failed or was canceled can be tried again",
                    other.name()
                );
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            }
        }
        next.queue_again();
        Ok(Some(next))
    })
    .await?;
    state.jobs().wake();
    view(state, id, &changed.value)
}

#[cfg(test)]
mod tests {
    use auditlake_export::Format;

    use super::*;

    fn principal(id: &str, role: &str, place: serde_json::Value) -> Principal {
        let mut principal = json!({ "id": id, "kind": "api_key", "role": role });
        for (name, value) in place.as_object().unwrap() {
            principal[name] = value.clone();
        }
        serde_json::from_value(principal).unwrap()
    }

    fn job(caller: &Principal) -> Job {
        Job {
            request: JobRequest::new(Format::Csv),
            caller: caller.clone(),
            state: JobState::Queued,
            pin: Pin { recorded_before_us: 0, commit: 0 },
            created_at_us: 0,
            started_at_us: None,
            finished_at_us: None,
            attempt: 0,
            rows_total: None,
            rows_per_file: None,
            files: Vec::new(),
            rows: 0,
            bytes: 0,
            error: None,
            expires_at_us: None,
            lease: None,
            manifest_sha256: None,
            proof_sha256: None,
            papers_attempt: None,
        }
    }

    #[test]
    fn jobs_are_seen_by_who_made_them_and_who_runs_the_tenant() {
        let acme = || json!({ "tenant_id": "acme" });
        let emea = || json!({ "tenant_id": "acme", "org_id": "emea" });
        let auditor = principal("one", "auditor", acme());
        let made = job(&auditor);
        for (caller, sees) in [
            (auditor.clone(), true),
            (principal("two", "auditor", acme()), false),
            (principal("two", "enterprise_admin", acme()), true),
            (principal("two", "enterprise_admin", json!({ "tenant_id": "zeta" })), false),
            (principal("one", "auditor", json!({ "tenant_id": "zeta" })), false),
            (principal("two", "operator", json!({})), true),
            // The same caller, whose rights are less now.
            (principal("one", "org_admin", emea()), false),
        ] {
            assert_eq!(is_visible(&caller, &made), sees, "{caller:?}");
        }
        let of_org = job(&principal("one", "org_admin", emea()));
        assert!(is_visible(&principal("one", "org_admin", emea()), &of_org));
        assert!(is_visible(&principal("two", "enterprise_admin", acme()), &of_org));
        let of_all = job(&principal("root", "operator", json!({})));
        assert!(!is_visible(&principal("two", "enterprise_admin", acme()), &of_all));
    }

    #[test]
    fn a_key_leads_each_caller_to_a_job_of_its_own() {
        let one = principal("one", "auditor", json!({ "tenant_id": "acme" }));
        let two = principal("two", "auditor", json!({ "tenant_id": "acme" }));
        assert_eq!(keyed_id(&one, "k"), keyed_id(&one, "k"));
        assert_ne!(keyed_id(&one, "k"), keyed_id(&one, "l"));
        assert_ne!(keyed_id(&one, "k"), keyed_id(&two, "k"));
        assert!(journal::is_id(&keyed_id(&one, "k")));
    }
}
