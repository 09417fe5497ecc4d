//! Compaction: the segments of a day become one. Rows keep their `seq`, so no log and no
//! root changes; the removed files stay until no query can read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use auditlake_model::id::new_ulid;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

use super::{Compacted, Maintenance};
use crate::error::LakeError;
use crate::failpoint;
use crate::manifest::CommitKind;
use crate::paths;
use crate::segment::{self, Segment, SegmentWriter};

/// Rows of the batches read from each segment: a day may have many.
const BATCH_ROWS: usize = 1024;
/// How many parts of an upload may be under way.
const UPLOADS: usize = 4;

impl Maintenance {
    /// Compacts every day that has at least `at_least` segments.
    pub(crate) async fn compact(&mut self, at_least: usize) -> Result<Compacted, LakeError> {
        let mut days: BTreeMap<i32, Vec<Arc<Segment>>> = BTreeMap::new();
        for known in &self.shared.manifest().segments {
            days.entry(known.day).or_default().push(Arc::clone(known));
        }
        let mut done = Compacted::default();
        for (day, segments) in days {
            if segments.len() < at_least.max(2) {
                continue;
            }
            self.compact_day(day, &segments).await?;
            done.days += 1;
            done.segments_before += segments.len() as u64;
            done.segments_after += 1;
        }
        Ok(done)
    }

    async fn compact_day(&self, day: i32, segments: &[Arc<Segment>]) -> Result<(), LakeError> {
        self.shared.check_running()?;
        let path = paths::segment(day, new_ulid(&self.environment));
        let (store, sources) = (Arc::clone(self.store()), segments.to_vec());
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
        let base = self.shared.manifest();
        let mut commit = self.new_commit(CommitKind::Compact, &base);
        commit.add = vec![merged];
        commit.remove = segments.iter().map(|segment| segment.path.clone()).collect();
        failpoint::hit("compact::before_commit").map_err(LakeError::io("compaction"))?;
        self.commit(&base, commit).await?;
        failpoint::hit("compact::after_commit").map_err(LakeError::io("compaction"))
    }
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
        streams.push(segment::open(store, source, None, BATCH_ROWS).await?);
    }
    failpoint::hit("compact::merge").map_err(LakeError::io(path.as_ref()))?;
    let upload = store.put_multipart(path).await.map_err(LakeError::store(path))?;
    let mut upload = WriteMultipart::new(upload);
    let written = write_merged(streams, &mut upload, day, path).await;
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
    upload: &mut WriteMultipart,
    day: i32,
    path: &Path,
) -> Result<Segment, LakeError> {
    let mut writer = SegmentWriter::new()?;
    segment::merge(streams, async |batch| {
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
