//! CSV for any text: it equals crate `csv`, and reading it back gives the original.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod batches;

use arrow::array::RecordBatch;
use auditlake_export::{CsvOptions, Format, Options, unguard};
use batches::{batch, dict, encode, text};
use proptest::prelude::*;

type Cells = Vec<Option<String>>;

/// Text made of what CSV and spreadsheets trip over, and of anything.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "'",
            "\"",
            ",",
            "\n",
            "\r",
            "\t",
            "=",
            "+",
            "-",
            "@",
            "＝",
            "＋",
            "－",
            "＠",
            " ",
            "\0",
            "a",
            "long enough to be searched rather than looped over, which is another path, ",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn column() -> impl Strategy<Value = Cells> {
    prop::collection::vec(prop::option::weighted(0.8, awkward()), 1..20)
}

fn borrowed(cells: &Cells) -> Vec<Option<&str>> {
    cells.iter().map(Option::as_deref).collect()
}

fn both(cells: &Cells) -> RecordBatch {
    batch(&[("type", dict(&borrowed(cells))), ("reason", text(&borrowed(cells)))])
}

fn csv(safe: bool) -> Options {
    Options { csv: CsvOptions { safe }, ..Options::new(Format::Csv) }
}

proptest! {
    #[test]
    fn reading_back_gives_the_cells(cells in column(), safe: bool) {
        let (bytes, _) = encode(&[both(&cells)], csv(safe));
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes.as_slice());
        let mut rows = 0;
        for (record, wanted) in reader.records().zip(&cells) {
            let record = record.unwrap();
            let wanted = wanted.as_deref().unwrap_or("");
            for cell in &record {
                prop_assert_eq!(if safe { unguard(cell) } else { cell }, wanted);
            }
            prop_assert_eq!(record.len(), 2);
            rows += 1;
        }
        prop_assert_eq!(rows, cells.len());
    }

    #[test]
    fn without_guard_it_is_what_crate_csv_writes(cells in column()) {
        // Crate csv does not tell an empty string from a null.
        let cells: Cells =
            cells.into_iter().map(|cell| cell.filter(|text| !text.is_empty())).collect();
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record(["type", "reason"]).unwrap();
        for cell in &cells {
            let cell = cell.as_deref().unwrap_or("");
            writer.write_record([cell, cell]).unwrap();
        }
        prop_assert_eq!(encode(&[both(&cells)], csv(false)).0, writer.into_inner().unwrap());
    }

    #[test]
    fn slicing_changes_nothing(cells in column(), at in any::<prop::sample::Index>()) {
        let whole = both(&cells);
        let at = at.index(cells.len() + 1);
        let parts = [whole.slice(0, at), whole.slice(at, cells.len() - at)];
        prop_assert_eq!(encode(&parts, csv(true)).0, encode(&[whole], csv(true)).0);
    }

    #[test]
    fn a_guard_comes_off_only_where_it_was_put(text in awkward()) {
        let guarded = format!("'{text}");
        let (bytes, _) = encode(&[batch(&[("reason", batches::text(&[Some(&text)]))])], csv(true));
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes.as_slice());
        let record = reader.records().next().unwrap().unwrap();
        prop_assert!(record[0] == text || record[0] == guarded);
        prop_assert_eq!(unguard(&record[0]), text);
    }
}
