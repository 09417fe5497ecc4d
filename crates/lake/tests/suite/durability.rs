//! What is acknowledged is there: at once, exactly once, at the same place and with the same
//! root, whatever the lake does to it and however often it restarts.

use std::sync::Arc;
use std::time::Duration;

use auditlake_lake::{Compacted, Lake, Receipt};
use futures::future::join_all;

use crate::site::{Site, batch, draft, event, id, ids, numbered, read, read_flushed, root_of};

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_batch_is_seen_at_once() {
    let site = Site::new();
    let lake = site.open().await;
    assert_eq!(read(&lake.snapshot(), "an empty lake").await.len(), 0);
    let receipt = lake.append(numbered("acme", 0, 0..3)).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 3, duplicates: 0, seqs: Some((0, 2)) });
    assert_eq!(read(&lake.snapshot(), "three").await.ids("acme"), ids(0..3));
    let receipt = lake.append(numbered("acme", 0, 2..5)).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 2, duplicates: 1, seqs: Some((3, 4)) });
    assert_eq!(read(&lake.snapshot(), "five").await.ids("acme"), ids(0..5));
    let nothing = lake.append(draft(&[])).await.unwrap();
    assert_eq!(nothing, Receipt::default());
    assert_eq!(lake.snapshot().hot_rows(), 5);
    assert!(lake.hot_bytes() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_snapshot_does_not_change() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(numbered("acme", 0, 0..3)).await.unwrap();
    let older = lake.snapshot();
    lake.append(numbered("acme", 0, 3..6)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(numbered("acme", 0, 6..9)).await.unwrap();
    lake.flush().await.unwrap();
    lake.compact(2).await.unwrap();
    site.clock.advance(24 * 3_600_000_000);
    assert_eq!(lake.sweep().await.unwrap(), 0, "files stay while they may be read");
    assert_eq!(read(&older, "an older snapshot").await.ids("acme"), ids(0..3));
    drop(older);
    assert_eq!(lake.sweep().await.unwrap(), 0, "the newest commit may yet turn out torn");
    lake.append(numbered("acme", 0, 9..10)).await.unwrap();
    lake.flush().await.unwrap();
    assert_eq!(lake.sweep().await.unwrap(), 2, "and no longer");
    assert_eq!(read_flushed(&lake, "swept").await.ids("acme"), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_many_tenants_has_a_log_for_each() {
    let site = Site::new();
    let lake = site.open().await;
    let mixed: Vec<String> =
        (0..9).map(|n| event(["a", "b", "c"][n as usize % 3], 0, &id(n))).collect();
    let receipt = lake.append(draft(&mixed)).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 9, duplicates: 0, seqs: None });
    let receipt = lake.append(batch("b", 0, &["x"])).await.unwrap();
    assert_eq!(receipt.seqs, Some((3, 3)));
    lake.flush().await.unwrap();
    let content = read_flushed(&lake, "three tenants").await;
    assert_eq!(content.ids("a"), [0, 3, 6].map(id));
    assert_eq!(content.ids("b"), [id(1), id(4), id(7), "x".to_owned()]);
    assert_eq!(content.ids("c"), [2, 5, 8].map(id));
}

/// Four rounds over two days and two tenants; the last two are still hot.
async fn fill(site: &Site, lake: &Lake) {
    for round in 0..4_u32 {
        site.clock.advance(1_000_000);
        let day = i64::from(round % 2);
        lake.append(numbered("acme", day, round * 5..round * 5 + 5)).await.unwrap();
        lake.append(numbered("globex", 1 - day, round * 3..round * 3 + 3)).await.unwrap();
        if round == 1 {
            lake.flush().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_changes_on_its_way_from_hot_to_compacted() {
    let site = Site::new();
    let lake = site.open().await;
    fill(&site, &lake).await;
    let hot = read(&lake.snapshot(), "half flushed").await;
    assert_eq!(hot.ids("acme"), ids(0..20));
    assert_eq!(hot.ids("globex"), ids(0..12));
    site.clock.advance(1_000_000);

    let lake = site.reopen(lake).await;
    assert_eq!(read(&lake.snapshot(), "restarted while hot").await, hot);
    lake.flush().await.unwrap();
    assert_eq!(read_flushed(&lake, "flushed").await, hot);
    let roots: Vec<_> = lake.snapshot().manifest().tenants.values().map(|h| h.root).collect();
    assert_eq!(roots, [root_of(hot.rows("acme")), root_of(hot.rows("globex"))]);

    let lake = site.reopen(lake).await;
    assert_eq!(read_flushed(&lake, "restarted after a flush").await, hot);
    let compacted = lake.compact(2).await.unwrap();
    assert_eq!(compacted, Compacted { days: 2, segments_before: 4, segments_after: 2 });
    assert_eq!(read_flushed(&lake, "compacted").await, hot);
    let again = lake.compact(2).await.unwrap();
    assert_eq!(again, Compacted::default(), "what is compacted is left alone");

    let lake = site.reopen(lake).await;
    assert_eq!(read_flushed(&lake, "restarted after compaction").await, hot);
    let heads = lake.snapshot().manifest().tenants.values().map(|h| h.root).collect::<Vec<_>>();
    assert_eq!(heads, roots);
    assert_eq!(lake.snapshot().segments().len(), 2);

    lake.append(numbered("acme", 0, 20..22)).await.unwrap();
    let grown = read(&lake.snapshot(), "appended behind it").await;
    assert_eq!(grown.ids("acme"), ids(0..22));
    lake.close().await.unwrap();
    let lake = site.open().await;
    assert_eq!(read_flushed(&lake, "closed and opened").await, grown);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_alone_change_nothing() {
    let site = Site::new();
    let mut lake = site.open().await;
    for round in 0..6_u32 {
        lake.append(numbered("acme", 0, round * 2..round * 2 + 2)).await.unwrap();
        lake = site.reopen(lake).await;
        lake = site.reopen(lake).await;
        let content = read(&lake.snapshot(), "restarted").await;
        assert_eq!(content.ids("acme"), ids(0..round * 2 + 2), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_at_never_runs_backwards() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(batch("acme", 0, &["first"])).await.unwrap();
    site.clock.advance(-5_000_000);
    lake.append(batch("acme", 0, &["second"])).await.unwrap();
    lake.append(batch("globex", 0, &["other"])).await.unwrap();
    let lake = site.reopen(lake).await;
    site.clock.advance(1_000_000);
    lake.append(batch("acme", 0, &["third"])).await.unwrap();
    let content = read(&lake.snapshot(), "a clock set back").await;
    let times: Vec<&str> =
        content.rows("acme").iter().map(|row| row.recorded_at.as_str()).collect();
    // Each append is behind the one before it, of whatever tenant, also after a restart: what
    // was recorded before an instant that somebody saw is a set that never grows.
    let at = |micros: u32| format!("2026-03-01T00:00:00.{micros:06}Z");
    assert_eq!(times, [at(0), at(1), at(3)]);
    assert_eq!(content.rows("globex")[0].recorded_at, at(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_lands_in_its_own_day() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(numbered("acme", 10, 0..3)).await.unwrap();
    lake.flush().await.unwrap();
    let late: Vec<String> =
        [(10, 3), (0, 4), (-800, 5), (10, 6)].map(|(day, n)| event("acme", day, &id(n))).to_vec();
    lake.append(draft(&late)).await.unwrap();
    assert_eq!(read(&lake.snapshot(), "late and hot").await.ids("acme"), ids(0..7));
    lake.flush().await.unwrap();
    assert_eq!(read_flushed(&lake, "late and flushed").await.ids("acme"), ids(0..7));
    let paths: Vec<String> =
        lake.snapshot().segments().iter().map(|segment| segment.path[..21].to_owned()).collect();
    let days = ["2023-12-22", "2026-03-01", "2026-03-11", "2026-03-11"];
    assert_eq!(paths, days.map(|day| format!("events/day={day}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_requests_share_their_syncs() {
    const REQUESTS: u32 = 300;
    let site = Site::new();
    let lake = Arc::new(site.open().await);
    let requests = (0..REQUESTS).map(|n| lake.append(numbered("acme", 0, n..n + 1)));
    let mut seqs = Vec::new();
    for receipt in join_all(requests).await {
        let receipt = receipt.unwrap();
        assert_eq!((receipt.accepted, receipt.duplicates), (1, 0));
        seqs.push(receipt.seqs.unwrap().0);
    }
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(0..u64::from(REQUESTS)), "each request has a place");
    let wal = std::fs::read(&site.wal_files()[0]).unwrap();
    let frames = wal.windows(4).filter(|bytes| *bytes == b"\xa7LWF").count();
    assert!(frames < REQUESTS as usize, "{frames} syncs for {REQUESTS} requests");

    let tasks = (0..100).map(|n| {
        let lake = Arc::clone(&lake);
        tokio::spawn(async move { lake.append(numbered("acme", n % 3, 1000..1004)).await })
    });
    let receipts = join_all(tasks).await;
    let accepted: u64 = receipts.into_iter().map(|r| r.unwrap().unwrap().accepted).sum();
    assert_eq!(accepted, 12, "of equal requests that race, one wins each day");
    let before = read(&lake.snapshot(), "many requests").await;
    assert_eq!(before.len(), REQUESTS as usize + 12);
    let lake = Arc::into_inner(lake).unwrap();
    let lake = site.reopen(lake).await;
    assert_eq!(read(&lake.snapshot(), "many requests, restarted").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_nobody_waits_for_loses_nothing() {
    let site = Site::new();
    let lake = site.open().await;
    for round in 0..4_u32 {
        lake.append(numbered("acme", 0, round * 2..round * 2 + 2)).await.unwrap();
        // Polled once and dropped: the request is on its way, its answer goes nowhere.
        let waited = tokio::time::timeout(Duration::ZERO, lake.flush()).await;
        if let Ok(flushed) = waited {
            flushed.unwrap();
        }
    }
    lake.append(numbered("acme", 0, 8..10)).await.unwrap();
    lake.flush().await.unwrap();
    assert_eq!(read_flushed(&lake, "flushed").await.ids("acme"), ids(0..10));
    let lake = site.reopen(lake).await;
    assert_eq!(read_flushed(&lake, "restarted").await.ids("acme"), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wal_file_that_cannot_be_deleted_doubles_nothing() {
    let site = Site::new();
    let lake = site.open().await;
    // A folder in the place of a file: to unlink it fails, whoever runs this.
    std::fs::create_dir(site.wal_dir.join(format!("{:020}.wal", 0))).unwrap();
    for round in 0..3_u32 {
        lake.append(numbered("acme", 0, round * 2..round * 2 + 2)).await.unwrap();
        lake.flush().await.unwrap();
        lake.flush().await.unwrap();
    }
    assert_eq!(read_flushed(&lake, "flushed").await.ids("acme"), ids(0..6));
    let lake = site.reopen(lake).await;
    assert_eq!(read_flushed(&lake, "restarted").await.ids("acme"), ids(0..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_wait_for_room_go_on_after_a_flush() {
    let site = Site::new();
    let mut config = site.config();
    config.max_hot_bytes = 1;
    let lake = Lake::open(config, site.environment()).await.unwrap();
    for n in 0..10 {
        let answer = lake.append(numbered("acme", 0, n..n + 1));
        let answer = tokio::time::timeout(Duration::from_secs(30), answer).await;
        let receipt = answer.expect("the flush makes room while the writer waits for it");
        assert_eq!(receipt.unwrap().accepted, 1);
    }
    lake.flush().await.unwrap();
    assert_eq!(read_flushed(&lake, "through a narrow gate").await.ids("acme"), ids(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn enough_hot_bytes_are_flushed_unasked() {
    let site = Site::new();
    let mut config = site.config();
    config.flush_bytes = 1;
    let lake = Lake::open(config, site.environment()).await.unwrap();
    lake.append(numbered("acme", 0, 0..5)).await.unwrap();
    let flushed = async {
        while lake.hot_bytes() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), flushed).await.expect("it is flushed");
    assert_eq!(read_flushed(&lake, "flushed unasked").await.ids("acme"), ids(0..5));
}
