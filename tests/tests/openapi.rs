//! The description of the API against the running server: schemathesis (from PyPI) makes up
//! requests from it, right and wrong ones, and holds each answer to what the description says
//! of statuses, media types and bodies. None may be a fault of the server.

use std::process::Command;
use std::time::Instant;

use auditlake_tests::{Site, Target};
use serde_json::{Value, json};

/// Requests that are made up at random for each call, beside those that try its borders.
const EXAMPLES: &str = "10";
/// Repeats a run that failed.
const SEED: &str = "4";

const CHECKS: [&str; 4] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
];

/// The figures of a run.
const REPORT: &str = "report.json";

/// What is not asked, and why.
const EXCLUDED: [(&str, &str); 1] =
    [("/v1/events/stream", "its answer has no end, and the tool waits for one")];

async fn post(target: &Target, path: &str, body: &Value) {
    let answer = target.post(path, body.to_string().into_bytes()).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body);
    assert!((200..300).contains(&answer.status), "{path}: {} {text}", answer.status);
}

/// Something for each kind of call to find.
async fn seed(target: &Target) {
    let event = |number: usize| {
        let at = format!("2026-03-{:02}T{:02}:00:00Z", 1 + number % 5, number % 24);
        let event = json!({
            "id": format!("e{number}"), "type": "user.signed_in", "occurred_at": at,
            "tenant_id": "acme", "actor": {"kind": "user", "id": format!("u{}", number % 7)},
            "outcome": "success", "data": {"number": number},
        });
        format!("{event}\n")
    };
    let lines: String = (0..200).map(event).collect();
    let answer = target.post_events(lines.into_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let filter = json!({"type": "user.*"});
    post(target, "/v1/saved-queries", &json!({"name": "people", "filter": filter})).await;
    post(target, "/v1/exports", &json!({"format": "ndjson", "filter": filter})).await;
    post(target, "/v1/keys", &json!({"name": "a", "role": "auditor", "tenant_id": "acme"})).await;
}

/// How many calls a description has.
fn calls(description: &Value) -> usize {
    let paths = description["paths"].as_object().expect("paths").values();
    paths.map(|item| item.as_object().expect("methods").len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_that_the_description_knows() {
    let python = std::env::var("AUDITLAKE_TEST_PYTHON").expect(
        "AUDITLAKE_TEST_PYTHON names a Python with schemathesis; `cargo xtask test` sets it",
    );
    let site = Site::new();
    let server = site.start().await;
    let target = server.target();
    seed(&target).await;
    let description = target.get("/openapi.json").await.expect("the description").json();
    for (path, _) in EXCLUDED {
        assert!(description["paths"].get(path).is_some(), "{path} is no longer described");
    }
    let started = Instant::now();
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "run", &format!("{}/openapi.json", target.url)])
        .args(["--header", &format!("Authorization: Bearer {}", target.key)])
        .args(["--checks", &CHECKS.join(","), "--report-json-path", REPORT])
        // Not the stateful ones: following links between answers, they revoke their own key.
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES])
        // One worker: the parser of Python 3.11 counts its depth for all threads together, and
        // fails where two of them parse (python/cpython#106905).
        .args(["--seed", SEED, "--workers", "1", "--request-timeout", "30"])
        .args(["--suppress-health-check", "all", "--generation-database", "none"])
        .args(["--continue-on-failure", "--no-color"]);
    for (path, _) in EXCLUDED {
        command.args(["--exclude-path", path]);
    }
    let output = command.current_dir(site.folder()).output().expect("Python starts");
    let report = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let log = server.last_words();
    assert!(output.status.success(), "{report}\n{complaint}\nthe server's log:\n{log}");
    let figures = std::fs::read(site.folder().join(REPORT)).expect("the figures of the run");
    let figures: Value = serde_json::from_slice(&figures).expect("figures in JSON");
    let wanted = calls(&description) - EXCLUDED.len();
    assert_eq!(figures["operations"]["tested"], wanted, "calls that were tested: {report}");
    let cases = report.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    println!("{wanted} calls, {} in {:?}", cases.trim(), started.elapsed());
    assert!(server.stop().await.success());
}
