//! Exports with a proof: what may be claimed of one, up to which moment, and the proof itself as
//! streams and jobs give it out.

use std::ops::Range;

use auditlake_export::proof::{PROOF_VERSION, Proof, ProofComplete, ProofFile, ProofLog};
use auditlake_export::{Format, Options};
use auditlake_lake::Snapshot;
use auditlake_model::claim::Claim;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::time::format_rfc3339;
use auditlake_query::{LogProof, ScanRequest, check_claim};
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

/// The proof of an export that has these files. If it proves more or fewer events than they
/// have, the error says how many.
pub(crate) fn proof(
    claim: Claim,
    options: &Options,
    files: Vec<ProofFile>,
    logs: Vec<LogProof>,
) -> Result<Proof, u64> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let proved: u64 = logs.iter().map(|log| log.rows).sum();
    if rows != proved {
        return Err(proved);
    }
    let logs: Vec<ProofLog> = logs.into_iter().map(log_of).collect();
    Ok(Proof {
        proof_version: PROOF_VERSION,
        claim,
        statement: Proof::statement(claim, rows, &logs),
        format: options.format.to_string(),
        compression: options.compression.to_string(),
        csv_safe: (options.format == Format::Csv).then_some(options.csv.safe),
        files,
        logs,
    })
}

fn log_of(log: LogProof) -> ProofLog {
    let exported: Vec<Range<u64>> = match &log.complete {
        // The events beside the range belong to the proof, but not to the files.
        Some(complete) if complete.seqs.is_empty() => Vec::new(),
        Some(complete) => vec![complete.seqs.clone()],
        None => log.proof.ranges,
    };
    let complete = log.complete.map(|complete| ProofComplete {
        from: complete.seqs.start,
        to: complete.seqs.end,
        recorded_from: complete.recorded_from_us.map(format_rfc3339),
        recorded_to: complete.recorded_to_us.map(format_rfc3339),
        before: complete.before,
        after: complete.after,
    });
    ProofLog::new(
        log.tenant_id,
        log.checkpoint,
        log.keys,
        log.rows,
        &exported,
        &log.proof.nodes,
        &log.hints,
        complete,
    )
}
