//! Which range of a log an export without gaps has, and what stands on both sides of it.
//!
//! Nobody can tell from a range of positions that no event of a range of time lies outside of
//! it. But `recorded_at` never decreases along a log: that the events on both sides were recorded
//! before and after it proves that all others were as well.

use std::ops::Range;
use std::sync::Arc;

use auditlake_lake::{Segment, TenantLog};
use auditlake_model::filter::Filter;
use auditlake_model::time::parse_rfc3339;
use auditlake_tlog::{Hash, leaf_hash};
use serde::Deserialize;

use super::{CompleteRange, unproved};
use crate::error::QueryError;

/// A committed log in which a range is looked for.
pub(super) struct Searched<'a> {
    pub(super) log: &'a TenantLog,
    /// The segments of the snapshot.
    pub(super) segments: &'a [Arc<Segment>],
}

/// A range without gaps, and the leaves beside it that prove why it ends there.
pub(super) struct Found {
    pub(super) range: CompleteRange,
    pub(super) neighbours: Vec<(u64, Hash)>,
}

/// A line of a log, as it is read back.
struct Line {
    text: String,
    leaf: Hash,
    recorded_at_us: i64,
}

/// What is looked at of a line.
#[derive(Deserialize)]
struct Recorded {
    recorded_at: String,
}

impl Searched<'_> {
    /// The range that a filter means, which bounds nothing but positions and recorded times:
    /// `exported` are the positions of the events that came of it.
    pub(super) async fn complete(
        &self,
        exported: &[Range<u64>],
        filter: &Filter,
        recorded_to_us: i64,
    ) -> Result<Found, QueryError> {
        let seqs = match exported {
            [] => self.nothing(filter, recorded_to_us).await?,
            [seqs] => seqs.clone(),
            [first, second, ..] => return Err(self.lacks(first.end..second.start)),
        };
        let Range { start, end } = seqs;
        let size = self.log.size();
        // What begins or ends where it was asked to says so by its positions alone.
        let starts_as_asked =
            start > 0 && filter.seq.from.is_some_and(|from| from.min(size) >= start);
        let ends_as_asked = end < size && filter.seq.to.is_some_and(|to| to <= end);
        let mut range = CompleteRange {
            seqs,
            recorded_from_us: filter.recorded.from_us.filter(|_| !starts_as_asked),
            recorded_to_us: Some(recorded_to_us).filter(|_| !ends_as_asked),
            before: None,
            after: None,
        };
        let mut neighbours = Vec::new();
        if start > 0 && !starts_as_asked {
            let line = self.line(start - 1).await?;
            if range.recorded_from_us.is_none_or(|from_us| line.recorded_at_us >= from_us) {
                return Err(self.lacks(start - 1..start));
            }
            neighbours.push((start - 1, line.leaf));
            range.before = Some(line.text);
        }
        if end < size && !ends_as_asked {
            let line = self.line(end).await?;
            if line.recorded_at_us < recorded_to_us {
                return Err(self.lacks(end..end + 1));
            }
            neighbours.push((end, line.leaf));
            range.after = Some(line.text);
        }
        Ok(Found { range, neighbours })
    }

    /// The empty range of a filter that means no event: it stands where the events would.
    async fn nothing(
        &self,
        filter: &Filter,
        recorded_to_us: i64,
    ) -> Result<Range<u64>, QueryError> {
        let size = self.log.size();
        let least = filter.seq.from.map_or(0, |from| from.min(size));
        let most = filter.seq.to.map_or(size, |to| to.min(size)).max(least);
        let end = self.recorded_before(recorded_to_us).await?.clamp(least, most);
        let start = match filter.recorded.from_us {
            Some(from_us) => self.recorded_before(from_us).await?.clamp(least, most),
            None => least,
        };
        if start < end { Err(self.lacks(start..end)) } else { Ok(end..end) }
    }

    /// How many events of the log were recorded before an instant. The manifest tells it mostly;
    /// what it leaves open is looked for line by line, halving what is left.
    async fn recorded_before(&self, time_us: i64) -> Result<u64, QueryError> {
        let (mut least, mut most) = (0_u64, self.log.size());
        let spans = self.segments.iter().filter_map(|at| at.tenants.get(self.log.tenant()));
        for span in spans {
            let ((first, last), (first_us, last_us)) = (span.seq, span.recorded_us);
            if last_us < time_us {
                least = least.max(last.saturating_add(1));
            }
            if first_us >= time_us {
                most = most.min(first);
            }
        }
        while least < most {
            let middle = least.midpoint(most);
            if self.line(middle).await?.recorded_at_us < time_us {
                least = middle + 1;
            } else {
                most = middle;
            }
        }
        Ok(least)
    }

    async fn line(&self, seq: u64) -> Result<Line, QueryError> {
        let tenant = self.log.tenant();
        let Some(bytes) = self.log.line(seq).await? else {
            return Err(unproved(tenant, format!("the event at position {seq} is not there")));
        };
        let leaf = leaf_hash(&bytes);
        let unread = |why: &dyn std::fmt::Display| {
            unproved(tenant, format!("the event at position {seq} cannot be read: {why}"))
        };
        let text = String::from_utf8(bytes).map_err(|why| unread(&why))?;
        let recorded: Recorded = serde_json::from_str(&text).map_err(|why| unread(&why))?;
        let recorded_at_us = parse_rfc3339(&recorded.recorded_at).map_err(|why| unread(&why))?;
        Ok(Line { text, leaf, recorded_at_us })
    }

    fn lacks(&self, seqs: Range<u64>) -> QueryError {
        let Range { start, end } = seqs;
        let why = format!("positions {start} to {end} are meant and not in the export");
        unproved(self.log.tenant(), why)
    }
}
