//! A row group as it lies in a file, with all that a footer says of it: enough to stand in
//! another file of the same layout without being decoded.

use std::io::Write;
use std::ops::Range;

use bytes::{Buf, Bytes};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;

/// Some columns of a row group, encoded.
#[derive(Debug)]
pub struct RowGroup {
    /// How many rows it has.
    pub rows: usize,
    columns: Vec<(Part, ColumnCloseResult)>,
}

/// Some bytes of a file, read under the offsets they have there.
#[derive(Clone, Debug)]
struct Part {
    start: u64,
    bytes: Bytes,
}

impl RowGroup {
    /// Which bytes of a file have to be read for [`Self::new`].
    #[must_use]
    pub fn ranges(footer: &ParquetMetaData, index: usize, columns: &[usize]) -> Vec<Range<u64>> {
        let group = footer.row_group(index);
        let column = |column: &usize| {
            let column = group.column(*column);
            [Some(pages_of(column)), bloom_of(column)]
        };
        columns.iter().flat_map(column).flatten().collect()
    }

    /// The row group at `index` of a file, of these columns, of whose [`Self::ranges`] `bytes`
    /// are the content.
    pub fn new(
        footer: &ParquetMetaData,
        index: usize,
        columns: &[usize],
        bytes: Vec<Bytes>,
    ) -> Result<Self> {
        let group = footer.row_group(index);
        let mut bytes = bytes.into_iter();
        let mut next = |range: Range<u64>| match bytes.next() {
            Some(bytes) if bytes.len() as u64 == range.end - range.start => {
                Ok(Part { start: range.start, bytes })
            }
            _ => Err(ParquetError::EOF("a row group was read in part".to_owned())),
        };
        let mut copied = Vec::with_capacity(columns.len());
        for &position in columns {
            let column = group.column(position);
            let pages = next(pages_of(column))?;
            let bloom = bloom_of(column).map(&mut next).transpose()?;
            let bloom_filter = match bloom {
                Some(part) => Sbbf::read_from_column_chunk(column, &part)?,
                None => None,
            };
            let close = ColumnCloseResult {
                bytes_written: pages.bytes.len() as u64,
                rows_written: group.num_rows() as u64,
                metadata: column.clone(),
                bloom_filter,
                column_index: footer.column_index().map(|of| of[index][position].clone()),
                offset_index: footer.offset_index().map(|of| of[index][position].clone()),
            };
            copied.push((pages, close));
        }
        Ok(Self { rows: group.num_rows() as usize, columns: copied })
    }

    /// How many bytes its pages have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|(pages, _)| pages.bytes.len()).sum()
    }

    /// Writes it as a file's next row group.
    pub fn append_to<W: Write + Send>(self, writer: &mut SerializedFileWriter<W>) -> Result<()> {
        let mut group = writer.next_row_group()?;
        for (pages, close) in self.columns {
            group.append_column(&pages, close)?;
        }
        group.close()?;
        Ok(())
    }
}

fn pages_of(column: &ColumnChunkMetaData) -> Range<u64> {
    let (start, length) = column.byte_range();
    start..start + length
}

fn bloom_of(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = u64::try_from(column.bloom_filter_offset()?).ok()?;
    let length = u64::try_from(column.bloom_filter_length()?).ok()?;
    Some(start..start + length)
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.get_bytes(start, (self.len() - start) as usize)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let start = start.checked_sub(self.start).map(|start| start as usize);
        match start {
            Some(start) if start + length <= self.bytes.len() => {
                Ok(self.bytes.slice(start..start + length))
            }
            _ => Err(ParquetError::EOF("bytes that were not read".to_owned())),
        }
    }
}
