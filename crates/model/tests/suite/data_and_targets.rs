//! Keys an event does not have, what may stand in `data`, and the list of targets.

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::Int32Type;
use auditlake_model::columns::{MAX_DATA_BYTES, at, index_of, schema};
use auditlake_model::env::Environment;
use auditlake_model::id::FreshIds;
use auditlake_model::line::LineWriter;
use auditlake_model::parse::{
    OTHER_TENANT, ParseOptions, TenantRule, UnknownKeys, parse_events, parse_lines,
};
use auditlake_model::text::MAX_DEPTH;

use crate::requests::{instead, parse, rejection, with, without};

const GIVEN: &str =
    "is given by the lake; leave it out, or ask for unknown=data to keep it in data";
const UNKNOWN: &str = "is no key of an event; put it inside data, or ask for unknown=data";

/// The event is refused for this key and reason, whatever is done with unknown keys.
fn refused(members: &str, unknown: UnknownKeys, key: &str, reason: &str) {
    let rejection = rejection(with(members).as_bytes(), unknown);
    let found = (rejection.line, rejection.key.as_deref(), rejection.reason.as_str());
    assert_eq!(found, (1, Some(key), reason), "{}", &members[..members.len().min(300)]);
}

/// The event is accepted; it is also read back from its line, as a recovery would.
fn accepted(members: &str, unknown: UnknownKeys) -> RecordBatch {
    let parsed = parse(with(members).as_bytes(), unknown, false);
    let parsed = parsed.unwrap_or_else(|error| panic!("{members}: {error}"));
    let recorded_at = TimestampMicrosecondArray::from(vec![0]);
    let batch = parsed.draft.seal(UInt64Array::from(vec![0]), recorded_at).expect("a batch");
    let mut line = Vec::new();
    LineWriter::new(&schema()).expect("a writer").write(&batch, &mut line);
    let back = parse_lines(&line).unwrap_or_else(|error| panic!("not recovered: {error}"));
    assert_eq!(back, batch);
    batch
}

fn data_of(batch: &RecordBatch) -> Option<String> {
    let data = batch.column(at::DATA).as_string::<i32>();
    data.is_valid(0).then(|| data.value(0).to_owned())
}

/// `target.kind`, `target.id` and `target.label`.
fn target_of(batch: &RecordBatch) -> [Option<String>; 3] {
    ["target_kind", "target_id", "target_label"].map(|name| {
        let column = batch.column(index_of(name).expect("a column"));
        if column.is_null(0) {
            return None;
        }
        Some(match column.as_dictionary_opt::<Int32Type>() {
            Some(dictionary) => {
                let key = dictionary.keys().value(0) as usize;
                dictionary.values().as_string::<i32>().value(key).to_owned()
            }
            None => column.as_string::<i32>().value(0).to_owned(),
        })
    })
}

#[test]
fn unknown_keys_are_refused() {
    for key in ["nope", "Type", "actor_id", "occurredAt", ""] {
        refused(&format!("\"{key}\":1"), UnknownKeys::Refuse, key, UNKNOWN);
    }
    refused("\"a\\u0022b\":1", UnknownKeys::Refuse, "a\"b", UNKNOWN);
    for key in ["seq", "recorded_at"] {
        refused(&format!("\"{key}\":1"), UnknownKeys::Refuse, key, GIVEN);
    }
    for unknown in [UnknownKeys::Refuse, UnknownKeys::IntoData] {
        let allowed = "is no key of actor; allowed are kind, id, label, email, role";
        refused(r#""actor":{"id":"x","nope":1}"#, unknown, "actor.nope", allowed);
        let allowed = "is no key of target; allowed are kind, id, label";
        refused(r#""target":{"type":"x"}"#, unknown, "target.type", allowed);
        let allowed = "is no key of policy; allowed are name, result, reason";
        refused(r#""policy":{"id":"x"}"#, unknown, "policy.id", allowed);
    }
}

#[test]
fn unknown_keys_move_into_data_when_asked() {
    for (members, data) in [
        (r#""zip": [ 1 , {"a": 2} ]"#, r#"{"zip":[1,{"a":2}]}"#),
        (r#""b":1,"data":{"a":"x y"},"c":null"#, r#"{"a":"x y","b":1,"c":null}"#),
        (r#""b":1,"data":{}"#, r#"{"b":1}"#),
        (r#""seq":7,"recorded_at":"then""#, r#"{"seq":7,"recorded_at":"then"}"#),
        ("\"a\\u0022\\n\":1.50", r#"{"a\"\n":1.50}"#),
    ] {
        assert_eq!(data_of(&accepted(members, UnknownKeys::IntoData)).as_deref(), Some(data));
    }
    let both = "stands both beside data and inside it; give it once";
    refused(r#""b":1,"data":{"b":2}"#, UnknownKeys::IntoData, "b", both);
    refused(r#""data":{"\u0062":2},"b":1"#, UnknownKeys::IntoData, "b", both);
    refused(r#""b":1,"b":2"#, UnknownKeys::IntoData, "b", "stands twice");
    let letters = "x".repeat(MAX_DATA_BYTES);
    let reason = format!("has {} bytes, more than {MAX_DATA_BYTES}", MAX_DATA_BYTES + 8);
    refused(&format!("\"s\":\"{letters}\""), UnknownKeys::IntoData, "data", &reason);
}

#[test]
fn data_is_kept_as_it_was_written() {
    for (sent, kept) in [
        ("{}", "{}"),
        (r#"{ "b" : 1.50 , "a" : 1e2 }"#, r#"{"b":1.50,"a":1e2}"#),
        (r#"{"\u0041":"\u00e9 \/ é"}"#, r#"{"\u0041":"\u00e9 \/ é"}"#),
        (r#"{"smile":"\ud83d\ude00"}"#, r#"{"smile":"\ud83d\ude00"}"#),
        (r#"{"big":123456789012345678901234567890}"#, r#"{"big":123456789012345678901234567890}"#),
        ("{\r\n\t\"a\": [ ]\n}", r#"{"a":[]}"#),
    ] {
        let batch = accepted(&format!("\"data\":{sent}"), UnknownKeys::Refuse);
        assert_eq!(data_of(&batch).as_deref(), Some(kept));
    }
}

#[test]
fn half_surrogates_in_data_are_refused() {
    let half = "has a \\u escape that is half a surrogate pair";
    for data in [
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\ude00"}"#,
        r#"{"a":"\ud83d\ud83d"}"#,
        r#"{"\ud83d":1}"#,
        r#"{"a":[{"b":"x\udc00y"}]}"#,
    ] {
        refused(&format!("\"data\":{data}"), UnknownKeys::Refuse, "data", half);
    }
    refused(r#""more":"\ud83d""#, UnknownKeys::IntoData, "more", half);
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn data_nests_only_so_deep() {
    let deep = "nests deeper than 64 levels";
    for levels in [MAX_DEPTH, 200, 50_000] {
        let data = format!("\"data\":{{\"a\":{}}}", nested(levels));
        refused(&data, UnknownKeys::Refuse, "data", deep);
        let more = format!("\"more\":{}", nested(levels));
        refused(&more, UnknownKeys::IntoData, "more", deep);
        let targets = format!("\"targets\":[{{\"id\":\"a\"}},{}]", nested(levels));
        refused(&targets, UnknownKeys::Refuse, "targets", deep);
    }
    // One level is `data` itself; what is accepted must be read back by a recovery.
    let most = nested(MAX_DEPTH - 1);
    accepted(&format!("\"data\":{{\"a\":{most}}}"), UnknownKeys::Refuse);
    accepted(&format!("\"more\":{most}"), UnknownKeys::IntoData);
    let both = format!("\"data\":{{\"a\":{most}}},\"more\":{most}");
    accepted(&both, UnknownKeys::IntoData);
    let most = nested(MAX_DEPTH - 2);
    accepted(&format!("\"targets\":[{{\"id\":\"a\"}},{most}]"), UnknownKeys::Refuse);
}

#[test]
fn the_first_target_is_the_target_and_the_list_stays_in_data() {
    let text = |text: &str| Some(text.to_owned());
    let one = accepted(r#""targets":[{"kind":"doc","id":"1"}]"#, UnknownKeys::Refuse);
    assert_eq!(target_of(&one), [text("doc"), text("1"), None]);
    assert_eq!(data_of(&one), None, "one target needs no list");

    let members = r#""data":{"a":1},"targets":[ {"id":"1","label":"L"}, {"id":"2"} ]"#;
    let two = accepted(members, UnknownKeys::Refuse);
    assert_eq!(target_of(&two), [None, text("1"), text("L")]);
    let list = r#"{"a":1,"targets":[{"id":"1","label":"L"},{"id":"2"}]}"#;
    assert_eq!(data_of(&two).as_deref(), Some(list));

    for nothing in ["[]", "null"] {
        let none = accepted(&format!("\"targets\":{nothing}"), UnknownKeys::Refuse);
        assert_eq!((target_of(&none), data_of(&none)), ([None, None, None], None));
    }
}

#[test]
fn wrong_targets() {
    let list = "must be an array of objects";
    for value in ["7", "\"x\"", "{}", "[1]", "[\"x\",{}]", "[[]]"] {
        refused(&format!("\"targets\":{value}"), UnknownKeys::Refuse, "targets", list);
    }
    let unknown = "targets[0]: target.nope is no key of target; allowed are kind, id, label";
    refused(r#""targets":[{"nope":1}]"#, UnknownKeys::Refuse, "targets", unknown);
    let kind = "targets[0]: target.id must be a string, not an integer";
    refused(r#""targets":[{"id":1}]"#, UnknownKeys::Refuse, "targets", kind);
    let beside = "stands beside target; give one of the two";
    let members = r#""target":{"id":"x"},"targets":[{"id":"y"}]"#;
    refused(members, UnknownKeys::Refuse, "targets", beside);
    let beside = "stands beside targets; give one of the two";
    for target in [r#"{"id":"x"}"#, r#"{"kind":"x"}"#] {
        let members = format!("\"targets\":[{{\"id\":\"y\"}}],\"target\":{target}");
        refused(&members, UnknownKeys::Refuse, "target", beside);
    }
    let members = r#""targets":[{},{}],"targets":[{},{}]"#;
    refused(members, UnknownKeys::Refuse, "targets", "stands twice");
    let members = r#""data":{"targets":1},"targets":[{"id":"a"},{"id":"b"}]"#;
    let both = "stands both beside data and inside it; give it once";
    refused(members, UnknownKeys::Refuse, "targets", both);
}

#[test]
fn every_form_of_a_request_is_read() {
    let one = without("id");
    let pretty = one.replace(',', " ,\r\n  ").replace('{', "{\n");
    for (body, rows) in [
        (one.clone(), 1),
        (format!("\n\t{one}  \r\n"), 1),
        (format!("{one}\n{one}"), 2),
        (format!("{one}\r\n\r\n{one}\r\n"), 2),
        (format!("\n\n{one}\n \n{one}\n\n"), 2),
        (format!("[{one},{one},{one}]"), 3),
        (format!(" [\n{one} ,\n\n{pretty}\n]\n"), 2),
        ("[]".to_owned(), 0),
        (pretty.clone(), 1),
        (format!("\r\n{pretty}\n"), 1),
    ] {
        let parsed = parse(body.as_bytes(), UnknownKeys::Refuse, false);
        let parsed = parsed.unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!((parsed.draft.rows(), parsed.rejected.len()), (rows, 0), "{body}");
    }
}

#[test]
fn an_event_without_a_tenant_gets_the_callers() {
    let tenants = |body: String| -> Vec<String> {
        let environment = Environment::system();
        let ids = &mut FreshIds(&environment);
        let (unknown, tenant) = (UnknownKeys::Refuse, TenantRule::Default("globex"));
        let mut options = ParseOptions { unknown, tenant, partial: false, ids };
        let draft = parse_events(body.as_bytes(), &mut options).unwrap().draft;
        let column = draft.column(at::TENANT_ID).as_dictionary::<Int32Type>();
        let names = column.values().as_string::<i32>();
        column.keys().values().iter().map(|key| names.value(*key as usize).to_owned()).collect()
    };
    let body = format!("{}\n{}\n{}", without("tenant_id"), without(""), instead("id", "\"b\""));
    assert_eq!(tenants(body), ["globex", "acme", "acme"]);
}

#[test]
fn an_event_of_another_tenant_than_the_callers_is_refused_by_place() {
    let environment = Environment::system();
    let parse = |body: &str, partial: bool| {
        let ids = &mut FreshIds(&environment);
        let (unknown, tenant) = (UnknownKeys::Refuse, TenantRule::Only("acme"));
        parse_events(body.as_bytes(), &mut ParseOptions { unknown, tenant, partial, ids })
    };
    let foreign = instead("tenant_id", "\"globex\"");
    let body = format!("{}\n{}\n{foreign}", without("tenant_id"), without(""));
    let refused = parse(&body, false).unwrap_err().to_string();
    assert_eq!(refused, format!("line 3: key tenant_id: {OTHER_TENANT}"));
    let parsed = parse(&body, true).unwrap();
    assert_eq!((parsed.draft.rows(), parsed.rejected.len()), (2, 1));
    assert_eq!(parsed.rejected[0].key.as_deref(), Some("tenant_id"));
}
