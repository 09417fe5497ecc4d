//! Where everything lies below the storage root.

use auditlake_model::time::format_day;
use auditlake_tlog::tile::TileId;
use object_store::path::{Path, PathPart};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::hex;

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

/// A name longer than this is no folder's: file systems end names at 255 bytes.
const MAX_FOLDER_BYTES: usize = 200;

/// The folder of what is kept of a tenant's log beside the events.
pub(crate) fn tenant_log(tenant: &str) -> Path {
    if PathPart::from(tenant).as_ref().len() <= MAX_FOLDER_BYTES {
        return Path::from_iter(["tlog", tenant]);
    }
    Path::from_iter(["tlog-long", &hex::encode(&Sha256::digest(tenant))])
}

/// A tile of a tenant's log: its name in C2SP tlog-tiles, below the tenant's folder.
pub(crate) fn tile(tenant: &str, tile: TileId) -> Path {
    tile.path().split('/').fold(tenant_log(tenant), |path, part| path.join(part))
}

/// The folder of a tenant's tiles of hashes of events.
pub(crate) fn leaf_tiles(tenant: &str) -> Path {
    tenant_log(tenant).join("tile").join("0")
}

/// The tile that a path names, if it is one of this tenant's.
pub(crate) fn tile_of(tenant: &str, path: &Path) -> Option<TileId> {
    let parts: Vec<PathPart<'_>> = path.prefix_match(&tenant_log(tenant))?.collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    TileId::parse(&parts.join("/"))
}

/// The folder of a tenant's checkpoints that witnesses have signed.
pub(crate) fn cosignatures(tenant: &str) -> Path {
    tenant_log(tenant).join("cosignatures")
}

/// A checkpoint that witnesses have signed.
pub(crate) fn cosigned(tenant: &str, size: u64) -> Path {
    cosignatures(tenant).join(format!("{size}.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenant_has_a_folder_of_its_own() {
        assert_eq!(tenant_log("acme").as_ref(), "tlog/acme");
        assert_eq!(tenant_log("a~b").as_ref(), "tlog/a%7Eb");
        let long = "ü".repeat(100);
        let folder = tenant_log(&long);
        assert!(folder.as_ref().starts_with("tlog-long/") && folder.as_ref().len() < 100);
        assert_ne!(folder, tenant_log(&"ö".repeat(100)));
    }

    #[test]
    fn a_tile_is_found_back_by_its_path() {
        let id = TileId { level: 1, index: 1_234_067, width: 256 };
        let path = tile("a~b", id);
        assert_eq!(path.as_ref(), "tlog/a%7Eb/tile/1/x001/x234/067");
        assert_eq!(tile_of("a~b", &path), Some(id));
        assert_eq!(tile_of("a", &path), None);
        assert_eq!(tile_of("a~b", &cosigned("a~b", 7)), None);
        assert_eq!(cosigned("a~b", 7).as_ref(), "tlog/a%7Eb/cosignatures/7.txt");
    }
}
