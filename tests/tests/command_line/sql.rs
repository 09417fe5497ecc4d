//! `sql`: reads and formats, and changes nothing, whatever the statement says.

use auditlake_tests::Site;
use serde_json::{Value, json};

use crate::{FAILED, count, numbered, write};

fn filled() -> Site {
    let site = Site::new();
    write(&site, "in.ndjson", numbered(100));
    let _ = site.run(["import", "in.ndjson"]).ok();
    site
}

#[test]
fn answers_as_table_csv_and_lines() {
    let site = filled();
    let sql = "SELECT type, count(*) AS events, max(seq) AS newest FROM events GROUP BY type";
    let ran = site.run(["sql", sql]).ok();
    let table: Vec<&str> = ran.text().lines().collect();
    assert!(table.iter().any(|line| line.contains("type") && line.contains("events")), "{table:?}");
    assert!(
        table.iter().any(|line| line.contains("user.signed_in") && line.contains("100")),
        "{table:?}"
    );
    let ran = site.run(["sql", sql, "--format", "csv"]).ok();
    assert_eq!(ran.text(), "type,events,newest\nuser.signed_in,100,99\n");
    let ran = site.run(["sql", sql, "--format", "ndjson"]).ok();
    assert_eq!(ran.json(), json!({"type": "user.signed_in", "events": 100, "newest": 99}));
    let ran = site.run(["sql", "SELECT id FROM events WHERE seq > 1000", "--format", "csv"]).ok();
    assert_eq!(ran.text(), "id\n", "an empty answer has its header");
}

#[test]
fn reads_inside_data_and_between_times() {
    let site = filled();
    let sql = "SELECT sum(json_get_int(data, 'n')) AS sum FROM events \
               WHERE occurred_at < TIMESTAMP '2026-03-01T00:00:10Z'";
    let ran = site.run(["sql", sql, "--format", "ndjson"]).ok();
    assert_eq!(ran.json(), json!({"sum": 45}));
}

#[test]
fn reads_statements_from_standard_input() {
    let site = filled();
    let script = b"SELECT count(*) AS n FROM events;\nSELECT\n  1 AS n;\nSELECT 2 AS n\n";
    let ran = site.run_with(["sql", "--format", "ndjson"], script).ok();
    let said: Vec<Value> =
        ran.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(said, [json!({"n": 100}), json!({"n": 1}), json!({"n": 2})]);

    let script = b"SELECT colour FROM events;\nSELECT 1 AS n;\n";
    let ran = site.run_with(["sql", "--format", "ndjson"], script);
    assert_eq!(ran.text(), "{\"n\":1}\n", "the statement after a wrong one is answered");
    assert!(ran.failed(FAILED).contains("colour"), "a script must notice");
}

#[test]
fn changes_nothing() {
    let site = filled();
    let before = site.run(["export"]).ok().stdout;
    for statement in [
        "DELETE FROM events",
        "DELETE FROM events WHERE seq = 1",
        "UPDATE events SET type = 'x.y'",
        "INSERT INTO events SELECT * FROM events",
        "DROP TABLE events",
        "CREATE TABLE mine AS SELECT * FROM events",
        "CREATE VIEW mine AS SELECT * FROM events",
        "CREATE EXTERNAL TABLE mine STORED AS CSV LOCATION 'settings.toml'",
        "COPY events TO 'stolen.csv' STORED AS CSV",
        "COPY (SELECT id FROM events) TO 'stolen.csv' STORED AS CSV",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; DROP TABLE events",
    ] {
        let said = site.run(["sql", statement]).failed(FAILED);
        assert!(said.contains("auditlake: "), "{statement}: {said}");
        assert!(!site.folder().join("stolen.csv").exists(), "{statement} wrote a file");
    }
    // Files are no tables either.
    let said = site.run(["sql", "SELECT * FROM 'settings.toml'"]).failed(FAILED);
    assert!(said.contains("settings.toml"), "{said}");
    assert_eq!(count(&site), 100);
    assert!(site.run(["export"]).ok().stdout == before, "the events are as they were");
}
