//! The page in an evidence bundle, in a real browser without a network: it finds good bundles
//! good, names what is wrong with forged ones, and says what it cannot check.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use auditlake_export::Archive;
use auditlake_export::bundle::{HTML, KEYS};
use auditlake_export::manifest::Manifest;
use auditlake_export::proof::{PROOF, Proof};
use auditlake_tests::Site;
use auditlake_tlog::{Algorithm, SigningKey, VerifierKey};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

const MANIFEST: &str = "manifest.json";
const EVENTS: usize = 1000;

/// A visit of the page, and what has to come of it.
struct Case {
    name: String,
    files: Vec<PathBuf>,
    key: String,
    wanted: &'static str,
    /// What the page has to say.
    says: Vec<String>,
}

impl Case {
    fn new(name: &str, file: PathBuf, wanted: &'static str, says: &[&str]) -> Self {
        let says = says.iter().map(|text| (*text).to_owned()).collect();
        let (name, key) = (name.to_owned(), String::new());
        Self { name, files: vec![file], key, wanted, says }
    }
}

/// A bundle in memory: its files by name.
#[derive(Clone)]
struct Bundle(BTreeMap<String, Vec<u8>>);

impl Bundle {
    fn read(path: &Path) -> Self {
        let file = File::open(path).expect("a bundle");
        let mut archive = ZipArchive::new(file).expect("a zip file");
        let mut files = BTreeMap::new();
        for index in 0..archive.len() {
            let mut member = archive.by_index(index).expect("a member");
            let name = member.name().expect("its name").into_owned();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).expect("its bytes");
            files.insert(name, bytes);
        }
        Self(files)
    }

    fn write(&self, path: &Path) {
        let mut archive = Archive::new(File::create(path).expect("a file"));
        for (name, bytes) in &self.0 {
            archive.begin(name).expect("a member begins");
            archive.write(bytes).expect("its bytes");
        }
        archive.finish().expect("the directory is written");
    }

    fn proof(&self) -> Proof {
        Proof::from_json(&self.0[PROOF]).expect("a proof")
    }

    fn manifest(&self) -> Manifest {
        serde_json::from_slice(&self.0[MANIFEST]).expect("a manifest")
    }

    fn set_proof(&mut self, proof: &Proof) {
        self.0.insert(PROOF.to_owned(), proof.to_json());
    }

    /// The text of the file of data.
    fn data(&self) -> String {
        let packed = &self.0[&self.manifest().files[0].name];
        let mut text = String::new();
        match self.manifest().compression.as_str() {
            "gzip" => {
                MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("gzip")
            }
            _ => packed.as_slice().read_to_string(&mut text).expect("text"),
        };
        text
    }

    /// Puts other data in, as somebody who knows about digests.
    fn set_data(&mut self, text: &str) {
        let (mut manifest, mut proof) = (self.manifest(), self.proof());
        let bytes = if manifest.compression == "gzip" {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(text.as_bytes()).expect("memory takes bytes");
            packer.finish().expect("memory takes bytes")
        } else {
            text.as_bytes().to_vec()
        };
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        let file = &mut manifest.files[0];
        (file.bytes, file.sha256) = (bytes.len() as u64, sha256.clone());
        manifest.bytes = bytes.len() as u64;
        proof.files[0].sha256 = sha256;
        self.0.insert(manifest.files[0].name.clone(), bytes);
        self.0.insert(MANIFEST.to_owned(), serde_json::to_vec(&manifest).expect("JSON"));
        self.set_proof(&proof);
    }
}

/// A lake of two tenants, with all that is awkward in a cell. The lines of the first rows have no
/// line end of their own.
fn lake() -> Site {
    let site = Site::new();
    let mut lines = String::new();
    for number in 0..EVENTS {
        let said = ["=1+2", "she said \"no\", twice", "naïve 日本語 🦀", "a\\b", "", "'=x"];
        let label = if number % 50 == 49 { "two\nlines" } else { said[number % said.len()] };
        let mut event = json!({
            "id": format!("e{number}"), "type": "user.signed_in",
            "occurred_at": format!("2026-03-01T{:02}:{:02}:00Z", number / 60, number % 60),
            "tenant_id": if number % 4 == 3 { "globex" } else { "acme" },
            "actor": {"id": format!("u{}", number % 7), "label": label},
            "reason": format!("reason-{number}"),
        });
        if number % 3 == 0 {
            event["data"] = json!({"n": number, "said": label, "in": [{}, null, 1.5]});
        }
        lines += &format!("{event}\n");
    }
    let ran = site.run_with(["import", "-", "--json"], lines.as_bytes()).ok();
    assert_eq!(ran.json()["accepted"], EVENTS);
    site
}

fn export(site: &Site, name: &str, flags: &[&str]) -> PathBuf {
    let _ = site.run(["export", "-o", name].iter().chain(flags)).ok();
    site.folder().join(name)
}

/// A bundle of this format with everything of one tenant, and its forgeries.
fn forged(site: &Site, format: &str, compression: &str, cases: &mut Vec<Case>) {
    let name = |what: &str| format!("{format}_{compression}_{what}");
    let whole = ["--tenant-id", "acme", "--proof", "complete", "--compression", compression];
    let zip = format!("{}.zip", name("good"));
    let good = export(site, &zip, &[&whole[..], &["--format", format]].concat());
    let told = ["Here is every event of the log of acme", "750 events, nothing left out"];
    cases.push(Case::new(&name("good"), good.clone(), "good", &told));

    let bundle = Bundle::read(&good);
    let text = bundle.data();
    let mut forge = |what: &str, says: &[&str], edit: &dyn Fn(&mut Bundle)| {
        let mut forged = bundle.clone();
        edit(&mut forged);
        let path = site.folder().join(format!("{}.zip", name(what)));
        forged.write(&path);
        cases.push(Case::new(&name(what), path, "bad", says));
    };
    let changed = text.replacen("reason-5", "reason-6", 1);
    assert!(changed != text);
    forge("row_changed", &["id e5", "it was changed"], &|bundle| bundle.set_data(&changed));

    // The second event, with its line; the array keeps the commas between the others.
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let removed = lines.remove(if format == "ndjson" { 1 } else { 2 });
    assert!(removed.contains("reason-1,") || removed.contains("\"reason-1\""), "{removed}");
    let short = lines.concat();
    forge("row_deleted", &["seq 1: this event is missing", "749 rows"], &|bundle| {
        bundle.set_data(&short);
    });
    // Also with the counts put right.
    forge("row_deleted_and_counts", &["differ in their rows"], &|bundle| {
        bundle.set_data(&short);
        let mut proof = bundle.proof();
        proof.files[0].rows -= 1;
        bundle.set_proof(&proof);
    });
    let doubled = text.replacen(removed, &removed.repeat(2), 1);
    forge("row_doubled", &["id e1", "an event with this seq"], &|bundle| {
        bundle.set_data(&doubled);
    });
    forge("cut_off", &["is cut off"], &|bundle| bundle.set_data(&text[..text.len() - 3]));
    forge("byte_changed", &["its bytes were changed"], &|bundle| {
        let name = bundle.manifest().files[0].name.clone();
        let bytes = bundle.0.get_mut(&name).expect("the data");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
}

/// What can be wrong with an export that claims only inclusion.
fn filtered(site: &Site, cases: &mut Vec<Case>) {
    let flags = ["--actor-id", "u0", "--proof", "inclusion"];
    let good = export(site, "filtered.zip", &flags);
    let told = [
        "Each of the 107 events of acme here is an event of its log, unchanged",
        "Each of the 36 events of globex",
        "That nothing was left out",
        "it came with the bundle",
    ];
    cases.push(Case::new("filtered", good.clone(), "good", &told));

    let bundle = Bundle::read(&good);
    let keys = String::from_utf8(bundle.0[KEYS].clone()).expect("keys are text");
    let mut given = Case::new("key_given", good.clone(), "good", &["with the key that you gave"]);
    given.key = keys;
    cases.push(given);
    let other = SigningKey::from_seed([7; 32]).verifier("auditlake/other").expect("a key");
    let mut wrong = Case::new("other_key", good.clone(), "bad", &["not signed with the key"]);
    wrong.key = other.to_string();
    cases.push(wrong);

    let public = SigningKey::from_seed([9; 32]).public();
    let witness = VerifierKey::new("wit.example", Algorithm::Cosignature, public).expect("a key");
    let told = ["the witness wit.example has not signed it"];
    let mut unseen = Case::new("witness_only", good.clone(), "bad", &told);
    unseen.key = witness.to_string();
    cases.push(unseen);

    let mut forge = |name: &str, says: &str, edit: &dyn Fn(&mut Proof)| {
        let (mut forged, mut proof) = (bundle.clone(), bundle.proof());
        edit(&mut proof);
        forged.set_proof(&proof);
        let path = site.folder().join(format!("{name}.zip"));
        forged.write(&path);
        cases.push(Case::new(name, path, "bad", &[says]));
    };
    forge("node_changed", "do not lead to the root", &|proof| {
        let swapped = if proof.logs[0].nodes.starts_with('A') { "B" } else { "A" };
        proof.logs[0].nodes.replace_range(..1, swapped);
    });
    forge("version", "proof_version is 2", &|proof| proof.proof_version = 2);
    forge("size_changed", "forged or damaged", &|proof| {
        let mut logs = proof.logs.iter_mut();
        let log = logs.find(|log| log.tenant_id == "acme").expect("the log of acme");
        log.checkpoint = log.checkpoint.replacen("\n750\n", "\n751\n", 1);
    });
    forge("endless", "differ", &|proof| proof.logs[0].ranges = vec![(0, 1 << 52)]);

    let unpacked = site.folder().join("unpacked");
    std::fs::create_dir(&unpacked).expect("a folder");
    let mut folder = Case::new("folder", PathBuf::new(), "good", &[]);
    folder.files.clear();
    for (name, bytes) in &bundle.0 {
        let path = unpacked.join(name);
        std::fs::write(&path, bytes).expect("a file");
        folder.files.push(path);
    }
    cases.push(folder);

    let whole = std::fs::read(&good).expect("the bundle");
    damaged(site, &whole, cases);
}

/// Archives that are not what their end says.
fn damaged(site: &Site, whole: &[u8], cases: &mut Vec<Case>) {
    // A file that is in no directory: whoever unpacks a stream gets it.
    let start = u32::from_le_bytes(whole[whole.len() - 6..whole.len() - 2].try_into().expect("4"));
    let hidden = [b"PK\x03\x04\x14\0".as_slice(), &[0; 20], &[1, 0, 0, 0], b"x"].concat();
    let mut with = whole.to_vec();
    let at = with.len() - 6;
    let moved = start + u32::try_from(hidden.len()).expect("a few bytes");
    with[at..at + 4].copy_from_slice(&moved.to_le_bytes());
    let (files, directory) = with.split_at(start as usize);
    let path = site.folder().join("hidden.zip");
    std::fs::write(&path, [files, hidden.as_slice(), directory].concat()).expect("a file");
    cases.push(Case::new("hidden", path, "bad", &["something that is not in its directory"]));

    let torn = site.folder().join("torn.zip");
    std::fs::write(&torn, &whole[..whole.len() - 30]).expect("a file");
    cases.push(Case::new("torn", torn, "bad", &["no zip file, or it was cut off"]));
}

#[test]
fn the_page_tells_good_bundles_from_forged_ones() {
    let site = lake();
    let mut cases = Vec::new();
    for (format, compression) in
        [("ndjson", "none"), ("ndjson", "gzip"), ("csv", "none"), ("csv", "gzip"), ("json", "none")]
    {
        forged(&site, format, compression, &mut cases);
    }
    filtered(&site, &mut cases);
    let plain = ["--tenant-id", "acme", "--proof", "complete", "--csv-safe", "false"];
    let unguarded = export(&site, "unguarded.zip", &[&plain[..], &["--format", "csv"]].concat());
    cases.push(Case::new("unguarded", unguarded, "good", &[]));
    for (name, flags) in [
        ("parquet", ["--format", "parquet", "--compression", "none"]),
        ("zstd", ["--format", "ndjson", "--compression", "zstd"]),
    ] {
        let flags = [&flags[..], &["--tenant-id", "acme", "--proof", "complete"]].concat();
        let path = export(&site, &format!("{name}.zip"), &flags);
        cases.push(Case::new(name, path, "incomplete", &["were not checked", "is signed"]));
    }

    // One file with its proof, sent under another name.
    let sent = export(&site, "sent.ndjson", &["--tenant-id", "acme", "--proof", "complete"]);
    let told = ["750 events, nothing left out"];
    let mut renamed = Case::new("renamed", PathBuf::new(), "good", &told);
    renamed.files.clear();
    for ending in ["", ".proof.json"] {
        let to = site.folder().join(format!("got.ndjson{ending}"));
        let from = sent.with_file_name(format!("sent.ndjson{ending}"));
        std::fs::rename(from, &to).expect("a file");
        renamed.files.push(to);
    }
    cases.push(renamed);

    let page = site.folder().join(HTML);
    let bundle = Bundle::read(&site.folder().join("filtered.zip"));
    std::fs::write(&page, &bundle.0[HTML]).expect("the page");
    let told = visited(&site, &page, &cases);
    assert_eq!(told.len(), cases.len());
    for (case, told) in cases.iter().zip(&told) {
        let text = told["text"].as_str().expect("what the page says");
        assert_eq!(told["verdict"], case.wanted, "{}: {text}", case.name);
        for said in &case.says {
            assert!(text.contains(said), "{} does not say {said:?}: {text}", case.name);
        }
        let headline = told["headline"].as_str().expect("a headline");
        assert_eq!(told["status"], format!("Done. {headline}."), "{}", case.name);
    }
}

/// What the page said in each case.
fn visited(site: &Site, page: &Path, cases: &[Case]) -> Vec<Value> {
    let python = std::env::var_os("AUDITLAKE_TEST_PYTHON")
        .expect("AUDITLAKE_TEST_PYTHON names a Python with playwright; `cargo xtask test` sets it");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/html_verifier.py");
    let visits: Vec<Value> = cases
        .iter()
        .zip(0..)
        .map(|(case, number)| {
            let dark = number % 2 == 1;
            json!({"name": case.name, "files": case.files, "key": case.key, "dark": dark})
        })
        .collect();
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html_verifier");
    let order = json!({"page": page, "screenshots": screenshots, "cases": visits});
    let path = site.folder().join("visits.json");
    std::fs::write(&path, order.to_string()).expect("a file");
    let output = Command::new(python).arg(script).arg(&path).output().expect("Python starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the script fails: {complaint}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
