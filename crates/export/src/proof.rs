//! The proof of an export, `proof.json`: what is claimed of the files, the signed checkpoints of
//! the tenant logs, and the hashes that lead from the rows of the files to these. Everything that
//! a verifier needs beside the files. `docs/rfcs/0003-proofs.md` describes each member and the
//! checks.
//!
//! Members are added, never removed or renamed, while the version stays the same. A reader passes
//! over those it does not know, and refuses versions that it does not know.

mod statement;

use std::io;
use std::ops::Range;

use auditlake_model::claim::Claim;
use auditlake_model::time::format_rfc3339;
use auditlake_tlog::{Hash, LogProof};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use crate::error::ExportError;
use crate::manifest::ManifestProof;
use crate::options::{Format, Options};

/// The file that a proof is in a bundle. Beside a single file it is called `<file>.proof.json`.
pub const PROOF: &str = "proof.json";
/// What [`Proof::proof_version`] says in proofs of this form.
pub const PROOF_VERSION: u32 = 1;
/// How many bytes of the hash of its leaf an event has in [`ProofLog::leaf_hints`].
pub const HINT_BYTES: usize = 4;

/// The proof of one export. Its members are written in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The form of the proof, [`PROOF_VERSION`].
    pub proof_version: u32,
    /// What is claimed.
    pub claim: Claim,
    /// The claim in words, for people: a verifier forms its own.
    pub statement: String,
    /// The format of every file.
    pub format: String,
    /// The compression of every file.
    pub compression: String,
    /// Whether formulas are guarded; none where the format has no cells.
    pub csv_safe: Option<bool>,
    /// The files in their order.
    pub files: Vec<ProofFile>,
    /// The logs that the events are in, each once.
    pub logs: Vec<ProofLog>,
}

/// One file of the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofFile {
    /// Its name, without any folder.
    pub name: String,
    /// Events in it.
    pub rows: u64,
    /// The SHA-256 of its bytes as it lies there, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// What leads from the events of one tenant to the checkpoint of its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofLog {
    /// Whose log it is.
    pub tenant_id: String,
    /// The signed checkpoint, a whole note.
    pub checkpoint: String,
    /// The keys of the log, as text. Whoever trusts these trusts the bundle that they came in.
    pub keys: Vec<String>,
    /// Events of this tenant in the files.
    pub rows: u64,
    /// Where they stand in the log: first position and the one behind the last, in their order.
    pub ranges: Vec<(u64, u64)>,
    /// Base64 of the hashes of the subtrees that cover the gaps between the ranges, one after the
    /// other.
    pub nodes: String,
    /// Base64 of the first [`HINT_BYTES`] bytes of each event's leaf hash, in the order of `seq`.
    /// They name the row that was changed; they prove nothing.
    pub leaf_hints: String,
    /// What is complete; none if the claim is inclusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<ProofComplete>,
}

/// The stretch of a log of which every event is in the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofComplete {
    /// Its first position.
    pub from: u64,
    /// The position behind its last.
    pub to: u64,
    /// It has all that was recorded from this time on, RFC 3339; none: from the first position on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_from: Option<String>,
    /// It has all that was recorded before this time, RFC 3339; none: up to the last position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_to: Option<String>,
    /// The canonical line at `from - 1`: the event before was recorded before `recorded_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The canonical line at `to`: the event after was not recorded before `recorded_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Proof {
    /// The proof of an export that has these files. If it proves more or fewer events than they
    /// have, the error says how many.
    pub fn of(
        claim: Claim,
        options: &Options,
        files: Vec<ProofFile>,
        logs: Vec<LogProof>,
    ) -> Result<Self, u64> {
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let proved: u64 = logs.iter().map(|log| log.rows).sum();
        if rows != proved {
            return Err(proved);
        }
        let logs: Vec<ProofLog> = logs.into_iter().map(ProofLog::from).collect();
        Ok(Self {
            proof_version: PROOF_VERSION,
            claim,
            statement: Self::statement(claim, rows, &logs),
            format: options.format.to_string(),
            compression: options.compression.to_string(),
            csv_safe: (options.format == Format::Csv).then_some(options.csv.safe),
            files,
            logs,
        })
    }

    /// What is claimed of files with so many events, in plain sentences.
    #[must_use]
    pub fn statement(claim: Claim, rows: u64, logs: &[ProofLog]) -> String {
        match claim {
            Claim::Inclusion => statement::inclusion(rows, logs),
            Claim::Complete => statement::complete(logs),
        }
    }

    /// The bytes of the file: a line for each member, so that a person can look at it, and lists
    /// of numbers within one line, because they can be long.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut json, Lines::default());
        // Only maps with keys that are no text, and writers that fail, make this fail.
        if self.serialize(&mut serializer).is_err() {
            json.clear();
        }
        json.push(b'\n');
        json
    }

    /// Reads the bytes of such a file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ExportError> {
        let unreadable =
            |error: serde_json::Error| ExportError::Proof(format!("it cannot be read: {error}"));
        let Version { proof_version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if proof_version != PROOF_VERSION {
            return Err(ExportError::Proof(format!(
                "its proof_version is {proof_version}, and only {PROOF_VERSION} is known here"
            )));
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }
}

/// Read first: what else there is depends on it.
#[derive(Deserialize)]
struct Version {
    proof_version: u32,
}

impl From<&Proof> for ManifestProof {
    fn from(proof: &Proof) -> Self {
        Self {
            claim: proof.claim.to_string(),
            statement: proof.statement.clone(),
            file: PROOF.to_owned(),
        }
    }
}

impl From<LogProof> for ProofLog {
    fn from(log: LogProof) -> Self {
        let exported: Vec<Range<u64>> = match &log.complete {
            // The events beside the range belong to the proof, but not to the files.
            Some(complete) if complete.seqs.is_empty() => Vec::new(),
            Some(complete) => vec![complete.seqs.clone()],
            None => log.proof.ranges,
        };
        let complete = log.complete.map(|complete| ProofComplete {
            from: complete.seqs.start,
            to: complete.seqs.end,
            recorded_from: complete.recorded_from_us.map(format_rfc3339),
            recorded_to: complete.recorded_to_us.map(format_rfc3339),
            before: complete.before,
            after: complete.after,
        });
        Self::new(
            log.tenant_id,
            log.checkpoint,
            log.keys,
            log.rows,
            &exported,
            &log.proof.nodes,
            &log.hints,
            complete,
        )
    }
}

impl ProofLog {
    /// The proof of the events at the positions `exported`. The nodes cover the gaps between
    /// these and, where there are any, the neighbours of what is complete.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "they are the members of the file")]
    pub fn new(
        tenant_id: String,
        checkpoint: String,
        keys: Vec<String>,
        rows: u64,
        exported: &[Range<u64>],
        nodes: &[Hash],
        hints: &[u8],
        complete: Option<ProofComplete>,
    ) -> Self {
        Self {
            tenant_id,
            checkpoint,
            keys,
            rows,
            ranges: exported.iter().map(|range| (range.start, range.end)).collect(),
            nodes: BASE64_STANDARD.encode(nodes.as_flattened()),
            leaf_hints: BASE64_STANDARD.encode(hints),
            complete,
        }
    }

    /// The hashes of `nodes`.
    pub fn node_hashes(&self) -> Result<Vec<Hash>, ExportError> {
        let bytes = self.decode("nodes", &self.nodes)?;
        let (hashes, rest) = bytes.as_chunks::<{ size_of::<Hash>() }>();
        if !rest.is_empty() {
            return Err(ExportError::Proof(format!(
                "nodes of the log of {} have {} bytes, and each hash has {}",
                self.tenant_id,
                bytes.len(),
                size_of::<Hash>()
            )));
        }
        Ok(hashes.to_vec())
    }

    /// The hints, in the order of `seq`; empty if the proof has none.
    pub fn hints(&self) -> Result<Vec<[u8; HINT_BYTES]>, ExportError> {
        let bytes = self.decode("leaf_hints", &self.leaf_hints)?;
        let (hints, rest) = bytes.as_chunks::<HINT_BYTES>();
        let is_whole = rest.is_empty() && (hints.is_empty() || hints.len() as u64 == self.rows);
        if !is_whole {
            return Err(ExportError::Proof(format!(
                "leaf_hints of the log of {} have {} bytes, and {} events need {HINT_BYTES} each",
                self.tenant_id,
                bytes.len(),
                self.rows
            )));
        }
        Ok(hints.to_vec())
    }

    fn decode(&self, member: &str, text: &str) -> Result<Vec<u8>, ExportError> {
        BASE64_STANDARD.decode(text).map_err(|error| {
            let tenant = &self.tenant_id;
            ExportError::Proof(format!("{member} of the log of {tenant} is no base64: {error}"))
        })
    }
}

/// Writes the members of objects line by line, and arrays without any line end of their own.
#[derive(Default)]
struct Lines {
    depth: usize,
}

impl Lines {
    fn turn<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.turn(writer)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.turn(writer)?;
        writer.write_all(b"}")
    }
}
