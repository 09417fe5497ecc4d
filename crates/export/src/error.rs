//! Why an export cannot start or go on.

use std::io;

use auditlake_model::ModelError;
use parquet::errors::ParquetError;

/// What went wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An option is not one of those allowed: the request is to be changed.
    #[error("{name} {given:?} is not allowed, use {allowed}")]
    Option {
        /// The option at fault.
        name: &'static str,
        /// What it was set to.
        given: String,
        /// What it may be set to.
        allowed: &'static str,
    },
    /// The columns cannot be written in this format, or a batch does not have the columns the
    /// encoder was made for: a fault of the calling code.
    #[error("columns do not fit: {0}")]
    Schema(String),
    /// The columns are not those of an event, which the line formats need.
    #[error("columns do not fit: {0}")]
    Model(#[from] ModelError),
    /// The Parquet writer failed: the file is lost.
    #[error("parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// The compressor failed: the file is lost.
    #[error("compression: {0}")]
    Compress(#[source] io::Error),
    /// A call failed before this one. Ending the file now would make it look complete.
    #[error("an earlier batch was not written, the file is incomplete")]
    Incomplete,
    /// A proof cannot be read: it is damaged, or of a version that came later.
    #[error("proof: {0}")]
    Proof(String),
}
