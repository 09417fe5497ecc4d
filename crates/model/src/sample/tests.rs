//! What the sample promises: determinism, order, exact count, unique ids, valid JSON.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::*;
use crate::columns::{CLASSIFICATIONS, COLUMNS, OUTCOMES};

fn sample(events: u64, seed: u64) -> Vec<u8> {
    let mut sample = Sample::new(SampleConfig { seed, events, ..SampleConfig::default() });
    let mut out = Vec::new();
    while sample.write(777, &mut out) > 0 {}
    out
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&byte| byte == b'\n');
    lines
        .map(|line| {
            serde_json::from_slice(line)
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)))
        })
        .collect()
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let once = sample(3000, 7);
    assert!(once == sample(3000, 7));
    assert!(once != sample(3000, 8));

    // However they are asked for.
    let mut sample = Sample::new(SampleConfig { seed: 7, events: 3000, ..SampleConfig::default() });
    let mut out = Vec::new();
    assert_eq!(sample.write(1, &mut out), 1);
    assert_eq!(sample.write(usize::MAX, &mut out), 2999);
    assert_eq!(sample.write(1, &mut out), 0);
    assert!(once == out);
}

#[test]
fn counts_are_exact_at_every_size() {
    for (count, days, tenants) in [(0, 90, 12), (1, 1, 1), (5, 0, 0), (1000, 3, 40)] {
        let config =
            SampleConfig { events: count, days, tenants, start_us: -1, ..SampleConfig::default() };
        let (mut sample, mut out) = (Sample::new(config), Vec::new());
        assert_eq!(sample.write(usize::MAX, &mut out) as u64, count);
        assert_eq!(memchr::memchr_iter(b'\n', &out).count() as u64, count);
    }
}

#[test]
fn every_table_row_is_read_and_every_gap_is_known() {
    let rows = include_str!("kinds.txt").lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(catalog::kinds().len(), rows);
    assert!(rows >= 60);
    assert!(memchr::memchr(b'$', &sample(20_000, 1)).is_none());
}

#[test]
fn a_hundred_thousand_are_ordered_unique_and_in_their_days() {
    let bytes = sample(100_000, 42);
    let (mut ids, mut requests) = (HashSet::new(), HashSet::new());
    let mut last = String::new();
    for event in events(&bytes) {
        let id = text(&event, "/id").strip_prefix("evt_").unwrap();
        let ulid = ulid::Ulid::from_string(id).unwrap();
        assert_eq!(ulid.to_string(), id, "in its one proper form");
        assert!(ids.insert(ulid));
        assert!(requests.insert(text(&event, "/context/request_id").to_owned()));
        let at = text(&event, "/occurred_at");
        assert!(at >= last.as_str(), "{at} after {last}");
        last = at.to_owned();
    }
    assert!(
        last.as_str() < "2026-04-01T00:00:00.000000Z" && last.as_str() > "2026-03-30",
        "{last}"
    );
    let mean = bytes.len() / 100_000;
    assert!((450..=660).contains(&mean), "{mean} bytes a line");
}

#[test]
fn lines_hold_what_the_schema_knows_and_nothing_else() {
    let mut types: BTreeMap<String, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for event in events(&sample(50_000, 3)) {
        *types.entry(text(&event, "/type").to_owned()).or_default() += 1;
        assert!(OUTCOMES.contains(&text(&event, "/outcome")), "{event}");
        if event.get("classification").is_some() {
            assert!(CLASSIFICATIONS.contains(&text(&event, "/classification")), "{event}");
        }
        if let Some(ip) = event.pointer("/context/ip").and_then(Value::as_str) {
            let parsed: std::net::IpAddr = ip.parse().unwrap();
            assert_eq!(parsed.to_string(), ip);
        }
        let top = event.as_object().unwrap();
        for (key, value) in top {
            match value {
                Value::Object(inner) if key != "data" => {
                    seen.extend(inner.keys().map(|inner| format!("{key}.{inner}")));
                }
                _ => {
                    seen.insert(key.clone());
                }
            }
        }
    }
    let given_by_the_lake = ["seq", "recorded_at"];
    let known: BTreeSet<String> = COLUMNS
        .iter()
        .map(crate::columns::Column::path)
        .filter(|path| !given_by_the_lake.contains(&path.as_str()))
        .collect();
    assert_eq!(seen, known);
    assert_eq!(types.iter().max_by_key(|(_, count)| **count).unwrap().0, "user.signed_in");
}

#[test]
fn tenants_differ_in_size_and_nights_are_quiet() {
    let (mut tenants, mut hours): (BTreeMap<String, u32>, [u32; 24]) = Default::default();
    for event in events(&sample(50_000, 5)) {
        *tenants.entry(text(&event, "/tenant_id").to_owned()).or_default() += 1;
        hours[text(&event, "/occurred_at")[11..13].parse::<usize>().unwrap()] += 1;
    }
    assert_eq!(tenants.len(), 12);
    let (most, least) = (tenants.values().max().unwrap(), tenants.values().min().unwrap());
    assert!(*most > 6 * *least, "{tenants:?}");
    assert!(hours.iter().max().unwrap() > &(3 * hours.iter().min().unwrap()), "{hours:?}");
}

#[test]
fn a_few_texts_are_made_to_trip_programs() {
    let bytes = sample(50_000, 9);
    for odd in [r#":"=HYPERLINK(\"#, r"\n", r"C:\\temp", "会議メモ", "Robert \\\"Bobby\\\""] {
        assert!(memchr::memmem::find(&bytes, odd.as_bytes()).is_some(), "{odd}");
    }
}
