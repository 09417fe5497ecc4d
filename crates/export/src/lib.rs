//! Exports: record batches in, the bytes of a CSV, NDJSON, JSON or Parquet file out,
//! compressed if asked. Nothing here knows a network, a database or an executor: renderers
//! turn batches into text wherever the caller lets them, an encoder puts it behind each other.
//! An export needs the memory of one batch (of one row group for Parquet), however many
//! batches follow. A [`Shape`] gives events other names; an [`Archive`] puts files into one,
//! and a [`manifest`] tells what files an export has. A [`proof`] lets others check it against
//! the signed tenant logs, and a [`bundle`] is what they get to do so.
//!
//! ```
//! # use auditlake_export::{Encoder, ExportError, Format, Options};
//! # fn main() -> Result<(), ExportError> {
//! let mut out: Vec<u8> = Vec::new();
//! let mut encoder = Encoder::new(auditlake_model::columns::schema(), Options::new(Format::Csv))?;
//! encoder.start(&mut out)?; // a client sees the header before the first batch is there
//! // encoder.encode(&batch, &mut out)? for each batch, sending and clearing `out` in between
//! let totals = encoder.finish(&mut out)?;
//! assert_eq!(totals.rows, 0);
//! # Ok(())
//! # }
//! ```

mod archive;
pub mod bundle;
mod compress;
mod csv;
mod digested;
mod encoder;
mod error;
pub mod manifest;
mod options;
mod parquet_file;
pub mod proof;
mod renderer;
mod row;
mod shape;

pub use crate::archive::Archive;
pub use crate::csv::unguard;
pub use crate::digested::Digested;
pub use crate::encoder::{Encoder, Sink, Totals};
pub use crate::error::ExportError;
pub use crate::options::{Compression, CsvOptions, Format, Options};
pub use crate::renderer::{Rendered, Renderer};
pub use crate::row::Row;
pub use crate::shape::{Cell, Envelope, Shape};
