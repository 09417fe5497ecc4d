//! Questions to the lake, answered by DataFusion: ordered scans for lists and exports, proofs of
//! what they give, counts, read-only SQL, and the SQL of import shapes. Each question is asked on
//! behalf of a scope, and no event outside of it takes part.

mod aggregate;
mod condition;
mod engine;
mod error;
mod estimate;
mod events;
mod footers;
mod functions;
mod guarded;
mod import;
mod meant;
mod ordered;
mod predicate;
mod proving;
mod pruning;
mod scan;
mod scoped;
mod stream;

pub use auditlake_tlog::{CompleteRange, LogProof};
pub use engine::{Engine, EngineConfig};
pub use error::QueryError;
pub use estimate::Estimate;
pub use import::{Shape, shapes};
pub use ordered::Ordered;
pub use proving::{MOST_PROVABLE_ROWS, check_claim, provable_before};
pub use scan::{Order, Plan, Position, ScanRequest};
pub use stream::EventStream;
