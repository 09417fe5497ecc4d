//! Proofs of exports: that events are leaves of their tenants' logs, unchanged, and of a range
//! of one log that none is missing.
//!
//! What is proved is what is committed: the logs as the heads of the snapshot's manifest have
//! them, which are signed. Hot events are in no head, so a request that is to be proved is bounded
//! by [`provable_before`].

mod claim;
mod complete;
mod leaves;

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::min;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_lake::{Logs, Snapshot, TenantLog};
use auditlake_model::claim::Claim;
use auditlake_model::columns::at;
use auditlake_model::time::MIN_US;
use auditlake_tlog::multi::{self, MultiProof};
use auditlake_tlog::{CompleteRange, Hash, LogProof, ProofError};
use futures::TryStreamExt;

use crate::engine::Engine;
use crate::error::QueryError;
use crate::scan::{Order, ScanRequest};
pub use claim::check_claim;
use complete::Searched;
use leaves::{Answer, LeafRenderer, Seen};

/// The most events of one proof: what is kept of each while it is made takes memory.
pub const MOST_PROVABLE_ROWS: u64 = 200_000_000;

/// The most stretches of one log in a proof: each gap between two of them takes hashes in the
/// proof, and events that are read for these.
const MAX_STRETCHES: usize = 1 << 21;

/// The bound before which every recorded event is in a committed log; nothing is provable while
/// no event is committed.
///
/// The lake gives all that it takes at once one `recorded_at`, later than any before whosever
/// events they are, and a flush commits all that is hot. So what was recorded up to the newest
/// committed event is committed, and nothing is going to be recorded there any more. Only what a
/// writer had acknowledged when another one took over keeps an earlier time until it is flushed,
/// which is why hot events bound it too.
#[must_use]
pub fn provable_before(snapshot: &Snapshot) -> i64 {
    let heads = snapshot.manifest().tenants.values().map(|head| head.recorded_at_us);
    let committed = heads.max().map_or(MIN_US, |newest| newest.saturating_add(1));
    let hot = snapshot.hot().iter().filter_map(|hot| {
        min(hot.batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>())
    });
    hot.min().map_or(committed, |oldest| oldest.min(committed))
}

impl Engine {
    /// Proves what a claim says of the events that a request means, one proof for each log that
    /// has some of them, ordered by tenant; to claim completeness, exactly one. The request is
    /// that of the export, with `filter.recorded` ending at [`provable_before`] or earlier; whole
    /// events are proved, whatever columns it names.
    ///
    /// Memory: each event takes about ten bytes for its hint, and its hash unless it is one of 256
    /// in a row, which take no more than one. So this grows with the export, other than the export
    /// itself, and more events than [`MOST_PROVABLE_ROWS`] are refused; so are events that lie in
    /// more than two million stretches of one log, whose proof would be larger than they are.
    pub async fn prove(
        &self,
        snapshot: &Snapshot,
        logs: &Logs,
        request: &ScanRequest,
        claim: Claim,
    ) -> Result<Vec<LogProof>, QueryError> {
        check_claim(claim, request).map_err(QueryError::Invalid)?;
        let mut request = ScanRequest { columns: None, ..request.clone() };
        if request.limit.is_none() && request.after.is_none() {
            // Any order gives the same leaves, and this one is never sorted for.
            request.order = Order::Log;
        }
        let (engine, snapshot, logs) = (self.clone(), snapshot.clone(), logs.clone());
        let proving = Proving { engine, snapshot, logs, request };
        self.apart(async move {
            match claim {
                Claim::Inclusion => proving.inclusion().await,
                Claim::Complete => Ok(vec![proving.complete().await?]),
            }
        })
        .await
    }
}

/// A request that is being proved.
struct Proving {
    engine: Engine,
    snapshot: Snapshot,
    logs: Logs,
    request: ScanRequest,
}

impl Proving {
    async fn inclusion(self) -> Result<Vec<LogProof>, QueryError> {
        let mut proofs = Vec::new();
        for (tenant, seen) in self.seen().await? {
            let log = self.log(&tenant).await?;
            proofs.push(prove(&log, seen, &[], None).await?);
        }
        Ok(proofs)
    }

    async fn complete(self) -> Result<LogProof, QueryError> {
        let filter = &self.request.filter;
        let tenant = claim::tenant_of(&self.request).map_err(QueryError::Invalid)?.to_owned();
        let log = self.log(&tenant).await?;
        let bound = provable_before(&self.snapshot);
        let Some(recorded_to_us) = filter.recorded.to_us.filter(|to| *to <= bound) else {
            let why = "a proof of completeness over events that may not be committed yet";
            return Err(QueryError::Internal(why.to_owned()));
        };
        let mut all = self.seen().await?;
        let seen = all.remove(&tenant).unwrap_or_default();
        if let Some(other) = all.keys().next() {
            let why = format!("an export of the log of {tenant} has an event of {other}");
            return Err(QueryError::Internal(why));
        }
        let searched = Searched { log: &log, segments: self.snapshot.segments() };
        let found = searched.complete(&seen.leaves.ranges(), filter, recorded_to_us).await?;
        prove(&log, seen, &found.neighbours, Some(found.range)).await
    }

    async fn log(&self, tenant: &str) -> Result<TenantLog, QueryError> {
        self.logs.tenant(&self.snapshot, tenant).await?.ok_or_else(|| {
            let why = "no event is committed yet, so nothing can be proved";
            QueryError::Invalid(format!("the log of {tenant}: {why}"))
        })
    }

    /// What the answer to the request gives of each log.
    async fn seen(&self) -> Result<BTreeMap<String, Seen>, QueryError> {
        let renderers = (0..self.engine.partitions()).map(|_| LeafRenderer::new());
        let renderers = renderers.collect::<Result<Vec<_>, _>>()?;
        let mut made = self.engine.render(&self.snapshot, &self.request, renderers).await?;
        let mut answer = Answer::of_at_most(MOST_PROVABLE_ROWS);
        while let Some(batches) = made.try_next().await? {
            for batch in batches {
                answer.add(batch)?;
            }
        }
        Ok(answer.into_logs())
    }
}

/// Proves what was seen of a log, and the events beside it. What does not lead to the log's root
/// is not given out.
async fn prove(
    log: &TenantLog,
    seen: Seen,
    neighbours: &[(u64, Hash)],
    complete: Option<CompleteRange>,
) -> Result<LogProof, QueryError> {
    let (tenant, size) = (log.tenant(), log.size());
    let rows = seen.leaves.len();
    let (mut leaves, hints) = (seen.leaves, seen.hints.in_order());
    for (seq, leaf) in neighbours {
        leaves.insert(*seq, *leaf);
    }
    let ranges = leaves.ranges();
    if let Some(last) = ranges.last().filter(|last| last.end > size) {
        let seq = last.end - 1;
        let why = format!("position {seq} is behind the committed size {size}");
        return Err(unproved(tenant, why));
    }
    check_stretches(tenant, ranges.len())?;
    let failed = |source: ProofError| unproved(tenant, source);
    let wanted = multi::wanted(size, &ranges).map_err(failed)?;
    let nodes = log.nodes(&wanted, &leaves).await?;
    let proof = MultiProof { size, ranges, nodes };
    if proof.roots(&leaves, &[]).map_err(failed)?.root != log.root() {
        let why = "its events do not lead to its root: the lake is damaged";
        return Err(unproved(tenant, why));
    }
    let checkpoint = log.checkpoint().ok_or_else(|| {
        let why = format!(
            "the log of {tenant} has no signed checkpoint: this lake has no signing key, or had \
             none when the log last grew; open it for writing and add an event"
        );
        QueryError::Invalid(why)
    })?;
    Ok(LogProof {
        tenant_id: tenant.to_owned(),
        checkpoint: checkpoint.to_string(),
        keys: log.keys().iter().map(ToString::to_string).collect(),
        proof,
        hints,
        rows,
        complete,
    })
}

/// Refuses events of which a proof would be out of proportion.
fn check_stretches(tenant: &str, stretches: usize) -> Result<(), QueryError> {
    if stretches <= MAX_STRETCHES {
        return Ok(());
    }
    Err(QueryError::Resources(format!(
        "the events lie far apart in the log of {tenant}: {stretches} stretches, and a proof is of \
         at most {MAX_STRETCHES}; ask for a shorter range, or for fewer that are picked from it"
    )))
}

fn unproved(tenant: &str, why: impl std::fmt::Display) -> QueryError {
    QueryError::Internal(format!("proving events of the log of {tenant}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_too_many_stretches_are_refused() {
        assert!(check_stretches("acme", MAX_STRETCHES).is_ok());
        let refused = check_stretches("acme", MAX_STRETCHES + 1);
        let told = matches!(&refused, Err(QueryError::Resources(why))
            if why.contains("log of acme: 2097153 stretches") && why.contains("at most 2097152"));
        assert!(told, "{refused:?}");
    }
}
