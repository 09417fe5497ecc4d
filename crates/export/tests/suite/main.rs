//! The encoders and the papers beside them: every format against readers and rules of its own.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

mod archive;
mod batches;
mod bundle;
mod checks;
mod compression;
mod csv_format;
mod encoders;
mod json_formats;
mod manifest;
mod options;
mod parquet_format;
mod proof;
mod shapes;
