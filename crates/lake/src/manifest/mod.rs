//! The manifest: which segments make up the lake, how far each tenant's log reaches, and how
//! much of each writer's WAL is in them. A chain of numbered, create-only commits; a state
//! is what applying them in order gives.

mod commit;
mod log;
mod state;

pub use commit::{Commit, CommitKind, TenantHead};
pub(crate) use log::{Loaded, ManifestLog};
pub use state::{Manifest, Removed};
