//! Death at each named place: the first time the process comes there, the second, the fourth.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use auditlake_tests::{Crowd, Died, Ended, RESTLESS, Server, Site, read_flushed};

/// The number of SIGKILL.
const SIGKILL: i32 = 9;
/// How long the clients may need to drive the process to the place.
const REACHED: Duration = Duration::from_secs(40);

/// Death at `point`, after it was passed `spared` times.
async fn dies_at(point: &str, spared: u32) {
    let site = Site::new();
    site.set(RESTLESS);
    let mut crowd = Crowd::new(u64::from(spared), 3);
    prepare(&site, &mut crowd).await;

    let status = match site.try_start(&failpoint(point, spared)).await {
        // Some places lie on the way to the start.
        Err(Died { status, .. }) => status,
        Ok(server) => feed_to_death(server, &mut crowd, point).await,
    };
    assert_eq!(status.signal(), Some(SIGKILL), "{point}: ended otherwise: {status}");

    let server = site.start().await;
    crowd.settle(&server.target()).await;
    // Life goes on: what the crash left behind is in nobody's way.
    let feeding = crowd.feed(&server.target());
    tokio::time::sleep(Duration::from_millis(200)).await;
    feeding.tell_to_stop();
    for ended in crowd.gather(feeding).await {
        assert!(matches!(ended, Ended::Told), "{point}: {ended:?}");
    }
    let status = server.stop().await;
    assert!(status.success(), "{point}: the server stops cleanly, not with {status}");
    read_flushed(site.lake()).await.assert_keeps(crowd.batches());
}

/// A lake with a past: a key, some segments, and events that are only in the log.
async fn prepare(site: &Site, crowd: &mut Crowd) {
    let server = site.start().await;
    let feeding = crowd.feed(&server.target());
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.kill();
    crowd.gather(feeding).await;
}

async fn feed_to_death(mut server: Server, crowd: &mut Crowd, point: &str) -> ExitStatus {
    let feeding = crowd.feed(&server.target());
    let started = Instant::now();
    let Some(status) = server.ended(REACHED).await else {
        panic!(
            "the process never died at {point}; is the binary built with the feature \
             failpoints, as `cargo xtask test` does? It said last: {}",
            server.last_words()
        );
    };
    println!("{point}: dead after {:?}", started.elapsed());
    for ended in crowd.gather(feeding).await {
        assert!(matches!(ended, Ended::Gone), "{point}: {ended:?}");
    }
    status
}

/// The words of crate `fail` for "pass so often, then die".
fn failpoint(point: &str, spared: u32) -> String {
    match spared {
        0 => format!("{point}=1*return(kill)"),
        spared => format!("{point}={spared}*off->1*return(kill)"),
    }
}

macro_rules! every_place {
    ($($name:ident: $point:literal,)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn the_first_time() {
                super::dies_at($point, 0).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn the_second_time() {
                super::dies_at($point, 1).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn the_fourth_time() {
                super::dies_at($point, 3).await;
            }
        }
    )*};
}

every_place! {
    wal_write: "wal::write",
    wal_sync: "wal::sync",
    append_synced: "append::synced",
    store_sync: "store::sync",
    flush_segment: "flush::segment",
    flush_before_commit: "flush::before_commit",
    commit_put: "commit::put",
    flush_after_commit: "flush::after_commit",
    compact_merge: "compact::merge",
    compact_before_commit: "compact::before_commit",
    compact_after_commit: "compact::after_commit",
    sweep_delete: "sweep::delete",
}
