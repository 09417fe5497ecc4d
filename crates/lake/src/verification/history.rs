//! The lake as its commits tell it, from the first on: which segments count, and every head that
//! a log ever had. Nothing here reads an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use auditlake_tlog::CompactRange;

use super::chain::Link;
use super::findings::{Found, LakeFinding, LakeFindingKind};
use super::held::Held;
use super::tiles::Tiles;
use super::trust::Trust;
use super::{LakeChecks, Since, VerifiedLog, VerifiedTo};
use crate::error::LakeError;
use crate::hex;
use crate::manifest::{Commit, Manifest, TenantHead};
use crate::segment::Segment;

/// Where events begin to be verified: behind a commit.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) commit: u64,
    pub(super) hash: String,
    pub(super) heads: BTreeMap<String, TenantHead>,
}

/// What the commits add up to.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) commits: u64,
    pub(super) checkpoints: u64,
    /// The newest commit, and its hash.
    pub(super) newest: u64,
    pub(super) hash: String,
    pub(super) segments: BTreeMap<String, Arc<Segment>>,
    pub(super) heads: BTreeMap<String, TenantHead>,
    pub(super) wal_applied: BTreeMap<String, u64>,
    /// Who wrote the newest commit.
    pub(super) writer: String,
}

/// Follows the commits.
pub(super) struct Historian<'a> {
    checks: &'a LakeChecks,
    /// The newest snapshot of the manifest, to be compared with the commits.
    snapshot: Manifest,
    trust: &'a mut Trust,
    held: &'a mut Held,
    tiles: &'a mut Tiles,
    history: History,
    start: Option<Start>,
    /// Whether the commit was met that an earlier verification went to.
    is_resumed: bool,
}

impl<'a> Historian<'a> {
    pub(super) fn new(
        checks: &'a LakeChecks,
        snapshot: Manifest,
        trust: &'a mut Trust,
        held: &'a mut Held,
        tiles: &'a mut Tiles,
    ) -> Self {
        // What got to no commit leaves nothing to be met again.
        let is_resumed = checks.resume.as_ref().is_none_or(|resume| resume.commit == 0);
        let history = History::default();
        Self { checks, snapshot, trust, held, tiles, history, start: None, is_resumed }
    }

    /// How many commits were read.
    pub(super) fn commits(&self) -> u64 {
        self.history.commits
    }

    /// Takes the next commit.
    pub(super) async fn follow(&mut self, link: Link, found: &mut Found) -> Result<(), LakeError> {
        let Link { commit, hash, path } = link;
        if self.start.is_none() && self.begins_with(&commit) {
            self.start = Some(self.here());
        }
        self.take_segments(&commit, &path, found);
        for (tenant, head) in commit.tenants {
            self.publish(tenant, head, &path, found).await?;
        }
        let history = &mut self.history;
        history.writer.clone_from(&commit.writer);
        let applied = history.wal_applied.entry(commit.writer).or_default();
        *applied = commit.wal_applied.max(*applied);
        history.commits += 1;
        history.newest = commit.version;
        history.hash = hash;
        self.compare_resumed(&path, found);
        if self.history.newest == self.snapshot.version {
            self.compare_snapshot(found);
        }
        Ok(())
    }

    /// Whether this is the first commit whose events are to be verified.
    fn begins_with(&self, commit: &Commit) -> bool {
        let is_since = match self.checks.since {
            None => true,
            Some(Since::Commit(first)) => commit.version >= first,
            Some(Since::Recorded(from_us)) => {
                commit.tenants.values().any(|head| head.recorded_at_us >= from_us)
            }
        };
        self.is_resumed && is_since
    }

    fn here(&self) -> Start {
        let History { newest, hash, heads, .. } = &self.history;
        Start { commit: *newest, hash: hash.clone(), heads: heads.clone() }
    }

    fn take_segments(&mut self, commit: &Commit, path: &str, found: &mut Found) {
        let segments = &mut self.history.segments;
        let mut wrong = |detail: String| {
            found.add(LakeFinding::new(LakeFindingKind::CommitDamaged, detail).at(path));
        };
        for gone in &commit.remove {
            if segments.remove(gone).is_none() {
                wrong(format!("it removes {gone}, which is not part of the lake"));
            }
        }
        for segment in &commit.add {
            let counts = segment.tenants.values().map(|span| span.rows);
            let rows = counts.fold(0, u64::saturating_add);
            if rows != segment.rows {
                wrong(format!(
                    "it says that {} has {} events, and {rows} of its tenants",
                    segment.path, segment.rows
                ));
            }
            let added = Arc::new(segment.clone());
            if segments.insert(segment.path.clone(), added).is_some() {
                wrong(format!("it adds {} a second time", segment.path));
            }
        }
    }

    async fn publish(
        &mut self,
        tenant: String,
        mut head: TenantHead,
        path: &str,
        found: &mut Found,
    ) -> Result<(), LakeError> {
        self.history.checkpoints += 1;
        let before = self.history.heads.get(&tenant);
        if let Err((kind, detail)) = check_head(before, &head) {
            found.add(LakeFinding::new(kind, detail).at(path).of(&tenant));
        }
        self.trust.check(&tenant, &head, path, found);
        if let Some(origin) = self.trust.origin_of(&tenant) {
            self.held.compare(&origin, &tenant, head.size, &head.root, found);
        }
        self.tiles.grow(&tenant, before, &head, path, found).await?;
        head.blocks = Vec::new();
        self.history.heads.insert(tenant, head);
        Ok(())
    }

    /// At the commit that an earlier verification went to, everything must be as it was then.
    fn compare_resumed(&mut self, path: &str, found: &mut Found) {
        let Some(resume) = &self.checks.resume else { return };
        if self.is_resumed || self.history.newest != resume.commit {
            return;
        }
        self.is_resumed = true;
        let forked = if self.history.hash != resume.commit_hash {
            format!(
                "commit {} is not the one that was verified before: its hash was {}, and is {}",
                resume.commit, resume.commit_hash, self.history.hash
            )
        } else if VerifiedTo::logs_of(&self.history.heads) != resume.tenants {
            format!("the logs at commit {} are not those that were verified before", resume.commit)
        } else {
            return;
        };
        found.add(LakeFinding::new(LakeFindingKind::Forked, forked).at(path));
        // What was verified was something else: nothing is taken for granted.
        self.start = Some(Start::default());
    }

    /// A snapshot of the manifest is read in place of the commits, so it must say the same.
    fn compare_snapshot(&self, found: &mut Found) {
        let (history, snapshot) = (&self.history, &self.snapshot);
        let segments = snapshot.segments.len() == history.segments.len()
            && snapshot.segments.iter().all(|segment| {
                history.segments.get(&segment.path).is_some_and(|known| known == segment)
            });
        let heads = snapshot.tenants.len() == history.heads.len()
            && snapshot.tenants.iter().all(|(tenant, head)| {
                history.heads.get(tenant).is_some_and(|known| is_same(known, head))
            });
        let is_same = segments
            && heads
            && snapshot.hash == history.hash
            && snapshot.wal_applied == history.wal_applied;
        if !is_same {
            let detail = "the snapshot of the manifest is not what the commits add up to";
            let finding = LakeFinding::new(LakeFindingKind::ManifestSnapshot, detail);
            found.add(finding.at(crate::paths::snapshot(snapshot.version)));
        }
    }

    /// Ends behind the newest commit.
    pub(super) fn finish(self, found: &mut Found) -> (History, Start) {
        let here = self.here();
        let Self { checks, snapshot, history, start, is_resumed, .. } = self;
        if snapshot.version > history.newest {
            let detail = format!(
                "a snapshot of the manifest sums up commit {}, and the newest commit is {}",
                snapshot.version, history.newest
            );
            let finding = LakeFinding::new(LakeFindingKind::CommitMissing, detail);
            found.add(finding.at(crate::paths::snapshot(snapshot.version)));
        }
        check_counts(&history, found);
        if let (Some(resume), false) = (&checks.resume, is_resumed) {
            let (kind, what) = if resume.commit > history.newest {
                (LakeFindingKind::Shorter, "the lake was rolled back")
            } else {
                (LakeFindingKind::CommitMissing, "a commit is missing")
            };
            let detail = format!(
                "{what}: commit {} was verified before, and the newest is {}",
                resume.commit, history.newest
            );
            found.add(LakeFinding::new(kind, detail));
            return (history, Start::default());
        }
        (history, start.unwrap_or(here))
    }
}

/// Whether two heads say the same, but for the blocks, of which commits and state keep others.
fn is_same(a: &TenantHead, b: &TenantHead) -> bool {
    a.size == b.size
        && a.root == b.root
        && a.peaks == b.peaks
        && a.recorded_at_us == b.recorded_at_us
        && a.signature == b.signature
}

/// What must hold for a head by itself and behind the one before it.
fn check_head(
    before: Option<&TenantHead>,
    head: &TenantHead,
) -> Result<(), (LakeFindingKind, String)> {
    let size = head.size;
    let tree = CompactRange::from_parts(size, head.peaks.clone());
    let tree = tree.map_err(|source| (LakeFindingKind::Root, source.to_string()))?;
    if tree.root() != head.root {
        let detail = format!("the root of {size} events is not that of its peaks");
        return Err((LakeFindingKind::Root, detail));
    }
    match before {
        Some(before) if before.size > size => {
            let detail = format!("the log had {} events before, and {size} here", before.size);
            Err((LakeFindingKind::Shorter, detail))
        }
        Some(before) if before.size == size && before.root != head.root => {
            let (was, is) = (hex::encode(&before.root), hex::encode(&head.root));
            let detail = format!("the root of {size} events was {was}, and is {is} here");
            Err((LakeFindingKind::Forked, detail))
        }
        _ => Ok(()),
    }
}

/// The segments must name as many events of each log as it has, and none behind its end.
fn check_counts(history: &History, found: &mut Found) {
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for segment in history.segments.values() {
        for (tenant, span) in &segment.tenants {
            let sum = rows.entry(tenant).or_default();
            *sum = sum.saturating_add(span.rows);
            let size = history.heads.get(tenant).map_or(0, |head| head.size);
            if span.seq.0 > span.seq.1 || span.seq.1 >= size {
                let detail = format!(
                    "the manifest says that it holds seq {} to {} of a log of {size} events",
                    span.seq.0, span.seq.1
                );
                let finding = LakeFinding::new(LakeFindingKind::Segment, detail);
                found.add(finding.at(&segment.path).of(tenant));
            }
        }
    }
    for (tenant, head) in &history.heads {
        let named = rows.get(tenant.as_str()).copied().unwrap_or(0);
        if named != head.size {
            let kind = if named < head.size {
                LakeFindingKind::Missing
            } else {
                LakeFindingKind::Duplicate
            };
            let detail =
                format!("the segments have {named} events of a log of {} events", head.size);
            found.add(LakeFinding::new(kind, detail).of(tenant));
        }
    }
}

impl VerifiedTo {
    /// What is kept of heads.
    pub(super) fn logs_of(heads: &BTreeMap<String, TenantHead>) -> BTreeMap<String, VerifiedLog> {
        let logs = heads.iter().map(|(tenant, head)| {
            let TenantHead { size, root, peaks, .. } = head.clone();
            (tenant.clone(), VerifiedLog { size, root, peaks })
        });
        logs.collect()
    }
}
