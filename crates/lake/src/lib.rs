//! Everything persisted: the storage root, the write-ahead log, segments, manifest commits,
//! snapshots, recovery, compaction and documents.
//!
//! One way in ([`Lake::append`]) and one way out ([`Snapshot`]). A change goes stage → commit
//! → apply → publish, and recovery applies the same commits.

mod config;
mod dedup;
mod documents;
mod durable;
mod error;
mod exports;
mod failpoint;
mod hex;
mod hot;
mod lake;
mod log;
mod maintenance;
mod manifest;
mod paths;
mod reader;
mod recovery;
mod retry;
mod root;
mod segment;
mod sequencer;
mod shared;
mod snapshot;
mod tending;
mod verification;
mod wal;
mod writer;

pub use config::LakeConfig;
pub use documents::{Document, Documents};
pub use durable::DurableStore;
pub use error::LakeError;
pub use exports::{ExportFiles, ExportReader, ExportWriter};
pub use hot::HotBatch;
pub use lake::{Flushing, Lake};
pub use log::{LogKeys, Logs, TenantLog, rotate_key};
pub use maintenance::Compacted;
pub use manifest::{Commit, CommitKind, Manifest, Removed, TenantHead};
pub use reader::LakeReader;
pub use root::Root;
pub use segment::{Bounds, Segment, Span};
pub use snapshot::Snapshot;
pub use verification::{
    LakeChecks, LakeFinding, LakeFindingKind, LakeReport, Progress, Since, TenantReport,
    VerifiedLog, VerifiedTo, verify_lake,
};
pub use writer::Receipt;
