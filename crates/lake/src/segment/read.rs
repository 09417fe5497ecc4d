//! Reading segments back, a few columns or all of them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::Segment;
use crate::error::LakeError;

/// The batches of a segment, in its order.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch, LakeError>>;

/// A segment's bytes, for the Parquet reader.
pub(super) struct SegmentReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl SegmentReader {
    pub(super) fn new(store: &Arc<dyn ObjectStore>, segment: &Segment) -> Self {
        let path = Path::from(segment.path.as_str());
        Self { store: Arc::clone(store), path, bytes: segment.bytes }
    }
}

fn external(source: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(source))
}

impl AsyncFileReader for SegmentReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.store.get_range(&self.path, range).map_err(external).boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let bytes = self.bytes;
            let footer = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(footer.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

/// Whether the store failed, and not a decoder: what decompresses and what evaluates predicates
/// also reports errors that are foreign to Parquet.
pub(crate) fn is_of_store(error: &ParquetError) -> bool {
    matches!(error, ParquetError::External(source) if source.is::<object_store::Error>())
}

/// A store that fails is not a file that is damaged.
pub(super) fn unreadable(path: &str, source: ParquetError) -> LakeError {
    if is_of_store(&source) {
        LakeError::data(&format!("reading {path}"))(source)
    } else {
        LakeError::damaged(path, source)
    }
}

/// Streams a segment's batches of at most `batch_rows`; `columns` by position, all if none.
pub(crate) async fn open(
    store: &Arc<dyn ObjectStore>,
    segment: &Segment,
    columns: Option<&[usize]>,
    batch_rows: usize,
) -> Result<Batches, LakeError> {
    let path = segment.path.as_str();
    let builder = ParquetRecordBatchStreamBuilder::new(SegmentReader::new(store, segment))
        .await
        .map_err(|source| unreadable(path, source))?;
    let mask = match columns {
        Some(columns) => ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied()),
        None => ProjectionMask::all(),
    };
    let stream = builder
        .with_projection(mask)
        .with_batch_size(batch_rows)
        .build()
        .map_err(|source| unreadable(path, source))?;
    let path = segment.path.clone();
    Ok(Box::pin(stream.map_err(move |source| unreadable(&path, source))))
}

/// A segment's columns at these positions, whole.
pub(crate) async fn read_columns(
    store: &Arc<dyn ObjectStore>,
    segment: &Segment,
    columns: &[usize],
) -> Result<Vec<RecordBatch>, LakeError> {
    open(store, segment, Some(columns), 8192).await?.try_collect().await
}
