//! One manifest commit and its bytes.

use std::collections::BTreeMap;

use auditlake_tlog::{CompactRange, Hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;
use crate::segment::Segment;

/// Why a commit was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitKind {
    /// A writer took the lake over.
    Open,
    /// Hot events became segments.
    Flush,
    /// Segments of a day became one.
    Compact,
}

/// How far a tenant's log reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantHead {
    /// The number of events; the next one gets this as its `seq`.
    pub size: u64,
    /// The Merkle tree hash over their canonical lines.
    #[serde(with = "hex::one")]
    pub root: Hash,
    /// The tree's perfect subtrees, from which it grows.
    #[serde(with = "hex::many")]
    pub peaks: Vec<Hash>,
    /// The latest `recorded_at`.
    pub recorded_at_us: i64,
}

impl TenantHead {
    pub(crate) fn of(range: &CompactRange, recorded_at_us: i64) -> Self {
        let (size, root, peaks) = (range.size(), range.root(), range.peaks().to_vec());
        Self { size, root, peaks, recorded_at_us }
    }

    /// The root in hexadecimal.
    #[must_use]
    pub fn root_hex(&self) -> String {
        hex::encode(&self.root)
    }
}

/// One entry of the manifest log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Its number; also its file name.
    pub version: u64,
    /// Tells this commit from any other that might stand at the same number.
    pub id: String,
    /// Why it was made.
    pub kind: CommitKind,
    /// SHA-256 of the bytes of the commit before; empty for the first.
    pub prev: String,
    /// Who wrote it.
    pub writer: String,
    /// How many writers have opened the lake; an older one is refused.
    pub epoch: u64,
    /// When it was written, in microseconds.
    pub at_us: i64,
    /// Numbers just before this one whose files are torn and count for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub void: Vec<u64>,
    /// New segments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Segment>,
    /// The paths of segments that no longer count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// The last frame of this writer's WAL whose events are in segments.
    pub wal_applied: u64,
    /// The logs that grew.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, TenantHead>,
}

/// Stands before the checksum, which is the last member of the object.
const CHECKSUM_KEY: &[u8] = b",\"crc\":\"";

impl Commit {
    /// The commit's bytes: its JSON, with the CRC32C of all that stands before it at the end.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // A struct of strings, numbers and lists always serializes.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.pop();
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(CHECKSUM_KEY);
        bytes.extend_from_slice(format!("{checksum:08x}\"}}").as_bytes());
        bytes
    }

    /// Reads a commit back; says what is wrong with bytes that are none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let tail = CHECKSUM_KEY.len() + 10;
        let split = bytes.len().checked_sub(tail).ok_or("it is too short for a commit")?;
        let (body, end) = bytes.split_at(split);
        let expected = format!("{:08x}\"}}", crc32c::crc32c(body));
        if !end.starts_with(CHECKSUM_KEY) || &end[CHECKSUM_KEY.len()..] != expected.as_bytes() {
            return Err("its checksum does not fit".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|source| format!("it is no commit: {source}"))
    }
}

/// What the next commit names as `prev`.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}
