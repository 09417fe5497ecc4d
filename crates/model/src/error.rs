//! What can be wrong with an event, and where.

use std::fmt;

/// One event that was refused: where it stood, which key was wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The 1-based line of NDJSON, or the 1-based place in a JSON array.
    pub line: usize,
    /// The key as it stands in the JSON (`actor.id`), when one is to blame.
    pub key: Option<String>,
    /// What was wrong and what is allowed.
    pub reason: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "line {}: key {key}: {}", self.line, self.reason),
            None => write!(f, "line {}: {}", self.line, self.reason),
        }
    }
}

/// Why the model refuses its input.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// One event is bad, and the request was all or nothing.
    #[error("{0}")]
    Event(Rejection),
    /// A filter's parameter or value is not one of those allowed.
    #[error("parameter {name}: {reason}")]
    Filter {
        /// The parameter at fault.
        name: String,
        /// What was wrong and what is allowed.
        reason: String,
    },
    /// A batch or schema is not one of events.
    #[error("not a batch of events: {0}")]
    Schema(String),
    /// Arrow could not build or combine arrays.
    #[error("arrow: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}
