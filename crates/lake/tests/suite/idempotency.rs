//! A client that repeats a request changes nothing, wherever its events are by then.

use auditlake_lake::{Lake, LakeConfig, Receipt};

use crate::site::{Site, batch, draft, event, id, ids, numbered, read};

fn all_duplicates(count: u64) -> Receipt {
    Receipt { accepted: 0, duplicates: count, seqs: None }
}

/// Sends the same five events again and expects nothing to happen.
async fn repeat(lake: &Lake, what: &str) {
    let before = read(&lake.snapshot(), what).await;
    let receipt = lake.append(numbered("acme", 0, 0..5)).await.expect("a repeated append");
    assert_eq!(receipt, all_duplicates(5), "{what}");
    assert_eq!(read(&lake.snapshot(), what).await, before, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_batch_is_known_at_every_stage() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(numbered("acme", 0, 0..5)).await.unwrap();
    repeat(&lake, "while hot").await;
    let lake = site.reopen(lake).await;
    repeat(&lake, "restarted while hot").await;
    lake.flush().await.unwrap();
    repeat(&lake, "after a flush").await;
    let lake = site.reopen(lake).await;
    repeat(&lake, "restarted after a flush").await;

    lake.append(numbered("acme", 0, 5..7)).await.unwrap();
    lake.flush().await.unwrap();
    assert_eq!(lake.compact(2).await.unwrap().days, 1);
    repeat(&lake, "after compaction").await;
    let lake = site.reopen(lake).await;
    repeat(&lake, "restarted after compaction").await;
    assert_eq!(read(&lake.snapshot(), "at the end").await.ids("acme"), ids(0..7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_known_while_its_first_is_on_its_way_to_a_segment() {
    let site = Site::new();
    let lake = site.open().await;
    for round in 0..10_u32 {
        let range = round * 5..round * 5 + 5;
        lake.append(numbered("acme", 0, range.clone())).await.unwrap();
        // The index of the day is in memory, but the events move while the repeat arrives.
        let (flushed, repeated) =
            tokio::join!(lake.flush(), lake.append(numbered("acme", 0, range)));
        flushed.unwrap();
        assert_eq!(repeated.unwrap(), all_duplicates(5), "round {round}");
    }
    assert_eq!(read(&lake.snapshot(), "at the end").await.ids("acme"), ids(0..50));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_after_a_restart_may_race_a_flush() {
    let site = Site::new();
    let mut lake = site.open().await;
    for round in 0..5_u32 {
        let range = round * 5..round * 5 + 5;
        lake.append(numbered("acme", 0, range.clone())).await.unwrap();
        lake = site.reopen(lake).await;
        // Now the ids must be read from wherever the flush has moved the events.
        let (flushed, repeated) =
            tokio::join!(lake.flush(), lake.append(numbered("acme", 0, range)));
        flushed.unwrap();
        assert_eq!(repeated.unwrap(), all_duplicates(5), "round {round}");
    }
    assert_eq!(read(&lake.snapshot(), "at the end").await.ids("acme"), ids(0..25));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_in_another_tenant_is_another_event() {
    let site = Site::new();
    let lake = site.open().await;
    for tenant in ["acme", "globex"] {
        let receipt = lake.append(numbered(tenant, 0, 0..3)).await.unwrap();
        assert_eq!(receipt, Receipt { accepted: 3, duplicates: 0, seqs: Some((0, 2)) });
    }
    // Tenant and id together must not be told apart by their joint text alone.
    for (tenant, id) in [("ab", "c"), ("a", "bc"), ("abc", "d"), ("abcd", "e")] {
        assert_eq!(lake.append(batch(tenant, 0, &[id])).await.unwrap().accepted, 1, "{tenant}");
    }
    assert_eq!(read(&lake.snapshot(), "many tenants").await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_repeat_itself() {
    let site = Site::new();
    let lake = site.open().await;
    let receipt = lake.append(batch("acme", 0, &["a", "b", "a", "a", "c", "b"])).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 3, duplicates: 3, seqs: Some((0, 2)) });
    assert_eq!(read(&lake.snapshot(), "repeats").await.ids("acme"), ["a", "b", "c"]);
    let across = [("acme", "d"), ("globex", "d"), ("acme", "d"), ("globex", "d")];
    let across = across.map(|(tenant, id)| event(tenant, 0, id));
    let receipt = lake.append(draft(&across)).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 2, duplicates: 2, seqs: None });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_be_partly_known() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(numbered("acme", 0, 2..4)).await.unwrap();
    lake.flush().await.unwrap();
    lake.append(numbered("acme", 0, 5..6)).await.unwrap();
    let lake = site.reopen(lake).await;
    let receipt = lake.append(numbered("acme", 0, 0..8)).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 5, duplicates: 3, seqs: Some((3, 7)) });
    let expected = [2, 3, 5, 0, 1, 4, 6, 7].map(id);
    assert_eq!(read(&lake.snapshot(), "partly known").await.ids("acme"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_keeps_its_first_content() {
    let site = Site::new();
    let lake = site.open().await;
    lake.append(batch("acme", 0, &["a"])).await.unwrap();
    let before = read(&lake.snapshot(), "first").await;
    let other = event("acme", 0, "a").replace("user.signed_in", "user.removed");
    assert_eq!(lake.append(draft(&[other])).await.unwrap(), all_duplicates(1));
    assert_eq!(read(&lake.snapshot(), "second").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_known_in_any_of_many_days() {
    let site = Site::new();
    let config = LakeConfig { snapshot_every: 4, ..site.config() };
    let lake = Lake::open(config, site.environment()).await.unwrap();
    for day in 0..12 {
        lake.append(numbered("acme", day, 0..2)).await.unwrap();
        if day % 3 == 0 {
            lake.flush().await.unwrap();
        }
    }
    let lake = site.reopen(lake).await;
    for day in (0..12).rev() {
        let receipt = lake.append(numbered("acme", day, 0..3)).await.unwrap();
        assert_eq!((receipt.accepted, receipt.duplicates), (1, 2), "day {day}");
    }
    assert_eq!(read(&lake.snapshot(), "twelve days").await.len(), 36);
}
