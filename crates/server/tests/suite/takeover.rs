//! Several servers on one lake: each export job is run once, one that its server left behind is
//! gone on with, byte for byte, and one that is called off elsewhere stops.

use std::time::Duration;

use auditlake_server::{AppState, ServerConfig, background};
use serde_json::{Value, json};

use crate::exporting::{
    beside, cancel, config, deeds, digests_of, finished, make, signed_in, until, waiting,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_lake_run_each_job_once() {
    let server = waiting(25, config()).await;
    let other = beside(&server, config()).await;
    background(&server.state);
    background(&other);
    let mut made = Vec::new();
    for _ in 0..6 {
        made.push(make(&server, json!({ "format": "csv", "filter": signed_in() })).await);
    }
    let mut digests = Vec::new();
    for id in &made {
        let job = finished(&server, id).await;
        assert_eq!(job["attempt"], 1, "{job}");
        digests.push(digests_of(&job));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "the same events give the same bytes");
    assert_eq!(deeds(&server, "audit.exported").await.len(), made.len());
}

/// A server that dies: its runtime is gone, and with it every task, without a word.
struct Mortal(Option<tokio::runtime::Runtime>);

impl Mortal {
    fn run(state: &AppState) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        background(state);
        drop(entered);
        Self(Some(runtime))
    }

    fn die(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        // A runtime must not be waited for within another one.
        self.die();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_goes_on_where_one_died() {
    let small = ServerConfig { rows_per_file: 200, rows_per_part: 100_000, ..config() };
    let server = waiting(8000, small.clone()).await;
    for (format, compression) in [("ndjson", "gzip"), ("csv", "zstd"), ("parquet", "none")] {
        let body = json!({
            "format": format, "compression": compression, "filter": signed_in(), "order": "asc",
        });
        let calm = make(&server, body.clone()).await;
        let survivor = beside(&server, small.clone()).await;
        let mut first = Mortal::run(&survivor);
        let wanted = finished(&server, &calm).await;
        first.die();

        let id = make(&server, body).await;
        let mut attempts = 0;
        for share in [10.0, 40.0, 70.0] {
            let state = beside(&server, small.clone()).await;
            let mut mortal = Mortal::run(&state);
            loop {
                let job = server.get(&format!("/v1/exports/{id}")).await.json();
                let percent = job["progress"]["percent"].as_f64().unwrap_or_default();
                if job["state"] == "ready" || percent >= share {
                    attempts += 1;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            mortal.die();
        }
        let last = beside(&server, small.clone()).await;
        let _last = Mortal::run(&last);
        let job = finished(&server, &id).await;
        assert_eq!(attempts, 3);
        assert_eq!(digests_of(&job), digests_of(&wanted), "{format}");
        assert_eq!(job["rows"], 8000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_runs_can_be_called_off_from_another_server() {
    let small = ServerConfig { rows_per_file: 10, rows_per_part: 100_000, ..config() };
    let server = waiting(20_000, small.clone()).await;
    let runner = beside(&server, small).await;
    let _runner = Mortal::run(&runner);
    let id = make(&server, json!({ "filter": signed_in() })).await;
    until(&server, &id, &["running"]).await;
    assert_eq!(cancel(&server, &id).await["state"], "canceled");
    // The runner learns of it at its next sign of life, and deletes what it wrote meanwhile.
    let mut calm = 0;
    for _ in 0..400 {
        let left = server.lake.exports().jobs().await.unwrap();
        calm = if left.is_empty() { calm + 1 } else { 0 };
        if calm > 40 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(calm > 40, "files of a canceled job stay");
    let job = server.get(&format!("/v1/exports/{id}")).await.json();
    assert_eq!(job["state"], "canceled");
    assert_eq!(deeds(&server, "audit.exported").await, Vec::<Value>::new());
}
