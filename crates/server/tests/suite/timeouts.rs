//! The time that a question may take, and that nobody goes on working when it is over.

use std::time::{Duration, Instant};

use auditlake_server::ServerConfig;
use serde_json::json;

use crate::harness::{Server, event_with};

/// The time on processors that this process has used, in ticks.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the process may have blanks; its closing bracket is the last one.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Many expressions, none of which ever holds, over many texts.
fn slow() -> String {
    let terms: Vec<_> =
        (0..24).map(|term| format!("regexp_like(data, '(x[a-w]*y.*){{3}}z{term}')")).collect();
    let condition = terms.join(" OR ");
    url::form_urlencoded::byte_serialize(condition.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_too_long_ends_and_so_does_the_work_on_it() {
    let query_timeout = Duration::from_millis(200);
    let server = Server::with(ServerConfig { query_timeout, ..ServerConfig::default() }).await;
    for part in 0..10 {
        let events: Vec<_> = (0..4000)
            .map(|number| {
                let data = json!({"text": "xaay".repeat(50)});
                event_with(&format!("{part}-{number}"), json!({"data": data}))
            })
            .collect();
        server.take(&events).await;
    }
    server.lake.flush().await.unwrap();
    let condition = slow();
    for call in ["?limit=1&", "?limit=1&total=true&", "/histogram?interval=1d&", "/facets?"] {
        let started = Instant::now();
        let answer = server.get(&format!("/v1/events{call}where={condition}")).await;
        answer.problem(504, &["longer than 0.2 s", "narrow"]);
        assert!(started.elapsed() < Duration::from_secs(5), "{call}");
        // What was begun of a batch is finished; then nothing is at work any more.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let before = ticks();
            tokio::time::sleep(Duration::from_millis(500)).await;
            // A hundred ticks are a second: four of fifty are what an idle server may take.
            let used = ticks() - before;
            if used <= 4 {
                break;
            }
            assert!(Instant::now() < deadline, "{used} ticks of work, long after {call}");
        }
    }
    let started = Instant::now();
    assert_eq!(server.get("/v1/events?limit=1").await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(5));
}
