//! Exports that are good, and exports as forgers leave them: what the verdict says, and where.
#![allow(clippy::unwrap_used)]

mod archives;
mod bundles;
mod completeness;
mod forged;
mod formats;
mod kept;
mod made;

use auditlake_verify::{Finding, FindingKind, Verdict};

/// Holds a verdict without findings against the events that it must have seen.
#[track_caller]
pub(crate) fn assert_good(verdict: &Verdict, rows: u64) {
    let findings: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    assert!(verdict.is_good(), "{findings:#?}");
    assert_eq!(verdict.rows, rows);
    assert!(!verdict.proved.is_empty() && !verdict.not_proved.is_empty(), "{verdict:#?}");
}

/// The finding of this kind, of which there must be one.
#[track_caller]
pub(crate) fn only(verdict: &Verdict, kind: FindingKind) -> &Finding {
    let all = of_kind(verdict, kind);
    assert_eq!(all.len(), 1, "{kind:?} in {:#?}", verdict.findings);
    all[0]
}

/// All findings of this kind.
pub(crate) fn of_kind(verdict: &Verdict, kind: FindingKind) -> Vec<&Finding> {
    verdict.findings.iter().filter(|finding| finding.kind == kind).collect()
}
