//! Two hundred clients that read an export at 1 KiB a second each: whoever writes events or
//! asks for a page waits hardly longer than without them, the server's memory stays bounded,
//! and nothing is left of them when they have gone.

#[path = "memory/fill.rs"]
mod fill;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use auditlake_tests::{Site, Target};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

const EVENTS: u64 = 1_000_000;
const CLIENTS: usize = 200;
/// What a client takes at a time, and how long it then does nothing.
const SIP: usize = 1024;
const PAUSE: Duration = Duration::from_secs(1);
/// A kernel would otherwise take megabytes on behalf of a client that reads nothing.
const RECEIVE_BUFFER: u32 = 4096;
/// How long until the last of them has begun to receive events.
const BEGIN: Duration = Duration::from_secs(120);
/// How long until the server has noticed that all of them are gone.
const LEAVE: Duration = Duration::from_secs(30);
/// What the server may have resident at most: what it takes anyway, and two to three mebibytes
/// for each client.
const LIMIT_KIB: u64 = 768 << 10;
const ROUNDS: usize = 40;

/// Reads an export slowly, without end; adds up what arrived.
async fn sip(address: String, key: String, received: Arc<AtomicUsize>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("a small buffer");
    let address = address.parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("a connection");
    let request = format!(
        "GET /v1/events/export HTTP/1.1\r\nHost: lake\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("a request is sent");
    let (mut buffer, mut is_first) = (vec![0; SIP], true);
    loop {
        let read = stream.read(&mut buffer).await.expect("an export that does not break off");
        assert!(read > 0, "an export ended before its time");
        if std::mem::take(&mut is_first) {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer));
        }
        received.fetch_add(read, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// How long a small batch and a page take; medians.
#[derive(Clone, Copy, Debug)]
struct Latency {
    ingest: Duration,
    page: Duration,
}

async fn measure(target: &Target, name: &str) -> Latency {
    let (mut ingest, mut page) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let event = |number: usize| {
            let event = json!({
                "id": format!("{name}-{round}-{number}"), "type": "user.signed_in",
                "occurred_at": "2026-03-01T12:00:00Z", "tenant_id": "acme",
            });
            format!("{event}\n")
        };
        let lines: String = (0..10).map(event).collect();
        let started = Instant::now();
        let answer = target.post_events(lines.into_bytes()).await.expect("an answer");
        ingest.push(started.elapsed());
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let started = Instant::now();
        let answer = target.get("/v1/events?limit=50").await.expect("an answer");
        page.push(started.elapsed());
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
    let latency = Latency { ingest: median(ingest), page: median(page) };
    println!("{name}: a batch takes {:?}, a page {:?}", latency.ingest, latency.page);
    latency
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// Hardly longer: three times as long, and what a busy machine of two cores adds to anything.
fn assert_hardly_longer(what: &str, before: Duration, during: Duration) {
    let most = 3 * before + Duration::from_millis(20);
    assert!(during <= most, "{what} took {before:?} before and {during:?} beside slow clients");
}

/// The most that a process ever had resident.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
    peak.expect("Linux tells the peak of a process")
}

async fn running(target: &Target) -> usize {
    let answer = target.get("/metrics").await.expect("an answer");
    let text = String::from_utf8(answer.body).expect("metrics are text");
    let gauge = text.lines().find_map(|line| line.strip_prefix("auditlake_exports_running "));
    gauge.and_then(|gauge| gauge.trim().parse().ok()).expect("a gauge of exports")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_disturb_nobody() {
    let site = Site::within(Path::new(env!("CARGO_TARGET_TMPDIR")));
    fill::fill(site.lake(), EVENTS).await;
    let flags = ["--max-exports", "256", "--max-exports-per-caller", "256"];
    let server = site.start_with(&flags, &[]).await;
    let target = server.target();
    measure(&target, "warm").await;
    let before = measure(&target, "before").await;

    let address = target.url.trim_start_matches("http://").to_owned();
    let received: Vec<Arc<AtomicUsize>> = (0..CLIENTS).map(|_| Arc::default()).collect();
    let mut clients = JoinSet::new();
    for received in &received {
        clients.spawn(sip(address.clone(), target.key.clone(), Arc::clone(received)));
    }
    let least = || received.iter().map(|received| received.load(Ordering::Relaxed)).min();
    let started = Instant::now();
    // More than headers: every one of them has events.
    while least() < Some(2 * SIP) {
        assert!(started.elapsed() < BEGIN, "a client waits for its first events");
        if let Some(ended) = clients.try_join_next() {
            ended.expect("a client goes on");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{CLIENTS} clients receive events after {:?}", started.elapsed());
    assert_eq!(running(&target).await, CLIENTS);
    let begun = least();
    let during = measure(&target, "beside them").await;
    assert_hardly_longer("a batch", before.ingest, during.ingest);
    assert_hardly_longer("a page", before.page, during.page);

    tokio::time::sleep(3 * PAUSE).await;
    assert!(least() > begun, "a client receives nothing any more");
    if let Some(ended) = clients.try_join_next() {
        ended.expect("a client goes on");
    }
    let peak = peak_kib(server.id());
    println!("the server had at most {} MiB", peak >> 10);
    assert!(peak < LIMIT_KIB, "the server took {} MiB", peak >> 10);

    clients.shutdown().await;
    let left = Instant::now();
    while running(&target).await > 0 {
        assert!(left.elapsed() < LEAVE, "{} exports go on", running(&target).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("nothing is left of them after {:?}", left.elapsed());
    assert!(server.stop().await.success());
}
