//! The proof of an export over one log, as it is made and before it is written: what was found,
//! and what leads from it to the signed head.

use std::ops::Range;

use crate::multi::MultiProof;

/// That the events of an export are leaves of a tenant's log.
#[derive(Clone, Debug)]
pub struct LogProof {
    /// Whose log it is.
    pub tenant_id: String,
    /// The signed note of the log's head.
    pub checkpoint: String,
    /// The keys that may have signed it, oldest first, each as one line of text.
    pub keys: Vec<String>,
    /// What leads from the events to the root of the checkpoint. Its ranges are the positions of
    /// the events, and those of the neighbours when `complete` has some.
    pub proof: MultiProof,
    /// The first four bytes of each event's leaf hash, in the order of `seq`: when the root does
    /// not come out, they tell which event is to blame.
    pub hints: Vec<u8>,
    /// How many events of the export are of this log.
    pub rows: u64,
    /// The range of which nothing is missing, if that is claimed.
    pub complete: Option<CompleteRange>,
}

/// A range of a log of which nothing is missing, and why it begins and ends where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteRange {
    /// The positions, of which every one is in the export.
    pub seqs: Range<u64>,
    /// The range begins with the first event that was recorded at this time or later. None if it
    /// begins at the position that was asked for.
    pub recorded_from_us: Option<i64>,
    /// The range ends in front of the first event that was recorded at this time or later. None
    /// if it ends at the position that was asked for.
    pub recorded_to_us: Option<i64>,
    /// The line in front of the range, which was recorded before `recorded_from_us`: there when
    /// that is given and the range does not begin with the log.
    pub before: Option<String>,
    /// The line behind the range, which was not recorded before `recorded_to_us`: there when that
    /// is given and the range does not end with the log.
    pub after: Option<String>,
}
