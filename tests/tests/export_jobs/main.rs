//! Export jobs of the real server: two million events are delivered by a server that is killed
//! again and again, byte for byte as by one that is left alone; and a full disk fails a job
//! with a sentence, not the server.

#[path = "../memory/fill.rs"]
mod fill;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use auditlake_tests::{Server, Site, Target, tmpfs};
use serde_json::{Value, json};

const EVENTS: u64 = 2_000_000;
/// What a job may take in a debug build, with the leases that killed servers leave.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asks a server for something; a server that was just killed has no answer.
async fn ask(target: &Target, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
    let client = reqwest::Client::builder().no_proxy().tls_built_in_root_certs(false).build();
    let request = client
        .expect("a client without particular wishes")
        .request(method, format!("{}{path}", target.url))
        .bearer_auth(&target.key)
        .timeout(Duration::from_secs(60));
    let request = match body {
        Some(body) => request.body(body.to_string()),
        None => request,
    };
    let answer = request.send().await.expect("an answer");
    let text = answer.text().await.expect("a whole answer");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn make(target: &Target) -> String {
    // What the log of the installation says of the exports themselves is not to count.
    let body = json!({ "format": "ndjson", "filter": { "tenant_id": "!_auditlake" } });
    let made = ask(target, reqwest::Method::POST, "/v1/exports", Some(body)).await;
    made["id"].as_str().unwrap_or_else(|| panic!("no job: {made}")).to_owned()
}

async fn job(target: &Target, id: &str) -> Value {
    ask(target, reqwest::Method::GET, &format!("/v1/exports/{id}"), None).await
}

/// Waits until a job is ready, or so much of it is written.
async fn until(server: &Server, id: &str, percent: f64) -> Value {
    let (target, started) = (server.target(), Instant::now());
    loop {
        let job = job(&target, id).await;
        let is_there = job["progress"]["percent"].as_f64().is_some_and(|is| is >= percent);
        match job["state"].as_str() {
            Some("ready") => return job,
            Some("running") if is_there => return job,
            Some("queued" | "running") => {}
            _ => panic!("the job ended: {job}\n{}", server.last_words()),
        }
        assert!(started.elapsed() < PATIENCE, "no end: {job}\n{}", server.last_words());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Name, rows and digest of each file.
fn files(job: &Value) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let files = job["files"].as_array().expect("a job that is ready has files").iter();
    files
        .map(|file| {
            let rows = file["rows"].as_u64().expect("a number of rows");
            (text(&file["name"]), rows, text(&file["sha256"]))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_delivers_what_an_undisturbed_one_does() {
    let site = Site::within(Path::new(env!("CARGO_TARGET_TMPDIR")));
    fill::fill(site.lake(), EVENTS).await;
    let mut server = site.start().await;
    let disturbed = make(&server.target()).await;
    for percent in [10.0, 40.0, 70.0] {
        let reached = until(&server, &disturbed, percent).await;
        assert_eq!(reached["state"], "running", "it was ready before it was disturbed");
        println!("killed at {} of {EVENTS} events", reached["progress"]["rows"]);
        server.kill();
        server = site.start().await;
    }
    let job = until(&server, &disturbed, 101.0).await;
    assert_eq!(job["rows"], EVENTS);
    assert_eq!(job["attempt"], 4);
    let delivered = files(&job);
    assert_eq!(delivered.iter().map(|(_, rows, _)| rows).sum::<u64>(), EVENTS);
    assert!(delivered.len() > 1, "a large export has parts");

    let calm = make(&server.target()).await;
    let calm = until(&server, &calm, 101.0).await;
    assert_eq!(calm["attempt"], 1);
    assert_eq!(files(&calm), delivered);
    let uri = format!("/v1/exports/{disturbed}/manifest");
    let manifest = ask(&server.target(), reqwest::Method::GET, &uri, None).await;
    assert_eq!(manifest["rows"], EVENTS);
    let deeds = "/v1/events?type=audit.exported&tenant_id=_auditlake";
    let deeds = ask(&server.target(), reqwest::Method::GET, deeds, None).await;
    assert_eq!(deeds["events"].as_array().map(Vec::len), Some(2), "one for each: {deeds}");
    assert!(server.stop().await.success());
}

/// The disk of the second test, what the lake on it has, and what is left of it at first.
const DISK_BYTES: u64 = 512 << 20;
const FEW: u64 = 150_000;
const LEFT_BYTES: u64 = 24 << 20;

/// Takes all room of a disk but for a little.
fn fill_up(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).expect("there is room at first");
    let piece = vec![0; 1 << 20];
    let mut written = 0;
    while file.write_all(&piece).is_ok() {
        written += piece.len() as u64;
    }
    file.set_len(written.saturating_sub(LEFT_BYTES)).expect("a file that gets shorter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_job_and_not_the_server() {
    let mut site = Site::new();
    let disk = match tmpfs(&site.folder().join("disk"), DISK_BYTES) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("not tested, for want of a small disk: {reason}");
            return;
        }
    };
    site.move_lake(disk.folder.join("lake"));
    fill::fill(site.lake(), FEW).await;
    let server = site.start().await;
    let target = server.target();
    let ballast = disk.folder.join("ballast");
    fill_up(&ballast);
    let id = make(&target).await;
    let started = Instant::now();
    let failed = loop {
        let job = job(&target, &id).await;
        match job["state"].as_str() {
            Some("failed") => break job,
            Some("queued" | "running") => {}
            _ => panic!("it cannot be written: {job}"),
        }
        assert!(started.elapsed() < PATIENCE, "{job}\n{}", server.last_words());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let error = failed["error"].as_str().expect("a reason");
    assert!(error.contains("full"), "{error}");
    let ready = target.get("/readyz").await.expect("an answer");
    assert_eq!(ready.status, 200, "the server takes events: {}", server.last_words());

    std::fs::remove_file(ballast).expect("room is made");
    let retry = format!("/v1/exports/{id}/retry");
    let again = ask(&target, reqwest::Method::POST, &retry, None).await;
    assert_eq!(again["state"], "queued", "{again}");
    let job = until(&server, &id, 101.0).await;
    assert_eq!((job["rows"].as_u64(), job["attempt"].as_u64()), (Some(FEW), Some(2)));
    assert!(server.stop().await.success());
    disk.unmount();
}
