//! Documents: versions that only one of several can write, and what is left when old ones go.

use std::path::Path;

use auditlake_lake::{Documents, Lake, LakeConfig, LakeError, LakeReader, Root};
use auditlake_model::env::Environment;
use serde_json::{Value, json};
use tempfile::TempDir;

const KIND: &str = "things";

fn config(folder: &Path) -> LakeConfig {
    LakeConfig::new(Root::open(folder.to_str().unwrap(), true, []).unwrap())
}

async fn lake() -> (TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(config(folder.path()), Environment::system()).await.unwrap();
    (folder, lake)
}

async fn put(documents: &Documents, version: u64) {
    documents.put(KIND, "one", version, &json!({ "version": version })).await.unwrap();
}

fn assert_late(put: Result<(), LakeError>) {
    assert!(matches!(put, Err(LakeError::Invalid(_))), "{put:?}");
}

#[tokio::test]
async fn the_newest_version_is_found() {
    let (folder, lake) = lake().await;
    let documents = lake.documents();
    assert!(documents.get::<Value>(KIND, "one").await.unwrap().is_none());
    assert_eq!(documents.newest(KIND).await.unwrap().len(), 0);
    for version in 1..=12 {
        put(documents, version).await;
        let found = documents.get::<Value>(KIND, "one").await.unwrap().unwrap();
        assert_eq!((found.version, found.value["version"].clone()), (version, json!(version)));
    }
    documents.put(KIND, "one-more", 1, &json!({})).await.unwrap();
    let newest = documents.newest(KIND).await.unwrap();
    assert_eq!(
        newest.into_iter().collect::<Vec<_>>(),
        [("one".to_owned(), 12), ("one-more".to_owned(), 1)]
    );
    let reader = LakeReader::open(config(folder.path())).await.unwrap();
    let found = reader.documents().get::<Value>(KIND, "one").await.unwrap().unwrap();
    assert_eq!(found.version, 12);
}

#[tokio::test]
async fn a_version_is_written_once() {
    let (_folder, lake) = lake().await;
    let documents = lake.documents();
    put(documents, 1).await;
    put(documents, 1).await; // the same again is the same write
    assert_late(documents.put(KIND, "one", 1, &json!({ "by": "another" })).await);
    let found = documents.get::<Value>(KIND, "one").await.unwrap().unwrap();
    assert_eq!(found.value, json!({ "version": 1 }));
}

#[tokio::test]
async fn only_one_of_many_writes_a_version() {
    let (_folder, lake) = lake().await;
    let writers = (0..16).map(|writer| {
        let documents = lake.documents().clone();
        tokio::spawn(async move {
            documents.put(KIND, "one", 1, &json!({ "writer": writer })).await.is_ok()
        })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        won += u32::from(writer.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn old_versions_go_and_the_newest_two_stay() {
    let (folder, lake) = lake().await;
    let documents = lake.documents();
    for version in 1..=9 {
        put(documents, version).await;
        documents.prune(KIND, "one", version.saturating_sub(1)).await.unwrap();
    }
    let kept = std::fs::read_dir(folder.path().join("meta").join(KIND).join("one")).unwrap();
    let mut kept: Vec<_> =
        kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["0000000008.json", "0000000009.json"]);
    let all = documents.list::<Value>(KIND).await.unwrap();
    assert_eq!((all.len(), all[0].version), (1, 9));
    documents.prune(KIND, "none", 5).await.unwrap();
}

#[tokio::test]
async fn who_slept_through_versions_that_are_gone_notices() {
    let (_folder, lake) = lake().await;
    let documents = lake.documents();
    for version in 1..=9 {
        put(documents, version).await;
    }
    documents.prune(KIND, "one", 8).await.unwrap();
    // These names are free again, but what they would follow is gone or has been followed.
    for version in 2..=9 {
        assert_late(documents.put(KIND, "one", version, &json!({ "late": version })).await);
    }
    let found = documents.get::<Value>(KIND, "one").await.unwrap().unwrap();
    assert_eq!((found.version, found.value), (9, json!({ "version": 9 })));
    put(documents, 10).await;
}

#[tokio::test]
async fn readers_find_a_document_that_changes_all_the_time() {
    let (_folder, lake) = lake().await;
    put(lake.documents(), 1).await;
    let documents = lake.documents().clone();
    let writer = tokio::spawn(async move {
        for version in 2..=200 {
            put(&documents, version).await;
            documents.prune(KIND, "one", version - 1).await.unwrap();
        }
    });
    let mut last = 0;
    while !writer.is_finished() {
        let found = lake.documents().get::<Value>(KIND, "one").await.unwrap().unwrap();
        assert!(found.version >= last);
        last = found.version;
        let listed = lake.documents().list::<Value>(KIND).await.unwrap();
        assert_eq!(listed.len(), 1);
    }
    writer.await.unwrap();
}
