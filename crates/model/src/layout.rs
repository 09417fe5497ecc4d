//! How events lie in a Parquet file. Segments of the lake and Parquet exports share this
//! layout, so that a row group can be copied from one to the other without decoding.

use crate::columns::Kind;

/// Rows of a full row group.
pub const ROW_GROUP_ROWS: usize = 131_072;
/// Encoded bytes after which a row group ends early: a writer holds a whole row group, an
/// export that copies them a few at once, and events whose `data` is large must not make
/// their memory grow with them.
pub const ROW_GROUP_BYTES: usize = 24 << 20;
/// Rows after which a page ends, at the end of the piece that is being written: a tenant's events
/// of a day are read without most of the others'.
pub const PAGE_ROWS: usize = 8192;
/// The zstd level of pages: writing an export waits for it, and every read pays the same.
pub const ZSTD_LEVEL: i32 = 1;
/// Columns people look one value up in.
pub const BLOOM_COLUMNS: [&str; 4] = ["id", "actor_id", "target_id", "context_request_id"];
/// How often a bloom filter may say "perhaps" for a value that is not there.
pub const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// What a segment is sorted by, most significant first.
pub const SORT_COLUMNS: [&str; 3] = ["tenant_id", "occurred_at", "seq"];
/// Who wrote the file, in its footer.
pub const CREATED_BY: &str = "auditlake";

/// How the values of a column are encoded in its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Each distinct value once per row group, then indexes.
    Dictionary,
    /// Differences of neighbours, bit-packed: sorted numbers almost vanish.
    DeltaBinary,
    /// All lengths, then all bytes: mostly distinct text decodes with one copy.
    DeltaLength,
}

/// The encoding of a kind of column.
#[must_use]
pub const fn encoding_of(kind: Kind) -> Encoding {
    match kind {
        Kind::Dict => Encoding::Dictionary,
        Kind::Time | Kind::Seq => Encoding::DeltaBinary,
        Kind::Text | Kind::Json => Encoding::DeltaLength,
    }
}

#[cfg(feature = "parquet")]
mod row_group;

#[cfg(feature = "parquet")]
pub use properties::writer_properties;
#[cfg(feature = "parquet")]
pub use row_group::RowGroup;

#[cfg(feature = "parquet")]
mod properties {
    //! The same facts in the words of the `parquet` crate.

    use arrow::datatypes::Schema;
    use parquet::basic::{Compression, Encoding as PageEncoding, ZstdLevel};
    use parquet::file::metadata::SortingColumn;
    use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
    use parquet::schema::types::ColumnPath;

    use super::{
        BLOOM_COLUMNS, BLOOM_FALSE_POSITIVES, CREATED_BY, Encoding, PAGE_ROWS, ROW_GROUP_BYTES,
        ROW_GROUP_ROWS, SORT_COLUMNS, ZSTD_LEVEL, encoding_of,
    };
    use crate::columns::{COLUMNS, Kind, index_of};

    /// The writer properties for a file of `schema`, which is any projection of the event's
    /// columns. Say `sorted` only for rows in the order of [`SORT_COLUMNS`]: readers trust it.
    #[must_use]
    pub fn writer_properties(schema: &Schema, sorted: bool) -> WriterProperties {
        // The default is level 1, so a level that zstd does not know costs bytes, no export.
        let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
        let mut builder = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_statistics_enabled(EnabledStatistics::Page);
        for field in schema.fields() {
            if let Some(position) = index_of(field.name()) {
                builder = column_properties(builder, field.name(), COLUMNS[position].kind);
            }
        }
        if sorted {
            builder = builder.set_sorting_columns(Some(sorting(schema)));
        }
        builder.build()
    }

    fn column_properties(
        builder: WriterPropertiesBuilder,
        name: &str,
        kind: Kind,
    ) -> WriterPropertiesBuilder {
        let column = || ColumnPath::from(name);
        let builder = match encoding_of(kind) {
            // The second encoding takes over when a row group has too many distinct values; Arrow
            // for C++ reads no other one back into a dictionary.
            Encoding::Dictionary => builder
                .set_column_dictionary_enabled(column(), true)
                .set_column_encoding(column(), PageEncoding::PLAIN),
            Encoding::DeltaBinary => builder
                .set_column_dictionary_enabled(column(), false)
                .set_column_encoding(column(), PageEncoding::DELTA_BINARY_PACKED),
            Encoding::DeltaLength => builder
                .set_column_dictionary_enabled(column(), false)
                .set_column_encoding(column(), PageEncoding::DELTA_LENGTH_BYTE_ARRAY),
        };
        if BLOOM_COLUMNS.contains(&name) {
            builder
                .set_column_bloom_filter_fpp(column(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(column(), ROW_GROUP_ROWS as u64)
        } else {
            builder
        }
    }

    /// The sort columns that `schema` has, up to the first one it lacks: rows are not in the
    /// order of a later column without the ones before it. Columns are flat, so the index of
    /// a field is the index of its leaf.
    fn sorting(schema: &Schema) -> Vec<SortingColumn> {
        SORT_COLUMNS
            .iter()
            .map_while(|name| schema.index_of(name).ok())
            .map(|index| SortingColumn {
                column_idx: index as i32,
                descending: false,
                nulls_first: true,
            })
            .collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::columns::schema;

        #[test]
        fn every_column_gets_its_encoding() {
            let properties = writer_properties(&schema(), false);
            for column in &COLUMNS {
                let path = ColumnPath::from(column.name);
                let dictionary = encoding_of(column.kind) == Encoding::Dictionary;
                assert_eq!(properties.dictionary_enabled(&path), dictionary, "{}", column.name);
                let bloom = properties.bloom_filter_properties(&path).is_some();
                assert_eq!(bloom, BLOOM_COLUMNS.contains(&column.name), "{}", column.name);
            }
            assert!(properties.sorting_columns().is_none());
        }

        #[test]
        fn sorting_follows_the_projection() {
            let leaves = |names: &[&str]| -> Vec<i32> {
                let schema = schema();
                let indexes: Vec<_> =
                    names.iter().map(|name| schema.index_of(name).unwrap()).collect();
                let projected = schema.project(&indexes).unwrap();
                let properties = writer_properties(&projected, true);
                properties.sorting_columns().unwrap().iter().map(|by| by.column_idx).collect()
            };
            assert_eq!(leaves(&["seq", "occurred_at", "tenant_id"]), [2, 1, 0]);
            assert_eq!(leaves(&["tenant_id", "seq"]), [0]);
            assert_eq!(leaves(&["seq"]), [0; 0]);
        }
    }
}
