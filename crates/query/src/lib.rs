//! Questions to the lake, answered by DataFusion: ordered scans for lists and exports,
//! read-only SQL, and the SQL of import shapes.

mod engine;
mod error;
mod events;
mod footers;
mod functions;
mod import;
mod ordered;
mod predicate;
mod pruning;
mod scan;
mod stream;

pub use engine::{Engine, EngineConfig};
pub use error::QueryError;
pub use import::{Shape, shapes};
pub use ordered::Ordered;
pub use scan::{Order, Plan, Position, ScanRequest};
pub use stream::EventStream;
