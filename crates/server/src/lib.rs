//! The HTTP API: takes events, lists, gives single ones, streams exports, and says how the
//! server is. [`app`] is the whole API without a socket; [`run`] puts it on one.
//!
//! It promises: no acknowledgement before events are durable; an export that fails never
//! ends cleanly; the memory of a request depends on limits in [`ServerConfig`], not on what
//! a client sends or asks for; every error is `application/problem+json` and says what is
//! allowed instead, but nothing about the inside of the server.

mod access;
mod config;
mod cursor;
mod decode;
mod event;
mod export;
mod health;
mod ingest;
mod keys;
mod list;
mod metrics;
mod page;
mod params;
mod problem;
mod pump;
mod routes;
mod serve;
mod state;

pub use config::ServerConfig;
pub use keys::{Keys, Principal, Role};
pub use routes::app;
pub use serve::run;
pub use state::AppState;
