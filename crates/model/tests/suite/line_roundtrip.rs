//! The canonical line of any event there can be: it is what the plainest code would write,
//! and reading it back gives the same columns and the same bytes again.

use arrow::array::{RecordBatch, TimestampMicrosecondArray, UInt64Array};
use auditlake_model::columns::{CLASSIFICATIONS, COLUMNS, Kind, OUTCOMES, at, schema};
use auditlake_model::env::Environment;
use auditlake_model::id::FreshIds;
use auditlake_model::line::LineWriter;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events, parse_lines};
use auditlake_model::time::{MAX_US, MIN_US, format_rfc3339};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// An event as a client sends it, and its place in the log.
#[derive(Clone, Debug)]
struct Sent {
    /// By column; only those of text.
    texts: Vec<Option<String>>,
    occurred_us: i64,
    /// Whether the time is sent as a number, where a number can say it.
    as_number: bool,
    data: Option<Map<String, Value>>,
    seq: u64,
    recorded_us: i64,
}

fn any_text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        3 => any::<char>(),
        1 => (0_u32..0x20).prop_filter_map("a control character", char::from_u32),
        1 => prop::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', '\u{feff}']),
    ];
    prop::collection::vec(char, 0..12).prop_map(String::from_iter)
}

/// Text of at least one character, without those that a name must not have.
fn name(forbidden: fn(char) -> bool) -> impl Strategy<Value = String> {
    let char = any::<char>().prop_filter("a character that a name may have", move |char| {
        !char.is_control() && !forbidden(*char)
    });
    prop::collection::vec(char, 1..12).prop_map(String::from_iter)
}

fn event_type() -> impl Strategy<Value = String> {
    prop::collection::vec(name(|char| char.is_whitespace() || char == '.'), 1..4)
        .prop_map(|words| words.join("."))
}

fn tenant() -> impl Strategy<Value = String> {
    name(|char| char.is_whitespace() || char == '/' || char == '\\')
        .prop_filter("a tenant is no folder", |name| name != "." && name != "..")
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ]
}

fn data() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(5, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(any_text(), value, 0..5).prop_map(|map| map.into_iter().collect())
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => MIN_US..=MAX_US,
        4 => 1_600_000_000_000_000_i64..1_900_000_000_000_000,
        1 => prop::sample::select(vec![MIN_US, MAX_US, 0, -1, 999_999, 1_000_000]),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let texts = prop::collection::vec(prop::option::of(any_text()), COLUMNS.len());
    let names = (name(|_| false), event_type(), tenant());
    let choices = (
        prop::option::of(prop::sample::select(OUTCOMES.to_vec())),
        prop::option::of(prop::sample::select(CLASSIFICATIONS.to_vec())),
        prop::option::of(address()),
    );
    let rest = (time(), any::<bool>(), prop::option::of(data()), 0..=i64::MAX as u64, time());
    (texts, names, choices, rest).prop_map(|(mut texts, names, choices, rest)| {
        for (text, column) in texts.iter_mut().zip(&COLUMNS) {
            if !matches!(column.kind, Kind::Text | Kind::Dict) {
                *text = None;
            }
        }
        texts[at::ID] = Some(names.0);
        texts[at::TYPE] = Some(names.1);
        texts[at::TENANT_ID] = Some(names.2);
        texts[at::OUTCOME] = choices.0.map(str::to_owned);
        texts[at::CLASSIFICATION] = choices.1.map(str::to_owned);
        texts[at::CONTEXT_IP] = choices.2;
        let (occurred_us, as_number, data, seq, recorded_us) = rest;
        Sent { texts, occurred_us, as_number, data, seq, recorded_us }
    })
}

impl Sent {
    /// What the client sends: nulls for what it does not know, members in any order.
    fn json(&self) -> Value {
        let mut event = Map::new();
        for (text, column) in self.texts.iter().zip(&COLUMNS) {
            if !matches!(column.kind, Kind::Text | Kind::Dict) {
                continue;
            }
            let value = text.clone().map_or(Value::Null, Value::from);
            match column.group {
                None => {
                    event.insert(column.key.to_owned(), value);
                }
                Some(group) => {
                    let group = event.entry(group).or_insert_with(|| Value::Object(Map::new()));
                    group[column.key] = value;
                }
            }
        }
        // Only within these is a number read as microseconds.
        let micros = 100_000_000_000_000..100_000_000_000_000_000_u64;
        let time = if self.as_number && micros.contains(&self.occurred_us.unsigned_abs()) {
            Value::from(self.occurred_us)
        } else {
            Value::from(format_rfc3339(self.occurred_us))
        };
        event.insert("occurred_at".to_owned(), time);
        event.insert("data".to_owned(), self.data.clone().map_or(Value::Null, Value::Object));
        Value::Object(event)
    }

    /// One column as JSON text, none when it is null.
    fn cell(&self, position: usize) -> Option<String> {
        let quoted = |text: &str| Value::from(text).to_string();
        match position {
            at::SEQ => Some(self.seq.to_string()),
            at::OCCURRED_AT => Some(quoted(&format_rfc3339(self.occurred_us))),
            at::RECORDED_AT => Some(quoted(&format_rfc3339(self.recorded_us))),
            at::DATA => self.data.clone().map(|data| Value::Object(data).to_string()),
            _ => self.texts[position].as_deref().map(quoted),
        }
    }

    /// The canonical line of the chosen columns, written without any care for speed.
    fn line(&self, chosen: &[usize]) -> String {
        let mut groups: Vec<(Option<&str>, Vec<String>)> = Vec::new();
        for (position, column) in COLUMNS.iter().enumerate() {
            let Some(cell) = self.cell(position).filter(|_| chosen.contains(&position)) else {
                continue;
            };
            let member = format!("\"{}\":{cell}", column.key);
            match groups.last_mut() {
                Some((group, members)) if *group == column.group => members.push(member),
                _ => groups.push((column.group, vec![member])),
            }
        }
        let parts = groups.into_iter().map(|(group, members)| match group {
            Some(group) => format!("\"{group}\":{{{}}}", members.join(",")),
            None => members.join(","),
        });
        format!("{{{}}}\n", parts.collect::<Vec<_>>().join(","))
    }
}

fn every_column() -> Vec<usize> {
    (0..COLUMNS.len()).collect()
}

/// The events as a batch, through the parser and with their places.
fn batch(sent: &[Sent]) -> RecordBatch {
    let environment = Environment::system();
    let mut options = ParseOptions {
        unknown: UnknownKeys::Refuse,
        tenant: TenantRule::Named,
        partial: false,
        ids: &mut FreshIds(&environment),
    };
    // Pretty-printed, so that white space must be taken out of `data`.
    let body: Value = sent.iter().map(Sent::json).collect();
    let body = serde_json::to_vec_pretty(&body).expect("JSON");
    let parsed = parse_events(&body, &mut options).expect("good events");
    let seq: UInt64Array = sent.iter().map(|sent| Some(sent.seq)).collect();
    let recorded_at: TimestampMicrosecondArray =
        sent.iter().map(|sent| Some(sent.recorded_us)).collect();
    parsed.draft.seal(seq, recorded_at).expect("a batch")
}

fn lines_of(batch: &RecordBatch) -> String {
    let mut lines = Vec::new();
    LineWriter::new(&batch.schema()).expect("a writer").write(batch, &mut lines);
    String::from_utf8(lines).expect("UTF-8")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_line_is_what_the_plainest_code_writes(sent in prop::collection::vec(sent(), 1..10)) {
        let batch = batch(&sent);
        let expected: Vec<String> = sent.iter().map(|sent| sent.line(&every_column())).collect();
        prop_assert_eq!(lines_of(&batch), expected.concat());

        // A slice of one row has larger dictionaries than rows, and takes the other path.
        let rows = (0..batch.num_rows()).map(|row| lines_of(&batch.slice(row, 1)));
        prop_assert_eq!(rows.collect::<Vec<_>>(), expected.clone());

        let (mut lines, mut ends) = (b"before".to_vec(), Vec::new());
        let mut writer = LineWriter::new(&schema()).unwrap();
        writer.write_each(&batch, &mut lines, &mut ends);
        let starts = std::iter::once(6).chain(ends.iter().copied());
        let pieces = starts.zip(&ends).map(|(start, end)| &lines[start..*end]);
        prop_assert!(pieces.eq(expected.iter().map(String::as_bytes)));
    }

    #[test]
    fn a_line_reads_back_as_the_same_columns_and_bytes(
        sent in prop::collection::vec(sent(), 1..10),
    ) {
        let batch = batch(&sent);
        let lines = lines_of(&batch);
        let back = parse_lines(lines.as_bytes()).unwrap();
        prop_assert_eq!(&back, &batch);
        prop_assert_eq!(lines_of(&back), lines.clone());
        // The last line end may be missing, as it is from a leaf of the log.
        prop_assert_eq!(&parse_lines(lines.trim_end_matches('\n').as_bytes()).unwrap(), &batch);
    }

    #[test]
    fn any_json_reader_finds_the_same_values(sent in sent()) {
        let line = lines_of(&batch(std::slice::from_ref(&sent)));
        let line: Value = serde_json::from_str(&line).unwrap();
        for (position, column) in COLUMNS.iter().enumerate() {
            let found = match column.group {
                Some(group) => &line[group][column.key],
                None => &line[column.key],
            };
            let expected = sent.cell(position).unwrap_or_else(|| "null".to_owned());
            let expected: Value = serde_json::from_str(&expected).unwrap();
            prop_assert_eq!(found, &expected, "{}", column.name);
        }
    }

    #[test]
    fn any_choice_of_columns_in_any_order_gives_canonical_lines(
        sent in prop::collection::vec(sent(), 1..5),
        order in Just(every_column()).prop_shuffle(),
        count in 0..=COLUMNS.len(),
    ) {
        let chosen = &order[..count];
        let projected = batch(&sent).project(chosen).unwrap();
        let expected: Vec<String> = sent.iter().map(|sent| sent.line(chosen)).collect();
        prop_assert_eq!(lines_of(&projected), expected.concat());
    }

    #[test]
    fn whatever_is_accepted_can_be_recovered(
        sent in sent(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut line = lines_of(&batch(std::slice::from_ref(&sent))).into_bytes();
        for (at, byte) in edits {
            let at = at.index(line.len());
            line[at] = byte;
        }
        if let Ok(back) = parse_lines(&line) {
            prop_assert_eq!(parse_lines(lines_of(&back).as_bytes()).unwrap(), back);
        }
        let environment = Environment::system();
        let mut options = ParseOptions {
            unknown: UnknownKeys::IntoData,
            tenant: TenantRule::Default("acme"),
            partial: true,
            ids: &mut FreshIds(&environment),
        };
        if let Ok(parsed) = parse_events(&line, &mut options) {
            let rows = parsed.draft.rows();
            let seq: UInt64Array = (0..rows as u64).map(Some).collect();
            let recorded_at: TimestampMicrosecondArray = (0..rows).map(|_| Some(0_i64)).collect();
            let batch = parsed.draft.seal(seq, recorded_at).unwrap();
            prop_assert_eq!(parse_lines(lines_of(&batch).as_bytes()).unwrap(), batch);
        }
    }
}
