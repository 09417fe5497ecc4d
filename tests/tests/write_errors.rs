//! Disks that refuse: errors of input and output and full disks, injected at each place that
//! writes, and one disk that is really full. No client is told that an event is durable when
//! it is not, a lake that had to stop says so, and a clean start afterwards loses and doubles
//! nothing.

use std::time::{Duration, Instant};

use auditlake_tests::{Crowd, Ended, RESTLESS, Server, Site, Target, read_flushed, tmpfs};

/// How long a lake may take to stop: it first tries a failing write again, and more patiently
/// each time.
const STOPS: Duration = Duration::from_secs(60);
/// How long a lake that need not stop is watched.
const GOES_ON: Duration = Duration::from_secs(2);

/// Errors after which nobody can know what is on disk: the lake stops.
async fn stops_at(failpoints: &str) {
    let site = Site::new();
    site.set(RESTLESS);
    let mut crowd = Crowd::new(7, 3);
    prepare(&site, &mut crowd).await;
    let server = site.try_start(failpoints).await.expect("the errors come after the start");
    feed_until_refused(&server, &mut crowd).await;
    // Its exit code tells of the trouble or not; what counts is what it leaves.
    server.stop().await;
    recover(&site, &mut crowd).await;
}

/// Errors that harm nothing yet: events stay in the log, and are taken again and again.
async fn goes_on_at(failpoints: &str) {
    let site = Site::new();
    site.set(RESTLESS);
    let mut crowd = Crowd::new(7, 3);
    prepare(&site, &mut crowd).await;
    let server = site.try_start(failpoints).await.expect("the errors come after the start");
    let before = crowd.acknowledged();
    let feeding = crowd.feed(&server.target());
    tokio::time::sleep(GOES_ON).await;
    feeding.tell_to_stop();
    for ended in crowd.gather(feeding).await {
        assert!(matches!(ended, Ended::Told), "{failpoints}: {ended:?}");
    }
    assert!(crowd.acknowledged() > before, "{failpoints}: nothing was acknowledged");
    assert_status(&server.target(), "/readyz", 200).await;
    assert!(server.log().contains("failed"), "{failpoints}: the log does not tell of it");
    server.kill();
    recover(&site, &mut crowd).await;
}

async fn prepare(site: &Site, crowd: &mut Crowd) {
    let server = site.start().await;
    let feeding = crowd.feed(&server.target());
    tokio::time::sleep(Duration::from_millis(200)).await;
    feeding.tell_to_stop();
    crowd.gather(feeding).await;
    server.kill();
}

/// Feeds until every client is refused, and checks how the server bears it.
async fn feed_until_refused(server: &Server, crowd: &mut Crowd) {
    let target = server.target();
    let feeding = crowd.feed(&target);
    let started = Instant::now();
    while !feeding.is_over() {
        assert!(started.elapsed() < STOPS, "nobody was refused: {}", server.last_words());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for ended in crowd.gather(feeding).await {
        match ended {
            Ended::Refused(answer) => answer.assert_problem(503),
            other => panic!("a client was not refused but: {other:?}"),
        }
    }
    // Once stopped, always stopped; who reads goes on reading.
    let again = crowd.feed(&target);
    for ended in crowd.gather(again).await {
        match ended {
            Ended::Refused(answer) => answer.assert_problem(503),
            other => panic!("a stopped lake took a batch: {other:?}"),
        }
    }
    let ready = target.get("/readyz").await.expect("an answer");
    ready.assert_problem(503);
    assert_status(&target, "/livez", 200).await;
    assert_status(&target, "/v1/events?limit=1", 200).await;
}

async fn assert_status(target: &Target, path: &str, status: u16) {
    let answer = target.get(path).await.expect("an answer");
    assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
}

/// A start without errors: the clients send again what was refused, and all is well.
async fn recover(site: &Site, crowd: &mut Crowd) {
    let server = site.start().await;
    crowd.settle(&server.target()).await;
    let status = server.stop().await;
    assert!(status.success(), "a healthy server stops cleanly, not with {status}");
    read_flushed(site.lake()).await.assert_keeps(crowd.batches());
}

macro_rules! injected {
    ($($name:ident: $test:ident($failpoints:literal),)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $test($failpoints).await;
        }
    )*};
}

injected! {
    an_error_of_the_log_s_write: stops_at("wal::write=2*off->return(eio)"),
    a_full_disk_at_the_log_s_write: stops_at("wal::write=5*off->return(enospc)"),
    one_error_of_the_log_s_write: stops_at("wal::write=3*off->1*return(eio)"),
    an_error_of_the_log_s_sync: stops_at("wal::sync=2*off->return(eio)"),
    a_full_disk_at_the_log_s_sync: stops_at("wal::sync=5*off->return(enospc)"),
    one_error_of_the_log_s_sync: stops_at("wal::sync=3*off->1*return(eio)"),
    commits_fail_for_good: stops_at("commit::put=1*off->return(eio)"),
    no_room_for_commits: stops_at("commit::put=3*off->return(enospc)"),
    a_few_commits_fail: goes_on_at("commit::put=1*off->3*return(eio)"),
    segments_fail_for_good: goes_on_at("flush::segment=1*off->return(eio)"),
    no_room_for_segments: goes_on_at("flush::segment=return(enospc)"),
    no_sync_in_the_store: goes_on_at("store::sync=1*off->return(eio)"),
    no_room_at_a_sync_in_the_store: goes_on_at("store::sync=4*off->3*return(enospc)"),
}

const DISK_BYTES: u64 = 24 << 20;
/// What somebody else has on the disk, and deletes when it is full.
const BALLAST_BYTES: usize = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_really_full() {
    let mut site = Site::new();
    let disk = match tmpfs(&site.folder().join("disk"), DISK_BYTES) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("not tested, for want of a small disk: {reason}");
            return;
        }
    };
    let ballast = disk.folder.join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST_BYTES]).expect("there is room at first");
    site.move_lake(disk.folder.join("lake"));
    // Compaction would need room for two.
    site.set("[tuning]\nflush_interval_ms = 50\ncompact_segments = 1000000\n");
    let server = site.start().await;
    let mut crowd = Crowd::noisy(7, 3, 8 << 10);
    feed_until_refused(&server, &mut crowd).await;
    assert!(crowd.acknowledged() > 0, "the disk was full from the start");
    server.stop().await;

    std::fs::remove_file(ballast).expect("room is made");
    recover(&site, &mut crowd).await;
    disk.unmount();
}
