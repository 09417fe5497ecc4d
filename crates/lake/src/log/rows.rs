//! Events of a tenant's log read back from segments, one after the other as they are needed.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use auditlake_model::columns::at;
use auditlake_model::line::LineWriter;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use tokio::runtime::Handle;

use crate::error::LakeError;
use crate::segment::{Segment, SeqRanges};
use crate::snapshot::Snapshot;

/// Segments that are read side by side.
const SEGMENTS: usize = 2;

/// Reads the committed events at these places, in no order, each segment once. Hands on the
/// `seq` of each and what `of_line` makes of its canonical line.
///
/// Memory grows with what `of_line` makes of the events of two segments.
pub(super) async fn read<T: Send + 'static>(
    snapshot: &Snapshot,
    tenant: &str,
    wanted: impl IntoIterator<Item = Range<u64>>,
    of_line: fn(&[u8]) -> T,
    mut found: impl FnMut(u64, T) -> Result<(), LakeError>,
) -> Result<(), LakeError> {
    let wanted = Arc::new(SeqRanges::new(tenant, wanted));
    let segments: Vec<Arc<Segment>> =
        snapshot.segments().iter().filter(|segment| wanted.may_be_in(segment)).cloned().collect();
    let reads = stream::iter(segments).map(|segment| {
        let (store, wanted) = (Arc::clone(snapshot.store()), Arc::clone(&wanted));
        read_segment(store, segment, wanted, of_line)
    });
    let mut reads = pin!(reads.buffer_unordered(SEGMENTS));
    while let Some(rows) = reads.try_next().await? {
        for (seq, made) in rows {
            found(seq, made)?;
        }
    }
    Ok(())
}

async fn read_segment<T: Send + 'static>(
    store: Arc<dyn ObjectStore>,
    segment: Arc<Segment>,
    wanted: Arc<SeqRanges>,
    of_line: fn(&[u8]) -> T,
) -> Result<Vec<(u64, T)>, LakeError> {
    let runtime = Handle::current();
    // Decoding, rendering and hashing keep a thread busy: not one of the reactor's.
    let rows = tokio::task::spawn_blocking(move || {
        runtime.block_on(collect(&store, &segment, &wanted, of_line))
    });
    rows.await.map_err(LakeError::data("reading events back"))?
}

async fn collect<T>(
    store: &Arc<dyn ObjectStore>,
    segment: &Segment,
    wanted: &Arc<SeqRanges>,
    of_line: fn(&[u8]) -> T,
) -> Result<Vec<(u64, T)>, LakeError> {
    let mut batches = wanted.open(store, segment).await?;
    let mut writer = None;
    let (mut lines, mut ends, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(batch) = batches.try_next().await? {
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(
                LineWriter::new(&batch.schema())
                    .map_err(|source| LakeError::damaged(&segment.path, source))?,
            ),
        };
        lines.clear();
        ends.clear();
        writer.write_each(&batch, &mut lines, &mut ends);
        let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>().values();
        let mut start = 0;
        for (seq, end) in seqs.iter().zip(&ends) {
            rows.push((*seq, of_line(&lines[start..end - 1])));
            start = *end;
        }
    }
    Ok(rows)
}
