//! What the commits add up to.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::commit::{Commit, TenantHead};
use crate::segment::Segment;

/// A file that no longer counts but may still be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The segment's path.
    pub path: String,
    /// The commit that removed it.
    pub version: u64,
    /// When, in microseconds.
    pub at_us: i64,
}

/// The state of the lake at a commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the newest commit; 0 before the first.
    pub version: u64,
    /// SHA-256 of that commit's bytes.
    pub hash: String,
    /// The epoch of the newest writer.
    pub epoch: u64,
    /// Its name, that of its WAL.
    pub writer: String,
    /// The segments, by day and then by path.
    pub segments: Vec<Arc<Segment>>,
    /// Each tenant's log.
    pub tenants: BTreeMap<String, TenantHead>,
    /// For each writer, the last frame of its WAL whose events are in segments.
    pub wal_applied: BTreeMap<String, u64>,
    /// Removed files that have not been deleted yet, as far as this state knows.
    pub removed: Vec<Removed>,
}

impl Manifest {
    /// The state after one more commit, whose bytes hash to `hash`.
    pub(crate) fn apply(&self, commit: &Commit, hash: String) -> Self {
        let mut next = self.clone();
        next.version = commit.version;
        next.hash = hash;
        next.epoch = commit.epoch;
        next.writer.clone_from(&commit.writer);
        if !commit.remove.is_empty() {
            let gone: HashSet<&str> = commit.remove.iter().map(String::as_str).collect();
            next.segments.retain(|segment| !gone.contains(segment.path.as_str()));
            next.removed.extend(commit.remove.iter().map(|path| Removed {
                path: path.clone(),
                version: commit.version,
                at_us: commit.at_us,
            }));
        }
        next.segments.extend(commit.add.iter().cloned().map(Arc::new));
        next.segments.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        for (tenant, head) in &commit.tenants {
            let head = head.following(next.tenants.get(tenant));
            next.tenants.insert(tenant.clone(), head);
        }
        let applied = next.wal_applied.entry(commit.writer.clone()).or_default();
        *applied = commit.wal_applied.max(*applied);
        next
    }

    /// How much of a writer's WAL is in segments.
    pub(crate) fn applied(&self, writer_id: Option<&str>) -> u64 {
        writer_id.and_then(|id| self.wal_applied.get(id)).copied().unwrap_or(0)
    }

    /// How many events are in segments.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// How many bytes the segments have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}
