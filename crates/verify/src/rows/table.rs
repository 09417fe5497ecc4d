//! Parquet as batches of events. Only files of exactly our columns are read: with others no line
//! could be made, and a column more would be one that nothing is proved of.

use std::fs::File;

use arrow::datatypes::Schema;
use auditlake_model::columns;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

/// About so many bytes are in a batch, as far as a footer can be believed.
const BATCH_BYTES: u64 = 4 << 20;
/// The bounds of the rows of a batch.
const ROWS: (u64, u64) = (64, 8192);

/// The batches of a file.
pub(super) fn batches(file: File) -> Result<ParquetRecordBatchReader, String> {
    let said = |error: ParquetError| error.to_string();
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    let file = Bounded { file, bytes };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(said)?;
    check(builder.schema())?;
    let rows = batch_rows(builder.metadata());
    builder.with_batch_size(rows).build().map_err(said)
}

fn check(schema: &Schema) -> Result<(), String> {
    let wanted = columns::schema();
    let (is, wanted) = (schema.fields(), wanted.fields());
    for (is, wanted) in is.iter().zip(wanted) {
        if is.name() != wanted.name() || is.data_type() != wanted.data_type() {
            return Err(format!(
                "it has a column {} of type {} where an export has {} of type {}",
                is.name(),
                is.data_type(),
                wanted.name(),
                wanted.data_type()
            ));
        }
    }
    if is.len() != wanted.len() {
        return Err(format!("it has {} columns, and an export has {}", is.len(), wanted.len()));
    }
    Ok(())
}

/// Fewer rows where events are large.
fn batch_rows(footer: &ParquetMetaData) -> usize {
    let rows = |rows: i64| u64::try_from(rows).unwrap_or(0);
    let widest = footer
        .row_groups()
        .iter()
        .map(|group| rows(group.total_byte_size()) / rows(group.num_rows()).max(1))
        .max()
        .unwrap_or(0);
    let rows = (BATCH_BYTES / widest.max(1)).clamp(ROWS.0, ROWS.1);
    usize::try_from(rows).unwrap_or(1)
}

/// A file whose footer may name bytes that are not there: room is made only for those that are.
struct Bounded {
    file: File,
    bytes: u64,
}

impl Length for Bounded {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Bounded {
    type T = <File as ChunkReader>::T;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.bytes) {
            let reason = format!("{length} bytes from {start} on are not in the file");
            return Err(ParquetError::EOF(reason));
        }
        self.file.get_bytes(start, length)
    }
}
