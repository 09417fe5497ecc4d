//! Exports with a proof: what may be claimed of one, and up to which moment.

use auditlake_lake::Snapshot;
use auditlake_model::claim::Claim;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_query::{MOST_PROVABLE_ROWS, ScanRequest, check_claim, provable_before};
use axum::http::StatusCode;

use crate::problem::Problem;
use crate::state::AppState;

/// Refuses what cannot be claimed of the events that are asked for.
pub(crate) fn check(claim: Claim, scan: &ScanRequest) -> Result<(), Problem> {
    if scan.columns.is_some() {
        let reason = "is not allowed with proof: what is proved are whole events";
        return Err(Problem::parameter("columns", reason));
    }
    check_claim(claim, scan).map_err(|reason| Problem::parameter("proof", &reason))
}

/// Refuses to claim that a log is complete which has no checkpoint. Such an export would only
/// break off later.
pub(crate) async fn check_log(
    state: &AppState,
    snapshot: &Snapshot,
    claim: Claim,
    scan: &ScanRequest,
) -> Result<(), Problem> {
    let named = || scan.scope.exactly(at::TENANT_ID).or(scan.filter.exactly(at::TENANT_ID));
    let Some(tenant) = (claim == Claim::Complete).then(named).flatten() else { return Ok(()) };
    match state.lake().log().tenant(snapshot, tenant).await? {
        Some(log) if log.checkpoint().is_some() => Ok(()),
        _ => Err(no_checkpoint(tenant)),
    }
}

/// Refuses to prove more events than one proof can be over, as far as that is known without
/// reading them. Such an export would only break off when all of them have left.
pub(crate) async fn check_rows(
    state: &AppState,
    snapshot: &Snapshot,
    scan: &ScanRequest,
) -> Result<(), Problem> {
    let stored: u64 = snapshot.segments().iter().map(|segment| segment.rows).sum();
    if too_many(stored.saturating_add(snapshot.hot_rows())).is_none() {
        return Ok(());
    }
    let mut filter = scan.filter.clone();
    pin(&mut filter, provable_before(snapshot));
    // The events of a part of a tenant are counted. Where that takes too long the proof itself is
    // what refuses them.
    let estimating = state.engine().estimate(snapshot, &scan.scope, &filter);
    let Ok(estimate) = state.in_query_time(estimating).await else { return Ok(()) };
    let limit = scan.limit.and_then(|limit| u64::try_from(limit).ok()).unwrap_or(u64::MAX);
    match too_many(estimate?.rows_at_least.min(limit)) {
        Some(reason) => Err(Problem::parameter("proof", &reason)),
        None => Ok(()),
    }
}

/// Why so many events cannot be proved, if they are too many.
pub(crate) fn too_many(rows: u64) -> Option<String> {
    (rows > MOST_PROVABLE_ROWS).then(|| {
        format!(
            "a proof is over at most {MOST_PROVABLE_ROWS} events, and {rows} are meant; ask for a \
             shorter range, or for several exports"
        )
    })
}

/// That a tenant's log has no checkpoint. Those who may not see a tenant are told the same.
pub(crate) fn no_checkpoint(tenant: &str) -> Problem {
    let detail = format!("the log of {tenant} has no checkpoint yet");
    Problem::new(StatusCode::NOT_FOUND, detail)
}

/// Leaves out what was not recorded before `bound_us`.
pub(crate) fn pin(filter: &mut Filter, bound_us: i64) {
    let to_us = filter.recorded.to_us;
    filter.recorded.to_us = Some(to_us.map_or(bound_us, |own| own.min(bound_us)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_told_with_the_bound() {
        assert_eq!(too_many(MOST_PROVABLE_ROWS), None);
        let reason = too_many(MOST_PROVABLE_ROWS + 1).unwrap();
        assert!(reason.contains("at most 200000000") && reason.contains("200000001 are meant"));
    }
}
