//! Verifies a whole lake from what is stored, without its writer: the chain of commits, every
//! head that was ever published and its signature, every segment, and that the events in them
//! are those that the heads stand for, all of them and each once.
//!
//! Reads only. Memory is bounded by the manifest and by a window of events, whatever the size of
//! the lake. What is wrong is a finding; an error says that the store failed or that there is no
//! lake.

mod chain;
mod file;
mod findings;
mod hashing;
mod held;
mod history;
mod hot;
mod naming;
mod reading;
mod sift;
mod tiles;
mod trust;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use auditlake_tlog::{Hash, Note, VerifierKey};
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};

use crate::config::LakeConfig;
use crate::documents::Documents;
use crate::error::LakeError;
use crate::hex;
use crate::manifest::{ManifestLog, TenantHead};
use chain::Chain;
use findings::Found;
pub use findings::{LakeFinding, LakeFindingKind};
use hashing::Hashing;
use held::Held;
use history::{Historian, History, Start};
use reading::Segments;
use tiles::{LogFiles, Tiles};
use trust::Trust;
use window::Windows;

/// What a lake is checked against, and how much of it.
#[derive(Clone, Debug)]
pub struct LakeChecks {
    /// The public keys that are trusted; if there are none, those that the lake itself names.
    pub keys: Vec<[u8; 32]>,
    /// The witnesses of whom one must have cosigned each checkpoint of [`Self::against`].
    pub witnesses: Vec<VerifierKey>,
    /// Checkpoints that were kept elsewhere: the lake must have gone through each.
    pub against: Vec<Note>,
    /// Only events from here on are verified; the heads before are taken for granted.
    pub since: Option<Since>,
    /// How far an earlier verification went: only events behind it are verified.
    pub resume: Option<VerifiedTo>,
    /// About so many events are verified at once; each takes up to 40 bytes of memory.
    pub window_events: u64,
}

impl Default for LakeChecks {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            witnesses: Vec::new(),
            against: Vec::new(),
            since: None,
            resume: None,
            window_events: 4_000_000,
        }
    }
}

/// Where a verification of events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With this commit.
    Commit(u64),
    /// With the first commit that has an event recorded at this time or later, in microseconds.
    Recorded(i64),
}

/// How far a verification went: what a later one goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedTo {
    /// The version of this format, [`Self::VERSION`].
    pub version: u32,
    /// What the lake is called; empty if it does not say.
    pub origin: String,
    /// The number of the last commit whose events were verified; 0 for none.
    pub commit: u64,
    /// SHA-256 of that commit's bytes.
    pub commit_hash: String,
    /// The logs as of that commit.
    pub tenants: BTreeMap<String, VerifiedLog>,
}

impl VerifiedTo {
    /// The version of the format that is written, and the only one that is read.
    pub const VERSION: u32 = 1;
}

/// A log that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedLog {
    /// How many events it has.
    pub size: u64,
    /// The root of the tree over them.
    #[serde(with = "hex::one")]
    pub root: Hash,
    /// The tree's perfect subtrees.
    #[serde(with = "hex::many")]
    pub peaks: Vec<Hash>,
}

/// What a verification led to.
#[derive(Clone, Debug, Serialize)]
pub struct LakeReport {
    /// Commits read: all of them.
    pub commits: u64,
    /// Heads of logs in them.
    pub checkpoints: u64,
    /// Segments read.
    pub segments: u64,
    /// Events read.
    pub events: u64,
    /// The logs as of the newest commit.
    pub tenants: Vec<TenantReport>,
    /// What is wrong; a lake is good when there is nothing.
    pub findings: Vec<LakeFinding>,
    /// Findings beyond those that are kept.
    pub findings_left_out: u64,
    /// What was not checked or cannot be known, in sentences.
    pub notes: Vec<String>,
    /// What a later verification can go on from: up to the first finding.
    pub verified_to: VerifiedTo,
}

/// A log as of the newest commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantReport {
    /// Whose log.
    pub tenant: String,
    /// How many events it has.
    pub size: u64,
    /// The root of the tree over them.
    #[serde(serialize_with = "hex::one::serialize")]
    pub root: Hash,
}

/// How far a verification is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// So many of the commits have been read.
    Commits {
        /// How many.
        read: u64,
        /// Of how many.
        of: u64,
    },
    /// So many events are to be verified in all. Comes once, before the first of them.
    Expected(u64),
    /// So many events have been read since the start.
    Events(u64),
    /// All is good so far, and a verification that breaks off from here on can go on from this.
    Window {
        /// What a later verification can go on from.
        verified_to: VerifiedTo,
    },
}

/// Verifies the lake at a root. Events that are only in the WAL are not signed yet and not
/// looked at.
pub async fn verify_lake(
    config: &LakeConfig,
    options: &LakeChecks,
    mut progress: impl FnMut(Progress),
) -> Result<LakeReport, LakeError> {
    check_resume(options)?;
    let store = config.store();
    // A writer may be at work: what sums up or follows commits is read before they are listed,
    // and the keys, which are there before they sign, after that.
    let manifests = ManifestLog::new(Arc::clone(store), config.retry());
    let snapshot = manifests.newest_snapshot().await?;
    let files = LogFiles::list(store).await?;
    let versions = chain::versions(store).await?;
    if versions.is_empty() {
        let location = config.root.location();
        return Err(LakeError::Invalid(format!("there is no lake at {location}")));
    }
    let mut found = Found::default();
    let documents = Documents::new(Arc::clone(store));
    let mut trust = Trust::load(&documents, options, &mut found).await?;
    check_same_lake(options, &trust, &mut found);
    let mut held = Held::gather(store, &files.cosigned, options, &trust, &mut found).await?;
    let mut tiles = Tiles::new(store, files);

    let mut chain = Chain::open(store, &versions, 0, String::new());
    let mut historian = Historian::new(options, snapshot, &mut trust, &mut held, &mut tiles);
    let of = versions.len() as u64;
    while let Some(link) = chain.next(&mut found).await? {
        historian.follow(link, &mut found).await?;
        progress(Progress::Commits { read: historian.commits(), of });
    }
    let (history, start) = historian.finish(&mut found);
    hot::look(config, &history, chain.torn(), &mut found).await?;
    trust.finish(&history.heads, &mut found);
    tiles.finish(&history.heads, &mut found);
    note_start(&start, &mut found);

    let run = Run { store, versions: &versions, options, history: &history, trust: &trust };
    let events = run.events(start, &mut held, &mut found, &mut progress).await?;
    held.finish(&trust, &history.heads, &mut found);
    let tenants = history.heads.iter().map(|(tenant, head)| TenantReport {
        tenant: tenant.clone(),
        size: head.size,
        root: head.root,
    });
    Ok(LakeReport {
        commits: history.commits,
        checkpoints: history.checkpoints,
        segments: events.segments,
        events: events.rows,
        tenants: tenants.collect(),
        findings: found.findings,
        findings_left_out: found.left_out,
        notes: found.notes,
        verified_to: events.verified_to,
    })
}

fn check_resume(options: &LakeChecks) -> Result<(), LakeError> {
    match &options.resume {
        Some(resume) if resume.version != VerifiedTo::VERSION => Err(LakeError::Invalid(format!(
            "what an earlier verification left is of version {}, and {} can be read",
            resume.version,
            VerifiedTo::VERSION
        ))),
        _ => Ok(()),
    }
}

fn check_same_lake(options: &LakeChecks, trust: &Trust, found: &mut Found) {
    let Some(resume) = &options.resume else { return };
    if resume.origin != trust.lake_origin() {
        let detail = format!(
            "the lake that was verified before is {:?}, and this one is {:?}",
            resume.origin,
            trust.lake_origin()
        );
        found.add(LakeFinding::new(LakeFindingKind::Origin, detail));
    }
}

fn note_start(start: &Start, found: &mut Found) {
    let events = total(&start.heads);
    if events > 0 {
        found.note(format!(
            "The {events} events up to commit {} were taken for granted, as their checkpoints \
             stand for them.",
            start.commit
        ));
    }
}

/// The part of a verification that reads events.
struct Run<'a> {
    store: &'a Arc<dyn ObjectStore>,
    versions: &'a [u64],
    options: &'a LakeChecks,
    history: &'a History,
    trust: &'a Trust,
}

/// What came of it.
struct Events {
    segments: u64,
    rows: u64,
    verified_to: VerifiedTo,
}

impl Run<'_> {
    async fn events(
        &self,
        start: Start,
        held: &mut Held,
        found: &mut Found,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Events, LakeError> {
        let is_all = start.commit == 0;
        let expected = total(&self.history.heads).saturating_sub(total(&start.heads));
        progress(Progress::Expected(expected));
        let origin = self.trust.lake_origin();
        let most = self.options.window_events;
        let mut windows = Windows::new(self.store, self.versions, start, most);
        let mut verified_to = windows.verified_to(origin);
        let all = self.history.segments.values().cloned().collect();
        let mut segments = Segments::new(self.store, all);
        let mut rows = 0;
        while let Some(window) = windows.next(held, self.trust).await? {
            let window = Arc::new(window);
            let hashing = Arc::new(Hashing::new(&window));
            let sink = Arc::clone(&hashing) as Arc<dyn reading::Sink>;
            let mut read = |more: u64| {
                rows += more;
                progress(Progress::Events(rows));
            };
            let missing = segments.read(window.wanted(), sink, found, &mut read).await?;
            self.report_missing(&missing, found).await?;
            hashing.finish(found);
            let spots = window.check(held, found);
            naming::report(spots, &mut segments, found).await?;
            if found.is_good() {
                verified_to = windows.verified_to(origin);
                progress(Progress::Window { verified_to: verified_to.clone() });
            }
        }
        if found.is_good() {
            verified_to = windows.verified_to(origin);
        }
        self.look_at_the_rest(&segments, is_all, found);
        Ok(Events { segments: segments.checked(), rows, verified_to })
    }

    /// Segments that are not there. They may have been merged meanwhile, by a writer that is at
    /// work on the lake: then nothing can be said of it.
    async fn report_missing(&self, missing: &[String], found: &mut Found) -> Result<(), LakeError> {
        if missing.is_empty() {
            return Ok(());
        }
        let (newest, hash) = (self.history.newest, self.history.hash.clone());
        let versions = chain::versions(self.store).await?;
        let mut chain = Chain::open(self.store, &versions, newest, hash);
        let mut removed: Vec<String> = Vec::new();
        while let Some(link) = chain.next(&mut Found::default()).await? {
            removed.extend(link.commit.remove);
        }
        for path in missing {
            if removed.contains(path) {
                return Err(LakeError::Invalid(format!(
                    "{path} was merged into another segment while the lake was verified; verify \
                     it again"
                )));
            }
            let detail = "the segment is not there";
            found.add(LakeFinding::new(LakeFindingKind::Segment, detail).at(path));
        }
        Ok(())
    }

    fn look_at_the_rest(&self, segments: &Segments, is_all: bool, found: &mut Found) {
        let rest: Vec<_> = segments.unchecked().collect();
        if rest.is_empty() {
            return;
        }
        if !is_all {
            let count = rest.len();
            found
                .note(format!("{count} segments have only events from before, and were not read."));
            return;
        }
        for segment in rest {
            let detail = "the segment has no event of any log, as the manifest says";
            found.add(LakeFinding::new(LakeFindingKind::Segment, detail).at(&segment.path));
        }
    }
}

/// How many events the logs have together.
fn total(heads: &BTreeMap<String, TenantHead>) -> u64 {
    heads.values().fold(0, |sum, head| sum.saturating_add(head.size))
}
