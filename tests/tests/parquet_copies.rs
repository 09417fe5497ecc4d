//! Parquet exports that copy row groups from the lake: exactly those that are meant whole, byte
//! for byte, and for our own readers and other people's the file is what it would be with every
//! event encoded anew.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, max, max_string, min, min_string};
use arrow::datatypes::{DataType, Int64Type};
use auditlake_model::columns::OUTCOMES;
use auditlake_model::time::{day_start, format_rfc3339, parse_day};
use auditlake_tests::Site;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use serde_json::{Value, json};

/// A filter that every event passes, and for which nothing is copied.
const ENCODED: [&str; 2] = ["--type", "!no.such.type"];
/// Longer texts may stand in an index cut short: a bound, not a value.
const EXACT_BYTES: usize = 64;

/// A day of the lake: one segment.
struct Day {
    date: &'static str,
    events: usize,
    /// Whose the events are, in turn.
    tenants: &'static [&'static str],
}

const TENANTS: &[&str] = &["acme", "globex", "initech"];
/// Two pages to a column, but for the second day: it is too small to be copied.
const DAYS: [Day; 5] = [
    Day { date: "2026-05-01", events: 24_000, tenants: TENANTS },
    Day { date: "2026-05-02", events: 500, tenants: TENANTS },
    Day { date: "2026-05-03", events: 24_000, tenants: &["globex"] },
    Day { date: "2026-05-04", events: 24_000, tenants: TENANTS },
    Day { date: "2026-05-05", events: 24_000, tenants: TENANTS },
];
/// Two row groups of one tenant's.
const LARGE_DAYS: [Day; 1] = [Day { date: "2026-05-01", events: 150_000, tenants: &["globex"] }];

/// A kind of export.
struct Case {
    name: &'static str,
    flags: &'static [&'static str],
    /// What of the lake is copied: days, and row groups of their segments.
    copied: &'static [(usize, usize)],
    is_sorted: bool,
}

const ALL: Case =
    Case { name: "all", flags: &[], copied: &[(0, 0), (2, 0), (3, 0), (4, 0)], is_sorted: true };
/// From and to the middle of a day.
const CUT: Case = Case {
    name: "cut",
    flags: &["--from", "2026-05-01T12:00:00Z", "--to", "2026-05-05T12:00:00Z"],
    copied: &[(2, 0), (3, 0)],
    is_sorted: true,
};
const TENANT: Case =
    Case { name: "tenant", flags: &["--tenant-id", "globex"], copied: &[(2, 0)], is_sorted: true };
const SOME_COLUMNS: Case = Case {
    name: "some_columns",
    flags: &["--columns", "type,seq,tenant_id,occurred_at,data,id"],
    copied: &[(0, 0), (2, 0), (3, 0), (4, 0)],
    is_sorted: true,
};
/// Without the tenant the order of segments cannot be told.
const NO_TENANT: Case = Case {
    name: "no_tenant",
    flags: &["--columns", "id,seq,type,occurred_at,actor_id,data"],
    copied: &[],
    is_sorted: false,
};
/// The limit falls into the fourth day.
const LIMITED: Case = Case {
    name: "limited",
    flags: &["--limit", "60000"],
    copied: &[(0, 0), (2, 0)],
    is_sorted: true,
};
const LARGE: Case = Case { name: "large", flags: &[], copied: &[(0, 0), (0, 1)], is_sorted: true };
/// The time falls into the second row group.
const LARGE_CUT: Case = Case {
    name: "large_cut",
    flags: &["--to", "2026-05-01T22:00:00Z"],
    copied: &[(0, 0)],
    is_sorted: true,
};

#[test]
fn copied_row_groups_read_as_if_they_had_been_encoded() {
    let (site, segments) = lake(&DAYS);
    let cases = [ALL, CUT, TENANT, SOME_COLUMNS, NO_TENANT, LIMITED];
    let copied = assert_cases(&site, &segments, &cases);
    let [all, cut, tenant, some_columns, no_tenant, limited] = copied[..] else { unreachable!() };
    for part in [cut, tenant, some_columns, limited] {
        assert!(0 < part && part < all, "{copied:?}");
    }
    assert_eq!(no_tenant, 0);

    // A tenant's events lie in the order of time, those of all do not.
    let by_time = export(&site, "by_time.parquet", &[TENANT.flags, &["--order", "asc"]]);
    assert_eq!(by_time.copied_bytes, tenant);
    let read = |name: &str| std::fs::read(site.folder().join(name)).expect("an export");
    assert!(read("by_time.parquet") == read("tenant.parquet"), "by time it is another file");
    for order in ["asc", "desc"] {
        let ordered = export(&site, "ordered.parquet", &[&["--order", order]]);
        assert_eq!(ordered.copied_bytes, 0, "{order}");
    }
}

#[test]
fn only_the_border_of_a_large_day_is_encoded() {
    let (site, segments) = lake(&LARGE_DAYS);
    let copied = assert_cases(&site, &segments, &[LARGE, LARGE_CUT]);
    assert!(0 < copied[1] && copied[1] < copied[0]);
}

/// Makes each export with copies and without, and compares the two. Gives how many bytes were
/// copied for each.
fn assert_cases(site: &Site, segments: &[PathBuf], cases: &[Case]) -> Vec<u64> {
    let (mut copied_bytes, mut pairs) = (Vec::new(), Vec::new());
    for case in cases {
        let copied = export(site, &format!("{}.parquet", case.name), &[case.flags]);
        let name = format!("{}_encoded.parquet", case.name);
        let encoded = export(site, &name, &[case.flags, &ENCODED]);
        assert_eq!(encoded.copied_bytes, 0, "{name}");
        assert_eq!(copied.rows, encoded.rows, "{}", case.name);
        assert_copied(case, &copied, segments);
        assert_page_index(&copied.path);
        copied_bytes.push(copied.copied_bytes);
        pairs.push(json!({
            "copied": copied.path, "encoded": encoded.path, "is_sorted": case.is_sorted,
        }));
    }
    let checked = compared(&Value::from(pairs));
    println!("{checked:#}");
    assert_eq!(checked.as_array().map(Vec::len), Some(cases.len()));
    copied_bytes
}

/// A lake of these days, and the segment of each.
fn lake(days: &[Day]) -> (Site, Vec<PathBuf>) {
    let site = Site::new();
    let mut lines = String::new();
    for (number, day) in days.iter().enumerate() {
        write_day(number, day, &mut lines);
    }
    let count: usize = days.iter().map(|day| day.events).sum();
    let done = site.run_with(["import", "-", "--json"], lines.as_bytes()).ok().json();
    assert_eq!((&done["accepted"], &done["duplicates"]), (&count.into(), &0.into()), "{done}");
    let segment = |day: &Day| {
        let folder = site.lake().join(format!("events/day={}", day.date));
        let files = std::fs::read_dir(folder).expect("a folder for each day");
        let files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        let [file] = files.as_slice() else { panic!("{} has {} segments", day.date, files.len()) };
        assert_eq!(footer(file).metadata().file_metadata().num_rows(), day.events as i64);
        file.clone()
    };
    let segments = days.iter().map(segment).collect();
    (site, segments)
}

/// Spread over the day, and not in the order of time: several events share a time.
fn write_day(number: usize, day: &Day, lines: &mut String) {
    let start = day_start(parse_day(day.date.as_bytes()).expect("a date"));
    let step = 86_400_000_000 / day.events as i64;
    for place in 0..day.events {
        let at = start + (place * 7919 % day.events / 4 * 4) as i64 * step;
        let mut event = event((number * 1_000_000 + place) as u64, number);
        event["occurred_at"] = format_rfc3339(at).into();
        event["tenant_id"] = day.tenants[place % day.tenants.len()].into();
        *lines += &event.to_string();
        lines.push('\n');
    }
}

/// An event but for its time and tenant: with all that is awkward in a text, values that are
/// there on one day only, others that are never there, and, on the fourth day, too many distinct
/// ones for a dictionary.
fn event(number: u64, day: usize) -> Value {
    const SAID: [&str; 6] =
        ["=1+2", "she said \"no\", \"\"", "naïve Größe – 日本語 🦀", "a\\b\nc\td", "", "'"];
    let mixed = mix(number);
    let pick = |of: u64, bits: u32| (mixed >> bits) % of;
    let said = SAID[pick(6, 8) as usize];
    let label = match pick(40, 12) {
        0 => "ü".repeat(60),
        // No text of the same length is greater.
        1 => "\u{10FFFF}".repeat(20),
        2 => "\0".to_owned(),
        _ => format!("{said} {}", pick(100, 20)),
    };
    let agent = match day {
        3 => format!("agent/{mixed:020} {}", "x".repeat(60)),
        _ => format!("agent/{}", pick(9, 24)),
    };
    let mut event = json!({
        "id": format!("evt_{mixed:016x}"),
        "type": format!("{}.done", ["file", "user", "größe"][pick(3, 16) as usize]),
        "actor": {"id": format!("u{}", pick(700, 28)), "label": said},
        "target": {"kind": "file", "id": format!("f{}", pick(9000, 32)), "label": label},
        "outcome": OUTCOMES[pick(6, 36) as usize],
        "context": {"ip": format!("10.0.0.{}", pick(250, 40)), "user_agent": agent},
        "data": {"n": number, "said": said, "in": {"list": [1, 2.5, null, true, "]"], "": {}}},
    });
    if pick(3, 44) > 0 {
        event["reason"] = said.into();
        event["context"]["request_id"] = format!("req-{:x}", mix(mixed)).into();
    } else {
        event.as_object_mut().expect("an event is an object").remove("target");
    }
    match day {
        2 => event["policy"] = json!({"name": "p", "result": "deny", "reason": label_of(number)}),
        _ if pick(5, 48) == 0 => event["data"] = Value::Null,
        _ => {}
    }
    event
}

fn label_of(number: u64) -> String {
    format!("rule {}: \"{}\"", number % 13, "~".repeat((number % 100) as usize))
}

/// Another number for each number.
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A file, and what the command said of it.
struct Export {
    path: PathBuf,
    rows: u64,
    copied_bytes: u64,
}

fn export(site: &Site, name: &str, flags: &[&[&str]]) -> Export {
    let path = site.folder().join(name);
    let arguments = ["export", "-o", name, "--json"];
    let said = site.run(arguments.iter().chain(flags.iter().copied().flatten())).ok().json();
    let number = |key: &str| said[key].as_u64().unwrap_or_else(|| panic!("no {key} in {said}"));
    assert_eq!(number("bytes"), path.metadata().expect("the export").len(), "{name}");
    let rows = footer(&path).metadata().file_metadata().num_rows();
    assert_eq!(i64::try_from(number("rows")), Ok(rows), "{name}");
    Export { rows: number("rows"), copied_bytes: number("copied_bytes"), path }
}

/// The footer of a file, with all indexes that it has to have.
fn footer(path: &Path) -> ArrowReaderMetadata {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let file = File::open(path).expect("a Parquet file");
    ArrowReaderMetadata::load(&file, options).expect("a Parquet file with indexes")
}

/// The row groups that were to be copied stand in the file byte for byte and in their order, and
/// they are all that was.
fn assert_copied(case: &Case, export: &Export, segments: &[PathBuf]) {
    let file = std::fs::read(&export.path).expect("the export");
    let footer_of_file = footer(&export.path);
    let names: Vec<&str> =
        footer_of_file.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let metadata = footer_of_file.metadata();
    let mut groups = 0..metadata.num_row_groups();
    let mut copied_bytes = 0;
    for &(day, group) in case.copied {
        let segment = std::fs::read(&segments[day]).expect("a segment");
        let wanted = pages(&segment, footer(&segments[day]).metadata(), group, &names);
        let found = groups.any(|group| pages(&file, metadata, group, &names) == wanted);
        assert!(found, "{}: row group {group} of day {day} was not copied", case.name);
        copied_bytes += wanted.iter().map(|pages| pages.len() as u64).sum::<u64>();
    }
    assert_eq!(export.copied_bytes, copied_bytes, "{}: bytes copied", case.name);
}

/// The pages of each of these columns of a row group.
fn pages<'a>(
    file: &'a [u8],
    footer: &ParquetMetaData,
    group: usize,
    names: &[&str],
) -> Vec<&'a [u8]> {
    let columns = footer.row_group(group).columns();
    let column = |name: &&str| {
        let mut columns = columns.iter();
        let column = columns.find(|column| column.column_descr().name() == *name);
        let (start, length) = column.expect("a column of events").byte_range();
        &file[start as usize..(start + length) as usize]
    };
    names.iter().map(column).collect()
}

/// Where the page index says that a row is, it is, and pages keep within their bounds.
fn assert_page_index(path: &Path) {
    let footer = footer(path);
    for group in 0..footer.metadata().num_row_groups() {
        let rows = usize::try_from(footer.metadata().row_group(group).num_rows());
        let rows = rows.expect("a number of rows");
        let all = read(path, &footer, group, RowSelection::from(vec![RowSelector::select(rows)]));
        assert_eq!(all.num_rows(), rows);
        let (from, count) = (rows - rows / 20, rows / 50);
        let few = vec![RowSelector::skip(from), RowSelector::select(count)];
        let few = read(path, &footer, group, RowSelection::from(few));
        assert!(few == all.slice(from, count), "{}: row group {group}", path.display());
        for name in all.schema().fields().iter().map(|field| field.name()) {
            let place = format!("{}: {name} of row group {group}", path.display());
            assert_pages(&place, &footer, group, name, &all);
        }
    }
}

fn read(
    path: &Path,
    footer: &ArrowReaderMetadata,
    group: usize,
    rows: RowSelection,
) -> RecordBatch {
    let file = File::open(path).expect("the export");
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.clone())
        .with_row_groups(vec![group])
        .with_batch_size(rows.row_count())
        .with_row_selection(rows);
    let mut batches = reader.build().expect("a reader");
    let batch = batches.next().expect("a batch").expect("rows");
    assert!(batches.next().is_none(), "rows that were not asked for");
    batch
}

/// Each page of a column has the bounds and the nulls that the index says.
fn assert_pages(
    place: &str,
    footer: &ArrowReaderMetadata,
    group: usize,
    name: &str,
    rows: &RecordBatch,
) {
    let (metadata, schema) = (footer.metadata(), footer.schema());
    let converter = StatisticsConverter::try_new(name, schema, footer.parquet_schema());
    let converter = converter.expect("a column with statistics");
    let (columns, offsets) = (metadata.column_index(), metadata.offset_index());
    let (columns, offsets) = columns.zip(offsets).expect("indexes of columns and offsets");
    let low = converter.data_page_mins(columns, offsets, [&group]).expect("least values");
    let high = converter.data_page_maxes(columns, offsets, [&group]).expect("greatest values");
    let nulls = converter.data_page_null_counts(columns, offsets, [&group]).expect("nulls");
    let counts = converter.data_page_row_counts(offsets, metadata.row_groups(), [&group]);
    let counts = counts.expect("rows of pages").expect("rows of pages");
    let values = rows.column_by_name(name).expect("a column of the file");
    let mut start = 0;
    for page in 0..counts.len() {
        let count = counts.value(page) as usize;
        let values = values.slice(start, count);
        assert_eq!(nulls.value(page), values.logical_null_count() as u64, "{place}: nulls");
        let (low, high) = (low.slice(page, 1), high.slice(page, 1));
        assert_bounds(&format!("{place}, page {page}"), &values, &low, &high);
        start += count;
    }
    assert_eq!(start, values.len(), "{place}: rows of pages");
}

fn assert_bounds(place: &str, values: &dyn Array, low: &dyn Array, high: &dyn Array) {
    let to = |kind: &DataType| {
        [values, low, high].map(|array| cast(array, kind).expect("a type it can have"))
    };
    if matches!(values.data_type(), DataType::UInt64 | DataType::Timestamp(..)) {
        let [values, low, high] = to(&DataType::Int64);
        let bounds = [&low, &high].map(|bound| bound.as_primitive::<Int64Type>().value(0));
        let values = values.as_primitive::<Int64Type>();
        assert_eq!([min(values), max(values)], bounds.map(Some), "{place}");
        return;
    }
    let [values, low, high] = to(&DataType::Utf8);
    let [values, low, high] = [&values, &low, &high].map(|array| array.as_string::<i32>());
    let (low, high) = (min_string(low), max_string(high));
    let (least, greatest) = (min_string(values), max_string(values));
    assert_eq!(low.is_some(), least.is_some(), "{place}");
    assert!(low <= least && greatest <= high, "{place}: {low:?} to {high:?} are no bounds");
    for (bound, value) in [(low, least), (high, greatest)] {
        let may_be_cut = value.is_some_and(|value| value.len() > EXACT_BYTES);
        assert!(bound == value || may_be_cut, "{place}: {bound:?} is not {value:?}");
    }
}

/// Compares pairs of files with other people's readers; the script fails where they differ.
fn compared(pairs: &Value) -> Value {
    let Some(python) = std::env::var_os("AUDITLAKE_TEST_PYTHON") else {
        panic!(
            "AUDITLAKE_TEST_PYTHON must name a Python with the packages of \
             tests/requirements.txt; `cargo xtask test` makes one and sets it"
        );
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/copied_parquet.py");
    let mut command = Command::new(python);
    let output = command.arg(script).arg(pairs.to_string()).output().expect("Python starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the script fails: {complaint}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
