//! What is refused, where, and in which words: each refusal names the line, the key as it
//! stands in the JSON, and what is allowed instead.

use arrow::array::{Array, AsArray};
use auditlake_model::columns::{COLUMNS, Kind, MAX_DATA_BYTES, at};
use auditlake_model::error::Rejection;
use auditlake_model::parse::UnknownKeys;

use crate::requests::{instead, parse, rejection, with, without};

/// The one line of the body is refused for this key and reason.
fn refused(body: &str, key: &str, reason: &str) {
    let rejection = rejection(body.as_bytes(), UnknownKeys::Refuse);
    let expected = Rejection { line: 1, key: Some(key.to_owned()), reason: reason.to_owned() };
    assert_eq!(rejection, expected, "{}", &body[..body.len().min(500)]);
}

/// The body is no JSON of an event: no key is to blame.
fn malformed(body: &[u8], line: usize, reason: &str) {
    let rejection = rejection(body, UnknownKeys::Refuse);
    assert_eq!((rejection.line, &rejection.key), (line, &None), "{rejection}");
    assert!(rejection.reason.starts_with("malformed JSON: "), "{rejection}");
    assert!(rejection.reason.contains(reason), "{rejection}");
    assert!(rejection.reason.contains("(column "), "{rejection}");
}

#[test]
fn malformed_json() {
    malformed(b"", 1, "EOF");
    malformed(br#"{"type":"#, 1, "EOF");
    malformed(b"{nope}", 1, "key must be a string");
    malformed(b"17", 1, "expected an event object");
    malformed(br#""text""#, 1, "expected an event object");
    malformed(format!("{0} {0}", without("")).as_bytes(), 1, "trailing characters");
    malformed(format!("{}\n\n{{oops\n", without("")).as_bytes(), 3, "key must be a string");
    malformed(format!("[{},{{oops]", without("")).as_bytes(), 1, "key must be a string");
    malformed(format!("[{},\n17]", without("")).as_bytes(), 2, "expected an event object");
    malformed(format!("[{}", without("")).as_bytes(), 1, "EOF");
    malformed(instead("tenant_id", r#""\ud83d""#).as_bytes(), 1, "hex escape");
    malformed(instead("tenant_id", r#""\ude00""#).as_bytes(), 1, "hex escape");
    malformed(instead("tenant_id", "\"a\nb\"").replace('\n', "\u{1}").as_bytes(), 1, "control");
    for body in [instead("tenant_id", "\"?\""), with(r#""data":{"a":"?"}"#)] {
        let mut body = body.into_bytes();
        let at = body.iter().position(|byte| *byte == b'?').unwrap();
        body[at] = 0xff;
        malformed(&body, 1, "invalid unicode code point");
    }
}

#[test]
fn wrong_types() {
    for column in COLUMNS.iter().filter(|c| matches!(c.kind, Kind::Text | Kind::Dict)) {
        for (value, what) in [
            ("7", "an integer"),
            ("1.5", "a fraction"),
            ("true", "a boolean"),
            (r#"["x"]"#, "an array"),
            (r#"{"x":[1]}"#, "an object"),
        ] {
            let body = match column.group {
                Some(group) => with(&format!("\"{group}\":{{\"{}\":{value}}}", column.key)),
                None => instead(column.key, value),
            };
            refused(&body, &column.path(), &format!("must be a string, not {what}"));
        }
    }
    for group in ["actor", "target", "policy", "context"] {
        for value in ["7", "\"x\"", "[]", "true"] {
            refused(&with(&format!("\"{group}\":{value}")), group, "must be an object");
        }
    }
    for value in ["7", "\"x\"", "[]", "true"] {
        refused(&with(&format!("\"data\":{value}")), "data", "must be an object");
    }
    refused(&instead("tenant_id", "null"), "tenant_id", "must be a string, not null");
}

#[test]
fn null_is_as_good_as_nothing() {
    let nulls = r#""outcome":null,"actor":null,"target":{"id":null},"data":null"#;
    let parsed = parse(with(nulls).as_bytes(), UnknownKeys::Refuse, false).unwrap();
    assert_eq!(parsed.draft.rows(), 1);
    for column in [at::DATA, at::OUTCOME] {
        assert!(parsed.draft.column(column).is_null(0), "{}", COLUMNS[column].name);
    }
    let generated = parse(instead("id", "null").as_bytes(), UnknownKeys::Refuse, false).unwrap();
    assert!(generated.draft.column(at::ID).as_string::<i32>().value(0).starts_with("evt_"));
}

#[test]
fn missing_members() {
    refused(&without("type"), "type", "is required but missing");
    refused(&without("occurred_at"), "occurred_at", "is required but missing");
    refused(&without("tenant_id"), "tenant_id", "is required: the caller is bound to no tenant");
    refused("{}", "type", "is required but missing");
    let parsed = parse(without("id").as_bytes(), UnknownKeys::Refuse, false).unwrap();
    assert_eq!(parsed.draft.rows(), 1, "an id is given");
}

#[test]
fn wrong_values() {
    for (key, value, reason) in [
        ("outcome", "great", "must be one of success, failure, denied, partial, error, pending"),
        ("outcome", "", "must be one of success, failure, denied, partial, error, pending"),
        ("classification", "Secret", "must be one of public, internal, confidential, restricted"),
        ("id", "", "must have 1 to 256 bytes, not 0"),
        ("id", "a\\u0007", "must not contain white space or control characters"),
        ("type", "", "must have 1 to 256 bytes, not 0"),
        ("type", "a b", "must not contain white space or control characters"),
        ("type", "a..b", "must be dotted words, like user.signed_in"),
        ("type", ".a", "must be dotted words, like user.signed_in"),
        ("tenant_id", "a/b", "must not contain slashes, nor be . or .."),
        ("tenant_id", "..", "must not contain slashes, nor be . or .."),
        ("tenant_id", "a\\tb", "must not contain white space or control characters"),
    ] {
        refused(&instead(key, &format!("\"{value}\"")), key, reason);
    }
    for ip in ["", "1.2.3", "1.2.3.4/8", "host", "1:2", "10.0.0.256"] {
        let body = with(&format!("\"context\":{{\"ip\":\"{ip}\"}}"));
        refused(&body, "context.ip", "is no IPv4 or IPv6 address");
    }
}

#[test]
fn wrong_times() {
    let text = "is no RFC 3339 time (2026-05-17T08:00:00.000000Z, any offset)";
    let kind = "must be an RFC 3339 string or an integer of epoch s, ms or µs, not";
    for (value, reason) in [
        ("\"yesterday\"", text.to_owned()),
        ("\"2026-03-01\"", text.to_owned()),
        ("\"2026-02-30T00:00:00Z\"", text.to_owned()),
        ("\"2026-03-01T00:00:00\"", text.to_owned()),
        ("\"0000-12-31T00:00:00Z\"", "lies outside the years 0001 to 9999".to_owned()),
        ("-99999999999", "lies outside the years 0001 to 9999".to_owned()),
        (
            "1772323200000000000",
            "is finer than microseconds; give epoch s, ms or µs, or RFC 3339".to_owned(),
        ),
        ("1.5", format!("{kind} a fraction")),
        ("true", format!("{kind} a boolean")),
        ("null", format!("{kind} null")),
        ("{}", format!("{kind} an object")),
    ] {
        refused(&instead("occurred_at", value), "occurred_at", &reason);
    }
}

#[test]
fn too_large() {
    let letters = |count: usize| "x".repeat(count);
    refused(
        &instead("id", &format!("\"{}\"", letters(257))),
        "id",
        "must have 1 to 256 bytes, not 257",
    );
    refused(
        &with(&format!("\"reason\":\"{}\"", letters(16_385))),
        "reason",
        "has 16385 bytes, more than 16384",
    );
    let data = |bytes: usize| format!("\"data\":{{\"s\":\"{}\"}}", letters(bytes - 8));
    refused(&with(&data(MAX_DATA_BYTES + 1)), "data", "has 262145 bytes, more than 262144");
    let most = with(&data(MAX_DATA_BYTES));
    assert!(parse(most.as_bytes(), UnknownKeys::Refuse, false).is_ok());
    // White space does not count, within reason.
    let spaced = with(&format!("\"data\":{{{}}}", " ".repeat(MAX_DATA_BYTES)));
    assert!(parse(spaced.as_bytes(), UnknownKeys::Refuse, false).is_ok());
    let spaces = 16 * MAX_DATA_BYTES;
    let spaced = with(&format!("\"data\":{{{}}}", " ".repeat(spaces)));
    refused(&spaced, "data", &format!("has {} bytes, more than 262144", spaces + 2));
}

#[test]
fn keys_that_stand_twice() {
    for (members, key) in [
        (r#""type":"other""#, "type"),
        (r#""tenant_id":"acme""#, "tenant_id"),
        (r#""occurred_at":"2026-03-01T00:00:00Z""#, "occurred_at"),
        (r#""data":{},"data":{}"#, "data"),
        (r#""actor":{"id":"x","id":"x"}"#, "actor.id"),
        (r#""actor":{"id":"x"},"actor":{"id":"y"}"#, "actor.id"),
    ] {
        refused(&with(members), key, "stands twice");
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let bad = instead("outcome", "\"great\"");
    for (body, line) in [
        (format!("{bad}\n"), 1),
        (format!("\n\n{bad}\n"), 3),
        (format!("{}\r\n\r\n{bad}\r\n", without("")), 3),
        (format!("{}\n   \n\t\n{}\n{bad}", without(""), without("")), 5),
        (format!("[{},{bad}]", without("")), 2),
        (format!("\n[\n{},\n\n{},{bad}]\n", without(""), without("")), 3),
    ] {
        let rejection = rejection(body.as_bytes(), UnknownKeys::Refuse);
        assert_eq!((rejection.line, rejection.key.as_deref()), (line, Some("outcome")), "{body}");
        let text = rejection.to_string();
        assert!(text.starts_with(&format!("line {line}: key outcome: must be one of")), "{text}");
    }
}

#[test]
fn partial_success_keeps_the_good_and_lists_the_bad() {
    let (good, bad) = (without("id"), instead("outcome", "\"great\""));
    let body = format!("{good}\r\n\n{bad}\n{{oops\n{good}\n{}", without("type"));
    let parsed = parse(body.as_bytes(), UnknownKeys::Refuse, true).unwrap();
    assert_eq!(parsed.draft.rows(), 2);
    let places: Vec<(usize, Option<&str>)> =
        parsed.rejected.iter().map(|bad| (bad.line, bad.key.as_deref())).collect();
    assert_eq!(places, [(3, Some("outcome")), (4, None), (6, Some("type"))]);
    assert!(parsed.rejected[0].reason.contains("must be one of"));
    assert!(parsed.rejected[1].reason.contains("malformed JSON"));
    assert_eq!(parsed.rejected[2].reason, "is required but missing");

    let array = format!("[{bad},{good},17]");
    let parsed = parse(array.as_bytes(), UnknownKeys::Refuse, true).unwrap();
    let lines: Vec<usize> = parsed.rejected.iter().map(|bad| bad.line).collect();
    assert_eq!((parsed.draft.rows(), lines), (1, vec![1, 3]));
    let none = parse(bad.as_bytes(), UnknownKeys::Refuse, true).unwrap();
    assert_eq!((none.draft.rows(), none.rejected.len()), (0, 1));
}
