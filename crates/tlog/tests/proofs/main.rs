//! Hashes and proofs, against published vectors, against another implementation of RFC 6962, and against
//! forgers.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.
#![allow(clippy::single_range_in_vec_init)] // A list of one range is what is meant.

mod forged;
mod hashes;
mod many;
mod oracle;
mod published;
mod tree;
