//! Into which files an export is cut, and how they are called.

use auditlake_export::Options;

use crate::config::ServerConfig;
use crate::file_headers::compact_day;

/// Events of each file but the last.
pub(crate) fn rows_per_file(config: &ServerConfig, rows: u64, is_shaped: bool) -> u64 {
    if is_shaped {
        // Whoever reads another system's shape knows of one file only.
        rows.max(1)
    } else if rows <= config.rows_per_part {
        config.rows_per_file.max(1)
    } else {
        config.rows_per_part.max(1)
    }
}

/// How many files there are; an export of nothing is one empty file.
pub(crate) fn files(rows: u64, rows_per_file: u64) -> u64 {
    rows.div_ceil(rows_per_file.max(1)).max(1)
}

/// How many events a file has; files are counted from 0.
pub(crate) fn rows_of(file: u64, rows: u64, rows_per_file: u64) -> u64 {
    rows.saturating_sub(file.saturating_mul(rows_per_file)).min(rows_per_file)
}

/// `audit-export-20260301-0001.csv.gz`
pub(crate) fn file_name(created_at_us: i64, file: u64, options: &Options) -> String {
    let day = compact_day(created_at_us);
    let (format, compression) = (options.format.extension(), options.compression.extension());
    format!("audit-export-{day}-{:04}.{format}{compression}", file + 1)
}

/// `2-manifest.json`: what stands beside the files is each attempt's own, because, unlike the
/// files, it may differ from what another attempt writes.
pub(crate) fn paper_name(attempt: u32, name: &str) -> String {
    format!("{attempt}-{name}")
}

#[cfg(test)]
mod tests {
    use auditlake_export::{Compression, Format};

    use super::*;

    #[test]
    fn small_exports_are_one_file_and_large_ones_have_large_parts() {
        let config = ServerConfig::default();
        for (rows, wanted) in [
            (0, (1, 0)),
            (1, (1, 1)),
            (50_000, (1, 50_000)),
            (50_001, (2, 1)),
            (500_000, (10, 50_000)),
            (500_001, (2, 1)),
            (2_000_000, (4, 500_000)),
        ] {
            let each = rows_per_file(&config, rows, false);
            let count = files(rows, each);
            assert_eq!((count, rows_of(count - 1, rows, each)), wanted, "{rows}");
            assert_eq!((0..count).map(|file| rows_of(file, rows, each)).sum::<u64>(), rows);
        }
        let shaped = rows_per_file(&config, 2_000_000, true);
        assert_eq!(files(2_000_000, shaped), 1);
        assert_eq!(files(0, rows_per_file(&config, 0, true)), 1);
    }

    #[test]
    fn names_tell_the_day_and_the_place() {
        let mut options = Options::new(Format::Csv);
        options.compression = Compression::Gzip;
        let name = file_name(1_772_357_400_999_999, 11, &options);
        assert_eq!(name, "audit-export-20260301-0012.csv.gz");
    }
}
