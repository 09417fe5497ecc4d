//! Exports with a proof: a file with its proof beside it, or an evidence bundle, a zip archive
//! that holds all that an auditor needs.
//!
//! What is proven is bounded: only events of committed logs can be, so the export ends where
//! those end, and an event that is taken meanwhile belongs to the next one.

use std::io::{BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use auditlake_export::manifest::{
    self, FilterValue, MANIFEST_VERSION, Manifest, ManifestFile, Requester, SnapshotPoint,
};
use auditlake_export::proof::{PROOF, Proof, ProofFile};
use auditlake_export::{Archive, Digested, Options, Sink, Totals, bundle};
use auditlake_lake::{LakeReader, Snapshot};
use auditlake_model::claim::Claim;
use auditlake_model::columns::COLUMNS;
use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use auditlake_model::time::format_rfc3339;
use auditlake_query::{Engine, ScanRequest, check_claim, provable_before};
use bytes::Bytes;

use super::edges::Edges;
use super::target::Target;
use super::writing::{write, write_noting};

/// Bytes of a bundle that are written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// An export that is to be proven.
pub(crate) struct Proven<'a> {
    engine: &'a Engine,
    reader: &'a LakeReader,
    snapshot: &'a Snapshot,
    request: ScanRequest,
    filter: Vec<FilterValue>,
    filter_text: String,
    claim: Claim,
    options: Options,
    /// Everything recorded before this instant is in a committed log.
    before_us: i64,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) rows: u64,
    /// Bytes of the file, or of the whole bundle.
    pub(crate) bytes: u64,
    pub(crate) copied_bytes: u64,
    /// The file that the proof is in, where it stands beside the data.
    pub(crate) proof: Option<PathBuf>,
    /// The claim in words.
    pub(crate) statement: String,
}

impl<'a> Proven<'a> {
    /// Refuses what cannot be claimed of a request, and bounds it to what can be proven.
    /// `asked` are the parameters of its filter as they were given.
    pub(crate) fn new(
        engine: &'a Engine,
        reader: &'a LakeReader,
        snapshot: &'a Snapshot,
        mut request: ScanRequest,
        asked: &[(&str, &str)],
        (claim, options): (Claim, Options),
    ) -> anyhow::Result<Self> {
        check_claim(claim, &request).map_err(anyhow::Error::msg)?;
        let filter = asked.iter().map(|(name, value)| FilterValue {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        });
        let filter_text = request.filter.to_string();
        let before_us = provable_before(snapshot);
        let recorded = &mut request.filter.recorded;
        recorded.to_us = Some(recorded.to_us.map_or(before_us, |to_us| to_us.min(before_us)));
        let filter = filter.collect();
        Ok(Self {
            engine,
            reader,
            snapshot,
            request,
            filter,
            filter_text,
            claim,
            options,
            before_us,
        })
    }

    /// Writes the file, and `<file>.proof.json` beside it.
    pub(crate) async fn file(&self, path: &Path) -> anyhow::Result<Done> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is no name of a file", path.display()))?;
        let mut target = Target::open(Some(path))?;
        let mut digest = Digested::new(Vec::<Bytes>::new());
        let put = |piece: Bytes| {
            noted(&mut digest, &piece);
            target.write_all(&piece)
        };
        let totals = write(self.engine, self.snapshot, &self.request, self.options, put).await?;
        let proof = self.proof(name, totals.rows, digest.hex()).await?;
        let beside = beside(path);
        let mut target_of_proof = Target::open(Some(&beside))?;
        target_of_proof.write_all(&proof.to_json())?;
        // The proof comes first: data under its final name is never without one.
        target_of_proof.publish()?;
        target.publish()?;
        let Totals { rows, bytes, copied_bytes } = totals;
        Ok(Done { rows, bytes, copied_bytes, proof: Some(beside), statement: proof.statement })
    }

    /// Writes an evidence bundle.
    pub(crate) async fn bundle(&self, path: &Path) -> anyhow::Result<Done> {
        let environment = Environment::system();
        let now_us = environment.clock.now_us();
        let target = Target::open(Some(path))?;
        let mut archive = Archive::of_time(BufWriter::with_capacity(BUFFER_BYTES, target), now_us);
        let Options { format, compression, .. } = self.options;
        let name = format!("events.{}{}", format.extension(), compression.extension());
        archive.begin(&name)?;
        let mut digest = Digested::new(Vec::<Bytes>::new());
        let put = |piece: Bytes| {
            noted(&mut digest, &piece);
            archive.write(&piece)
        };
        let (request, options) = (&self.request, self.options);
        let (totals, edges) =
            write_noting(self.engine, self.snapshot, request, options, put).await?;
        let proof = self.proof(&name, totals.rows, digest.hex()).await?;
        let file = manifest_file(name, totals, digest.hex(), edges);
        let id = format!("exp_{}", new_ulid(&environment));
        let manifest = self.manifest(id, now_us, file, &proof);
        for (name, bytes) in bundle::members(&manifest, &proof) {
            archive.begin(&name)?;
            archive.write(&bytes)?;
        }
        let target = archive.finish()?.into_inner().map_err(IntoInnerError::into_error)?;
        target.publish()?;
        let bytes = std::fs::metadata(path)?.len();
        let (rows, copied_bytes) = (totals.rows, totals.copied_bytes);
        Ok(Done { rows, bytes, copied_bytes, proof: None, statement: proof.statement })
    }

    /// The proof of one file with all events of the request.
    async fn proof(&self, name: &str, rows: u64, sha256: String) -> anyhow::Result<Proof> {
        let logs = self.reader.log();
        let logs = self.engine.prove(self.snapshot, &logs, &self.request, self.claim).await?;
        let files = vec![ProofFile { name: name.to_owned(), rows, sha256 }];
        Proof::of(self.claim, &self.options, files, logs).map_err(|proven| {
            anyhow!("the lake gave {rows} events and then {proven}; it is damaged")
        })
    }

    fn manifest(&self, id: String, now_us: i64, file: ManifestFile, proof: &Proof) -> Manifest {
        Manifest {
            manifest_version: MANIFEST_VERSION,
            export_id: id,
            created_at: format_rfc3339(now_us),
            engine: manifest::engine(),
            requested_by: Requester {
                id: "command line".to_owned(),
                kind: "command_line".to_owned(),
                role: "operator".to_owned(),
            },
            filter: self.filter.clone(),
            filter_text: self.filter_text.clone(),
            scope: self.request.scope.to_string(),
            snapshot: SnapshotPoint {
                commit: self.snapshot.manifest().version,
                recorded_before: format_rfc3339(self.before_us),
            },
            order: self.request.order.to_string(),
            columns: COLUMNS.iter().map(|column| column.name.to_owned()).collect(),
            format: proof.format.clone(),
            compression: proof.compression.clone(),
            csv_safe: proof.csv_safe,
            rows: file.rows,
            bytes: file.bytes,
            copied_bytes: 0,
            files: vec![file],
            proof: Some(proof.into()),
        }
    }
}

/// Where the proof of a file stands.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(PROOF);
    name.into()
}

/// Counts a piece in and keeps nothing of it.
fn noted(digest: &mut Digested<Vec<Bytes>>, piece: &Bytes) {
    digest.put(piece.clone());
    digest.inner_mut().clear();
}

fn manifest_file(
    name: String,
    totals: Totals,
    sha256: String,
    edges: Option<Edges>,
) -> ManifestFile {
    let Totals { rows, bytes, .. } = totals;
    let (first, last) = edges.map(|edges| (edges.first, edges.last)).unzip();
    ManifestFile { name, rows, bytes, sha256, first, last }
}
