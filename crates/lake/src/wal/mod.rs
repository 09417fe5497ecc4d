//! The write-ahead log: frames in numbered files, synced before anything is acknowledged.
//!
//! A frame is one group commit and is all or nothing. Frame n+1 is written only after frame
//! n is synced, so a broken frame with anything valid behind it was once whole: that is
//! damage, and refused. A broken frame with nothing behind it was never acknowledged: that
//! is a torn tail, and cut.

mod file;
mod folder;
mod frame;
mod writer;

pub(crate) use file::{WalTail, read_after, wal_files};
pub(crate) use folder::{WalFolder, check_belongs_to, read_writer_id};
pub(crate) use writer::{WalWriter, truncate_to};
