//! The manifest of an export: what was asked for, what the lake was when it was asked, and
//! which files came of it. `docs/rfcs/0002-export-manifest.md` says what each member means and
//! how files are checked against it.
//!
//! Members are added, never removed or renamed. A reader passes over those it does not know.

use serde::{Deserialize, Serialize};

/// The file that a manifest is in a bundle.
pub const MANIFEST: &str = "manifest.json";
/// What [`Manifest::manifest_version`] says in manifests of this form.
pub const MANIFEST_VERSION: u32 = 1;

/// The record of one export. Its members are written in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the manifest, [`MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// The id of the export.
    pub export_id: String,
    /// When the export was asked for, RFC 3339.
    pub created_at: String,
    /// Who wrote the files: `auditlake` and its version.
    pub engine: String,
    /// Who asked.
    pub requested_by: Requester,
    /// The filter as it was given: names and values of parameters in their order.
    pub filter: Vec<FilterValue>,
    /// The filter in words.
    pub filter_text: String,
    /// What the requester may see at all, in words.
    pub scope: String,
    /// What the lake was.
    pub snapshot: SnapshotPoint,
    /// The order of the events over all files.
    pub order: String,
    /// The columns in their order.
    pub columns: Vec<String>,
    /// The format of every file.
    pub format: String,
    /// The compression of every file.
    pub compression: String,
    /// Whether formulas are guarded; none where the format has no cells.
    pub csv_safe: Option<bool>,
    /// Events in all files.
    pub rows: u64,
    /// Bytes of all files, as they lie there.
    pub bytes: u64,
    /// Of these, pages of Parquet that were copied as they lay in the lake.
    pub copied_bytes: u64,
    /// The files in their order.
    pub files: Vec<ManifestFile>,
    /// What is claimed of the files and proved by a file beside them; none without a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ManifestProof>,
}

impl Manifest {
    /// The bytes of the file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Only maps with keys that are no text make this fail, and a manifest has none.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

/// What [`Manifest::engine`] says in manifests of this version.
#[must_use]
pub fn engine() -> String {
    format!("auditlake {}", env!("CARGO_PKG_VERSION"))
}

/// That the export can be checked against the tenant logs. The proof itself is a file of its
/// own, because it can be large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestProof {
    /// What is claimed: `inclusion` or `complete`.
    pub claim: String,
    /// The claim in words.
    pub statement: String,
    /// The file that holds the proof.
    pub file: String,
}

/// Who asked for an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The id of the principal.
    pub id: String,
    /// What kind of principal it is.
    pub kind: String,
    /// Its role at that time.
    pub role: String,
}

/// One parameter of a filter. A name that was given twice stands there twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterValue {
    /// The name of the parameter.
    pub name: String,
    /// Its value as it was given.
    pub value: String,
}

/// Which events there were to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPoint {
    /// The commit of the lake that was the newest.
    pub commit: u64,
    /// Events recorded from this time on are left out, RFC 3339. Those before it never change.
    pub recorded_before: String,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name, without any folder.
    pub name: String,
    /// Events in it.
    pub rows: u64,
    /// Its bytes as it lies there, compressed if the export is.
    pub bytes: u64,
    /// The SHA-256 of these bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its first event; none if it has no event.
    pub first: Option<Edge>,
    /// Its last event; none if it has no event.
    pub last: Option<Edge>,
}

/// Where in the log an event stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Its tenant.
    pub tenant_id: String,
    /// Its place in the tenant's log.
    pub seq: u64,
    /// When it occurred, RFC 3339.
    pub occurred_at: String,
}
