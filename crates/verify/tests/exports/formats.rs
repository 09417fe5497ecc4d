//! Every format in every form leads back to the same leaves.

use auditlake_export::{Compression, CsvOptions, Format, Options};
use auditlake_verify::{FindingKind, Trust, verify_export};
use tempfile::TempDir;

use crate::made::{Export, Log, one, write_zip};
use crate::{assert_good, of_kind, only};

fn every_form() -> Vec<Options> {
    let mut forms = Vec::new();
    for format in [Format::Ndjson, Format::Json, Format::Csv, Format::Parquet] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            for safe in [true, false] {
                let form = Options { format, compression, csv: CsvOptions { safe } };
                if form.check().is_ok() && (safe || format == Format::Csv) {
                    forms.push(form);
                }
            }
        }
    }
    forms
}

#[test]
fn whatever_the_format_the_events_are_those_of_the_log() {
    let (acme, globex) = (Log::new("acme", 700), Log::new("globex+eu", 300));
    let (some, more) = ([1..3, 250..520, 699..700], [0..1, 7..9]);
    for form in every_form() {
        let export = Export::of(&[(&acme, &some), (&globex, &more)], form);
        let verdict = export.verdict();
        assert_good(&verdict, 276);
        assert_eq!(verdict.bytes, export.data.len() as u64);
        assert!(verdict.proved[0].contains("276 events"), "{:?}", verdict.proved);
        assert!(verdict.proved[0].contains("acme, globex+eu"), "{:?}", verdict.proved);
        assert!(verdict.not_proved[0].contains("auditlake/test+"), "{:?}", verdict.not_proved);
    }
}

#[test]
fn files_without_events_are_good() {
    let log = Log::new("acme", 5);
    for form in every_form() {
        assert_good(&Export::of(&[(&log, &[])], form).verdict(), 0);
    }
}

#[test]
fn what_lies_in_an_archive_is_read_there() {
    let log = Log::new("acme", 3000);
    let folder = TempDir::new().unwrap();
    for form in every_form() {
        let export = Export::of(&[(&log, &one(0, 3000))], form);
        let path = folder.path().join("bundle.zip");
        write_zip(&path, &export.bundle(&export.manifest()));
        assert_good(&verify_export(&path, &Trust::default(), &|_| {}).unwrap(), 3000);
    }
}

#[test]
fn a_change_of_a_cell_is_told_in_every_format() {
    let (log, other) = (Log::new("acme", 600), Log::with_salt("acme", 600, 1));
    for form in every_form() {
        // The rows of another log in the same places, as a forger would write them.
        let good = Export::of(&[(&log, &one(100, 500))], form);
        let mut forged = Export::of(&[(&other, &one(100, 500))], form);
        forged.proof.logs = good.proof.logs;
        let verdict = forged.verdict();
        let changed = of_kind(&verdict, FindingKind::Changed);
        // Events without data are the same in both.
        assert_eq!(changed.len(), (100..500).filter(|seq| seq % 3 > 0).count());
        assert_eq!(changed.len(), verdict.findings.len(), "{:#?}", verdict.findings);
        assert_eq!((changed[0].seq, changed[0].id.as_deref()), (Some(100), Some("e100")));
        assert_eq!(changed[0].tenant_id.as_deref(), Some("acme"));
        let first = match form.format {
            Format::Csv | Format::Json => 2,
            Format::Ndjson | Format::Parquet => 1,
        };
        assert_eq!(changed[0].line, Some(first), "{form:?}");
        assert!(!verdict.proved.iter().any(|proved| proved.contains("unchanged")));
    }
}

#[test]
fn a_file_that_was_cut_off_is_told() {
    let log = Log::new("acme", 600);
    for form in every_form() {
        let mut export = Export::of(&[(&log, &one(0, 600))], form);
        export.data.truncate(export.data.len() * 2 / 3);
        export.fix();
        let verdict = export.verdict();
        assert!(!of_kind(&verdict, FindingKind::File).is_empty(), "{form:?}");
        let missing = only(&verdict, FindingKind::Missing);
        assert!(missing.detail.contains("to 599 are not in the files"), "{}", missing.detail);
        assert_eq!(of_kind(&verdict, FindingKind::Rows).len(), 1);
    }
}

#[test]
fn a_formula_that_lost_its_guard_is_told() {
    let log = Log::new("acme", 400);
    let mut export = Export::of(&[(&log, &one(0, 400))], Options::new(Format::Csv));
    let text = String::from_utf8(export.data.clone()).unwrap();
    let at = text.find(",'=1+1,").expect("a cell that is guarded");
    export.data.remove(at + 1);
    export.fix();
    let verdict = export.verdict();
    let finding = only(&verdict, FindingKind::Malformed);
    assert!(finding.detail.contains("formula"), "{}", finding.detail);
    assert!(finding.line.is_some());
}

#[test]
fn a_table_of_other_columns_is_no_export() {
    let log = Log::new("acme", 10);
    let mut export = Export::of(&[(&log, &one(0, 10))], Options::new(Format::Csv));
    let text = String::from_utf8(export.data.clone()).unwrap();
    export.data = text.replacen("tenant_id", "tenant", 1).into_bytes();
    export.fix();
    let verdict = export.verdict();
    let finding = only(&verdict, FindingKind::File);
    assert!(finding.detail.contains("first line"), "{}", finding.detail);

    let mut export = Export::of(&[(&log, &one(0, 10))], Options::new(Format::Csv));
    export.data = text.replace('\n', "\r\n").into_bytes();
    export.fix();
    let verdict = export.verdict();
    assert!(only(&verdict, FindingKind::File).detail.contains("CR LF"));

    let mut export = Export::of(&[(&log, &one(0, 10))], Options::new(Format::Parquet));
    export.data = b"PAR1 and nothing that is Parquet PAR1".to_vec();
    export.fix();
    assert_eq!(of_kind(&export.verdict(), FindingKind::File).len(), 1);
}

#[test]
fn damage_anywhere_in_a_table_never_ends_without_a_verdict() {
    let log = Log::new("acme", 300);
    let good = Export::of(&[(&log, &one(0, 300))], Options::new(Format::Parquet));
    let step = good.data.len() / 97;
    for at in (4..good.data.len()).step_by(step) {
        let mut export = good.clone();
        export.data[at] ^= 0x55;
        let verdict = export.verdict();
        assert!(!of_kind(&verdict, FindingKind::File).is_empty(), "byte {at}");
    }
}
