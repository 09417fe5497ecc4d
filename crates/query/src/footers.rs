//! Footers of segments: read once, and kept while there is room for them.

use std::sync::Arc;

use auditlake_lake::Segment;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use object_store::ObjectStore;

use crate::error::QueryError;

/// The end of a file that is read first: the footer of an ordinary segment and its indexes, so
/// that one read suffices.
const TAIL_BYTES: usize = 128 << 10;

/// Opens segments, knowing the footers met before.
#[derive(Clone, Debug)]
pub(crate) struct Footers {
    files: Arc<CachedParquetFileReaderFactory>,
}

impl Footers {
    pub(crate) fn new(runtime: &RuntimeEnv, store: &Arc<dyn ObjectStore>) -> Self {
        let cache = runtime.cache_manager.get_file_metadata_cache();
        let files = CachedParquetFileReaderFactory::new(Arc::clone(store), cache);
        Self { files: Arc::new(files) }
    }

    /// For scans.
    pub(crate) fn files(&self) -> Arc<dyn ParquetFileReaderFactory> {
        Arc::clone(&self.files) as Arc<dyn ParquetFileReaderFactory>
    }

    /// The footer of a segment and its page indexes.
    pub(crate) async fn of(&self, segment: &Segment) -> Result<Arc<ParquetMetaData>, QueryError> {
        let metrics = ExecutionPlanMetricsSet::new();
        let mut reader = self.files.create_reader(0, file(segment), Some(TAIL_BYTES), &metrics)?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        reader.get_metadata(Some(&options)).await.map_err(|source| {
            QueryError::Internal(format!("reading the footer of {}: {source}", segment.path))
        })
    }
}

/// A segment as DataFusion names it.
pub(crate) fn file(segment: &Segment) -> PartitionedFile {
    PartitionedFile::new(segment.path.clone(), segment.bytes).with_metadata_size_hint(TAIL_BYTES)
}
