//! Checkpoints that were kept elsewhere, and the witnesses that cosigned them.

use auditlake_tlog::{Algorithm, Note, Signature, SigningKey, VerifierKey};
use auditlake_verify::{FindingKind, Trust};

use crate::made::{Export, Log, complete, one};
use crate::{assert_good, only};

fn against(notes: Vec<Note>) -> Trust {
    Trust { against: notes, ..Trust::default() }
}

#[test]
fn a_log_that_grew_still_has_what_it_had() {
    let log = Log::new("acme", 1000);
    let whole = Export::complete(&log, complete(0, 1000));
    for size in [0, 1, 255, 256, 257, 700, 999, 1000] {
        let verdict = whole.check(&against(vec![log.checkpoint(size)])).unwrap();
        assert_good(&verdict, 1000);
        let said = format!("unchanged, the {size} events");
        assert!(verdict.proved.iter().any(|proved| proved.contains(&said)), "{verdict:#?}");
    }
    // Several at once, in any order.
    let notes = [700, 3, 512].map(|size| log.checkpoint(size)).to_vec();
    assert_good(&whole.check(&against(notes)).unwrap(), 1000);
}

#[test]
fn what_the_export_does_not_tell_is_left_open() {
    let log = Log::new("acme", 1000);
    let part = Export::lines(&[(&log, &one(900, 950))]);
    let longer = Log::new("acme", 1200);
    for note in [log.checkpoint(700), longer.checkpoint(1200)] {
        let verdict = part.check(&against(vec![note])).unwrap();
        assert_good(&verdict, 50);
        assert!(verdict.not_proved.iter().any(|said| said.contains("consistency proof")));
    }
    // Sizes within what is exported, and at the borders of subtrees in the gaps, are told.
    for size in [512, 900, 925] {
        let verdict = part.check(&against(vec![log.checkpoint(size)])).unwrap();
        assert_good(&verdict, 50);
        assert!(verdict.proved.iter().any(|said| said.contains("kept elsewhere")), "{size}");
    }
    let other = Log::new("globex", 5);
    let verdict = part.check(&against(vec![other.checkpoint(5)])).unwrap();
    assert_good(&verdict, 50);
    assert!(verdict.not_proved[0].contains("auditlake/test/globex"), "{verdict:#?}");
}

#[test]
fn a_history_that_was_written_anew_is_told() {
    let (old, new) = (Log::new("acme", 800), Log::with_salt("acme", 1000, 1));
    // Consistent in itself, and signed with the real key.
    let export = Export::complete(&new, complete(0, 1000));
    assert_good(&export.verdict(), 1000);
    for size in [10, 256, 800] {
        let verdict = export.check(&against(vec![old.checkpoint(size)])).unwrap();
        let finding = only(&verdict, FindingKind::Forked);
        assert_eq!(finding.tenant_id.as_deref(), Some("acme"));
        assert!(finding.detail.contains(&format!("{size} events")), "{}", finding.detail);
    }
    let short = Export::complete(&Log::with_salt("acme", 800, 1), complete(0, 800));
    only(&short.check(&against(vec![old.checkpoint(800)])).unwrap(), FindingKind::Forked);
}

#[test]
fn a_kept_note_must_be_signed_by_the_log() {
    let log = Log::new("acme", 100);
    let export = Export::complete(&log, complete(0, 100));
    let mut forger = Log::new("acme", 100);
    forger.key = SigningKey::from_seed([66; 32]);
    let verdict = export.check(&against(vec![forger.checkpoint(50)])).unwrap();
    assert!(only(&verdict, FindingKind::Signature).detail.contains("kept elsewhere"));
    let text = "no checkpoint\n".to_owned();
    let signatures = vec![log.key.sign(&log.origin(), &text).unwrap()];
    let verdict = export.check(&against(vec![Note { text, signatures }])).unwrap();
    assert!(only(&verdict, FindingKind::Signature).detail.contains("no checkpoint"));
}

/// A cosignature, as C2SP tlog-cosignature describes it.
fn cosign(key: &SigningKey, witness: &VerifierKey, note: &mut Note, time_s: u64) {
    let text = format!("cosignature/v1\ntime {time_s}\n{}", note.text);
    let signed = key.sign(&witness.name, &text).unwrap();
    let bytes = [time_s.to_be_bytes().as_slice(), signed.bytes.as_slice()].concat();
    note.signatures.push(Signature { name: witness.name.clone(), key_id: witness.id(), bytes });
}

#[test]
fn witnesses_must_have_seen_the_log() {
    let log = Log::new("acme", 1000);
    let key = SigningKey::from_seed([9; 32]);
    let witness =
        VerifierKey::new("witness.example/w1", Algorithm::Cosignature, key.public()).unwrap();
    let mut export = Export::complete(&log, complete(0, 1000));
    let trusting = |against: Vec<Note>| Trust {
        witnesses: vec![witness.clone()],
        against,
        ..Trust::default()
    };

    let verdict = export.check(&trusting(Vec::new())).unwrap();
    let finding = only(&verdict, FindingKind::Witness);
    assert!(finding.detail.contains("witness.example/w1"), "{}", finding.detail);

    // An older checkpoint that it cosigned serves, if the log still agrees with it.
    let mut kept = log.checkpoint(600);
    cosign(&key, &witness, &mut kept, 1_772_359_200);
    let verdict = export.check(&trusting(vec![kept.clone()])).unwrap();
    assert_good(&verdict, 1000);
    assert!(verdict.proved.iter().any(|said| said.contains("2026-03-01T10:00:00")), "{verdict:#?}");
    let rewritten = Export::complete(&Log::with_salt("acme", 1000, 1), complete(0, 1000));
    let verdict = rewritten.check(&trusting(vec![kept.clone()])).unwrap();
    only(&verdict, FindingKind::Forked);
    only(&verdict, FindingKind::Witness);

    // Or the checkpoint of the export itself; a forged cosignature does not.
    let mut note = log.checkpoint(1000);
    cosign(&key, &witness, &mut note, 1_772_359_200);
    export.proof.logs[0].checkpoint = note.to_string();
    assert_good(&export.check(&trusting(Vec::new())).unwrap(), 1000);
    note.signatures[1].bytes[20] ^= 1;
    export.proof.logs[0].checkpoint = note.to_string();
    only(&export.check(&trusting(Vec::new())).unwrap(), FindingKind::Witness);
}
