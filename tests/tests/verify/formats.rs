//! Good exports: every format, compression and claim, as a file, a bundle and a folder.

use std::fs::File;
use std::io::Read;

use zip::ZipArchive;

use crate::{EVENTS, FAILED, GOOD, NOT_GOOD, exported, filled, told, verify};

#[test]
fn every_format_verifies_with_either_claim() {
    let site = filled();
    for name in [
        "e.ndjson",
        "e.ndjson.gz",
        "e.ndjson.zst",
        "e.json",
        "e.json.gz",
        "e.json.zst",
        "e.csv",
        "e.csv.gz",
        "e.csv.zst",
        "e.parquet",
    ] {
        for safe in ["true", "false"] {
            if safe == "false" && !name.starts_with("e.csv") {
                continue;
            }
            let flags = ["--csv-safe", safe, "--order", "desc", "--proof", "inclusion"];
            exported(&site, name, &flags);
            let said = verify(&site, name, &["--json"]).ok().json();
            assert_eq!(said["good"], true, "{said:#}");
            assert_eq!(said["claim"], "inclusion");
            assert_eq!(said["rows"], 2 * EVENTS);

            let flags = ["--csv-safe", safe, "--tenant-id", "acme", "--proof", "complete"];
            exported(&site, name, &flags);
            let ran = verify(&site, name, &[]).ok();
            let said = ran.text();
            assert!(said.starts_with("GOOD: nothing is wrong (900 events, "), "{said}");
            assert!(said.contains("every event of the tenant log of acme"), "{said}");
        }
    }
}

#[test]
fn what_a_filter_chooses_is_proved_to_be_of_the_log() {
    let site = filled();
    exported(&site, "some.csv", &["--actor-id", "u3,u7", "--proof", "inclusion"]);
    let ran = verify(&site, "some.csv", &[]).ok();
    assert!(ran.text().contains("claim: inclusion"), "{}", ran.text());
    assert!(ran.text().contains("That nothing was left out"), "{}", ran.text());
    exported(&site, "none.ndjson", &["--actor-id", "nobody", "--proof", "inclusion"]);
    assert_eq!(verify(&site, "none.ndjson", &["--json"]).ok().json()["rows"], 0);
    let flags = ["--tenant-id", "acme", "--seq-from", "17", "--seq-to", "412"];
    exported(&site, "range.ndjson", &[&flags[..], &["--proof", "complete"]].concat());
    assert_eq!(verify(&site, "range.ndjson", &["--json"]).ok().json()["rows"], 395);
}

#[test]
fn a_bundle_verifies_packed_and_unpacked() {
    let site = filled();
    for format in ["ndjson", "csv", "json", "parquet"] {
        let flags = ["--format", format, "--tenant-id", "globex+eu", "--proof", "complete"];
        let bundle = exported(&site, "bundle.zip", &flags);
        assert_eq!(verify(&site, "bundle.zip", &["--json"]).ok().json()["rows"], EVENTS);
        let folder = site.folder().join(format);
        std::fs::create_dir(&folder).unwrap();
        let mut archive = ZipArchive::new(File::open(bundle).unwrap()).unwrap();
        for index in 0..archive.len() {
            let mut member = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            let name = member.name().unwrap();
            std::fs::write(folder.join(&*name), bytes).unwrap();
        }
        assert_eq!(verify(&site, format, &["--json"]).ok().json()["rows"], EVENTS);
        std::fs::write(folder.join(format!("events.{format}")), b"{}\n").unwrap();
        told(&site, format, &[]);
    }
}

#[test]
fn keys_and_checkpoints_from_elsewhere_are_held_against_it() {
    let site = filled();
    exported(&site, "e.ndjson", &["--tenant-id", "acme", "--proof", "complete"]);
    let of_lake = site.run(["log", "keys"]).ok().text().trim().to_owned();
    let of_tenant = site.run(["log", "keys", "--tenant", "acme"]).ok().stdout;
    std::fs::write(site.folder().join("acme.key"), of_tenant).unwrap();
    for key in [of_lake.as_str(), "acme.key"] {
        let ran = verify(&site, "e.ndjson", &["--key", key]).ok();
        assert!(ran.text().contains("a key that you trust"), "{}", ran.text());
    }
    let of_other = site.run(["log", "keys", "--tenant", "globex+eu"]).ok().text().trim().to_owned();
    let said = told(&site, "e.ndjson", &["--key", &of_other]);
    assert_eq!(said["findings"][0]["kind"], "signature");

    let all = site.run(["log", "checkpoint"]).ok().stdout;
    std::fs::write(site.folder().join("kept.txt"), all).unwrap();
    let ran = verify(&site, "e.ndjson", &["--against", "kept.txt"]).ok();
    assert!(ran.text().contains("at the checkpoint that was kept elsewhere"), "{}", ran.text());
}

#[test]
fn what_cannot_be_verified_at_all_is_an_error_of_its_own() {
    let site = filled();
    exported(&site, "bare.ndjson", &[]);
    let said = verify(&site, "bare.ndjson", &[]).failed(FAILED);
    assert!(said.contains("bare.ndjson has no proof"), "{said}");
    let said = verify(&site, "nowhere.ndjson", &[]).failed(FAILED);
    assert!(said.contains("nowhere.ndjson"), "{said}");
    exported(&site, "e.ndjson", &["--proof", "inclusion"]);
    let said = verify(&site, "e.ndjson", &["--key", "no key"]).failed(FAILED);
    assert!(said.contains("--key no key"), "{said}");
    let said = verify(&site, "e.ndjson", &["--since", "3"]).failed(FAILED);
    assert!(said.contains("are for lakes"), "{said}");
    std::fs::rename(site.folder().join("e.ndjson.proof.json"), site.folder().join("p")).unwrap();
    assert_eq!(verify(&site, "e.ndjson", &["--proof", "p"]).code, GOOD);
    std::fs::write(site.folder().join("p"), "{\"proof_version\": 9}").unwrap();
    let said = verify(&site, "e.ndjson", &["--proof", "p"]).failed(FAILED);
    assert!(said.contains("proof_version is 9"), "{said}");
}

#[test]
fn the_exit_code_stays_when_nobody_reads_to_the_end() {
    let site = filled();
    let path = exported(&site, "e.ndjson", &["--proof", "inclusion"]);
    std::fs::write(path, "{}\n").unwrap();
    let mut command = site.command(["verify", "e.ndjson"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command.stdout(writer).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(NOT_GOOD));
}
