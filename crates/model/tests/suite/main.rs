//! Events as they come in, and as they go out again.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

mod bad_input;
mod data_and_targets;
mod line_roundtrip;
mod requests;
