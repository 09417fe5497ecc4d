//! The generator of batches: any bytes are a case, the same bytes the same one, and over a few
//! hundred seeds every oddity that its tests count on does occur.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type};
use auditlake_model::columns::COLUMNS;
use auditlake_testkit::generated::{Case, MAX_BYTES, bytes_of, case};
use auditlake_testkit::plain::{self, cells, copied};

const SEEDS: u64 = 2000;

#[test]
fn the_same_bytes_are_the_same_case() {
    for seed in 0..20 {
        let bytes = bytes_of(seed, MAX_BYTES);
        assert_eq!(bytes[..100], bytes_of(seed, 100));
        assert!(cells(&case(&bytes).batches) == cells(&case(&bytes).batches), "seed {seed}");
    }
    assert_ne!(bytes_of(1, 100), bytes_of(2, 100));
}

#[test]
fn few_bytes_are_a_small_case() {
    let smallest = case(&[]);
    assert_eq!(smallest.schema.fields().len(), 1);
    assert_eq!(smallest.batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1]);
    for length in 0..100 {
        let _ = case(&vec![0xff; length]);
        let _ = case(&bytes_of(7, length));
    }
}

#[test]
fn pieces_and_copies_have_the_same_cells() {
    for seed in 0..100 {
        let case = case(&bytes_of(seed, MAX_BYTES));
        let wanted = cells(&case.batches);
        assert!(cells(&case.pieces()) == wanted, "seed {seed}");
        let copies: Vec<_> = case.batches.iter().map(copied).collect();
        assert!(cells(&copies) == wanted, "seed {seed}");
    }
}

#[test]
fn data_is_json_and_times_are_of_our_calendar() {
    for seed in 0..100 {
        let case = case(&bytes_of(seed, MAX_BYTES));
        for line in plain::lines(&case.schema, &cells(&case.batches)) {
            let event: &serde_json::value::RawValue = serde_json::from_str(&line).unwrap();
            assert_eq!(event.get(), line, "seed {seed}");
        }
    }
    assert_eq!(plain::rfc3339(-62_135_596_800_000_000), "0001-01-01T00:00:00.000000Z");
    assert_eq!(plain::rfc3339(-1), "1969-12-31T23:59:59.999999Z");
    assert_eq!(plain::rfc3339(253_402_300_799_999_999), "9999-12-31T23:59:59.999999Z");
}

#[test]
fn every_oddity_occurs() {
    let mut seen = BTreeSet::new();
    let mut columns = BTreeSet::new();
    for seed in 0..SEEDS {
        let case = case(&bytes_of(seed, MAX_BYTES));
        columns.extend(case.schema.fields().iter().map(|field| field.name().clone()));
        look_at_case(&case, &mut seen);
        for batch in &case.batches {
            look_at_batch(batch, &mut seen);
        }
    }
    assert_eq!(columns.len(), COLUMNS.len());
    for oddity in [
        "no column",
        "one column",
        "every column",
        "no batch",
        "an empty batch",
        "a dictionary kept",
        "a dictionary of the same length",
        "a dictionary in two columns",
        "a column of nulls",
        "a null buffer that begins within a byte",
        "a null buffer without nulls",
        "text under a null",
        "no key under a null",
        "a dictionary without values",
        "a dictionary of one value",
        "a dictionary with a null",
        "a dictionary larger than its batch",
        "a value that no row has",
        "a mebibyte",
    ] {
        assert!(seen.contains(oddity), "no seed has {oddity}");
    }
}

fn look_at_case(case: &Case, seen: &mut BTreeSet<&'static str>) {
    match case.schema.fields().len() {
        0 => _ = seen.insert("no column"),
        1 => _ = seen.insert("one column"),
        count if count == COLUMNS.len() => _ = seen.insert("every column"),
        _ => {}
    }
    if case.batches.is_empty() {
        seen.insert("no batch");
    }
    for pair in case.batches.windows(2) {
        for (before, after) in pair[0].columns().iter().zip(pair[1].columns()) {
            let (Some(before), Some(after)) =
                (before.as_dictionary_opt::<Int32Type>(), after.as_dictionary_opt::<Int32Type>())
            else {
                continue;
            };
            if Arc::ptr_eq(before.values(), after.values()) {
                seen.insert("a dictionary kept");
            } else if before.values().len() == after.values().len()
                && before.values() != after.values()
            {
                seen.insert("a dictionary of the same length");
            }
        }
    }
}

fn look_at_batch(batch: &RecordBatch, seen: &mut BTreeSet<&'static str>) {
    if batch.num_rows() == 0 {
        seen.insert("an empty batch");
        return;
    }
    let mut dictionaries = BTreeSet::new();
    for array in batch.columns() {
        if array.null_count() == array.len() {
            seen.insert("a column of nulls");
        }
        if array.nulls().is_some() && array.null_count() == 0 {
            seen.insert("a null buffer without nulls");
        }
        if array.nulls().is_some_and(|nulls| nulls.offset() % 8 > 0) {
            seen.insert("a null buffer that begins within a byte");
        }
        match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                for row in 0..texts.len() {
                    if texts.is_null(row) && texts.value_length(row) > 0 {
                        seen.insert("text under a null");
                    }
                    if texts.is_valid(row) && texts.value_length(row) >= 1 << 20 {
                        seen.insert("a mebibyte");
                    }
                }
            }
            DataType::Dictionary(_, _) => {
                let values = array.as_dictionary::<Int32Type>().values();
                if !dictionaries.insert(Arc::as_ptr(values).cast::<u8>()) {
                    seen.insert("a dictionary in two columns");
                }
                look_at_dictionary(array, seen);
            }
            _ => {}
        }
    }
}

fn look_at_dictionary(array: &ArrayRef, seen: &mut BTreeSet<&'static str>) {
    let array = array.as_dictionary::<Int32Type>();
    let (keys, values) = (array.keys(), array.values());
    match values.len() {
        0 => _ = seen.insert("a dictionary without values"),
        1 => _ = seen.insert("a dictionary of one value"),
        count if count > array.len() => _ = seen.insert("a dictionary larger than its batch"),
        _ => {}
    }
    if values.null_count() > 0 {
        seen.insert("a dictionary with a null");
    }
    let used: BTreeSet<i32> = keys.iter().flatten().collect();
    if used.len() < values.len() {
        seen.insert("a value that no row has");
    }
    let is_key = |key: i32| usize::try_from(key).is_ok_and(|key| key < values.len());
    if (0..keys.len()).any(|row| keys.is_null(row) && !is_key(keys.value(row))) {
        seen.insert("no key under a null");
    }
}
