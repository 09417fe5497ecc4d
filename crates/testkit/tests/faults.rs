//! Each fault does what its description says, at the write it was planned for.

use std::sync::Arc;

use auditlake_testkit::{Fault, FaultPlan, Faults, FaultyStore, Injected};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, Result};

const CONTENT: &str = "0123456789";

fn store(plan: FaultPlan, seed: u64) -> (FaultyStore, Arc<Faults>) {
    let faults = Faults::new(plan, seed);
    (FaultyStore::new(Arc::new(InMemory::new()), Arc::clone(&faults)), faults)
}

fn first(fault: Fault) -> FaultPlan {
    FaultPlan::At { nth_write: 0, fault }
}

fn path(name: &str) -> Path {
    Path::from(name)
}

async fn create(store: &FaultyStore, name: &str) -> Result<()> {
    store.put_opts(&path(name), CONTENT.into(), PutMode::Create.into()).await.map(drop)
}

/// What the store underneath holds.
async fn held(store: &FaultyStore, name: &str) -> Option<Vec<u8>> {
    match store.inner().get(&path(name)).await {
        Ok(found) => match found.bytes().await {
            Ok(content) => Some(content.to_vec()),
            Err(error) => panic!("{error}"),
        },
        Err(Error::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn is_generic<T: std::fmt::Debug>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Generic { store: "faulty", .. }))
}

#[tokio::test]
async fn a_lost_response_is_done() {
    let (store, faults) = store(first(Fault::LostResponse), 1);
    assert!(is_generic(create(&store, "a").await));
    assert_eq!(held(&store, "a").await.unwrap(), CONTENT.as_bytes());
    let expected = Injected { write: 0, path: "a".to_owned(), fault: Fault::LostResponse };
    assert_eq!(faults.injected(), [expected]);
    // Exactly one: the next write meets the truth.
    assert!(matches!(create(&store, "a").await, Err(Error::AlreadyExists { .. })));
    assert_eq!((faults.writes(), faults.injected().len()), (2, 1));
}

#[tokio::test]
async fn a_fault_that_is_not_done_leaves_nothing() {
    let (store, _) = store(first(Fault::NotDone), 1);
    assert!(is_generic(create(&store, "a").await));
    assert_eq!(held(&store, "a").await, None);
    create(&store, "a").await.unwrap();
}

#[tokio::test]
async fn a_conflict_is_done_and_says_that_it_exists() {
    let (store, _) = store(first(Fault::Conflict409), 1);
    assert!(matches!(create(&store, "a").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(held(&store, "a").await.unwrap(), CONTENT.as_bytes());
}

#[tokio::test]
async fn a_write_that_may_overwrite_meets_no_conflict() {
    let (store, faults) = store(first(Fault::Conflict409), 1);
    assert!(is_generic(store.put(&path("a"), CONTENT.into()).await));
    assert_eq!(held(&store, "a").await.unwrap(), CONTENT.as_bytes());
    assert_eq!(faults.injected()[0].fault, Fault::LostResponse);
}

#[tokio::test]
async fn a_timeout_is_done_or_not() {
    let (mut done, mut not_done) = (0, 0);
    for seed in 0..40 {
        let (store, _) = store(first(Fault::Timeout), seed);
        assert!(is_generic(create(&store, "a").await));
        match held(&store, "a").await {
            Some(content) => {
                assert_eq!(content, CONTENT.as_bytes());
                done += 1;
            }
            None => not_done += 1,
        }
    }
    assert!(done > 5 && not_done > 5, "{done} done, {not_done} not");
}

#[tokio::test]
async fn a_torn_put_leaves_a_strict_prefix() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (store, _) = store(first(Fault::TornPut), seed);
        let chunks: PutPayload = [&CONTENT[..3], &CONTENT[3..]]
            .into_iter()
            .map(|chunk| bytes::Bytes::copy_from_slice(chunk.as_bytes()))
            .collect();
        let torn = store.put_opts(&path("a"), chunks, PutMode::Create.into()).await;
        assert!(is_generic(torn));
        let content = held(&store, "a").await.unwrap();
        assert!(content.len() < CONTENT.len() && CONTENT.as_bytes().starts_with(&content));
        lengths.insert(content.len());
        // Create-only stays create-only: the torn object is in the way.
        assert!(matches!(create(&store, "a").await, Err(Error::AlreadyExists { .. })));
    }
    assert!(lengths.len() > 4 && lengths.contains(&0), "{lengths:?}");
}

#[tokio::test]
async fn a_torn_create_never_touches_what_exists() {
    let (store, _) = store(first(Fault::TornPut), 1);
    store.inner().put(&path("a"), "before".into()).await.unwrap();
    assert!(matches!(create(&store, "a").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(held(&store, "a").await.unwrap(), b"before");
}

#[tokio::test]
async fn deletes_copies_and_renames_are_writes() {
    for fault in Fault::ALL {
        for (write, name) in [(1, "a"), (2, "b"), (3, "c")] {
            let (store, faults) = store(FaultPlan::At { nth_write: write, fault }, 3);
            create(&store, "a").await.unwrap();
            let deleted = store.delete(&path("a")).await;
            store.inner().put(&path("a"), CONTENT.into()).await.unwrap();
            let copied = store.copy(&path("a"), &path("b")).await;
            let renamed = store.rename(&path("a"), &path("c")).await;
            let failed = [deleted, copied, renamed].map(|result| result.is_err());
            assert_eq!(failed, [write == 1, write == 2, write == 3], "{fault:?}");
            assert_eq!(faults.injected()[0].path, name);
            assert_eq!(faults.writes(), 4);
        }
    }
}

#[tokio::test]
async fn effects_of_deletes_and_renames() {
    let (lost, _) = store(first(Fault::LostResponse), 1);
    lost.inner().put(&path("a"), CONTENT.into()).await.unwrap();
    assert!(is_generic(lost.delete(&path("a")).await));
    assert_eq!(held(&lost, "a").await, None);

    let (kept, _) = store(first(Fault::NotDone), 1);
    kept.inner().put(&path("a"), CONTENT.into()).await.unwrap();
    assert!(is_generic(kept.delete(&path("a")).await));
    assert!(held(&kept, "a").await.is_some());

    let (torn, _) = store(first(Fault::TornPut), 1);
    torn.inner().put(&path("a"), CONTENT.into()).await.unwrap();
    assert!(is_generic(torn.rename(&path("a"), &path("b")).await));
    assert!(held(&torn, "a").await.is_some() && held(&torn, "b").await.is_some());
}

#[tokio::test]
async fn parts_and_completions_are_writes() {
    for (nth_write, fault, expected) in [
        (1, Fault::NotDone, None),
        (2, Fault::NotDone, None),
        (2, Fault::TornPut, None),
        (2, Fault::LostResponse, Some("onetwo")),
    ] {
        let (store, faults) = store(FaultPlan::At { nth_write, fault }, 1);
        let mut upload = store.put_multipart(&path("a")).await.unwrap();
        upload.put_part("one".into()).await.unwrap();
        let second = upload.put_part("two".into()).await;
        let failed = if nth_write == 1 {
            upload.abort().await.unwrap();
            is_generic(second)
        } else {
            second.unwrap();
            is_generic(upload.complete().await)
        };
        assert!(failed);
        assert_eq!(held(&store, "a").await.as_deref(), expected.map(str::as_bytes));
        assert_eq!(faults.injected().len(), 1);
    }
}

#[tokio::test]
async fn one_seed_reproduces_a_run() {
    let mut runs = Vec::new();
    for seed in [5, 5, 6] {
        let (store, faults) = store(FaultPlan::Random { probability: 0.3 }, seed);
        for number in 0..200 {
            let _either = create(&store, &number.to_string()).await;
        }
        assert_eq!(faults.writes(), 200);
        runs.push(faults.injected());
    }
    assert!((30..90).contains(&runs[0].len()), "{}", runs[0].len());
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(Fault::ALL.iter().all(|fault| runs[0].iter().any(|hit| hit.fault == *fault)));
}

#[tokio::test]
async fn reads_fail_when_told_to_and_recover() {
    let (store, faults) = store(FaultPlan::Never, 1);
    create(&store, "a").await.unwrap();
    faults.set_read_error_probability(1.0);
    assert!(is_generic(store.get(&path("a")).await));
    assert!(is_generic(store.get_ranges(&path("a"), std::slice::from_ref(&(0..1))).await));
    assert!(is_generic(store.list_with_delimiter(None).await));
    faults.disarm();
    assert!(store.get(&path("a")).await.is_ok());
}
