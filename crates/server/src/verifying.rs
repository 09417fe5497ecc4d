//! The verification of the whole lake, as operators ask for it: every commit, every checkpoint
//! and every event, in the background, one at a time on all servers of a lake.
//!
//! How it is and how it ended is one document. Whoever runs it gives a sign of life in it; one
//! whose server was lost counts as failed when that has been missing for a while, and another one
//! may begin. A run reads and changes nothing, so none has to be gone on with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auditlake_lake::{
    Document, LakeChecks, LakeConfig, LakeError, LakeFinding, LakeReport, Progress, Root,
    verify_lake,
};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use crate::audit::Deed;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::state::AppState;

/// The document.
const KIND: &str = "verifications";
const ID: &str = "lake";
/// What the lake is called where a finding has no better name; it is found by its store.
const LOCATION: &str = "the lake of this server";
/// So many findings are kept.
const MAX_FINDINGS: usize = 100;
/// A loop without a pause would keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(10);

/// How a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerificationState {
    /// There was none yet.
    None,
    /// It runs.
    Running,
    /// Nothing was wrong.
    Good,
    /// Something was wrong.
    NotGood,
    /// It broke off, and says nothing about the lake.
    Failed,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Finding {
    /// What is wrong, by kind: `segment`, `leaf`, `missing`, `signature`, …
    kind: String,
    /// The object below the storage root, when one is to blame.
    path: Option<String>,
    /// Whose log.
    tenant_id: Option<String>,
    /// Which events of it, by `seq`: from the first one on, until before the second.
    #[schema(value_type = Option<Vec<u64>>)]
    seqs: Option<[u64; 2]>,
    /// The id of an event that stands there.
    id: Option<String>,
    /// All of it in a sentence.
    detail: String,
}

/// A verification, as the lake keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verification {
    pub(crate) state: VerificationState,
    /// Who asked for it.
    pub(crate) asked_by: String,
    pub(crate) started_at_us: i64,
    /// The last sign of life.
    heard_at_us: i64,
    pub(crate) finished_at_us: Option<i64>,
    /// Events read so far, and how many there are to be read, once that is known.
    pub(crate) events: u64,
    pub(crate) expected: Option<u64>,
    /// Commits, checkpoints and segments read.
    pub(crate) commits: u64,
    pub(crate) checkpoints: u64,
    pub(crate) segments: u64,
    pub(crate) findings: Vec<Finding>,
    pub(crate) findings_left_out: u64,
    pub(crate) notes: Vec<String>,
}

/// How far a run is.
#[derive(Debug, Default)]
struct Far {
    events: AtomicU64,
    expected: AtomicU64,
}

impl From<LakeFinding> for Finding {
    fn from(found: LakeFinding) -> Self {
        let kind = serde_json::to_value(found.kind).unwrap_or_default();
        Self {
            kind: kind.as_str().unwrap_or_default().to_owned(),
            path: found.path,
            tenant_id: found.tenant_id,
            seqs: found.seqs.map(|seqs| [seqs.start, seqs.end]),
            id: found.id,
            detail: found.detail,
        }
    }
}

impl Verification {
    fn begun(asked_by: &str, now_us: i64) -> Self {
        Self {
            state: VerificationState::Running,
            asked_by: asked_by.to_owned(),
            started_at_us: now_us,
            heard_at_us: now_us,
            finished_at_us: None,
            events: 0,
            expected: None,
            commits: 0,
            checkpoints: 0,
            segments: 0,
            findings: Vec::new(),
            findings_left_out: 0,
            notes: Vec::new(),
        }
    }

    /// What it has come to at its end.
    fn ended(&self, report: LakeReport, hot_rows: u64, now_us: i64) -> Self {
        let found = report.findings.len() as u64 + report.findings_left_out;
        let state = if found == 0 { VerificationState::Good } else { VerificationState::NotGood };
        let mut notes = report.notes;
        if hot_rows > 0 {
            notes.push(format!(
                "{hot_rows} events were in no checkpoint yet when it began, and were not verified."
            ));
        }
        let findings: Vec<Finding> =
            report.findings.into_iter().take(MAX_FINDINGS).map(Finding::from).collect();
        Self {
            state,
            heard_at_us: now_us,
            finished_at_us: Some(now_us),
            events: report.events,
            commits: report.commits,
            checkpoints: report.checkpoints,
            segments: report.segments,
            findings_left_out: found - findings.len() as u64,
            findings,
            notes,
            ..self.clone()
        }
    }

    fn failed(&self, reason: &str, now_us: i64) -> Self {
        Self {
            state: VerificationState::Failed,
            finished_at_us: Some(now_us),
            notes: vec![reason.to_owned()],
            ..self.clone()
        }
    }

    /// Whether its server gave no sign of life for so long that it must be gone.
    fn is_lost(&self, now_us: i64, lease_us: i64) -> bool {
        self.state == VerificationState::Running
            && now_us.saturating_sub(self.heard_at_us) >= lease_us
    }
}

/// The last verification, if there was one.
pub(crate) async fn last(state: &AppState) -> Result<Option<Document<Verification>>, LakeError> {
    let found = state.lake().documents().get::<Verification>(KIND, ID).await?;
    let now_us = state.environment().clock.now_us();
    Ok(found.map(|mut found| {
        if found.value.is_lost(now_us, lease_us(state)) {
            let reason = "The server that ran it was lost. Nothing was found out.";
            found.value = found.value.failed(reason, found.value.heard_at_us);
        }
        found
    }))
}

/// Begins a verification, unless one runs already. One that cannot be recorded does not begin.
pub(crate) async fn begin(state: &AppState, caller: &Principal) -> Result<Verification, Problem> {
    let last = last(state).await?;
    if last.as_ref().is_some_and(|last| last.value.state == VerificationState::Running) {
        return Err(runs_already());
    }
    let version = last.map_or(1, |last| last.version + 1);
    let begun = Verification::begun(&caller.id, state.environment().clock.now_us());
    match state.lake().documents().put(KIND, ID, version, &begun).await {
        Ok(()) => {}
        // Somebody else was faster.
        Err(LakeError::Invalid(_)) => return Err(runs_already()),
        Err(error) => return Err(error.into()),
    }
    let mut held = Held { state: state.clone(), version, value: begun.clone() };
    if let Err(problem) = state.record(caller, deed()).await {
        let now_us = state.environment().clock.now_us();
        let failed = held.value.failed("That it begins could not be recorded.", now_us);
        held.write(failed).await;
        return Err(problem);
    }
    drop(state.tasks().spawn(held.run()));
    Ok(begun)
}

/// That a verification begins, as the log has it.
fn deed() -> Deed<'static> {
    Deed {
        r#type: "log.verification_started",
        outcome: "success",
        target: ("lake", ID),
        tenant_id: None,
        data: json!({}),
    }
}

fn runs_already() -> Problem {
    let detail = "a verification runs already; GET /v1/log/verification tells how far it is";
    Problem::new(StatusCode::CONFLICT, detail)
}

/// For how long a run without a sign of life is not taken for lost.
fn lease_us(state: &AppState) -> i64 {
    i64::try_from(state.config().job_lease.as_micros()).unwrap_or(i64::MAX)
}

/// A verification that this server runs.
struct Held {
    state: AppState,
    /// Of the document.
    version: u64,
    value: Verification,
}

impl Held {
    async fn run(mut self) {
        tracing::info!("a verification begins");
        let far = Arc::new(Far::default());
        let (state, told) = (self.state.clone(), Arc::clone(&far));
        let hot_rows = state.lake().snapshot().hot_rows();
        // What a verification holds while it waits cannot go from thread to thread.
        let runtime = Handle::current();
        let mut reading =
            state.tasks().clone().spawn_blocking(move || runtime.block_on(read(&state, &told)));
        let mut ticks = tokio::time::interval((self.state.config().job_lease / 3).max(SHORTEST));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut reading => break ended,
                _ = ticks.tick() => self.live(&far).await,
            }
        };
        let now_us = self.state.environment().clock.now_us();
        let next = match ended {
            Ok(Some(Ok(report))) => self.value.ended(report, hot_rows, now_us),
            Ok(Some(Err(error))) => {
                tracing::error!(%error, "a verification of the lake broke off");
                let reason = "The lake could not be read; the server's log has the reason.";
                self.value.failed(reason, now_us)
            }
            Ok(None) => self.value.failed("The server was stopped.", now_us),
            Err(panic) => {
                tracing::error!(%panic, "a verification of the lake broke off");
                self.value.failed("It broke off; the server's log has the reason.", now_us)
            }
        };
        tracing::info!(state = ?next.state, events = next.events, "a verification ends");
        self.write(next).await;
    }

    /// Says that it still runs, and how far it is.
    async fn live(&mut self, far: &Far) {
        let expected = far.expected.load(Ordering::Relaxed);
        let next = Verification {
            heard_at_us: self.state.environment().clock.now_us(),
            events: far.events.load(Ordering::Relaxed),
            expected: (expected > 0).then_some(expected),
            ..self.value.clone()
        };
        self.write(next).await;
    }

    /// Writes the next version. When that fails, the one before stays, and is taken for lost if
    /// no other follows.
    async fn write(&mut self, next: Verification) {
        let documents = self.state.lake().documents();
        match documents.put(KIND, ID, self.version + 1, &next).await {
            Ok(()) => (self.version, self.value) = (self.version + 1, next),
            Err(error) => {
                tracing::warn!(%error, "how a verification is could not be written down");
                return;
            }
        }
        if let Err(error) = documents.prune(KIND, ID, self.version.saturating_sub(1)).await {
            tracing::debug!(%error, "old versions of a verification stay");
        }
    }
}

/// Reads the lake; none if the server stops meanwhile.
async fn read(state: &AppState, far: &Far) -> Option<Result<LakeReport, LakeError>> {
    let store = Arc::clone(state.lake().snapshot().store());
    // The write-ahead log is this server's own and at work; what is in it alone is told beside.
    let config = LakeConfig::new(Root::of(store, LOCATION));
    let checks = LakeChecks::default();
    let tell = |progress: Progress| match progress {
        Progress::Expected(events) => far.expected.store(events, Ordering::Relaxed),
        Progress::Events(events) => far.events.store(events, Ordering::Relaxed),
        _ => {}
    };
    state.stopping().run_until_cancelled(verify_lake(&config, &checks, tell)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_silent_for_long_is_lost() {
        let mut one = Verification::begun("ann", 100);
        assert!(!one.is_lost(149, 50));
        assert!(one.is_lost(150, 50));
        one.state = VerificationState::Good;
        assert!(!one.is_lost(1_000, 50));
    }

    #[test]
    fn a_document_comes_back() {
        let finding = Finding {
            kind: "leaf".to_owned(),
            path: None,
            tenant_id: Some("acme".to_owned()),
            seqs: Some([3, 4]),
            id: None,
            detail: "not what was signed".to_owned(),
        };
        let one = Verification { findings: vec![finding], ..Verification::begun("ann", 100) };
        let text = serde_json::to_string(&one).unwrap();
        let again: Verification = serde_json::from_str(&text).unwrap();
        assert_eq!((again.state, again.findings.len()), (VerificationState::Running, 1));
    }
}
