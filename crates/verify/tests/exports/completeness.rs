//! Claims that nothing was left out: what they need, and what they may not do without.

use auditlake_export::proof::ProofComplete;
use auditlake_model::claim::Claim;
use auditlake_verify::FindingKind;

use crate::made::{Export, Log, complete, one, recorded_at};
use crate::{assert_good, only};

/// All that was recorded in a stretch of time, with the events beside it.
fn recorded(log: &Log, from: u64, to: u64) -> ProofComplete {
    ProofComplete {
        recorded_from: Some(recorded_at(from)),
        recorded_to: Some(recorded_at(to)),
        before: from.checked_sub(1).map(|seq| log.line(seq).to_owned()),
        after: (to < log.size()).then(|| log.line(to).to_owned()),
        ..complete(from, to)
    }
}

#[test]
fn a_whole_log_or_a_stretch_of_positions_is_complete() {
    let log = Log::new("acme", 1000);
    for (from, to) in [(0, 1000), (0, 1), (999, 1000), (256, 512), (7, 700)] {
        let verdict = Export::complete(&log, complete(from, to)).verdict();
        assert_good(&verdict, to - from);
        assert_eq!(verdict.claim, Some(Claim::Complete));
        let said = &verdict.proved[0];
        assert!(said.contains("every event of the tenant log of acme"), "{said}");
        assert!(!verdict.not_proved.iter().any(|said| said.contains("left out")));
    }
}

#[test]
fn a_stretch_of_time_is_complete_when_its_neighbours_lie_outside() {
    let log = Log::new("acme", 1000);
    for (from, to) in [(0, 1000), (100, 200), (2, 1000), (0, 998)] {
        let export = Export::complete(&log, recorded(&log, from, to));
        assert_good(&export.verdict(), to - from);
    }
}

#[test]
fn nothing_can_be_complete_too() {
    let log = Log::new("acme", 1000);
    let nothing = ProofComplete {
        recorded_from: Some(recorded_at(100).replace(".000000Z", ".100000Z")),
        recorded_to: Some(recorded_at(100).replace(".000000Z", ".200000Z")),
        before: Some(log.line(101).to_owned()),
        after: Some(log.line(102).to_owned()),
        ..complete(102, 102)
    };
    let verdict = Export::complete(&log, nothing).verdict();
    assert_good(&verdict, 0);
    assert!(verdict.proved[0].contains("no event"), "{:?}", verdict.proved);
    assert_good(&Export::complete(&log, complete(5, 5)).verdict(), 0);
}

#[test]
fn an_event_left_out_is_missing_and_one_added_unexpected() {
    let log = Log::new("acme", 1000);
    let mut export = Export::complete(&log, recorded(&log, 100, 200));
    export.edit(|lines| drop(lines.remove(50)));
    assert_eq!(only(&export.verdict(), FindingKind::Missing).seq, Some(150));
    let mut export = Export::complete(&log, recorded(&log, 100, 200));
    export.edit(|lines| lines.push(log.line(200).to_owned()));
    assert_eq!(only(&export.verdict(), FindingKind::Unexpected).seq, Some(200));
}

/// What comes of a claim that was made about other events than it says.
#[track_caller]
fn refused(kind: FindingKind, forge: impl FnOnce(&Log, &mut ProofComplete)) -> String {
    let log = Log::new("acme", 1000);
    let mut claimed = recorded(&log, 100, 200);
    forge(&log, &mut claimed);
    // The proof itself is right: whoever forges claims can make one from the log.
    only(&Export::complete(&log, claimed).verdict(), kind).to_string()
}

#[test]
fn a_stretch_of_time_without_its_neighbours_is_refused() {
    let said = refused(FindingKind::Incomplete, |_, claimed| claimed.before = None);
    assert!(said.contains("before the range"), "{said}");
    let said = refused(FindingKind::Incomplete, |_, claimed| claimed.after = None);
    assert!(said.contains("after the range"), "{said}");
}

#[test]
fn a_stretch_of_time_that_is_longer_than_its_events_is_refused() {
    let said = refused(FindingKind::Incomplete, |_, claimed| {
        claimed.recorded_from = Some(recorded_at(90));
    });
    assert!(said.contains("within what is claimed"), "{said}");
    refused(FindingKind::Incomplete, |_, claimed| claimed.recorded_to = Some(recorded_at(202)));
    for wrong in ["2026-03-01", "2026-03-01T10:00:00Z", "\u{1b}[2J"] {
        refused(FindingKind::Proof, |_, claimed| claimed.recorded_to = Some(wrong.to_owned()));
    }
}

#[test]
fn an_event_outside_of_the_claimed_time_is_told() {
    let log = Log::new("acme", 1000);
    // Later than the first two events of the stretch.
    let claimed =
        ProofComplete { recorded_from: Some(recorded_at(102)), ..recorded(&log, 100, 200) };
    let verdict = Export::complete(&log, claimed).verdict();
    let seqs: Vec<_> = verdict.findings.iter().map(|finding| (finding.kind, finding.seq)).collect();
    let outside = FindingKind::Incomplete;
    assert_eq!(seqs, [(outside, Some(100)), (outside, Some(101))]);
}

#[test]
fn neighbours_must_be_those_of_the_log() {
    let other = Log::with_salt("acme", 1000, 1);
    // Neighbours that are made up lead to another root.
    refused(FindingKind::Root, |_, claimed| claimed.after = Some(other.line(200).to_owned()));
    refused(FindingKind::Proof, |log, claimed| claimed.after = Some(log.line(201).to_owned()));
    refused(FindingKind::Proof, |_, claimed| claimed.before = Some("{}".to_owned()));
    let foreign = Log::new("globex", 1000);
    refused(FindingKind::Proof, |_, claimed| claimed.before = Some(foreign.line(99).to_owned()));
}

#[test]
fn a_claim_must_fit_what_is_in_the_files() {
    let log = Log::new("acme", 1000);
    let good = Export::complete(&log, complete(100, 200));
    let forge = |forge: &dyn Fn(&mut Export)| {
        let mut export = good.clone();
        forge(&mut export);
        only(&export.verdict(), FindingKind::Proof).detail.clone()
    };
    let claim = |from, to| {
        forge(&|export: &mut Export| export.proof.logs[0].complete = Some(complete(from, to)))
    };
    for (from, to) in [(100, 201), (99, 200), (0, 1000), (200, 100), (100, u64::MAX)] {
        assert!(claim(from, to).contains("claimed to be complete"), "{from} to {to}");
    }
    let said = forge(&|export: &mut Export| export.proof.logs[0].complete = None);
    assert!(said.contains("does not say what is complete"), "{said}");
    let said = forge(&|export: &mut Export| export.proof.claim = Claim::Inclusion);
    assert!(said.contains("claims inclusion only"), "{said}");
    let said = forge(&|export: &mut Export| {
        export.proof.logs.clear();
        export.proof.files[0].rows = 0;
    });
    assert!(said.contains("has 0 logs"), "{said}");
    // An export that leaves something out cannot claim that it does not.
    let mut export = Export::lines(&[(&log, &one(100, 200))]);
    export.proof.claim = Claim::Complete;
    only(&export.verdict(), FindingKind::Proof);
}
