//! Segments: immutable Parquet files of one day's events, sorted by tenant, time and seq.

mod bounds;
mod by_seq;
mod encode;
mod merge;
mod read;

use std::collections::BTreeMap;

use auditlake_model::time::{format_day, parse_day};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use bounds::Summary;
pub use bounds::{Bounds, Span};
pub(crate) use by_seq::SeqRanges;
pub(crate) use encode::{SegmentWriter, sort};
pub(crate) use merge::merge;
pub(crate) use read::{Batches, is_of_store, open, read_columns};

/// What the manifest knows of a segment: enough to prune it without opening its footer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it lies below the storage root.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many events it holds.
    pub rows: u64,
    /// The day its events happened on.
    #[serde(serialize_with = "write_day", deserialize_with = "read_day")]
    pub day: i32,
    /// The span of each tenant's events in it.
    pub tenants: BTreeMap<String, Span>,
    /// The most bytes that `data` has in 1,024 rows in a row: how wide batches may become.
    pub widest_bytes: u64,
    /// Least and greatest value of columns of text; no entry when unknown.
    pub columns: BTreeMap<String, Bounds>,
}

/// Rows over which the width of `data` is measured.
pub(crate) const WIDTH_ROWS: usize = 1024;
/// What `data` may take in one batch.
const BATCH_BYTES: u64 = 4 << 20;
/// Rows of a batch of ordinary events.
const BATCH_ROWS: u64 = 8192;

impl Segment {
    /// How many rows a batch of this segment should have, so that memory does not depend on
    /// how much `data` its events carry.
    #[must_use]
    pub fn batch_rows(&self) -> usize {
        let rows = BATCH_BYTES * WIDTH_ROWS as u64 / self.widest_bytes.max(1);
        rows.clamp(16, BATCH_ROWS) as usize
    }

    /// The time its events span, first and last, in microseconds.
    #[must_use]
    pub fn occurred_us(&self) -> (i64, i64) {
        let spans = || self.tenants.values();
        (
            spans().map(|span| span.occurred_us.0).min().unwrap_or(i64::MAX),
            spans().map(|span| span.occurred_us.1).max().unwrap_or(i64::MIN),
        )
    }

    /// The time in which its events were recorded, first and last, in microseconds.
    #[must_use]
    pub fn recorded_us(&self) -> (i64, i64) {
        let spans = || self.tenants.values();
        (
            spans().map(|span| span.recorded_us.0).min().unwrap_or(i64::MAX),
            spans().map(|span| span.recorded_us.1).max().unwrap_or(i64::MIN),
        )
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
fn write_day<S: Serializer>(day: &i32, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&format_day(*day))
}

fn read_day<'de, D: Deserializer<'de>>(input: D) -> Result<i32, D::Error> {
    let text = String::deserialize(input)?;
    parse_day(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("not a day"))
}
