//! Why a query did not give its answer, by who can do something about it.

use auditlake_lake::LakeError;
use datafusion::error::DataFusionError;

/// Why a query did not give its answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The question is wrong; the message says how.
    #[error("{0}")]
    Invalid(String),
    /// The answer needs more memory or disk than queries may use.
    #[error("the query needs more than it may use: {0}")]
    Resources(String),
    /// The lake could not be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Something that is nobody's fault outside.
    #[error("the query failed: {0}")]
    Internal(String),
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::Plan(_)
            | DataFusionError::SQL(..)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::ArrowError(..) => Self::Invalid(error.strip_backtrace()),
            DataFusionError::ResourcesExhausted(why) => Self::Resources(why.clone()),
            // What went through DataFusion as it was.
            DataFusionError::External(source) => match source.downcast_ref::<Self>() {
                Some(Self::Invalid(why)) => Self::Invalid(why.clone()),
                _ => Self::Internal(error.strip_backtrace()),
            },
            _ => Self::Internal(error.strip_backtrace()),
        }
    }
}

impl From<arrow::error::ArrowError> for QueryError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::from(DataFusionError::from(error))
    }
}
