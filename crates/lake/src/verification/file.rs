//! The bytes of one segment, fetched once if they are few, and compared with the manifest.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use sha2::{Digest, Sha256};

use crate::error::LakeError;
use crate::hex;
use crate::segment::Segment;

/// A file up to this length is kept in memory while it is read.
const MAX_KEPT_BYTES: u64 = 32 << 20;
/// A longer one is hashed in pieces of this length.
const PIECE_BYTES: u64 = 8 << 20;

/// A segment's file, whatever its length really is.
pub(super) struct SegmentFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    length: u64,
    /// All of it, if it is short.
    kept: Option<Bytes>,
}

impl SegmentFile {
    /// Opens a segment; none if it is not there.
    pub(super) async fn open(
        store: &Arc<dyn ObjectStore>,
        segment: &Segment,
    ) -> Result<Option<Self>, LakeError> {
        let path = Path::from(segment.path.as_str());
        let file = match store.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            file => file.map_err(LakeError::store(&path))?,
        };
        let length = file.meta.size;
        let kept = if length <= MAX_KEPT_BYTES {
            Some(file.bytes().await.map_err(LakeError::store(&path))?)
        } else {
            None
        };
        Ok(Some(Self { store: Arc::clone(store), path, length, kept }))
    }

    /// What of its bytes is not as the manifest says.
    pub(super) async fn difference(&self, segment: &Segment) -> Result<Option<String>, LakeError> {
        if self.length != segment.bytes {
            return Ok(Some(format!(
                "the segment has {} bytes, the manifest says {}",
                self.length, segment.bytes
            )));
        }
        let sha256 = hex::encode(&self.digest().await?);
        let is_other = sha256 != segment.sha256;
        Ok(is_other.then(|| {
            format!("the SHA-256 of the segment is {sha256}, the manifest says {}", segment.sha256)
        }))
    }

    async fn digest(&self) -> Result<[u8; 32], LakeError> {
        if let Some(bytes) = &self.kept {
            return Ok(Sha256::digest(bytes).into());
        }
        let (mut hash, mut start) = (Sha256::new(), 0);
        while start < self.length {
            let end = self.length.min(start + PIECE_BYTES);
            let piece = self.store.get_range(&self.path, start..end).await;
            hash.update(piece.map_err(LakeError::store(&self.path))?);
            start = end;
        }
        Ok(hash.finalize().into())
    }

    /// A footer may name bytes that the file does not have.
    fn check(&self, range: &Range<u64>) -> Result<(), ParquetError> {
        if range.start <= range.end && range.end <= self.length {
            return Ok(());
        }
        let Range { start, end } = range;
        Err(ParquetError::EOF(format!("bytes {start} to {end} of {} were named", self.length)))
    }
}

impl AsyncFileReader for SegmentFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        if let Err(error) = self.check(&range) {
            return std::future::ready(Err(error)).boxed();
        }
        if let Some(bytes) = &self.kept {
            let piece = bytes.slice(range.start as usize..range.end as usize);
            return std::future::ready(Ok(piece)).boxed();
        }
        let piece = self.store.get_range(&self.path, range);
        piece.map_err(|source| ParquetError::External(Box::new(source))).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let length = self.length;
            Ok(Arc::new(ParquetMetaDataReader::new().load_and_finish(self, length).await?))
        }
        .boxed()
    }
}
