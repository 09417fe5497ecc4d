//! What comes of a check, in words and for programs.

use std::fmt;
use std::io;

use auditlake_model::claim::Claim;
use serde::Serialize;

/// What a check proved, and what it found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What the proof claims.
    pub claim: Option<Claim>,
    /// Events that were read.
    pub rows: u64,
    /// Bytes of the files as they lie there.
    pub bytes: u64,
    /// What was proved, in sentences.
    pub proved: Vec<String>,
    /// What was not, in sentences.
    pub not_proved: Vec<String>,
    /// What is wrong; nothing is if there are none.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub findings_left_out: u64,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.findings_left_out == 0
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line of the unpacked file on which the event begins, from 1; in Parquet the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whose log it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The position in that log, or the first of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The id of the event, as the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A file is not there, is not the one that the proof is about, or cannot be read.
    File,
    /// A file has more or fewer events than the proof says.
    Rows,
    /// Manifest or accompanying files contradict the proof.
    Manifest,
    /// The proof contradicts itself.
    Proof,
    /// An event is not written as an export writes it.
    Malformed,
    /// An event is not the one that the log has at its position.
    Changed,
    /// An event is at a position that the proof says nothing of.
    Unexpected,
    /// An event is there again.
    Duplicate,
    /// Events that the proof speaks of are not there.
    Missing,
    /// Events and proof together do not give the root of the checkpoint.
    Root,
    /// What is claimed to be complete is not shown to be.
    Incomplete,
    /// A checkpoint is not signed as it must be.
    Signature,
    /// A witness has not cosigned.
    Witness,
    /// The log is not the one that a checkpoint kept elsewhere is of.
    Forked,
}

impl Finding {
    pub(crate) fn new(kind: FindingKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, file: None, line: None, tenant_id: None, seq: None, id: None, detail }
    }

    pub(crate) fn in_file(self, file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    pub(crate) fn of_log(self, tenant_id: &str) -> Self {
        Self { tenant_id: Some(tenant_id.to_owned()), ..self }
    }

    pub(crate) fn at(self, seq: u64) -> Self {
        Self { seq: Some(seq), ..self }
    }
}

/// Where, then what: `events.ndjson, line 17, tenant acme, seq 16, id "e1": ...`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places = Vec::new();
        if let Some(file) = &self.file {
            places.push(file.clone());
        }
        if let Some(line) = self.line {
            let is_table = self.file.as_deref().is_some_and(|file| file.ends_with(".parquet"));
            places.push(format!("{} {line}", if is_table { "row" } else { "line" }));
        }
        if let Some(tenant_id) = &self.tenant_id {
            places.push(format!("tenant {tenant_id}"));
        }
        if let Some(seq) = self.seq {
            places.push(format!("seq {seq}"));
        }
        if let Some(id) = &self.id {
            places.push(format!("id {id:?}"));
        }
        if places.is_empty() {
            return f.write_str(&self.detail);
        }
        write!(f, "{}: {}", places.join(", "), self.detail)
    }
}

/// Why there is nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read at all.
    #[error("{path}: {reason}")]
    Io {
        /// Which one.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// Nothing says what is to be checked.
    #[error(
        "{path} has no proof: an export has it in FILE.proof.json beside it, a bundle in \
         proof.json; without one, export again with a proof"
    )]
    NoProof {
        /// What was to be checked.
        path: String,
    },
    /// The proof cannot be read.
    #[error("{path}: {reason}")]
    Proof {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive cannot be read.
    #[error("{path} is no zip archive that can be read: {reason}")]
    Archive {
        /// Which one.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}
