//! Where exports lie: as a file with its proof, as a folder, as an archive.

use std::path::{Path, PathBuf};

use auditlake_export::manifest::Manifest;
use auditlake_verify::{
    FindingKind, Trust, Verdict, VerifyError, verify_export, verify_export_with,
};
use tempfile::TempDir;

use crate::made::{Export, Log, one, write_zip};
use crate::{assert_good, of_kind, only};

fn export() -> Export {
    Export::lines(&[(&Log::new("acme", 500), &one(100, 400))])
}

fn check(path: &Path) -> Result<Verdict, VerifyError> {
    verify_export(path, &Trust::default(), &|_| {})
}

/// A bundle of these files, as an archive and as a folder.
fn written(folder: &Path, files: &[(String, Vec<u8>)]) -> [PathBuf; 2] {
    let (archive, unpacked) = (folder.join("bundle.zip"), folder.join("bundle"));
    write_zip(&archive, files);
    let _ = std::fs::remove_dir_all(&unpacked);
    std::fs::create_dir(&unpacked).unwrap();
    for (name, bytes) in files {
        std::fs::write(unpacked.join(name), bytes).unwrap();
    }
    [archive, unpacked]
}

/// The verdicts on a bundle after a change, of the archive and of the folder.
fn verdicts(change: impl FnOnce(&mut Export, &mut Manifest)) -> [Verdict; 2] {
    let mut export = export();
    let mut manifest = export.manifest();
    change(&mut export, &mut manifest);
    let folder = TempDir::new().unwrap();
    written(folder.path(), &export.bundle(&manifest)).map(|path| check(&path).unwrap())
}

#[test]
fn an_archive_a_folder_and_a_file_in_it_are_the_same() {
    let folder = TempDir::new().unwrap();
    let export = export();
    let [archive, unpacked] = written(folder.path(), &export.bundle(&export.manifest()));
    for path in [archive, unpacked.clone(), unpacked.join("events.ndjson")] {
        assert_good(&check(&path).unwrap(), 300);
    }
    let error = check(&unpacked.join("README.txt")).unwrap_err();
    assert!(error.to_string().contains("README.txt is none of the files"), "{error}");
}

#[test]
fn a_file_may_have_got_another_name() {
    let folder = TempDir::new().unwrap();
    let export = export();
    let path = export.write(folder.path());
    let (moved, proof) = (folder.path().join("for Ann.ndjson"), folder.path().join("a proof"));
    std::fs::rename(&path, &moved).unwrap();
    std::fs::rename(folder.path().join("events.ndjson.proof.json"), &proof).unwrap();
    let verdict = verify_export_with(&moved, &proof, &Trust::default(), &|_| {}).unwrap();
    assert_good(&verdict, 300);
    let error = check(&moved).unwrap_err();
    assert!(matches!(error, VerifyError::NoProof { .. }), "{error}");
    assert!(matches!(check(&path).unwrap_err(), VerifyError::Io { .. }));
}

#[test]
fn progress_adds_up_to_the_events() {
    let folder = TempDir::new().unwrap();
    let seen = std::cell::Cell::new(0);
    let path = export().write(folder.path());
    verify_export(&path, &Trust::default(), &|more| seen.set(seen.get() + more)).unwrap();
    assert_eq!(seen.get(), 300);
}

#[test]
fn a_manifest_that_says_something_else_is_told() {
    type Change = fn(&mut Manifest);
    let changes: [(&str, Change); 7] = [
        ("number of rows", |manifest| manifest.rows = 299),
        ("299 rows", |manifest| manifest.files[0].rows = 299),
        ("SHA-256 00", |manifest| manifest.files[0].sha256 = "00".repeat(32)),
        ("events.csv", |manifest| manifest.files[0].name = "events.csv".to_owned()),
        ("claim", |manifest| manifest.proof = None),
        ("format", |manifest| manifest.format = "csv".to_owned()),
        ("number of files", |manifest| manifest.files.clear()),
    ];
    for (named, change) in changes {
        for verdict in verdicts(|_, manifest| change(manifest)) {
            let findings = of_kind(&verdict, FindingKind::Manifest);
            let told = findings.iter().find(|finding| finding.detail.contains(named));
            assert!(told.is_some(), "{named} in {:#?}", verdict.findings);
            assert_eq!(told.unwrap().file.as_deref(), Some("manifest.json"));
        }
    }
    for verdict in verdicts(|_, manifest| manifest.files[0].bytes += 1) {
        assert!(only(&verdict, FindingKind::File).detail.contains("bytes"));
    }
}

#[test]
fn files_that_are_not_those_of_the_proof_are_told() {
    for verdict in verdicts(|export, _| export.data.extend_from_slice(b" ")) {
        let files = of_kind(&verdict, FindingKind::File);
        assert!(files.iter().any(|finding| finding.detail.contains("SHA-256")), "{files:#?}");
    }
    for name in ["../events.ndjson", "a/b", "", "..", "c:events"] {
        let mut export = export();
        let manifest = export.manifest();
        let mut files = export.bundle(&manifest);
        export.proof.files[0].name = name.to_owned();
        files.retain(|(name, _)| name != "proof.json");
        files.push(("proof.json".to_owned(), export.proof.to_json()));
        let folder = TempDir::new().unwrap();
        for path in written(folder.path(), &files) {
            let verdict = check(&path).unwrap();
            assert!(only(&verdict, FindingKind::Proof).detail.contains("no name of a file"));
        }
    }
}

#[test]
fn what_was_removed_or_added_is_told() {
    let export = export();
    let folder = TempDir::new().unwrap();
    let mut files = export.bundle(&export.manifest());
    files.push(("more.ndjson".to_owned(), b"{}\n".to_vec()));
    let [archive, unpacked] = written(folder.path(), &files);
    let verdict = check(&archive).unwrap();
    assert_eq!(only(&verdict, FindingKind::File).file.as_deref(), Some("more.ndjson"));
    // In a folder there may be files of others.
    let verdict = check(&unpacked).unwrap();
    assert_good(&verdict, 300);
    assert!(verdict.not_proved.iter().any(|said| said.contains("more.ndjson")));

    files.retain(|(name, _)| name != "events.ndjson" && name != "more.ndjson");
    for path in written(folder.path(), &files) {
        let verdict = check(&path).unwrap();
        let finding = only(&verdict, FindingKind::File);
        assert_eq!(finding.file.as_deref(), Some("events.ndjson"));
        assert!(finding.detail.contains("not there"), "{}", finding.detail);
    }
    files.retain(|(name, _)| name != "proof.json");
    for path in written(folder.path(), &files) {
        assert!(matches!(check(&path).unwrap_err(), VerifyError::NoProof { .. }));
    }
}

#[test]
fn keys_and_checkpoints_for_people_are_those_of_the_proof() {
    let export = export();
    let folder = TempDir::new().unwrap();
    for name in ["public-key.txt", "checkpoint.txt"] {
        let mut files = export.bundle(&export.manifest());
        let file = files.iter_mut().find(|(is, _)| is == name).unwrap();
        file.1.push(b'x');
        for path in written(folder.path(), &files) {
            let verdict = check(&path).unwrap();
            assert_eq!(only(&verdict, FindingKind::Manifest).file.as_deref(), Some(name));
        }
    }
}

#[test]
fn an_archive_that_cannot_be_read_is_an_error() {
    let folder = TempDir::new().unwrap();
    let export = export();
    let [archive, _] = written(folder.path(), &export.bundle(&export.manifest()));
    let bytes = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(check(&archive).unwrap_err(), VerifyError::Archive { .. }));
    let missing = folder.path().join("nothing.zip");
    assert!(matches!(check(&missing).unwrap_err(), VerifyError::Io { .. }));
}
