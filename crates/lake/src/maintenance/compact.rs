//! Compaction: the segments of a day become one. Rows keep their `seq`, so no log and no
//! root changes; the removed files stay until no query can read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use auditlake_model::env::Environment;
use auditlake_model::id::new_ulid;
use auditlake_model::time::format_day;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::sync::Mutex;

use super::{Compacted, Maintenance};
use crate::error::LakeError;
use crate::failpoint;
use crate::manifest::CommitKind;
use crate::paths;
use crate::segment::{self, Segment, SegmentWriter};
use crate::shared::Shared;

/// Rows of the batches read from each segment: a day may have many.
const BATCH_ROWS: usize = 1024;
/// A merge reads so many segments at most: each has a batch and a column chunk in memory.
const MOST_SEGMENTS: usize = 32;
/// Segments of so few rows are merged whatever their sizes.
const SMALL_ROWS: u64 = 65_536;
/// Days that are compacted side by side.
const DAYS_AT_A_TIME: usize = 2;
/// How many parts of an upload may be under way.
const UPLOADS: usize = 4;

/// Merges segments beside flushes: only the commit needs the manifest's owner.
#[derive(Debug)]
pub(crate) struct Compactor {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) environment: Environment,
    pub(crate) shared: Arc<Shared>,
    pub(crate) maintenance: Arc<Mutex<Maintenance>>,
}

impl Compactor {
    /// Compacts every day that has at least `at_least` segments: with two, until it has one;
    /// with more, only while there are so many, the small ones first. Two days at a time: a
    /// merge keeps one thread busy.
    pub(crate) async fn compact(&mut self, at_least: usize) -> Result<Compacted, LakeError> {
        let at_least = at_least.max(2);
        let days = self.segment_counts().into_iter().filter(|(_, count)| *count >= at_least);
        let compactor = &*self;
        let compacted: Vec<_> = stream::iter(days)
            .map(|(day, _)| compactor.compact_day(day, at_least))
            .buffer_unordered(DAYS_AT_A_TIME)
            .collect()
            .await;
        let mut done = Compacted::default();
        for day in compacted {
            done.add(day?);
        }
        Ok(done)
    }

    /// Merges a day's segments until they are few enough.
    async fn compact_day(&self, day: i32, at_least: usize) -> Result<Compacted, LakeError> {
        let mut before = None;
        while !self.shared.is_closing() {
            let manifest = self.shared.manifest();
            let of_day = manifest.segments.iter().filter(|segment| segment.day == day);
            let segments: Vec<Arc<Segment>> = of_day.cloned().collect();
            let count = segments.len() as u64;
            let segments_before = *before.get_or_insert(count);
            if segments.len() < at_least {
                return Ok(Compacted { days: 1, segments_before, segments_after: count });
            }
            let merged = self.merge_segments(day, &chosen(segments, at_least)).await;
            merged.inspect_err(|error| {
                tracing::warn!(%error, "day {} was not compacted", format_day(day));
            })?;
        }
        Ok(Compacted::default())
    }

    /// Deletes segments that no commit names. Neither a flush nor a compaction is under way
    /// meanwhile, whose segments would be such.
    pub(crate) async fn sweep_orphans(&self) -> Result<u64, LakeError> {
        self.maintenance.lock().await.sweep_orphans().await
    }

    fn segment_counts(&self) -> BTreeMap<i32, usize> {
        let mut counts = BTreeMap::new();
        for segment in &self.shared.manifest().segments {
            *counts.entry(segment.day).or_default() += 1;
        }
        counts
    }

    async fn merge_segments(&self, day: i32, segments: &[Arc<Segment>]) -> Result<(), LakeError> {
        self.shared.check_running()?;
        let path = paths::segment(day, new_ulid(&self.environment));
        let (store, sources) = (Arc::clone(&self.store), segments.to_vec());
        let (runtime, target) = (tokio::runtime::Handle::current(), path.clone());
        // Decoding and encoding keep a thread busy for long: not one of the reactor's.
        let merged = tokio::task::spawn_blocking(move || {
            runtime.block_on(merge_into(&store, &sources, day, &target))
        });
        let merged = merged.await.map_err(LakeError::data("compaction"))??;
        let before: u64 = segments.iter().map(|segment| segment.rows).sum();
        if merged.rows != before {
            let detail = format!("{} rows were merged from {before}", merged.rows);
            return Err(LakeError::damaged(path, detail));
        }
        self.maintenance.lock().await.commit_merged(merged, segments).await
    }
}

impl Maintenance {
    /// Puts a merged segment in the place of those it was merged from. Nothing but compaction
    /// removes segments, and there is one compaction at a time, so they are all still there.
    async fn commit_merged(
        &self,
        merged: Segment,
        sources: &[Arc<Segment>],
    ) -> Result<(), LakeError> {
        let base = self.shared.manifest();
        let mut commit = self.new_commit(CommitKind::Compact, &base);
        commit.add = vec![merged];
        commit.remove = sources.iter().map(|segment| segment.path.clone()).collect();
        failpoint::hit("compact::before_commit").map_err(LakeError::io("compaction"))?;
        self.commit(&base, commit).await?;
        failpoint::hit("compact::after_commit").map_err(LakeError::io("compaction"))
    }
}

/// Which segments of a day to merge: the smallest, and, unless the day is to become one
/// segment, none that is much larger than what it would be merged with. So a row is rewritten
/// about as often as the day doubles, not at every compaction.
fn chosen(mut segments: Vec<Arc<Segment>>, at_least: usize) -> Vec<Arc<Segment>> {
    segments.sort_by_key(|segment| segment.rows);
    let mut rows = SMALL_ROWS;
    let fits = segments.iter().take_while(|segment| {
        let fits = at_least == 2 || segment.rows <= 2 * rows;
        rows += segment.rows;
        fits
    });
    let count = fits.count().clamp(2, MOST_SEGMENTS);
    segments.truncate(count);
    segments
}

/// Merges segments into one new object, streaming both ways.
async fn merge_into(
    store: &Arc<dyn ObjectStore>,
    sources: &[Arc<Segment>],
    day: i32,
    path: &Path,
) -> Result<Segment, LakeError> {
    let mut streams = Vec::with_capacity(sources.len());
    for source in sources {
        let batch_rows = source.batch_rows().min(BATCH_ROWS);
        streams.push(segment::open(store, source, None, batch_rows).await?);
    }
    failpoint::hit("compact::merge").map_err(LakeError::io(path.as_ref()))?;
    let upload = store.put_multipart(path).await.map_err(LakeError::store(path))?;
    let mut upload = WriteMultipart::new(upload);
    let rows = sources.iter().map(|source| source.batch_rows()).min().unwrap_or(BATCH_ROWS);
    let written = write_merged(streams, rows, &mut upload, day, path).await;
    match written {
        Ok(segment) => {
            upload.finish().await.map_err(LakeError::store(path))?;
            Ok(segment)
        }
        Err(error) => {
            // The error at hand matters more than whether the parts could be taken back.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

async fn write_merged(
    streams: Vec<segment::Batches>,
    batch_rows: usize,
    upload: &mut WriteMultipart,
    day: i32,
    path: &Path,
) -> Result<Segment, LakeError> {
    let mut writer = SegmentWriter::new()?;
    segment::merge(streams, batch_rows, async |batch| {
        writer.write(&batch)?;
        upload.wait_for_capacity(UPLOADS).await.map_err(LakeError::store(path))?;
        upload.put(writer.take().into());
        Ok(())
    })
    .await?;
    let encoded = writer.finish(day, path.to_string())?;
    upload.put(encoded.rest.into());
    Ok(encoded.segment)
}
