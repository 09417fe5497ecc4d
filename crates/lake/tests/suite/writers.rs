//! Several processes at one lake: one writer per WAL folder, the newest writer per root, and
//! readers beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auditlake_lake::{Lake, LakeConfig, LakeError, LakeReader};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::site::{Site, draft, event, id, ids, numbered, read, read_flushed, root_of};

/// Two writers, each with a WAL folder of its own, on one store.
fn two_sites() -> (Site, Site) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    (Site::on(Arc::clone(&store)), Site::on(store))
}

fn is_fenced(outcome: Result<(), LakeError>, ours: u64, theirs: u64) {
    match outcome {
        Err(LakeError::Fenced { ours: o, theirs: t }) => assert_eq!((o, t), (ours, theirs)),
        other => panic!("a writer of epoch {ours} must be fenced by {theirs}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_on_the_same_wal_is_refused() {
    let site = Site::new();
    let lake = site.open().await;
    match site.try_open().await {
        Err(LakeError::Locked(path)) => assert!(path.starts_with(&site.wal_dir), "{path:?}"),
        other => panic!("two writers on one WAL: {other:?}"),
    }
    lake.append(numbered("acme", 0, 0..3)).await.unwrap();
    lake.flush().await.expect("the refused writer did not take the lake over");
    let lake = site.reopen(lake).await;
    assert_eq!(read(&lake.snapshot(), "one writer").await.ids("acme"), ids(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_writer_is_fenced_and_its_events_come_back_once() {
    let (old, new) = two_sites();
    let a = old.open().await;
    a.append(numbered("acme", 0, 0..3)).await.unwrap();
    a.flush().await.unwrap();
    a.append(numbered("acme", 0, 3..6)).await.unwrap();

    new.clock.advance(60_000_000);
    let b = new.open().await;
    assert_eq!(read(&b.snapshot(), "only what was flushed").await.ids("acme"), ids(0..3));
    // A client that lost its connection to the older writer sends one event to the newer.
    b.append(numbered("acme", 0, 4..5)).await.unwrap();
    b.append(numbered("acme", 0, 10..12)).await.unwrap();
    b.flush().await.unwrap();

    is_fenced(a.flush().await, 1, 2);
    let refused = a.append(numbered("acme", 0, 20..21)).await;
    assert!(matches!(refused, Err(LakeError::Stopped(_))), "a fenced writer stops: {refused:?}");
    let sequence = [0, 1, 2, 4, 10, 11].map(id);
    assert_eq!(read_flushed(&b, "the newer writer").await.ids("acme"), sequence);

    let a = old.reopen(a).await;
    let sequence = [0, 1, 2, 4, 10, 11, 3, 5].map(id);
    let hot = read(&a.snapshot(), "the older writer is back").await;
    assert_eq!(hot.ids("acme"), sequence);
    b.append(numbered("acme", 0, 12..13)).await.unwrap();
    a.flush().await.unwrap();
    assert_eq!(read_flushed(&a, "and has flushed").await, hot);
    is_fenced(b.flush().await, 2, 3);

    let b = new.reopen(b).await;
    b.flush().await.unwrap();
    let sequence = [0, 1, 2, 4, 10, 11, 3, 5, 12].map(id);
    let content = read_flushed(&b, "both are done").await;
    assert_eq!(content.ids("acme"), sequence);
    let snapshot = b.snapshot();
    let head = &snapshot.manifest().tenants["acme"];
    assert_eq!((head.size, head.root), (9, root_of(content.rows("acme"))));
    let repeated = b.append(numbered("acme", 0, 0..13)).await.unwrap();
    assert_eq!((repeated.accepted, repeated.duplicates), (4, 9));
}

/// What is said to be all that was recorded before an instant stays so: an event that comes back
/// behind it is recorded anew, even where its own tenant's log did not grow meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_recorded_behind_what_others_recorded() {
    let (old, new) = two_sites();
    let a = old.open().await;
    a.append(numbered("acme", 0, 0..3)).await.unwrap();
    new.clock.advance(60_000_000);
    let b = new.open().await;
    b.append(numbered("globex", 0, 0..2)).await.unwrap();
    b.flush().await.unwrap();
    let recorded_until = b.snapshot().manifest().tenants["globex"].recorded_at_us;

    let a = old.reopen(a).await;
    a.flush().await.unwrap();
    assert_eq!(read_flushed(&a, "back").await.ids("acme"), ids(0..3));
    let of_acme = a.snapshot();
    let mut spans = of_acme.segments().iter().filter_map(|segment| segment.tenants.get("acme"));
    assert!(spans.all(|span| span.recorded_us.0 > recorded_until));
}

/// A commit that was shown is not given up by a writer who does not have its events.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_commit_of_another_writer_is_not_left_out() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (old, new) = (Site::on(Arc::clone(&store)), Site::on(Arc::clone(&store)));
    let a = old.open().await;
    a.append(numbered("acme", 0, 0..3)).await.unwrap();
    drop(a);
    let b = new.open().await;
    b.append(numbered("acme", 0, 3..6)).await.unwrap();
    b.flush().await.unwrap();
    drop(b);
    let newest = Path::from("log/00000000000000000003.json");
    let whole = store.get(&newest).await.unwrap().bytes().await.unwrap();
    store.put(&newest, whole.slice(..40).into()).await.unwrap();
    let refused = old.try_open().await;
    assert!(matches!(refused, Err(LakeError::Damaged { .. })), "{refused:?}");
    let b = new.open().await;
    assert_eq!(read(&b.snapshot(), "its own").await.ids("acme"), ids(3..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_of_a_fenced_writer_changes_nothing() {
    let (old, new) = two_sites();
    let a = old.open().await;
    for range in [0..3, 3..6] {
        a.append(numbered("acme", 0, range)).await.unwrap();
        a.flush().await.unwrap();
    }
    let b = new.open().await;
    let before = read_flushed(&b, "taken over").await;
    is_fenced(a.compact(2).await.map(|_| ()), 1, 2);
    b.compact(2).await.unwrap();
    drop(b);
    let b = new.open().await;
    assert_eq!(read_flushed(&b, "compacted").await, before);
    assert_eq!(b.snapshot().segments().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_take_turns_lose_nothing() {
    let (one, two) = two_sites();
    for round in 0..8_u32 {
        let site = if round % 2 == 0 { &one } else { &two };
        site.clock.advance(i64::from(round) * 1_000_000);
        let lake = site.open().await;
        let mixed: Vec<String> = (round * 4..round * 4 + 4)
            .map(|n| event(["acme", "globex"][n as usize % 2], i64::from(n % 3), &id(n)))
            .collect();
        lake.append(draft(&mixed)).await.unwrap();
        if round % 3 == 0 {
            lake.flush().await.unwrap();
        }
        lake.append(numbered("initech", 0, round * 2..round * 2 + 2)).await.unwrap();
        read(&lake.snapshot(), &format!("round {round}")).await;
    }
    let lake = one.open().await;
    lake.flush().await.unwrap();
    drop(lake);
    let lake = two.open().await;
    lake.flush().await.unwrap();
    let content = read_flushed(&lake, "all turns").await;
    let sorted = |tenant: &str| {
        let mut found = content.ids(tenant);
        found.sort();
        found
    };
    assert_eq!(sorted("initech"), ids(0..16));
    assert_eq!(sorted("acme"), (0..32).step_by(2).map(id).collect::<Vec<_>>());
    assert_eq!(sorted("globex"), (1..32).step_by(2).map(id).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_what_is_hot() {
    let site = Site::new();
    let none = LakeReader::open(site.config()).await;
    assert!(matches!(none, Err(LakeError::Invalid(_))), "there is no lake yet: {none:?}");
    let lake = site.open().await;
    let reader = LakeReader::open(site.config()).await.unwrap();
    for round in 0..3_u32 {
        lake.append(numbered("acme", i64::from(round), round * 2..round * 2 + 2)).await.unwrap();
        let seen = read(&reader.snapshot().await.unwrap(), "a reader").await;
        assert_eq!(seen, read(&lake.snapshot(), "the writer").await, "round {round}");
        assert_eq!(seen.ids("acme"), ids(0..round * 2 + 2));
        if round == 1 {
            lake.flush().await.unwrap();
        }
    }
    let elsewhere = LakeConfig { wal_dir: site.wal_dir.join("nowhere"), ..site.config() };
    let remote = LakeReader::open(elsewhere).await.unwrap();
    let segments = read(&remote.snapshot().await.unwrap(), "a reader without the WAL").await;
    assert_eq!(segments.ids("acme"), ids(0..4), "sees what is flushed, and no more");
    lake.append(numbered("acme", 0, 6..7)).await.expect("readers hold no lock");
}

/// Appends, flushes and compacts until told to stop; counts what is acknowledged.
async fn write_on(lake: Arc<Lake>, acknowledged: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let events =
            [event("acme", i64::from(number % 2), &id(number)), event("globex", 0, &id(number))];
        lake.append(draft(&events)).await.expect("an append");
        acknowledged.fetch_add(2, Ordering::SeqCst);
        number += 1;
        if number % 10 == 0 {
            lake.flush().await.expect("a flush");
        }
        if number % 50 == 0 {
            lake.compact(4).await.expect("a compaction");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_beside_a_busy_writer_sees_every_event_once() {
    let site = Site::new();
    let config = LakeConfig { snapshot_every: 8, ..site.config() };
    let lake = Lake::open(config, site.environment()).await.unwrap();
    let lake = Arc::new(lake);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let writing =
        tokio::spawn(write_on(Arc::clone(&lake), Arc::clone(&acknowledged), Arc::clone(&stop)));
    let reader = LakeReader::open(site.config()).await.unwrap();
    let begun = Instant::now();
    let (mut looks, mut own_looks, mut seen_before) = (0, 0, 0);
    while begun.elapsed() < Duration::from_secs(1) {
        let at_least = acknowledged.load(Ordering::SeqCst);
        match reader.snapshot().await {
            Ok(snapshot) => {
                let seen = read(&snapshot, "beside a writer").await.len() as u64;
                assert!(seen >= at_least, "{seen} events seen of {at_least} acknowledged");
                assert!(seen >= seen_before, "{seen} events seen, {seen_before} before");
                seen_before = seen;
                looks += 1;
            }
            // Twenty commits while it looked: it says so, and shows nothing rather than wrong.
            Err(LakeError::Invalid(reason)) => assert!(reason.contains("faster"), "{reason}"),
            Err(error) => panic!("{error}"),
        }
        let at_least = acknowledged.load(Ordering::SeqCst);
        let seen = read(&lake.snapshot(), "in the writer's process").await.len() as u64;
        assert!(seen >= at_least, "{seen} events seen of {at_least} acknowledged");
        own_looks += 1;
    }
    stop.store(true, Ordering::SeqCst);
    writing.await.unwrap();
    assert!(looks >= 3 && own_looks >= 3, "{looks} looks, {own_looks} from inside");
    assert!(lake.snapshot().manifest().version > 3, "the writer flushed meanwhile");
    let all = acknowledged.load(Ordering::SeqCst);
    let seen = read(&reader.snapshot().await.unwrap(), "at rest").await;
    assert_eq!(seen.len() as u64, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_lake_is_refused() {
    let one = Site::on(Arc::new(InMemory::new()));
    let lake = one.open().await;
    lake.append(numbered("acme", 0, 0..3)).await.unwrap();
    drop(lake);
    let mut other = Site::on(Arc::new(InMemory::new()));
    other.wal_dir.clone_from(&one.wal_dir);
    let refused = other.try_open().await;
    assert!(matches!(&refused, Err(LakeError::Invalid(why)) if why.contains("another lake")));
    // It is still its own lake's.
    assert_eq!(read(&one.open().await.snapshot(), "at home").await.ids("acme"), ids(0..3));
}
