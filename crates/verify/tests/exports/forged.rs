//! What forgers do to events and proofs, with digests and counts made right again.

use auditlake_tlog::{Algorithm, SigningKey, VerifierKey};
use auditlake_verify::{FindingKind, Trust, Verdict, VerifyError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::made::{Export, LAKE, Log, one};
use crate::{assert_good, of_kind, only};

fn edited(edit: impl FnOnce(&mut Vec<String>)) -> Verdict {
    let log = Log::new("acme", 1000);
    let mut export = Export::lines(&[(&log, &[100..400, 500..900])]);
    export.edit(edit);
    export.verdict()
}

#[test]
fn an_event_that_was_changed_is_named() {
    let verdict = edited(|lines| lines[41] = lines[41].replace("type.", "typo."));
    let finding = only(&verdict, FindingKind::Changed);
    assert_eq!(finding.file.as_deref(), Some("events.ndjson"));
    assert_eq!((finding.line, finding.seq), (Some(42), Some(141)));
    assert_eq!(finding.id.as_deref(), Some("e141"));
    assert_eq!(verdict.findings.len(), 1, "{:#?}", verdict.findings);
    let said = finding.to_string();
    let place = "events.ndjson, line 42, tenant acme, seq 141, id \"e141\": ";
    assert!(said.starts_with(place), "{said}");
}

#[test]
fn an_event_that_was_removed_is_named() {
    let verdict = edited(|lines| drop(lines.drain(10..12)));
    let finding = only(&verdict, FindingKind::Missing);
    assert_eq!(finding.seq, Some(110));
    assert!(finding.detail.contains("2 events at positions 110 to 111"), "{}", finding.detail);
    // The proof says how many events the ranges have, and the file was made to have fewer.
    assert!(!of_kind(&verdict, FindingKind::Proof).is_empty());
}

#[test]
fn an_event_that_was_added_or_doubled_is_named() {
    let log = Log::new("acme", 1000);
    let verdict = edited(|lines| lines.push(log.line(450).to_owned()));
    let finding = only(&verdict, FindingKind::Unexpected);
    assert_eq!((finding.line, finding.seq), (Some(701), Some(450)));

    let verdict = edited(|lines| lines.insert(5, lines[3].clone()));
    let finding = only(&verdict, FindingKind::Duplicate);
    assert_eq!((finding.line, finding.seq), (Some(6), Some(103)));
    assert_eq!(finding.id.as_deref(), Some("e103"));

    let other = Log::new("globex", 5);
    let verdict = edited(|lines| lines.push(other.line(3).to_owned()));
    let finding = only(&verdict, FindingKind::Unexpected);
    assert_eq!(finding.tenant_id.as_deref(), Some("globex"));
}

#[test]
fn events_that_swapped_their_places_in_the_log_are_named() {
    let verdict = edited(|lines| {
        lines[7] = lines[7].replace("\"seq\":107,", "\"seq\":108,");
        lines[8] = lines[8].replace("\"seq\":108,", "\"seq\":107,");
    });
    let changed = of_kind(&verdict, FindingKind::Changed);
    let seqs: Vec<_> = changed.iter().map(|finding| finding.seq).collect();
    assert_eq!(seqs, [Some(108), Some(107)]);
}

#[test]
fn events_may_stand_in_any_order_in_the_file() {
    let log = Log::new("acme", 1000);
    let mut export = Export::lines(&[(&log, &[100..400, 500..900])]);
    export.edit(|lines| lines.reverse());
    assert_good(&export.verdict(), 700);
}

#[test]
fn lines_that_no_export_has_are_named() {
    for odd in ["", "{}", "no JSON", "{\"id\":\"e1\",\"seq\":101}", "[\"\u{1F600}"] {
        let verdict = edited(|lines| lines.insert(2, odd.to_owned()));
        assert_eq!(only(&verdict, FindingKind::Malformed).line, Some(3), "{odd}");
    }
    let verdict = edited(|lines| lines[4] = lines[4].replacen(':', ": ", 1));
    let finding = only(&verdict, FindingKind::Malformed);
    assert_eq!((finding.seq, finding.id.as_deref()), (Some(104), Some("e104")));
}

#[test]
fn a_forger_who_also_changes_the_hints_is_told_by_the_root() {
    let log = Log::new("acme", 1000);
    for hints in [String::new(), BASE64_STANDARD.encode([0; 4])] {
        let mut export = Export::lines(&[(&log, &one(141, 142))]);
        export.edit(|lines| lines[0] = lines[0].replace("type.", "typo."));
        let leaf = auditlake_tlog::leaf_hash(export.data.trim_ascii_end());
        let forged = BASE64_STANDARD.encode(&leaf[..4]);
        export.proof.logs[0].leaf_hints = if hints.is_empty() { hints } else { forged };
        let verdict = export.verdict();
        assert_eq!(only(&verdict, FindingKind::Root).tenant_id.as_deref(), Some("acme"));
        assert_eq!(verdict.findings.len(), 1, "{:#?}", verdict.findings);
    }
}

#[test]
fn hints_accuse_nobody_when_the_root_is_right() {
    let log = Log::new("acme", 1000);
    let mut export = Export::lines(&[(&log, &[100..400, 500..900])]);
    export.proof.logs[0].leaf_hints = BASE64_STANDARD.encode([7; 2800]);
    assert_good(&export.verdict(), 700);
    // One more event at a position is not that of the log, whatever the hints say.
    export.edit(|lines| lines.insert(20, lines[20].replace("type.", "typo.")));
    let verdict = export.verdict();
    let changed = of_kind(&verdict, FindingKind::Changed);
    assert!(changed.iter().any(|finding| finding.line == Some(21)), "{:#?}", verdict.findings);
}

#[test]
fn many_findings_are_counted_and_not_all_kept() {
    let log = Log::new("acme", 3000);
    let mut export = Export::lines(&[(&log, &one(0, 3000))]);
    export.edit(|lines| lines.iter_mut().for_each(|line| *line = line.replace("type.", "typo.")));
    let verdict = export.verdict();
    assert_eq!((verdict.findings.len(), verdict.findings_left_out), (1000, 2000));
}

/// The finding that comes of a proof that was changed.
#[track_caller]
fn refused(kind: FindingKind, forge: impl FnOnce(&mut Export)) -> String {
    let log = Log::new("acme", 1000);
    let mut export = Export::lines(&[(&log, &[100..400, 500..900])]);
    forge(&mut export);
    only(&export.verdict(), kind).to_string()
}

#[test]
fn proofs_that_were_changed_are_refused() {
    let said = refused(FindingKind::Root, |export| {
        let nodes = &mut export.proof.logs[0].nodes;
        let mut bytes = BASE64_STANDARD.decode(&nodes).unwrap();
        bytes[40] ^= 1;
        *nodes = BASE64_STANDARD.encode(bytes);
    });
    assert!(said.contains("do not lead to the root"), "{said}");
    let said = refused(FindingKind::Proof, |export| {
        let nodes = &mut export.proof.logs[0].nodes;
        let bytes = BASE64_STANDARD.decode(&nodes).unwrap();
        *nodes = BASE64_STANDARD.encode(&bytes[32..]);
    });
    assert!(said.contains("hash"), "{said}");
    refused(FindingKind::Proof, |export| export.proof.logs[0].nodes.truncate(10));
    refused(FindingKind::Proof, |export| export.proof.logs[0].leaf_hints.truncate(8));
    for ranges in [
        vec![(100, 400), (500, u64::MAX)],
        vec![(500, 900), (100, 400)],
        vec![(100, 500), (400, 900)],
        vec![(100, 400), (400, 800)],
        vec![(400, 100), (500, 900)],
        vec![(1100, 1400), (1500, 1900)],
        vec![(0, u64::MAX)],
    ] {
        let of_ranges = |export: &mut Export| export.proof.logs[0].ranges = ranges;
        refused(FindingKind::Proof, of_ranges);
    }
    let said = refused(FindingKind::Signature, |export| {
        let note = &mut export.proof.logs[0].checkpoint;
        *note = note.replace("\n1000\n", "\n1001\n");
    });
    assert!(said.contains("tenant acme"), "{said}");
}

#[test]
fn checkpoints_of_other_logs_are_refused() {
    let other = Log::new("globex", 1000);
    let said = refused(FindingKind::Proof, |export| {
        export.proof.logs[0].checkpoint = other.checkpoint(1000).to_string();
    });
    assert!(said.contains("another log, \"auditlake/test/globex\""), "{said}");
    let said = refused(FindingKind::Proof, |export| {
        export.proof.logs[0].keys = vec![other.verifier().to_string()];
    });
    assert!(said.contains("is that of another log"), "{said}");
}

#[test]
fn what_nobody_trusted_signed_is_refused() {
    let log = Log::new("acme", 100);
    let export = Export::lines(&[(&log, &one(0, 50))]);
    let key = |name: &str, seed: u8| SigningKey::from_seed([seed; 32]).verifier(name).unwrap();
    let trusting = |keys: Vec<VerifierKey>| Trust { keys, ..Trust::default() };
    for good in [key("auditlake/test/acme", 7), key(LAKE, 7)] {
        let verdict = export.check(&trusting(vec![key(LAKE, 9), good])).unwrap();
        assert_good(&verdict, 50);
        assert!(verdict.proved.iter().any(|said| said.contains("a key that you trust")));
        assert!(!verdict.not_proved.iter().any(|said| said.contains("key is the log's own")));
    }
    let witness = VerifierKey::new(LAKE, Algorithm::Cosignature, log.verifier().public).unwrap();
    for bad in [key(LAKE, 8), key("auditlake/test/globex", 7), key("auditlake", 7), witness] {
        let verdict = export.check(&trusting(vec![bad])).unwrap();
        assert_eq!(only(&verdict, FindingKind::Signature).tenant_id.as_deref(), Some("acme"));
        assert!(!verdict.proved.iter().any(|said| said.contains("unchanged")), "{verdict:#?}");
    }
}

#[test]
fn a_forger_with_a_key_of_his_own_is_told_by_the_key_that_is_trusted() {
    let mut log = Log::with_salt("acme", 100, 1);
    log.key = SigningKey::from_seed([66; 32]);
    let export = Export::lines(&[(&log, &one(0, 50))]);
    // Consistent in itself: the verdict says that the key came with it.
    let verdict = export.verdict();
    assert_good(&verdict, 50);
    let key = log.verifier().to_string();
    assert!(verdict.not_proved.iter().any(|said| said.contains(&key)), "{verdict:#?}");
    let keys = vec![Log::new("acme", 1).verifier()];
    let verdict = export.check(&Trust { keys, ..Trust::default() }).unwrap();
    only(&verdict, FindingKind::Signature);
}

#[test]
fn a_proof_that_cannot_be_read_is_an_error() {
    let log = Log::new("acme", 10);
    let mut export = Export::lines(&[(&log, &one(0, 5))]);
    export.proof.proof_version = 2;
    let error = export.check(&Trust::default()).unwrap_err();
    assert!(matches!(error, VerifyError::Proof { .. }));
    assert!(error.to_string().contains("proof_version is 2"), "{error}");
    export.proof.proof_version = 1;
    export.proof.format = "xml".to_owned();
    let error = export.check(&Trust::default()).unwrap_err();
    assert!(error.to_string().contains("\"xml\""), "{error}");
}
