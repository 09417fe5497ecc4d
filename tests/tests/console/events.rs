//! What the lake of the journeys holds: a quarter of two tenants, the last weeks, and texts that
//! a careless page would run, colour, turn around or compute.

use auditlake_model::time::{DAY_US, format_rfc3339};
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z, where the quarter begins.
const QUARTER_US: i64 = 1_767_225_600_000_000;
/// The days of the quarter.
const QUARTER_DAYS: i64 = 90;
/// Events of the quarter; the larger tenant has more of them than one file of a job takes.
const QUARTER: i64 = 60_000;
/// The days before now that have events too, and how many.
const LATELY_DAYS: i64 = 30;
const LATELY: i64 = 3000;
const MINUTE_US: i64 = 60_000_000;
/// A value that has to be cut where it is shown.
const LONG: usize = 2000;

/// What people, services and agents do all day: type, kind of target, tool.
const DOINGS: [(&str, &str, Option<&str>); 6] = [
    ("user.signed_in", "session", None),
    ("document.viewed", "document", None),
    ("document.shared", "document", None),
    ("api.called", "endpoint", Some("terraform")),
    ("report.made", "report", Some("ledger")),
    ("user.signed_out", "session", None),
];
const ADMIN: [&str; 3] = ["admin.role_changed", "admin.policy_changed", "admin.key_rotated"];

/// The person whose own events a key of role `user` opens.
pub(crate) const PERSON: &str = "u_nadia";
/// Stands in every event of the other tenant, and in none of the first.
pub(crate) const CANARY: &str = "canary-of-globex";

/// The quarter and the weeks before now, as NDJSON.
pub(crate) fn ordinary(now_us: i64) -> String {
    let step_us = QUARTER_DAYS * DAY_US / QUARTER;
    let quarter = (0..QUARTER).map(|number| event(number, QUARTER_US + number * step_us));
    let (first_us, step_us) = (now_us - LATELY_DAYS * DAY_US, LATELY_DAYS * DAY_US / LATELY);
    let lately = (0..LATELY).map(|number| event(QUARTER + number, first_us + number * step_us));
    quarter.chain(lately).map(|event| format!("{event}\n")).collect()
}

fn event(number: i64, at_us: i64) -> Value {
    let is_foreign = number % 8 == 7;
    let is_admin = number % 50 == 9;
    let (doing, target, tool) = DOINGS[pick(number, DOINGS.len())];
    let r#type = if is_admin { ADMIN[pick(number / 50, ADMIN.len())] } else { doing };
    let actor = match number % 40 {
        5 => PERSON.to_owned(),
        other => format!("u_{other:02}"),
    };
    let outcome = match (number % 23, number % 17) {
        (3, _) => "denied",
        (_, 4) => "failure",
        _ => "success",
    };
    let org = ["north", "south"][pick(number / 3, 2)];
    let team = ["payments", "platform", "people"][pick(number, 3)];
    json!({
        "id": format!("evt_{number:06}"),
        "type": r#type,
        "occurred_at": format_rfc3339(at_us),
        "tenant_id": if is_foreign { "globex" } else { "acme" },
        "org_id": org,
        "team_id": team,
        "actor": {
            "kind": "user", "id": actor, "label": format!("Person {}", number % 40),
            "email": format!("{actor}@example.com"),
        },
        "target": {"kind": target, "id": format!("{target}_{}", number % 997)},
        "outcome": outcome,
        "reason": (outcome != "success").then(|| format!("refused by rule {}", number % 9)),
        "tool": tool,
        "context": {
            "ip": format!("203.0.113.{}", number % 250),
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
            // Three events of each request.
            "request_id": format!("req_{}", number / 3),
        },
        "data": {"number": number, "note": if is_foreign { CANARY } else { "routine" }},
    })
}

fn pick(number: i64, of: usize) -> usize {
    usize::try_from(number).unwrap_or_default() % of
}

/// Texts that have to be shown as they are. Each that is a script would set `window.hacked`.
pub(crate) fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "<script>window.hacked = 1</script>",
        "\"><img src=x onerror=\"window.hacked = 1\">",
        "' onmouseover='window.hacked = 1' autofocus onfocus='window.hacked = 1",
        "</title></textarea></style><svg onload=\"window.hacked = 1\">",
        "javascript:window.hacked=1",
        "{{ 7 * 7 }} ${7 * 7} {% raw %}",
        "&lt;b&gt;not bold&lt;/b&gt; &amp;",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
        "invoice_\u{202e}gpj.exe",
        "\u{2067}العربية\u{2069} then latin",
        "=HYPERLINK(\"https://example.com/\",\"open\")",
        "+1+1",
        "@SUM(A1:A9)",
        "-2+3",
        "two\nlines\tand a tab",
        "..%2f..%2fetc?a=1&b=2#c%00",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    texts.push("long value ".repeat(LONG / 11) + "end of it");
    texts
}

/// An event for each text, with the text wherever an event has room for one.
pub(crate) fn hostile(texts: &[String]) -> String {
    let at_us = QUARTER_US + 40 * DAY_US;
    let event = |(number, text): (i64, &String)| {
        let event = json!({
            "id": format!("hostile-{number:02}"),
            "type": "hostile.text",
            "occurred_at": format_rfc3339(at_us + number * MINUTE_US),
            "tenant_id": "acme",
            "actor": {"kind": "user", "id": text, "label": text, "email": text},
            "target": {"kind": "file", "id": text, "label": text},
            "outcome": "denied",
            "reason": text,
            "tool": text,
            "context": {"ip": "2001:db8::1", "user_agent": text, "request_id": text},
            "data": {"said": text, (text.as_str()): [text]},
        });
        format!("{event}\n")
    };
    let lines: String = (0..).zip(texts).map(event).collect();
    // Names that end up in links and paths.
    let odd = json!({
        "id": "odd id/..?a=1&b=%2f#<b>\"'", "type": "hostile.<script>window.hacked=1</script>",
        "occurred_at": format_rfc3339(at_us - MINUTE_US), "tenant_id": "acme",
        "actor": {"kind": "<i>kind</i>", "id": "u_odd"}, "outcome": "error",
    });
    format!("{lines}{odd}\n")
}
