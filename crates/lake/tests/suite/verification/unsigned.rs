//! What no signature covers, or none yet: what the manifest says of events beside the heads of
//! their logs, keys that followed others, and heads from before there were keys.

use auditlake_lake::{Bounds, Commit, LakeChecks, rotate_key};

use super::LakeFindingKind::{Root, Segment, Signature};
use super::{append, bad, checkpoint, filled, good, verify, verify_alone};
use crate::site::Site;
use crate::tamper::{copy_folder, rewrite_commits};

/// No signature covers what queries and claims of time are led by; the events themselves tell.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifest_says_of_events_is_held_against_them() {
    let site = Site::new();
    drop(filled(&site).await);
    let whole = tempfile::tempdir().unwrap();
    copy_folder(site.lake_dir(), whole.path());
    let changed = async |change: fn(&mut Commit)| {
        copy_folder(whole.path(), site.lake_dir());
        rewrite_commits(&site, change);
        for window_events in [4_000_000, 100] {
            let checks = LakeChecks { window_events, ..LakeChecks::default() };
            let report = verify(&site, checks).await;
            assert!(!report.findings.is_empty(), "in windows of {window_events}");
        }
        verify_alone(&site).await
    };
    let hidden = changed(|commit| {
        for segment in &mut commit.add {
            let (_, bounds) = segment.columns.iter_mut().find(|(name, _)| *name == "type").unwrap();
            *bounds = Bounds(Some(("a".to_owned(), "b".to_owned())));
        }
    });
    let hidden = hidden.await;
    assert!(bad(&hidden, &[Segment])[0].detail.contains("type"), "{:#?}", hidden.findings);
    let hidden = changed(|commit| {
        for span in commit.add.iter_mut().flat_map(|segment| segment.tenants.values_mut()) {
            span.occurred_us.0 += 1;
        }
    });
    bad(&hidden.await, &[Segment]);
    let hidden = changed(|commit| commit.add.iter_mut().for_each(|segment| segment.day += 400));
    bad(&hidden.await, &[Segment]);
    for by in [-1, 1] {
        let moved = match by {
            1 => changed(|commit| {
                commit.tenants.values_mut().for_each(|head| head.recorded_at_us += 1);
            }),
            _ => changed(|commit| {
                commit.tenants.values_mut().for_each(|head| head.recorded_at_us -= 1);
            }),
        };
        bad(&moved.await, &[Root]);
    }
    copy_folder(whole.path(), site.lake_dir());
    good(&verify_alone(&site).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_those_that_it_endorsed() {
    let site = Site::new();
    let lake = filled(&site).await;
    let old = lake.log().keys().await.unwrap().unwrap().keys;
    drop(lake);
    for day in [3, 4] {
        site.clock.advance(1_000_000);
        rotate_key(&site.config(), &site.environment()).await.unwrap();
        let lake = site.open().await;
        append(&lake, day, 1_000 + 100 * day as u32..1_050 + 100 * day as u32).await;
        drop(lake);
    }
    let of = |keys: &[[u8; 32]]| LakeChecks { keys: keys.to_vec(), ..LakeChecks::default() };
    good(&verify(&site, of(&old)).await);
    let all = site.open().await.log().keys().await.unwrap().unwrap().keys;
    assert_eq!(all.len(), 3);
    bad(&verify(&site, of(&all[1..])).await, &[Signature]);

    // An endorsement is worth nothing without the signature of the key before.
    let documents = site.lake_dir().join("meta/log_keys");
    let notes = std::fs::read_dir(documents).unwrap().map(|entry| entry.unwrap().path());
    for path in notes.map(|folder| folder.join("0000000001.json")) {
        let text = std::fs::read_to_string(&path).unwrap();
        if let Some(at) = text.find("\\n— ").map(|at| text[at..].rfind('"').unwrap() + at - 12) {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            std::fs::write(&path, format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
        }
    }
    bad(&verify(&site, of(&old)).await, &[Signature]);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_nobody_signed_are_signed_at_the_next_start() {
    let site = Site::new();
    drop(filled(&site).await);
    rewrite_commits(&site, |commit| {
        for head in commit.tenants.values_mut() {
            (head.signature, head.blocks) = (None, Vec::new());
        }
    });
    let lake = site.open().await;
    checkpoint(&lake).await;
    let keys = lake.log().keys().await.unwrap().unwrap().keys;
    good(&verify(&site, LakeChecks { keys, ..LakeChecks::default() }).await);
    let commits = site.commits().len();
    drop(site.reopen(lake).await);
    let newest = std::fs::read_to_string(&site.commits()[commits]).unwrap();
    assert!(!newest.contains("tenants"), "once is enough: {newest}");
}
