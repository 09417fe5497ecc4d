//! The service as its callers meet it: every call, by requests to the router or over a socket.

#![allow(clippy::unwrap_used)] // A test that meets the unexpected is to fail.

mod access;
mod crowd;
mod dialects;
mod downloads;
mod evidence;
mod export;
mod exporting;
mod figures;
mod harness;
mod ingest;
mod jobs;
mod keys;
mod list;
mod live;
mod log;
mod login;
mod openapi;
mod proof_jobs;
mod proof_stream;
mod provider;
mod roles;
mod saved_queries;
mod sessions;
mod socket;
mod status;
mod takeover;
mod timeouts;
mod tokens;
mod trailers;
mod witnesses;
