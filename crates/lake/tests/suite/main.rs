//! The lake: appends, commits, its log, what faults and damage do to them, and its verification.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

mod documents;
mod durability;
mod export_files;
mod faulty_store;
mod idempotency;
mod log;
mod log_keys;
mod manifest_damage;
mod operations;
mod site;
mod stores;
mod tamper;
mod verification;
mod wal_damage;
mod writers;
