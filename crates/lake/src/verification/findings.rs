//! What a verification finds wrong, each with where it is; and what it could not look at. There
//! is a bound to what is kept: a lake that is wrong all over must not fill the memory.

use std::ops::Range;

use serde::Serialize;

/// So many findings are kept; the rest is counted.
const MOST_FINDINGS: usize = 10_000;

/// What is wrong, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LakeFindingKind {
    /// A commit is not what was written, or does not follow the one before it.
    CommitDamaged,
    /// A commit is not there.
    CommitMissing,
    /// A snapshot of the manifest says something else than the commits it sums up.
    ManifestSnapshot,
    /// A checkpoint is of another lake, or the lake does not say which one it is.
    Origin,
    /// A checkpoint is not signed by a key or a witness that is trusted.
    Signature,
    /// A segment is not what the manifest says of it.
    Segment,
    /// Events are not those that were signed.
    Leaf,
    /// Events are not there.
    Missing,
    /// Two events have the same place in a log.
    Duplicate,
    /// What a commit says of a log contradicts itself.
    Root,
    /// A log or the lake is shorter than it was.
    Shorter,
    /// A log had other events than it has now.
    Forked,
    /// A stored tile does not hold the hashes of its log.
    Tile,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LakeFinding {
    /// What is wrong.
    pub kind: LakeFindingKind,
    /// The object below the storage root, when one is to blame.
    pub path: Option<String>,
    /// Whose log.
    pub tenant_id: Option<String>,
    /// Which events of it, by `seq`: the narrowest range that is known.
    pub seqs: Option<Range<u64>>,
    /// The id of an event that stands there: the first one, if there are several.
    pub id: Option<String>,
    /// All of it in a sentence.
    pub detail: String,
}

impl LakeFinding {
    pub(super) fn new(kind: LakeFindingKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, path: None, tenant_id: None, seqs: None, id: None, detail }
    }

    pub(super) fn at(mut self, path: impl ToString) -> Self {
        self.path = Some(path.to_string());
        self
    }

    pub(super) fn of(mut self, tenant: &str) -> Self {
        self.tenant_id = Some(tenant.to_owned());
        self
    }

    pub(super) fn within(mut self, seqs: Range<u64>) -> Self {
        self.seqs = Some(seqs);
        self
    }

    pub(super) fn with_id(mut self, id: Option<String>) -> Self {
        self.id = id;
        self
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) findings: Vec<LakeFinding>,
    pub(super) left_out: u64,
    /// What was not checked, in sentences.
    pub(super) notes: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, finding: LakeFinding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Places in a log, for people: both ends belong to it.
pub(super) fn places(seqs: &Range<u64>) -> String {
    match seqs.end.saturating_sub(seqs.start) {
        0 | 1 => format!("seq {}", seqs.start),
        _ => format!("seq {} to {}", seqs.start, seqs.end - 1),
    }
}
