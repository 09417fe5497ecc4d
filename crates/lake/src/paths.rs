//! Where everything lies below the storage root.

use auditlake_model::time::format_day;
use object_store::path::Path;
use ulid::Ulid;

/// The folder of segments.
pub(crate) const EVENTS: &str = "events";
/// The folder of manifest commits.
pub(crate) const LOG: &str = "log";
/// The folder of manifest snapshots.
pub(crate) const SNAPSHOTS: &str = "log/snapshots";

/// A new segment of a day.
pub(crate) fn segment(day: i32, id: Ulid) -> Path {
    Path::from(format!("{EVENTS}/day={}/{id}.parquet", format_day(day)))
}

/// A manifest commit.
pub(crate) fn commit(version: u64) -> Path {
    Path::from(format!("{LOG}/{version:020}.json"))
}

/// A snapshot of the manifest.
pub(crate) fn snapshot(version: u64) -> Path {
    Path::from(format!("{SNAPSHOTS}/{version:020}.json.zst"))
}

/// The version in the file name of a commit or snapshot.
pub(crate) fn version(path: &Path) -> Option<u64> {
    path.filename()?.split('.').next()?.parse().ok()
}

/// A document's version.
pub(crate) fn document(kind: &str, id: &str, version: u64) -> Path {
    Path::from_iter(["meta", kind, id, &format!("{version:010}.json")])
}

/// A folder of documents.
pub(crate) fn documents(kind: &str) -> Path {
    Path::from_iter(["meta", kind])
}

/// The folder of a document's versions.
pub(crate) fn versions(kind: &str, id: &str) -> Path {
    Path::from_iter(["meta", kind, id])
}

/// The folder of the files that export jobs made.
pub(crate) const EXPORTS: &str = "exports";

/// The folder of a job's files.
pub(crate) fn exports_of(job: &str) -> Path {
    Path::from_iter([EXPORTS, job])
}

/// A file of a job.
pub(crate) fn export(job: &str, name: &str) -> Path {
    Path::from_iter([EXPORTS, job, name])
}
