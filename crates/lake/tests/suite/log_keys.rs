//! The key that signs the logs: made once, kept from others, published, and replaced without
//! losing what the old one signed; and what witnesses sign is kept beside it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use auditlake_lake::{Lake, LakeConfig, LakeError, LakeReader, TenantLog, rotate_key};
use auditlake_tlog::{Checkpoint, Note, Signature, SigningKey, VerifierKey};
use object_store::memory::InMemory;
use serde_json::Value;

use crate::site::{Site, numbered};

async fn fill(lake: &Lake, numbers: std::ops::Range<u32>) {
    lake.append(numbered("acme", 0, numbers)).await.unwrap();
    lake.flush().await.unwrap();
}

async fn log_of(lake: &Lake) -> TenantLog {
    lake.log().tenant(&lake.snapshot(), "acme").await.unwrap().expect("a committed event")
}

/// Whether exactly one of the keys signed the note.
fn is_signed(note: &Note, keys: &[VerifierKey]) -> bool {
    keys.iter().filter(|key| key.verify(note).is_ok()).count() == 1
}

async fn refused(site: &Site, config: LakeConfig) -> String {
    match Lake::open(config, site.environment()).await {
        Err(LakeError::Invalid(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_head_is_signed() {
    let site = Site::new();
    let lake = site.open().await;
    fill(&lake, 0..3).await;
    lake.append(numbered("acme", 0, 3..5)).await.unwrap();
    let log = log_of(&lake).await;
    let note = log.checkpoint().expect("a signed checkpoint");
    let keys = lake.log().keys().await.unwrap().expect("keys");
    assert!(keys.origin.starts_with("auditlake/"), "{}", keys.origin);
    assert_eq!((keys.keys.len(), log.keys()), (1, keys.verifiers("acme").as_slice()));
    assert!(is_signed(&note, log.keys()) && !is_signed(&note, &keys.verifiers("globex")));
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (3, log.root()));
    assert_eq!(checkpoint.origin, format!("{}/acme", keys.origin));
    assert_eq!(Note::parse(&note.to_string()).unwrap(), note);

    let lake = site.reopen(lake).await;
    assert_eq!(lake.log().keys().await.unwrap(), Some(keys), "the same key");
    assert_eq!(log_of(&lake).await.checkpoint(), Some(note.clone()));
    fill(&lake, 5..6).await;
    let log = log_of(&lake).await;
    let next = log.checkpoint().unwrap();
    assert_eq!(Checkpoint::parse(&next.text).unwrap().size, 6);
    assert!(is_signed(&next, log.keys()) && is_signed(&note, log.keys()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_may_read_is_refused() {
    let site = Site::new();
    let lake = site.open().await;
    fill(&lake, 0..3).await;
    drop(lake);
    let path = site.key_dir.join("log.key");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!((mode(&path) & 0o777, mode(&site.key_dir) & 0o777), (0o600, 0o700));
    let files = std::fs::read_dir(&site.key_dir).unwrap();
    assert_eq!(files.count(), 1, "nothing staged is left");
    let commits = site.commits().len();
    for open in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(open)).unwrap();
        let reason = refused(&site, site.config()).await;
        assert!(reason.contains("log.key") && reason.contains("0600"), "{reason}");
        let rotated = rotate_key(&site.config(), &site.environment()).await;
        assert!(matches!(rotated, Err(LakeError::Invalid(_))), "{rotated:?}");
    }
    assert_eq!(site.commits().len(), commits, "and nobody was overtaken");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    fill(&site.open().await, 3..4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_is_refused_without_telling_it() {
    let site = Site::new();
    drop(site.open().await);
    let path = site.key_dir.join("log.key");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 10]).unwrap();
    match site.try_open().await {
        Err(LakeError::Damaged { path, detail, .. }) => {
            assert!(path.ends_with("log.key"), "{path}");
            let secret = text.trim().splitn(5, '+').last().unwrap();
            assert!(!detail.contains(&secret[..10]), "{detail}");
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_keeps_its_name() {
    let site = Site::new();
    let named = |origin: &str| LakeConfig { origin: Some(origin.to_owned()), ..site.config() };
    let reason = refused(&site, named("no name+at all")).await;
    assert!(reason.contains("no name+at all"), "{reason}");
    let lake = Lake::open(named("logs.example.com"), site.environment()).await.unwrap();
    fill(&lake, 0..3).await;
    drop(lake);
    let reason = refused(&site, named("other.example.com")).await;
    assert!(reason.contains("logs.example.com") && reason.contains("other"), "{reason}");
    let lake = Lake::open(named("logs.example.com"), site.environment()).await.unwrap();
    let note = log_of(&lake).await.checkpoint().unwrap();
    assert!(note.text.starts_with("logs.example.com/acme\n3\n"), "{}", note.text);
    drop(lake);

    let other = Site::new();
    drop(other.open().await);
    let config = LakeConfig { key_dir: site.key_dir.clone(), ..other.config() };
    let reason = refused(&other, config).await;
    assert!(reason.contains("logs.example.com"), "a key of another lake: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_put_there_first_gives_the_name() {
    let (one, two) = (Site::new(), Site::new());
    let config = LakeConfig { origin: Some("example.com/audit".to_owned()), ..one.config() };
    drop(Lake::open(config, one.environment()).await.unwrap());
    std::fs::create_dir_all(&two.key_dir).unwrap();
    std::fs::copy(one.key_dir.join("log.key"), two.key_dir.join("log.key")).unwrap();
    let lake = two.open().await;
    let keys = lake.log().keys().await.unwrap().unwrap();
    let reader = LakeReader::open(one.config()).await.unwrap();
    assert_eq!(Some(keys), reader.log().keys().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_with_keys_of_their_own_are_both_believed() {
    let store = Arc::new(InMemory::new());
    let (one, two) = (Site::on(Arc::clone(&store) as _), Site::on(store));
    let a = one.open().await;
    fill(&a, 0..3).await;
    let first = log_of(&a).await.checkpoint().unwrap();
    drop(a);
    two.clock.advance(1_000_000);
    let b = two.open().await;
    fill(&b, 3..6).await;
    let log = log_of(&b).await;
    assert_eq!(log.keys().len(), 2);
    let keys = log.keys();
    assert!(keys[0].verify(&first).is_ok(), "the oldest key comes first");
    assert!(keys[1].verify(&log.checkpoint().unwrap()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_make_no_key() {
    let site = Site::new();
    let lake = site.open().await;
    fill(&lake, 0..3).await;
    let config = LakeConfig { key_dir: site.key_dir.join("elsewhere"), ..site.config() };
    let reader = LakeReader::open(config).await.unwrap();
    let snapshot = reader.snapshot().await.unwrap();
    let log = reader.log().tenant(&snapshot, "acme").await.unwrap().unwrap();
    assert_eq!(log.checkpoint(), log_of(&lake).await.checkpoint());
    assert!(!site.key_dir.join("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_keeps_what_was_signed() {
    let site = Site::new();
    let none = rotate_key(&site.config(), &site.environment()).await;
    assert!(matches!(none, Err(LakeError::Invalid(_))), "there is no lake yet: {none:?}");
    let lake = site.open().await;
    fill(&lake, 0..3).await;
    let before = log_of(&lake).await;
    let busy = rotate_key(&site.config(), &site.environment()).await;
    assert!(matches!(busy, Err(LakeError::Locked(_))), "{busy:?}");
    drop(lake);

    site.clock.advance(1_000_000);
    let new = rotate_key(&site.config(), &site.environment()).await.unwrap();
    let lake = site.open().await;
    let log = log_of(&lake).await;
    assert_eq!(log.checkpoint(), before.checkpoint());
    assert!(is_signed(&log.checkpoint().unwrap(), log.keys()));
    fill(&lake, 3..5).await;
    let log = log_of(&lake).await;
    assert_eq!((log.keys().len(), &log.keys()[0]), (2, &before.keys()[0]));
    assert_eq!(log.keys()[1].public, new.public);
    assert!(log.keys()[1].verify(&log.checkpoint().unwrap()).is_ok());
    assert!(log.keys()[0].verify(&before.checkpoint().unwrap()).is_ok());

    let keys = lake.log().keys().await.unwrap().unwrap();
    assert_eq!(new.name, keys.origin);
    let documents = lake.documents().list::<Value>("log_keys").await.unwrap();
    let endorsed = documents.iter().find_map(|document| document.value["endorsed_by"].as_str());
    let note = Note::parse(endorsed.expect("a note by the old key")).unwrap();
    let old = VerifierKey { name: keys.origin.clone(), ..before.keys()[0].clone() };
    assert!(old.verify(&note).is_ok(), "{note}");
    assert_eq!(note.text, format!("{}\nauditlake log key\n{new}\n", keys.origin));

    let files: BTreeSet<String> = std::fs::read_dir(&site.key_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let kept = format!("log-{:08x}.key", old.id());
    assert_eq!(files, BTreeSet::from([kept.clone(), "log.key".to_owned()]));
    let text = std::fs::read_to_string(site.key_dir.join(kept)).unwrap();
    assert_eq!(SigningKey::from_secret_text(&text).unwrap().1.public(), old.public);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_witnesses_signed_is_kept() {
    let site = Site::new();
    let lake = site.open().await;
    fill(&lake, 0..3).await;
    let witness = |name: &str, key_id: u32, byte: u8| Signature {
        name: name.to_owned(),
        key_id,
        bytes: vec![byte; 72],
    };
    let logs = lake.log();
    assert_eq!(logs.cosigned("acme").await.unwrap(), None);
    let log = log_of(&lake).await;
    let signed = log.checkpoint().unwrap();
    logs.cosign(&log, &[witness("w1", 1, 1)]).await.unwrap();
    logs.cosign(&log, &[witness("w2", 2, 1), witness("w1", 1, 2)]).await.unwrap();
    let note = logs.cosigned("acme").await.unwrap().expect("a cosigned checkpoint");
    assert_eq!(note.text, signed.text);
    let expected = [signed.signatures[0].clone(), witness("w2", 2, 1), witness("w1", 1, 2)];
    assert_eq!(note.signatures, expected, "of each witness the newest");
    assert_eq!(log_of(&lake).await.checkpoint(), Some(note.clone()));
    let path = site.lake_dir().join("tlog/acme/cosignatures/3.txt");
    assert_eq!(std::fs::read_to_string(path).unwrap(), note.to_string());

    // The log grows while a witness thinks.
    fill(&lake, 3..12).await;
    let log = log_of(&lake).await;
    assert_eq!(log.checkpoint().unwrap().signatures.len(), 1);
    fill(&lake, 12..13).await;
    logs.cosign(&log, &[witness("w1", 1, 3)]).await.unwrap();
    let note = logs.cosigned("acme").await.unwrap().unwrap();
    assert_eq!(Checkpoint::parse(&note.text).unwrap().size, 12, "the newest by number");
    assert!(is_signed(&note, log_of(&lake).await.keys()));
    let reader = LakeReader::open(site.config()).await.unwrap();
    assert_eq!(reader.log().cosigned("acme").await.unwrap(), Some(note));
}
