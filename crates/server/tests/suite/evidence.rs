//! Evidence bundles as an auditor gets them: read back from the zip, and checked with nothing but
//! what is in them.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use auditlake_export::manifest::Manifest;
use auditlake_export::proof::{Proof, ProofLog};
use auditlake_tlog::{Checkpoint, Leaves, MultiProof, Note, VerifierKey, leaf_hash};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a bundle has beside its data.
pub(crate) const PAPERS: [&str; 6] = [
    "README.txt",
    "checkpoint.txt",
    "manifest.json",
    "proof.json",
    "public-key.txt",
    "verify.html",
];

pub(crate) struct Bundle {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) manifest: Manifest,
    pub(crate) proof: Proof,
}

impl Bundle {
    /// Reads a bundle; expects that its files are those that manifest and proof name.
    pub(crate) fn read(zip: &[u8]) -> Self {
        let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        let mut files = BTreeMap::new();
        for place in 0..archive.len() {
            let mut file = archive.by_index(place).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            let name = file.name().unwrap().into_owned();
            assert!(files.insert(name.clone(), bytes).is_none(), "{name} is there twice");
        }
        let manifest: Manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let proof = Proof::from_json(&files["proof.json"]).unwrap();
        let bundle = Self { files, manifest, proof };
        bundle.check_names_and_digests();
        bundle
    }

    fn check_names_and_digests(&self) {
        let Self { files, manifest, proof } = self;
        let mut wanted: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        wanted.extend(PAPERS);
        wanted.sort_unstable();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, wanted);
        assert_eq!(manifest.files.len(), proof.files.len());
        for (told, proved) in manifest.files.iter().zip(&proof.files) {
            let bytes = &files[&told.name];
            assert_eq!(told.sha256, format!("{:x}", Sha256::digest(bytes)), "{}", told.name);
            assert_eq!(told.bytes, bytes.len() as u64);
            assert_eq!((&told.name, told.rows), (&proved.name, proved.rows));
            assert_eq!(told.sha256, proved.sha256);
        }
        assert_eq!(manifest.rows, manifest.files.iter().map(|file| file.rows).sum::<u64>());
        let said = manifest.proof.as_ref().unwrap();
        assert_eq!((&said.file, &said.statement), (&"proof.json".to_owned(), &proof.statement));
        assert_eq!(said.claim, proof.claim.to_string());
        assert_eq!((&manifest.format, &manifest.compression), (&proof.format, &proof.compression));
        assert_eq!(manifest.csv_safe, proof.csv_safe);
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.files[name]).unwrap()
    }

    /// The lines of all data files, which are NDJSON.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.manifest.files.iter().flat_map(|file| self.text(&file.name).lines()).collect()
    }

    /// Expects that the lines lead to the signed checkpoints; answers the tenants.
    pub(crate) fn check_lines(&self) -> Vec<String> {
        let mut of_tenants: BTreeMap<String, Leaves> = BTreeMap::new();
        for line in self.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let tenant = event["tenant_id"].as_str().unwrap().to_owned();
            let leaves = of_tenants.entry(tenant).or_default();
            assert!(leaves.insert(event["seq"].as_u64().unwrap(), leaf_hash(line.as_bytes())));
        }
        for log in &self.proof.logs {
            let leaves = of_tenants.remove(&log.tenant_id).unwrap_or_default();
            check_log(log, leaves);
        }
        assert!(of_tenants.is_empty(), "events of logs that are not proved: {of_tenants:?}");
        self.proof.logs.iter().map(|log| log.tenant_id.clone()).collect()
    }
}

/// Expects that these leaves, those of the neighbours aside, are what the proof is over.
fn check_log(log: &ProofLog, mut leaves: Leaves) {
    assert_eq!(leaves.len(), log.rows);
    let told: Vec<_> = log.ranges.iter().map(|(from, to)| *from..*to).collect();
    assert_eq!(leaves.ranges(), told);
    if let Some(complete) = &log.complete {
        assert_eq!(complete.to - complete.from, log.rows);
        if let Some(line) = &complete.before {
            assert!(leaves.insert(complete.from - 1, leaf_hash(line.as_bytes())));
        }
        if let Some(line) = &complete.after {
            assert!(leaves.insert(complete.to, leaf_hash(line.as_bytes())));
        }
    }
    let note = Note::parse(&log.checkpoint).unwrap();
    let key: VerifierKey = log.keys.last().unwrap().parse().unwrap();
    key.verify(&note).unwrap();
    let head = Checkpoint::parse(&note.text).unwrap();
    assert_eq!(head.origin, key.name);
    let nodes = log.node_hashes().unwrap();
    let proof = MultiProof { size: head.size, ranges: leaves.ranges(), nodes };
    assert_eq!(proof.roots(&leaves, &[]).unwrap().root, head.root);
    assert_eq!(log.hints().unwrap().len() as u64, log.rows);
}
