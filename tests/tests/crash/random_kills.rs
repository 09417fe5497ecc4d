//! A hundred kills at random moments of one lake's life.

use std::time::Duration;

use auditlake_tests::{Crowd, Ended, RESTLESS, Site, read_beside, read_flushed};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const SEED: u64 = 20_260_301;
const ROUNDS: u32 = 100;
/// So often the lake is read in between.
const LOOK_EVERY: u32 = 10;
/// So often the kill comes during the start, where the log is being replayed.
const EARLY_EVERY: u32 = 9;

/// So often a round may last long.
const LONG_EVERY: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_lose_and_double_nothing() {
    let site = Site::new();
    site.set(RESTLESS);
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut crowd = Crowd::new(SEED, 4);
    for round in 1..=ROUNDS {
        // The first start shows the key, and must live to do so.
        if round > 1 && round.is_multiple_of(EARLY_EVERY) {
            let server = site.spawn();
            tokio::time::sleep(Duration::from_millis(rng.random_range(5..100))).await;
            server.kill();
        } else {
            let server = site.start().await;
            let feeding = crowd.feed(&server.target());
            // Some rounds are long enough for what runs between the requests.
            let longest = if round.is_multiple_of(LONG_EVERY) { 1500 } else { 150 };
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..longest))).await;
            server.kill();
            for ended in crowd.gather(feeding).await {
                assert!(matches!(ended, Ended::Gone), "round {round}: {ended:?}");
            }
        }
        if round.is_multiple_of(LOOK_EVERY) {
            read_beside(site.lake()).await.assert_keeps(crowd.batches());
        }
    }
    let server = site.start().await;
    crowd.settle(&server.target()).await;
    server.kill();
    read_flushed(site.lake()).await.assert_keeps(crowd.batches());
    assert!(crowd.acknowledged() > 1000, "only {} events came in", crowd.acknowledged());
    assert_commits(&site, "flush");
    assert_commits(&site, "compact");
}

/// The kills met what they were to meet.
fn assert_commits(site: &Site, kind: &str) {
    let wanted = format!("\"kind\":\"{kind}\"");
    let log = std::fs::read_dir(site.lake().join("log")).expect("the commits of the lake");
    let files = log.map(|entry| entry.expect("an entry of a folder").path());
    let commits = files.filter(|path| path.is_file());
    let found = commits
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|commit| commit.contains(&wanted)));
    let count = found.count();
    assert!(count >= 10, "only {count} commits are of kind {kind}");
}
