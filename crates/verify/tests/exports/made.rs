//! Logs and exports made by hand, with everything in them that a forger could wish to change.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array, new_null_array,
};
use arrow::compute::{cast, concat_batches};
use auditlake_export::manifest::{
    MANIFEST_VERSION, Manifest, ManifestFile, ManifestProof, Requester, SnapshotPoint,
};
use auditlake_export::proof::{PROOF, PROOF_VERSION, Proof, ProofComplete, ProofFile, ProofLog};
use auditlake_export::{Archive, Encoder, Format, Options, bundle};
use auditlake_model::claim::Claim;
use auditlake_model::columns::{COLUMNS, Kind, at, schema};
use auditlake_model::line::LineWriter;
use auditlake_model::time::format_rfc3339;
use auditlake_testkit::generated::SPECIAL_TEXTS;
use auditlake_tlog::{
    Checkpoint, CompactRange, Hash, Note, SigningKey, VerifierKey, leaf_hash, multi, origin_of,
};
use auditlake_verify::{Trust, Verdict, VerifyError, verify_export};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) const LAKE: &str = "auditlake/test";
/// 2026-03-01T10:00:00Z
const START_US: i64 = 1_772_359_200_000_000;

/// A tenant's log of which everything is known.
pub(crate) struct Log {
    pub(crate) tenant: String,
    pub(crate) events: RecordBatch,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) key: SigningKey,
}

/// When the event at a position was recorded: two by two at the same time.
pub(crate) fn recorded_at(seq: u64) -> String {
    format_rfc3339(recorded_us(seq))
}

fn recorded_us(seq: u64) -> i64 {
    START_US + i64::try_from(seq / 2).unwrap() * 1_000_000
}

impl Log {
    pub(crate) fn new(tenant: &str, count: u64) -> Self {
        Self::with_salt(tenant, count, 0)
    }

    /// With another salt the events are others, in the same places.
    pub(crate) fn with_salt(tenant: &str, count: u64, salt: u64) -> Self {
        let columns = (0..COLUMNS.len()).map(|place| column(place, tenant, count, salt));
        let events = RecordBatch::try_new(schema(), columns.collect()).unwrap();
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        LineWriter::new(&schema()).unwrap().write_each(&events, &mut text, &mut ends);
        let mut start = 0;
        let line = |end: usize| {
            let line = text[start..end - 1].to_vec();
            start = end;
            line
        };
        let lines = ends.into_iter().map(line).collect();
        Self { tenant: tenant.to_owned(), events, lines, key: SigningKey::from_seed([7; 32]) }
    }

    pub(crate) fn origin(&self) -> String {
        origin_of(LAKE, &self.tenant)
    }

    pub(crate) fn size(&self) -> u64 {
        self.lines.len() as u64
    }

    pub(crate) fn verifier(&self) -> VerifierKey {
        self.key.verifier(&self.origin()).unwrap()
    }

    /// The checkpoint when it had so many events.
    pub(crate) fn checkpoint(&self, size: u64) -> Note {
        let root = self.hash(0..size);
        let origin = self.origin();
        let checkpoint = Checkpoint { origin: origin.clone(), size, root, extensions: Vec::new() };
        let text = checkpoint.to_string();
        let signature = self.key.sign(&origin, &text).unwrap();
        Note { text, signatures: vec![signature] }
    }

    fn hash(&self, leaves: Range<u64>) -> Hash {
        let mut tree = CompactRange::default();
        for seq in leaves {
            tree.append(leaf_hash(self.line(seq).as_bytes()));
        }
        tree.root()
    }

    pub(crate) fn line(&self, seq: u64) -> &str {
        std::str::from_utf8(&self.lines[usize::try_from(seq).unwrap()]).unwrap()
    }

    /// The proof of events at these positions, and of the neighbours of what is complete.
    pub(crate) fn proof(
        &self,
        exported: &[Range<u64>],
        complete: Option<ProofComplete>,
    ) -> ProofLog {
        let mut union = exported.to_vec();
        if let Some(complete) = &complete {
            let before = u64::from(complete.before.is_some());
            let after = u64::from(complete.after.is_some());
            let range = complete.from - before..complete.to + after;
            union = if range.is_empty() { Vec::new() } else { vec![range] };
        }
        let wanted = multi::wanted(self.size(), &union).unwrap();
        let nodes: Vec<Hash> = wanted.iter().map(|node| self.hash(node.leaves())).collect();
        let hint = |seq: u64| leaf_hash(self.line(seq).as_bytes())[..4].to_vec();
        let hints: Vec<u8> = exported.iter().cloned().flatten().flat_map(hint).collect();
        let rows = exported.iter().map(|range| range.end - range.start).sum();
        let checkpoint = self.checkpoint(self.size()).to_string();
        let keys = vec![self.verifier().to_string()];
        let tenant = self.tenant.clone();
        ProofLog::new(tenant, checkpoint, keys, rows, exported, &nodes, &hints, complete)
    }

    fn rows(&self, ranges: &[Range<u64>]) -> Vec<RecordBatch> {
        let slice = |range: &Range<u64>| {
            let (start, end) =
                (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            self.events.slice(start, end - start)
        };
        ranges.iter().map(slice).collect()
    }
}

fn column(place: usize, tenant: &str, count: u64, salt: u64) -> ArrayRef {
    let column = &COLUMNS[place];
    let texts = |text: &dyn Fn(u64) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter((0..count).map(text)))
    };
    let array: ArrayRef = match place {
        at::ID => texts(&|seq| Some(format!("e{seq}"))),
        at::SEQ => Arc::new(UInt64Array::from_iter_values(0..count)),
        at::TYPE => texts(&|seq| Some(format!("type.{}", seq % 7))),
        at::TENANT_ID => texts(&|_| Some(tenant.to_owned())),
        at::OCCURRED_AT | at::RECORDED_AT => Arc::new(
            TimestampMicrosecondArray::from_iter_values((0..count).map(recorded_us))
                .with_timezone("UTC"),
        ),
        at::DATA => {
            texts(&|seq| (seq % 3 > 0).then(|| format!(r#"{{"n":{},"s":"=a,\"b\""}}"#, seq + salt)))
        }
        at::ORG_ID => new_null_array(&column.data_type(), usize::try_from(count).unwrap()),
        place => texts(&|seq| {
            let choice = usize::try_from(seq * 7).unwrap() + place;
            (!choice.is_multiple_of(4)).then(|| SPECIAL_TEXTS[choice % SPECIAL_TEXTS.len()].into())
        }),
    };
    match column.kind {
        Kind::Dict => cast(&array, &column.data_type()).unwrap(),
        _ => array,
    }
}

/// An export, not yet written.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) proof: Proof,
    pub(crate) data: Vec<u8>,
}

/// A claim of completeness.
pub(crate) fn complete(from: u64, to: u64) -> ProofComplete {
    ProofComplete { from, to, recorded_from: None, recorded_to: None, before: None, after: None }
}

impl Export {
    /// Some of the events of logs, in one file.
    pub(crate) fn of(logs: &[(&Log, &[Range<u64>])], options: Options) -> Self {
        let batches: Vec<RecordBatch> =
            logs.iter().flat_map(|(log, ranges)| log.rows(ranges)).collect();
        let events = concat_batches(&schema(), &batches).unwrap();
        let proofs = logs.iter().map(|(log, ranges)| log.proof(ranges, None)).collect();
        Self::new(Claim::Inclusion, &events, proofs, options)
    }

    /// The same as lines.
    pub(crate) fn lines(logs: &[(&Log, &[Range<u64>])]) -> Self {
        Self::of(logs, Options::new(Format::Ndjson))
    }

    /// All events of a stretch of a log.
    pub(crate) fn complete(log: &Log, complete: ProofComplete) -> Self {
        let range = complete.from..complete.to;
        let exported = if range.is_empty() { Vec::new() } else { vec![range] };
        let events = concat_batches(&schema(), &log.rows(&exported)).unwrap();
        let proof = log.proof(&exported, Some(complete));
        Self::new(Claim::Complete, &events, vec![proof], Options::new(Format::Ndjson))
    }

    fn new(claim: Claim, events: &RecordBatch, logs: Vec<ProofLog>, options: Options) -> Self {
        let mut data: Vec<u8> = Vec::new();
        let mut encoder = Encoder::new(schema(), options).unwrap();
        if events.num_rows() > 0 {
            encoder.encode(events, &mut data).unwrap();
        }
        let totals = encoder.finish(&mut data).unwrap();
        let name = format!("events.{}{}", options.format, options.compression.extension());
        let proof = Proof {
            proof_version: PROOF_VERSION,
            claim,
            statement: Proof::statement(claim, totals.rows, &logs),
            format: options.format.to_string(),
            compression: options.compression.to_string(),
            csv_safe: (options.format == Format::Csv).then_some(options.csv.safe),
            files: vec![ProofFile { name, rows: totals.rows, sha256: String::new() }],
            logs,
        };
        let mut export = Self { proof, data };
        export.fix();
        export
    }

    /// Has the proof be about the bytes as they are now.
    pub(crate) fn fix(&mut self) {
        self.proof.files[0].sha256 = format!("{:x}", Sha256::digest(&self.data));
    }

    /// Has as many events in the proof's file as there are lines now.
    pub(crate) fn fix_rows(&mut self) {
        self.proof.files[0].rows = self.data.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.fix();
    }

    /// Changes the lines of NDJSON, and has the proof be about the file that comes of it.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Vec<String>)) {
        let text = String::from_utf8(self.data.clone()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        edit(&mut lines);
        self.data = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
        self.fix_rows();
    }

    pub(crate) fn name(&self) -> &str {
        &self.proof.files[0].name
    }

    /// Writes the file with its proof beside it.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(self.name());
        std::fs::write(&path, &self.data).unwrap();
        let beside = folder.join(format!("{}.proof.json", self.name()));
        std::fs::write(beside, self.proof.to_json()).unwrap();
        path
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let ProofFile { name, rows, sha256 } = self.proof.files[0].clone();
        let bytes = self.data.len() as u64;
        Manifest {
            manifest_version: MANIFEST_VERSION,
            export_id: "01JTEST".to_owned(),
            created_at: recorded_at(0),
            engine: "auditlake test".to_owned(),
            requested_by: Requester {
                id: "ann".to_owned(),
                kind: "user".to_owned(),
                role: "auditor".to_owned(),
            },
            filter: Vec::new(),
            filter_text: "all events".to_owned(),
            scope: "everything".to_owned(),
            snapshot: SnapshotPoint { commit: 1, recorded_before: recorded_at(1) },
            order: "log".to_owned(),
            columns: COLUMNS.iter().map(|column| column.name.to_owned()).collect(),
            format: self.proof.format.clone(),
            compression: self.proof.compression.clone(),
            csv_safe: self.proof.csv_safe,
            rows,
            bytes,
            copied_bytes: 0,
            files: vec![ManifestFile { name, rows, bytes, sha256, first: None, last: None }],
            proof: Some(ManifestProof::from(&self.proof)),
        }
    }

    /// The files of a bundle.
    pub(crate) fn bundle(&self, manifest: &Manifest) -> Vec<(String, Vec<u8>)> {
        let mut files = bundle::companions(manifest, &self.proof);
        files.push((self.name().to_owned(), self.data.clone()));
        files.push(("manifest.json".to_owned(), serde_json::to_vec(manifest).unwrap()));
        files.push((PROOF.to_owned(), self.proof.to_json()));
        files
    }

    /// Writes it and checks it.
    pub(crate) fn check(&self, trust: &Trust) -> Result<Verdict, VerifyError> {
        let folder = TempDir::new().unwrap();
        verify_export(&self.write(folder.path()), trust, &|_| {})
    }

    /// The verdict, when nothing is known from elsewhere.
    #[track_caller]
    pub(crate) fn verdict(&self) -> Verdict {
        self.check(&Trust::default()).unwrap()
    }
}

/// Writes files as a zip archive.
pub(crate) fn write_zip(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut archive = Archive::new(Vec::new());
    for (name, bytes) in files {
        archive.begin(name).unwrap();
        archive.write(bytes).unwrap();
    }
    std::fs::write(path, archive.finish().unwrap()).unwrap();
}

/// One range.
pub(crate) fn one(start: u64, end: u64) -> Vec<Range<u64>> {
    std::iter::once(start..end).collect()
}
