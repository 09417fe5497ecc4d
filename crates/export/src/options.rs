//! What a caller chooses: format, compression, and how careful CSV is with spreadsheets.

use std::fmt;
use std::str::FromStr;

use crate::error::ExportError;

const FORMATS: &str = "csv, ndjson, json or parquet";
const COMPRESSIONS: &str = "none, gzip or zstd";

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values with a header line (RFC 4180, but with LF line ends).
    Csv,
    /// One canonical line of JSON per event.
    Ndjson,
    /// One JSON array of the canonical lines.
    Json,
    /// Parquet in the layout of the lake's own segments.
    Parquet,
}

impl Format {
    /// The media type, as HTTP wants it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The end of a file name, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        match text {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            "json" => Ok(Self::Json),
            "parquet" => Ok(Self::Parquet),
            _ => Err(refused("format", text, FORMATS)),
        }
    }
}

/// How the whole file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, which everything reads.
    Gzip,
    /// zstd, smaller and faster.
    Zstd,
}

impl Compression {
    /// What is put behind the name of a file, with its dot; empty when not compressed.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

impl FromStr for Compression {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(refused("compression", text, COMPRESSIONS)),
        }
    }
}

/// Choices that only CSV knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Whether a cell that a spreadsheet would run as a formula gets a `'` in front
    /// (see [`unguard`](crate::unguard)).
    pub safe: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { safe: true }
    }
}

/// Everything a caller chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The format.
    pub format: Format,
    /// The compression of the whole file.
    pub compression: Compression,
    /// For CSV.
    pub csv: CsvOptions,
}

impl Options {
    /// `format`, not compressed, safe.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, compression: Compression::default(), csv: CsvOptions::default() }
    }

    /// The media type of the file as a whole. A compressed file is what was asked for, to keep
    /// as it is; so its compression is its type and no `Content-Encoding`, which a client would
    /// undo.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self.compression {
            Compression::None => self.format.content_type(),
            Compression::Gzip => "application/gzip",
            Compression::Zstd => "application/zstd",
        }
    }

    /// Whether the choices go together, so that a request can be refused before it is planned.
    pub fn check(&self) -> Result<(), ExportError> {
        if self.format == Format::Parquet && self.compression != Compression::None {
            let given = self.compression.to_string();
            let allowed = "none: format parquet compresses its own pages";
            return Err(ExportError::Option { name: "compression", given, allowed });
        }
        Ok(())
    }
}

fn refused(name: &'static str, given: &str, allowed: &'static str) -> ExportError {
    ExportError::Option { name, given: given.to_owned(), allowed }
}
