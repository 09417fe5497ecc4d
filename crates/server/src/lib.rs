//! The HTTP API: takes events, answers questions about them, streams exports and runs export
//! jobs, proves what they give, knows who is calling and what each caller may see, keeps sessions
//! of browsers, and speaks the dialects of other systems. [`app`] is the whole API without a
//! socket; [`run`] puts it, or what stands in front of it, on one.
//!
//! It promises: no acknowledgement before events are durable; an export that fails never
//! ends cleanly; nobody sees an event outside of its scope; the memory of a request depends on
//! limits in [`ServerConfig`], not on what a client sends or asks for; every error is
//! `application/problem+json` and says what is allowed instead, but nothing about the inside
//! of the server.

mod accept;
mod access;
mod audit;
mod background;
mod bundling;
mod calls;
mod config;
mod cursor;
mod decode;
mod dialects;
mod export_record;
mod file_headers;
mod flow;
mod hex;
mod identity;
mod jobs;
mod links;
mod manifesting;
mod metrics;
mod openapi;
mod page;
mod params;
mod permits;
mod placing;
mod problem;
mod proving;
mod pump;
mod routes;
mod secrets;
mod serve;
mod state;
mod turns;
mod verifying;
mod witnessing;
mod zipping;

pub use access::catch_panic;
pub use background::background;
pub use config::{ServerConfig, TlsConfig, Witness};
pub use dialects::Dialect;
pub use identity::session::leads_here;
pub use identity::{
    ClaimNames, Issuer, IssuerConfig, JwksSource, KeyError, KeyView, Keys, Kind, LoginConfig,
    NewKey, Permission, Place, Principal, Refused, Role,
};
pub use routes::app;
pub use serve::run;
pub use state::AppState;
