//! The limits of the server: what one client may take, and how long.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How the server behaves; the defaults suit a machine of any size.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The largest body of a request, as sent.
    pub max_body_bytes: usize,
    /// The largest body of a request, decompressed.
    pub max_decompressed_bytes: usize,
    /// Bytes of bodies, as sent, that are held at a time; further requests wait.
    pub max_held_bytes: usize,
    /// Bodies that are decompressed and parsed at a time; the others wait.
    pub max_parses: usize,
    /// How long a request other than an export may take once its body is there.
    pub request_timeout: Duration,
    /// How long the headers of a request may take.
    pub header_timeout: Duration,
    /// How long a client may pause within a body.
    pub body_idle_timeout: Duration,
    /// How long a whole body may take, so that a drip every few seconds is no way around
    /// the limit above.
    pub body_timeout: Duration,
    /// Connections at a time; further ones wait in the queue of the listener.
    pub max_connections: usize,
    /// Exports at a time; further ones are told to come back.
    pub max_exports: usize,
    /// How long an export waits for a client that reads nothing.
    pub export_stall_timeout: Duration,
    /// How long running requests may go on after the server was told to stop.
    pub shutdown_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            max_body_bytes: 32 << 20,
            max_decompressed_bytes: 256 << 20,
            max_held_bytes: 256 << 20,
            max_parses: 4,
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10 * 60),
            max_connections: 1024,
            max_exports: 16,
            export_stall_timeout: Duration::from_secs(5 * 60),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}
