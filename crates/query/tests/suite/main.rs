//! Questions to a lake: plans, scopes, scans, figures and proofs.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

mod aggregates;
mod conditions;
mod lake;
mod parts;
mod planning;
mod proving;
mod scans;
mod scopes;
