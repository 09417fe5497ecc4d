//! The lake's own stores keep the contract that every object store must keep, and show
//! nothing of a write that was not finished.

use std::path::Path as FsPath;

use auditlake_lake::{DurableStore, LakeError, Root};
use auditlake_testkit::object_store_conformance;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

fn open(location: &str, create: bool) -> Result<Root, LakeError> {
    Root::open(location, create, [])
}

fn text(path: &FsPath) -> &str {
    path.to_str().expect("a path that is text")
}

/// Every file below a folder, by its plain name.
fn files(folder: &FsPath) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().expect("a name that is text"));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_durable_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    object_store_conformance(&DurableStore::open(&path).unwrap()).await;
    assert_eq!(files(&path), [""; 0], "nothing staged is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_of_a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let root = open(text(&folder.path().join("new/lake")), true).unwrap();
    object_store_conformance(root.store().as_ref()).await;
    let url = format!("file://{}", root.location());
    let again = open(&url, false).unwrap();
    assert_eq!(again.folder(), root.folder());
    object_store_conformance(again.store().as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_staged_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = open(text(folder.path()), true).unwrap();
    let store = root.store();
    let path = Path::from("log/00000000000000000001.json");
    store.put(&path, "whole".into()).await.unwrap();
    let staged = folder.path().join("log/00000000000000000002.json#4711000003");
    std::fs::write(&staged, "half of i").unwrap();

    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(
        listed.into_iter().map(|meta| meta.location).collect::<Vec<_>>(),
        std::slice::from_ref(&path)
    );
    let level = store.list_with_delimiter(Some(&Path::from("log"))).await.unwrap();
    assert_eq!(level.objects.len(), 1);
    let second = Path::from("log/00000000000000000002.json");
    let missing = store.get(&second).await;
    assert!(matches!(missing, Err(object_store::Error::NotFound { .. })), "{missing:?}");
    store.put_opts(&second, "second".into(), PutMode::Create.into()).await.unwrap();
    let bytes = store.get(&second).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_create_leaves_nothing_staged() {
    let folder = tempfile::tempdir().unwrap();
    let root = open(text(folder.path()), true).unwrap();
    let path = Path::from("log/1.json");
    root.store().put_opts(&path, "first".into(), PutMode::Create.into()).await.unwrap();
    for _ in 0..3 {
        let again = root.store().put_opts(&path, "second".into(), PutMode::Create.into()).await;
        let refused = matches!(again, Err(object_store::Error::AlreadyExists { .. }));
        assert!(refused, "{again:?}");
    }
    assert_eq!(files(folder.path()), ["1.json"]);
}

#[tokio::test]
async fn a_location_that_is_none_says_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let missing = open(text(&folder.path().join("missing")), false);
    assert!(matches!(&missing, Err(LakeError::Invalid(reason)) if reason.contains("no lake")));
    assert_eq!(files(folder.path()), [""; 0], "to look for a lake makes none");
    for location in ["gopher://host/path", "s4://bucket", "http://"] {
        match open(location, true) {
            Err(LakeError::Invalid(reason)) => {
                assert!(reason.contains(location), "{reason}");
                assert!(reason.contains("s3://"), "{reason}");
            }
            other => panic!("{location}: {other:?}"),
        }
    }
}
