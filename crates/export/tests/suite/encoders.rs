//! The encoders beside other people's, byte for byte: over batches of every kind, and over each
//! case that is special for how they work.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Int32Type, Schema};
use auditlake_model::columns::{COLUMNS, schema};
use auditlake_model::time::{MAX_US, MIN_US};
use auditlake_testkit::generated::{
    Case, MAX_BYTES, SPECIAL_TEXTS, SPECIAL_TIMES_US, bytes_of, case, special_numbers,
};
use proptest::prelude::*;

use crate::batches::{batch, dict, events, numbers, raw_dict, text, times};
use crate::checks;

proptest! {
    // A failure prints seed and size, and these alone make the case again.
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_csv(seed in any::<u64>(), size in 0..=MAX_BYTES) {
        checks::csv(&case(&bytes_of(seed, size)));
    }

    #[test]
    fn any_ndjson_and_json(seed in any::<u64>(), size in 0..=MAX_BYTES) {
        checks::lines(&case(&bytes_of(seed, size)));
    }

    #[test]
    fn any_batching(seed in any::<u64>(), size in 0..=MAX_BYTES) {
        checks::batching(&case(&bytes_of(seed, size)));
    }
}

fn check(batches: Vec<RecordBatch>) {
    checks::all(&Case::new(batches[0].schema(), batches));
}

fn borrowed(texts: &[String]) -> Vec<Option<&str>> {
    texts.iter().map(|text| Some(text.as_str())).collect()
}

/// The texts in a column of each type of text, beside another column and alone in the file.
fn check_texts(texts: &[String]) {
    let (plain, dictionary) = (text(&borrowed(texts)), dict(&borrowed(texts)));
    check(vec![batch(&[("reason", Arc::clone(&plain)), ("type", Arc::clone(&dictionary))])]);
    check(vec![batch(&[("type", dictionary)])]);
    check(vec![batch(&[("reason", plain)])]);
}

/// A dictionary column over values that others may share.
fn keyed(keys: &[Option<i32>], values: &ArrayRef) -> ArrayRef {
    let keys = Int32Array::from(keys.to_vec());
    Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(values)).unwrap())
}

#[test]
fn whole_events_and_each_column_alone() {
    let batches = vec![events(0, 3), events(3, 0), events(3, 200), events(203, 1)];
    checks::all(&Case::new(schema(), batches.clone()));
    for position in 0..COLUMNS.len() {
        check(batches.iter().map(|batch| batch.project(&[position]).unwrap()).collect());
    }
}

#[test]
fn special_text_at_every_place() {
    let mut texts = Vec::new();
    for special in SPECIAL_TEXTS {
        texts.push((*special).to_owned());
        texts.extend(
            (0..=40)
                .map(|place| format!("{}{special}{}", "a".repeat(place), "b".repeat(40 - place))),
        );
    }
    check_texts(&texts);
}

#[test]
fn special_text_after_every_length() {
    let lengths = (0..=130).chain([255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097]);
    let ends = ["", "\"", "\\", ",", "\n", "\u{1f}", "\u{7f}", "é", "🦀"];
    let texts: Vec<String> = lengths
        .flat_map(|length| ends.map(|end| format!("{}{end}", "a".repeat(length))))
        .chain((0..=130).map(|length| "\"".repeat(length)))
        .chain((0..=130).map(|length| "é".repeat(length)))
        .collect();
    check_texts(&texts);
}

#[test]
fn text_of_a_mebibyte() {
    const LONG: usize = 1 << 20;
    let texts = [
        "a".repeat(LONG),
        "short".to_owned(),
        "\"".repeat(LONG),
        format!("{}\u{1}", "é".repeat(LONG / 2)),
    ];
    let cells = borrowed(&texts);
    check(vec![batch(&[("reason", text(&cells)), ("type", dict(&cells))])]);
}

#[test]
fn special_times_before_and_after_each_other() {
    let beside: Vec<i64> = SPECIAL_TIMES_US
        .iter()
        .flat_map(|time| [time - 1, *time, time + 1])
        .map(|time| time.clamp(MIN_US, MAX_US))
        .collect();
    // The one column stays at a time while the other goes through them all.
    let pairs = beside.iter().flat_map(|left| beside.iter().map(move |right| (*left, *right)));
    let (occurred, recorded): (Vec<_>, Vec<_>) =
        pairs.map(|(left, right)| (Some(left), Some(right))).unzip();
    check(vec![batch(&[("occurred_at", times(&occurred)), ("recorded_at", times(&recorded))])]);
}

#[test]
fn special_numbers_of_every_length() {
    let seq: Vec<_> = special_numbers().into_iter().map(Some).collect();
    check(vec![batch(&[("seq", numbers(&seq))])]);
}

#[test]
fn dictionaries_of_every_size() {
    for size in [1, 2, 3, 127, 128, 255, 256, 257, 1024, 4096, 65_537] {
        let values: Vec<String> = (0..size).map(|index| format!("\"{index}\"")).collect();
        let values = text(&borrowed(&values));
        // More values than rows, then fewer, then more again, all of them the same.
        let batches = [1, 0, 3, 300, 2].map(|rows| {
            let keys: Vec<_> = (0..rows).map(|row| Some((row * 7919 + size - 1) % size)).collect();
            batch(&[("type", keyed(&keys, &values)), ("tool", keyed(&keys, &values))])
        });
        check(batches.to_vec());
    }
}

#[test]
fn a_dictionary_of_many_mebibytes() {
    // Too much to keep rendered: the first values may be, the last ones may not.
    let values: Vec<String> =
        (0..5).map(|index| format!("{},{index}", "a".repeat(1 << 20))).collect();
    let keys = [0, 1, 2, 3, 4, 4, 0].map(Some);
    check(vec![batch(&[("type", keyed(&keys, &text(&borrowed(&values))))])]);
}

#[test]
fn columns_of_one_value_beside_others() {
    let forms = [
        raw_dict(&[Some(1); 3], &[Some("x"), Some("y,")]),
        raw_dict(&[None; 3], &[Some("x")]),
        raw_dict(&[Some(0); 3], &[None]),
        raw_dict(&[Some(0), None, Some(1)], &[Some("y,"), Some("z")]),
    ];
    // Objects that stand beside each other, beside plain keys, and at the end.
    for names in [
        ["type", "actor_id", "actor_label", "target_kind", "outcome"],
        ["actor_id", "tool", "policy_name", "context_ip", "context_country"],
    ] {
        let batches = (0..4_usize.pow(5)).map(|number| {
            let form = |place: u32| Arc::clone(&forms[number / 4_usize.pow(place) % 4]);
            let columns: Vec<_> =
                (0..).zip(names).map(|(place, name)| (name, form(place))).collect();
            batch(&columns)
        });
        check(batches.collect());
    }
}

#[test]
fn dictionaries_that_look_the_same() {
    let first = text(&[Some("a,"), Some("\""), None, Some("dd")]);
    let strings = first.as_string::<i32>();
    let with_nulls = |nulls| -> ArrayRef {
        let (offsets, bytes) = (strings.offsets().clone(), strings.values().clone());
        Arc::new(StringArray::new(offsets, bytes, nulls))
    };
    let alike = [
        text(&[Some("a,"), Some("\""), None, Some("dd")]),
        text(&[Some("d,"), Some("a"), None, Some("\"\"")]),
        with_nulls(None),
        with_nulls(Some(NullBuffer::new_valid(4))),
        with_nulls(Some(NullBuffer::from(vec![false, true, true, false]))),
        first.slice(0, 3),
        first.slice(1, 3),
        first,
    ];
    // Each after each, in its own column and in the other one's.
    let keys = [Some(0), None, Some(2), Some(1), Some(0), Some(1)];
    let mut batches = Vec::new();
    for left in &alike {
        for right in &alike {
            batches.push(batch(&[("type", keyed(&keys, left)), ("tool", keyed(&keys, right))]));
        }
    }
    check(batches.clone());
    check(batches.iter().map(|batch| batch.slice(1, 2)).collect());
}

#[test]
fn a_dictionary_in_the_memory_of_the_one_before() {
    let batches = (0..300).map(|number| {
        let values = [format!("{number:04}"), format!("{:04}", number + 1)];
        batch(&[("type", dict(&borrowed(&values))), ("tool", dict(&borrowed(&values)))])
    });
    check(batches.collect());
}

#[test]
fn nothing_under_a_null_is_read() {
    let values = text(&[Some("a"), Some("b")]);
    let nulls = Some(NullBuffer::from(vec![true, false, false, true]));
    let keys = Int32Array::new(vec![1, -1, i32::MAX, 0].into(), nulls.clone());
    let dictionary = DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
    let (offsets, bytes, _) = StringArray::from(vec!["a", "hidden", "=1", ""]).into_parts();
    let strings = StringArray::new(offsets, bytes, nulls.clone());
    let clock = vec![0, i64::MIN, i64::MAX, -1];
    let clock = TimestampMicrosecondArray::new(clock.into(), nulls.clone()).with_timezone("UTC");
    let seq = UInt64Array::new(vec![1_u64, 2, 3, 4].into(), nulls);
    let columns: [(&str, ArrayRef); 4] = [
        ("type", Arc::new(dictionary)),
        ("reason", Arc::new(strings)),
        ("occurred_at", Arc::new(clock)),
        ("seq", Arc::new(seq)),
    ];
    let whole = batch(&columns);
    check(vec![whole.slice(1, 2), whole.slice(3, 1), whole]);
}

#[test]
fn nothing_at_all() {
    checks::all(&Case::new(schema(), Vec::new()));
    check(vec![events(0, 0)]);
    check(vec![events(0, 0), events(0, 1), events(0, 0)]);
    let nulls = batch(&[
        ("type", dict(&[None; 3])),
        ("tool", raw_dict(&[None; 3], &[])),
        ("outcome", raw_dict(&[Some(0); 3], &[None])),
        ("reason", text(&[None; 3])),
        ("seq", numbers(&[None; 3])),
        ("occurred_at", times(&[None; 3])),
    ]);
    for position in 0..nulls.num_columns() {
        check(vec![nulls.project(&[position]).unwrap()]);
    }
    check(vec![nulls]);
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let no_columns = Arc::new(Schema::empty());
    check(vec![RecordBatch::try_new_with_options(no_columns, vec![], &options).unwrap()]);
}
