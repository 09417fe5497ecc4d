//! A lake that is as it was written is found good, whole, in parts and from where an earlier
//! verification ended; and whatever is done to one is found, and named where it is.

mod unsigned;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use auditlake_lake::LakeFindingKind::{
    CommitDamaged, CommitMissing, Duplicate, Forked, Leaf, ManifestSnapshot, Missing, Origin, Root,
    Segment, Shorter, Signature, Tile,
};
use auditlake_lake::{
    Lake, LakeChecks, LakeConfig, LakeError, LakeFinding, LakeFindingKind, LakeReport, Progress,
    Since, VerifiedTo, verify_lake,
};
use auditlake_tlog::Note;

use crate::site::{Site, id, numbered, read_flushed, root_of};
use crate::tamper::{
    Witness, copy_folder, flip_a_bit, own_up, replace, rewrite_commits, rewrite_segment,
    with_reason, with_seqs, without,
};

/// Events of `acme` and `globex` in [`filled`].
const EVENTS: u64 = 1_000 + 80;

async fn append(lake: &Lake, day: i64, numbers: Range<u32>) {
    let few = numbers.start..numbers.start + 20;
    lake.append(numbered("acme", day, numbers)).await.unwrap();
    lake.append(numbered("globex", day, few)).await.unwrap();
    lake.flush().await.unwrap();
}

/// A lake of three days, compacted and opened twice. The event of `acme` with the number of its
/// id has that `seq`; the segment of the first day has all but 300 to 319 and those from 900 on.
async fn filled(site: &Site) -> Lake {
    let lake = site.open().await;
    for (day, numbers) in [(0, 0..300), (1, 300..320), (0, 320..900)] {
        append(&lake, day, numbers).await;
    }
    lake.compact(2).await.unwrap();
    let lake = site.reopen(lake).await;
    append(&lake, 2, 900..1_000).await;
    lake
}

async fn verify(site: &Site, checks: LakeChecks) -> LakeReport {
    verify_lake(&site.config(), &checks, |_| {}).await.unwrap()
}

/// Verifies with nothing but the lake itself.
async fn verify_alone(site: &Site) -> LakeReport {
    verify(site, LakeChecks::default()).await
}

fn against(note: &Note) -> LakeChecks {
    LakeChecks { against: vec![note.clone()], ..LakeChecks::default() }
}

fn good(report: &LakeReport) {
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
}

/// Only findings of these kinds, and of each.
fn bad<'a>(report: &'a LakeReport, kinds: &[LakeFindingKind]) -> &'a [LakeFinding] {
    let found: BTreeSet<_> = report.findings.iter().map(|finding| finding.kind).collect();
    let expected: BTreeSet<_> = kinds.iter().copied().collect();
    assert_eq!(found, expected, "{:#?}", report.findings);
    &report.findings
}

/// The only finding of a kind.
fn one(report: &LakeReport, kind: LakeFindingKind) -> &LakeFinding {
    let mut of_kind = report.findings.iter().filter(|finding| finding.kind == kind);
    let first = of_kind.next().expect("a finding");
    assert_eq!(of_kind.count(), 0, "{:#?}", report.findings);
    first
}

/// The segment of the first day: its path below the root, and as a file.
fn first_segment(site: &Site, lake: &Lake) -> (String, PathBuf) {
    let path = lake.snapshot().segments()[0].path.clone();
    let file = site.lake_dir().join(&path);
    (path, file)
}

async fn checkpoint(lake: &Lake) -> Note {
    let log = lake.log().tenant(&lake.snapshot(), "acme").await.unwrap().unwrap();
    log.checkpoint().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_lake_has_no_findings() {
    let site = Site::new();
    let lake = site.open().await;
    append(&lake, 0, 0..700).await;
    append(&lake, 0, 700..900).await;
    let before = verify_alone(&site).await;
    lake.compact(2).await.unwrap();
    let lake = site.reopen(lake).await;
    let compacted = verify_alone(&site).await;
    good(&before);
    good(&compacted);
    assert_eq!(before.tenants, compacted.tenants, "compaction and restart change no root");
    assert_eq!((before.segments, compacted.segments), (2, 1));

    append(&lake, 1, 900..910).await;
    lake.append(numbered("acme", 1, 910..917)).await.unwrap();
    let report = verify_alone(&site).await;
    good(&report);
    assert!(report.notes.iter().any(|note| note.starts_with("7 events")), "{:?}", report.notes);
    assert_eq!((report.events, report.checkpoints, report.segments), (970, 6, 2));
    assert_eq!(report.commits, site.commits().len() as u64);
    lake.flush().await.unwrap();
    let content = read_flushed(&lake, "all of it").await;
    let report = verify(&site, against(&checkpoint(&lake).await)).await;
    good(&report);
    for log in &report.tenants {
        let rows = content.rows(&log.tenant);
        assert_eq!((log.size, log.root), (rows.len() as u64, root_of(rows)), "{}", log.tenant);
    }
    let keys = lake.log().keys().await.unwrap().unwrap().keys;
    good(&verify(&site, LakeChecks { keys, ..LakeChecks::default() }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_goes_on_from_where_another_ended() {
    let site = Site::new();
    let lake = filled(&site).await;
    let mut marks: Vec<VerifiedTo> = Vec::new();
    let checks = LakeChecks { window_events: 100, ..LakeChecks::default() };
    let take = |progress| {
        if let Progress::Window { verified_to } = progress {
            marks.push(verified_to);
        }
    };
    let full = verify_lake(&site.config(), &checks, take).await.unwrap();
    good(&full);
    assert_eq!((full.events, marks.len()), (EVENTS, 3));
    assert_eq!(marks.last(), Some(&full.verified_to));
    for mark in &marks {
        let text = serde_json::to_string(mark).unwrap();
        let resume: VerifiedTo = serde_json::from_str(&text).unwrap();
        let done: u64 = resume.tenants.values().map(|log| log.size).sum();
        let rest = verify(&site, LakeChecks { resume: Some(resume), ..checks.clone() }).await;
        good(&rest);
        assert_eq!((&rest.tenants, &rest.verified_to), (&full.tenants, &full.verified_to));
        assert_eq!(rest.events, EVENTS - done);
    }
    let mut forged = marks[0].clone();
    forged.tenants.get_mut("acme").unwrap().root[0] ^= 1;
    let report = verify(&site, LakeChecks { resume: Some(forged), ..checks.clone() }).await;
    bad(&report, &[Forked]);
    assert_eq!(report.events, EVENTS, "nothing is taken for granted then");
    let newer = VerifiedTo { version: 2, ..marks[0].clone() };
    let checks = LakeChecks { resume: Some(newer), ..checks };
    let refused = verify_lake(&site.config(), &checks, |_| {}).await;
    assert!(matches!(refused, Err(LakeError::Invalid(_))), "{refused:?}");

    let newest = site.commits().len() as u64;
    let recorded_us = lake.snapshot().manifest().tenants["acme"].recorded_at_us;
    for since in [Since::Commit(newest), Since::Recorded(recorded_us)] {
        let checks = LakeChecks { since: Some(since), ..LakeChecks::default() };
        let report = verify(&site, checks).await;
        good(&report);
        assert_eq!((report.events, report.segments), (120, 1), "{since:?}");
        assert!(report.notes.iter().any(|note| note.contains("granted")), "{:?}", report.notes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_found_whatever_else_was_made_to_fit() {
    let site = Site::new();
    let lake = filled(&site).await;
    let (path, file) = first_segment(&site, &lake);
    rewrite_segment(&file, |batch| with_reason(&batch, "acme", 400, "forged"));
    let report = verify_alone(&site).await;
    bad(&report, &[Leaf, Segment]);
    assert_eq!(one(&report, Segment).path.as_ref(), Some(&path));
    assert_eq!(report.verified_to.commit, 0, "nothing to go on from");

    own_up(&site, &path);
    for window_events in [100, 4_000_000] {
        let report = verify(&site, LakeChecks { window_events, ..LakeChecks::default() }).await;
        bad(&report, &[Leaf]);
        let finding = one(&report, Leaf);
        // The block of 256 events that it is in, as far as it lies behind the head before.
        assert_eq!(finding.seqs, Some(320..512));
        assert_eq!(finding.tenant_id.as_deref(), Some("acme"));
        assert_eq!((finding.path.as_ref(), finding.id.as_ref()), (Some(&path), Some(&id(320))));
        assert!(finding.detail.contains(&id(511)), "{}", finding.detail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_gone_doubled_or_swapped_are_found() {
    let site = Site::new();
    let lake = filled(&site).await;
    let (path, file) = first_segment(&site, &lake);
    let whole = std::fs::read(&file).unwrap();
    rewrite_segment(&file, |batch| without(&batch, "acme", 400));
    let report = verify_alone(&site).await;
    bad(&report, &[Missing, Segment]);
    let counted = report.findings.iter().any(|finding| finding.detail.contains("says 880"));
    assert!(counted, "{:#?}", report.findings);
    own_up(&site, &path);
    let report = verify_alone(&site).await;
    let findings = bad(&report, &[Missing]);
    let seqs: Vec<_> = findings.iter().filter_map(|finding| finding.seqs.clone()).collect();
    assert!(seqs.len() == 1 && seqs[0] == (400..401), "{findings:#?}");

    std::fs::write(&file, &whole).unwrap();
    rewrite_segment(&file, |batch| with_seqs(&batch, "acme", &[(100, 600), (600, 100)]));
    own_up(&site, &path);
    let report = verify_alone(&site).await;
    let findings = bad(&report, &[Leaf]);
    let seqs: Vec<_> = findings.iter().map(|finding| finding.seqs.clone().unwrap()).collect();
    assert_eq!(seqs, [0..256, 512..768]);

    std::fs::write(&file, &whole).unwrap();
    rewrite_segment(&file, |batch| with_seqs(&batch, "acme", &[(401, 400)]));
    own_up(&site, &path);
    let report = verify_alone(&site).await;
    let findings = bad(&report, &[Duplicate, Missing]);
    let named = |finding: &LakeFinding| finding.id == Some(id(401));
    assert!(findings.iter().any(named), "{findings:#?}");
    assert_eq!(one(&report, Missing).seqs, Some(401..402));

    std::fs::write(&file, &whole).unwrap();
    rewrite_segment(&file, |batch| with_seqs(&batch, "acme", &[(400, 5_000)]));
    own_up(&site, &path);
    let report = verify_alone(&site).await;
    let findings = bad(&report, &[Missing, Segment]);
    let stray = |finding: &LakeFinding| finding.detail.contains("does not know of");
    assert!(findings.iter().any(stray), "{findings:#?}");

    std::fs::write(&file, &whole).unwrap();
    own_up(&site, &path);
    good(&verify_alone(&site).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_damaged_or_gone_are_found() {
    let site = Site::new();
    let lake = filled(&site).await;
    let (path, file) = first_segment(&site, &lake);
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let report = verify_alone(&site).await;
        bad(&report, &[Missing, Segment]);
        let named = report.findings.iter().filter(|finding| finding.path.as_ref() == Some(&path));
        assert_eq!(named.count(), 2, "its length, and that it cannot be read");
    }
    std::fs::write(&file, &whole).unwrap();
    flip_a_bit(&file);
    let report = verify_alone(&site).await;
    let changed = report.findings.iter().find(|finding| finding.kind == Segment).unwrap();
    assert_eq!(changed.path.as_ref(), Some(&path));
    std::fs::remove_file(&file).unwrap();
    let report = verify_alone(&site).await;
    bad(&report, &[Missing, Segment]);
    assert!(one(&report, Segment).detail.contains("not there"), "{:#?}", report.findings);
    std::fs::write(&file, &whole).unwrap();
    good(&verify_alone(&site).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_are_changed_or_gone_are_found() {
    let site = Site::new();
    let lake = filled(&site).await;
    drop(lake);
    let commits = site.commits();
    let whole: Vec<Vec<u8>> = commits.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let restore = || commits.iter().zip(&whole).for_each(|(p, b)| std::fs::write(p, b).unwrap());

    replace(&commits[3], "\"flush\"", "\"open\"");
    let report = verify_alone(&site).await;
    bad(&report, &[CommitDamaged]);
    let name = commits[3].file_name().unwrap().to_str().unwrap();
    assert_eq!(one(&report, CommitDamaged).path, Some(format!("log/{name}")));
    restore();
    // With a checksum that fits, the next commit tells.
    let text = String::from_utf8(whole[3].clone()).unwrap();
    let text = text.replace("\"flush\"", "\"open\"");
    let body = &text[..text.rfind(",\"crc\"").unwrap()];
    let crc = crc32c::crc32c(body.as_bytes());
    std::fs::write(&commits[3], format!("{body},\"crc\":\"{crc:08x}\"}}")).unwrap();
    assert!(one(&verify_alone(&site).await, CommitDamaged).detail.contains("follow"));
    restore();
    std::fs::remove_file(&commits[2]).unwrap();
    let report = verify_alone(&site).await;
    assert!(one(&report, CommitMissing).detail.contains("commit 3"), "{:#?}", report.findings);
    restore();
    // The newest commit is torn, and the log of the writer has its events.
    let (newest, bytes) = (commits.last().unwrap(), whole.last().unwrap());
    std::fs::write(newest, &bytes[..bytes.len() / 2]).unwrap();
    let report = verify_alone(&site).await;
    good(&report);
    assert!(report.notes.iter().any(|note| note.contains("torn")), "{:?}", report.notes);
    restore();
    good(&verify_alone(&site).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_signatures_that_are_forged_are_found() {
    let site = Site::new();
    drop(filled(&site).await);
    let whole = tempfile::tempdir().unwrap();
    copy_folder(site.lake_dir(), whole.path());
    let changed = |change: fn(&mut auditlake_lake::TenantHead)| {
        copy_folder(whole.path(), site.lake_dir());
        rewrite_commits(&site, |commit| {
            if commit.version == 4
                && let Some(head) = commit.tenants.get_mut("acme")
            {
                change(head);
            }
        });
        verify_alone(&site)
    };
    let forged = changed(|head| {
        let text = head.signature.clone().unwrap();
        let other = if text.as_bytes()[20] == b'A' { "B" } else { "A" };
        head.signature = Some(format!("{}{other}{}", &text[..20], &text[21..]));
    });
    bad(&forged.await, &[Signature]);
    bad(&changed(|head| head.signature = Some("AAAA".to_owned())).await, &[Signature]);
    let unsigned = changed(|head| head.signature = None).await;
    assert!(one(&unsigned, Signature).detail.contains("not signed"), "{:#?}", unsigned.findings);
    let report = changed(|head| head.root[0] ^= 1).await;
    bad(&report, &[Leaf, Root, Signature]);
    bad(&changed(|head| head.blocks[0][0] ^= 1).await, &[Root]);
    let shorter = changed(|head| {
        head.size = 0;
        head.peaks.clear();
    });
    assert!(shorter.await.findings.iter().any(|finding| finding.kind == Root));
    copy_folder(whole.path(), site.lake_dir());
    let keys = vec![[7; 32]];
    let report = verify(&site, LakeChecks { keys, ..LakeChecks::default() }).await;
    bad(&report, &[Signature]);
    assert_eq!(report.findings.len(), 2, "one for each log: {:#?}", report.findings);
    good(&verify_alone(&site).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_was_rolled_back_is_shorter_than_a_checkpoint_of_it() {
    let site = Site::new();
    let lake = filled(&site).await;
    let before = tempfile::tempdir().unwrap();
    copy_folder(site.lake_dir(), before.path());
    append(&lake, 2, 1_000..1_100).await;
    let note = checkpoint(&lake).await;
    let full = verify_alone(&site).await;
    good(&full);
    drop(lake);

    std::fs::remove_file(site.commits().last().unwrap()).unwrap();
    let rolled_back = async || {
        good(&verify_alone(&site).await);
        let report = verify(&site, against(&note)).await;
        let finding = &bad(&report, &[Shorter])[0];
        assert_eq!(finding.tenant_id.as_deref(), Some("acme"));
        assert_eq!(finding.seqs, Some(1_000..1_100));
        assert!(finding.detail.contains("rolled back"), "{}", finding.detail);
        let resume = Some(full.verified_to.clone());
        let report = verify(&site, LakeChecks { resume, ..LakeChecks::default() }).await;
        bad(&report, &[Shorter]);
    };
    rolled_back().await;
    std::fs::remove_dir_all(site.lake_dir()).unwrap();
    copy_folder(before.path(), site.lake_dir());
    rolled_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_rewritten_with_the_real_key_contradicts_a_witness() {
    let site = Site::new();
    let lake = filled(&site).await;
    let witness = Witness::new("witness.example.com", 9);
    let cosigned = witness.cosigned(&checkpoint(&lake).await);
    let logs = lake.log();
    let log = logs.tenant(&lake.snapshot(), "acme").await.unwrap().unwrap();
    append(&lake, 2, 1_000..1_100).await;

    let rewritten = Site::new();
    copy_folder(&site.key_dir, &rewritten.key_dir);
    let other = rewritten.open().await;
    append(&other, 0, 50..1_250).await;
    good(&verify_alone(&rewritten).await);
    let witnesses = vec![witness.verifier()];
    let checks = LakeChecks { witnesses: witnesses.clone(), ..against(&cosigned) };
    let report = verify(&rewritten, checks.clone()).await;
    let finding = &bad(&report, &[Forked])[0];
    assert_eq!(finding.tenant_id.as_deref(), Some("acme"));
    assert_eq!(finding.seqs, Some(0..1_000));
    assert!(report.notes.iter().any(|note| note.contains("cosigned by")), "{:?}", report.notes);
    good(&verify(&site, checks).await);

    let plain = LakeChecks { witnesses, ..against(&checkpoint(&lake).await) };
    bad(&verify(&site, plain.clone()).await, &[Signature]);
    let mut forged = cosigned.clone();
    forged.signatures[1].bytes[20] ^= 1;
    bad(&verify(&site, LakeChecks { against: vec![forged], ..plain.clone() }).await, &[Signature]);
    let stranger = Site::new();
    append(&stranger.open().await, 0, 0..10).await;
    bad(&verify(&stranger, against(&cosigned)).await, &[Origin]);

    // What a witness signed is kept in the lake too, and holds against it in the same way.
    logs.cosign(&log, &[witness.line(&cosigned)]).await.unwrap();
    good(&verify_alone(&site).await);
    copy_folder(&site.lake_dir().join("tlog"), &rewritten.lake_dir().join("tlog"));
    let report = verify_alone(&rewritten).await;
    let finding = &bad(&report, &[Forked])[0];
    let path = finding.path.as_deref();
    assert_eq!(path, Some("tlog/acme/cosignatures/1000.txt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_or_a_snapshot_of_the_manifest_that_was_changed_is_found() {
    let site = Site::new();
    let config = LakeConfig { snapshot_every: 2, ..site.config() };
    let lake = Lake::open(config, site.environment()).await.unwrap();
    for start in (0..70_000).step_by(10_000) {
        lake.append(numbered("acme", 0, start..start + 10_000)).await.unwrap();
    }
    append(&lake, 0, 70_000..70_030).await;
    append(&lake, 0, 70_030..70_060).await;
    let tile = site.lake_dir().join("tlog/acme/tile/1/000");
    let whole = std::fs::read(&tile).unwrap();
    good(&verify_alone(&site).await);
    flip_a_bit(&tile);
    let report = verify_alone(&site).await;
    bad(&report, &[Tile]);
    let finding = one(&report, Tile);
    assert_eq!(finding.path.as_deref(), Some("tlog/acme/tile/1/000"));
    assert_eq!(finding.seqs, Some(0..65_536));
    std::fs::write(&tile, &whole[..whole.len() - 1]).unwrap();
    bad(&verify_alone(&site).await, &[Tile]);
    std::fs::rename(&tile, tile.with_file_name("001")).unwrap();
    assert!(one(&verify_alone(&site).await, Tile).detail.contains("larger log"));
    std::fs::remove_file(tile.with_file_name("001")).unwrap();
    good(&verify_alone(&site).await);

    let snapshot = site.manifest_snapshots().pop().unwrap();
    let bytes = std::fs::read(&snapshot).unwrap();
    let json = zstd::decode_all(&bytes[..bytes.len() - 4]).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&json).unwrap();
    manifest["segments"][0]["rows"] = 7.into();
    let mut changed = zstd::bulk::compress(manifest.to_string().as_bytes(), 3).unwrap();
    changed.extend_from_slice(&crc32c::crc32c(&changed).to_le_bytes());
    std::fs::write(&snapshot, changed).unwrap();
    bad(&verify_alone(&site).await, &[ManifestSnapshot]);
}

#[tokio::test]
async fn an_empty_folder_is_no_lake() {
    let site = Site::new();
    let refused = verify_lake(&site.config(), &LakeChecks::default(), |_| {}).await;
    assert!(matches!(refused, Err(LakeError::Invalid(_))), "{refused:?}");
}
