//! Reading the events that stand at some places of one tenant's log: row groups are left out by
//! what the footer says, and of the others all columns are decoded only where the first two,
//! tenant and seq, say that a row is wanted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Int32Type, UInt64Type};
use arrow::error::ArrowError;
use auditlake_model::columns::{COLUMNS, at};
use futures::TryStreamExt;
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderOptions, RowFilter};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::Segment;
use super::read::{Batches, SegmentReader, unreadable};
use crate::error::LakeError;

/// Places in the log of one tenant.
#[derive(Clone, Debug)]
pub(crate) struct SeqRanges {
    tenant: String,
    /// In order, none empty, and none touching the next.
    ranges: Vec<Range<u64>>,
}

impl SeqRanges {
    /// These places, in any order.
    pub(crate) fn new(tenant: &str, ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut sorted: Vec<Range<u64>> =
            ranges.into_iter().filter(|range| !range.is_empty()).collect();
        sorted.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self { tenant: tenant.to_owned(), ranges: joined }
    }

    /// Whether one of the places lies from `first` to `last`.
    fn meet(&self, first: u64, last: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= first);
        self.ranges.get(next).is_some_and(|range| range.start <= last)
    }

    /// Whether a segment may hold one of them.
    pub(crate) fn may_be_in(&self, segment: &Segment) -> bool {
        let span = segment.tenants.get(&self.tenant);
        span.is_some_and(|span| self.meet(span.seq.0, span.seq.1))
    }

    /// Whether a row group may hold one of them.
    fn may_be_in_group(&self, group: &RowGroupMetaData) -> bool {
        let statistics = |column: usize| group.columns().get(column)?.statistics();
        let has_tenant = match statistics(at::TENANT_ID) {
            Some(Statistics::ByteArray(texts)) => {
                let tenant = self.tenant.as_bytes();
                texts.min_opt().is_none_or(|least| least.data() <= tenant)
                    && texts.max_opt().is_none_or(|greatest| tenant <= greatest.data())
            }
            _ => true,
        };
        // Parquet keeps numbers without a sign as the bits of those with one.
        has_tenant
            && match statistics(at::SEQ) {
                Some(Statistics::Int64(seqs)) => match (seqs.min_opt(), seqs.max_opt()) {
                    (Some(first), Some(last)) => self.meet(*first as u64, *last as u64),
                    _ => true,
                },
                _ => true,
            }
    }

    /// Which rows of a batch of just `seq` and `tenant_id` are wanted.
    fn chosen(&self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let other = || ArrowError::SchemaError("seq or tenant_id is of another type".to_owned());
        let seqs = batch.column(0).as_primitive_opt::<UInt64Type>().ok_or_else(other)?.values();
        let tenants = batch.column(1).as_dictionary_opt::<Int32Type>().ok_or_else(other)?;
        let names = tenants.values().as_string_opt::<i32>().ok_or_else(other)?;
        let own: Vec<bool> = names.iter().map(|name| name == Some(self.tenant.as_str())).collect();
        let keys = tenants.keys().values();
        let is_chosen = |row: usize| {
            let is_own = own.get(keys[row] as usize).copied().unwrap_or(false);
            is_own && self.meet(seqs[row], seqs[row])
        };
        Ok(BooleanArray::from(BooleanBuffer::collect_bool(batch.num_rows(), is_chosen)))
    }

    /// Streams the events of a segment that stand at one of the places.
    pub(crate) async fn open(
        self: &Arc<Self>,
        store: &Arc<dyn ObjectStore>,
        segment: &Segment,
    ) -> Result<Batches, LakeError> {
        let path = segment.path.as_str();
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let reader = SegmentReader::new(store, segment);
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, options)
            .await
            .map_err(|source| unreadable(path, source))?;
        let groups = (0..).zip(builder.metadata().row_groups());
        let groups = groups.filter(|(_, group)| self.may_be_in_group(group));
        let groups: Vec<usize> = groups.map(|(index, _)| index).collect();
        let columns = [at::SEQ, at::TENANT_ID].map(|position| COLUMNS[position].name);
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
        let wanted = Arc::clone(self);
        let filter = ArrowPredicateFn::new(mask, move |batch: RecordBatch| wanted.chosen(&batch));
        let stream = builder
            .with_row_groups(groups)
            .with_row_filter(RowFilter::new(vec![Box::new(filter)]))
            .with_batch_size(segment.batch_rows())
            .build()
            .map_err(|source| unreadable(path, source))?;
        let path = segment.path.clone();
        Ok(Box::pin(stream.map_err(move |source| unreadable(&path, source))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_joined_and_met() {
        let wanted = SeqRanges::new("acme", [8..9, 3..3, 0..4, 4..6, 20..30, 25..28]);
        assert_eq!(wanted.ranges, [0..6, 8..9, 20..30]);
        for (first, last) in [(0, 0), (5, 7), (8, 8), (9, 20), (0, 99)] {
            assert!(wanted.meet(first, last), "{first} to {last}");
        }
        for (first, last) in [(6, 7), (9, 19), (30, 99)] {
            assert!(!wanted.meet(first, last), "{first} to {last}");
        }
    }
}
