//! The limits of the server: what one client may take, and how long; and what it serves
//! beside the canonical API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use auditlake_tlog::VerifierKey;

use crate::dialects::Dialect;
use crate::identity::Issuer;

/// How the server behaves; the defaults suit a machine of any size.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate to show and its key; plain HTTP if none.
    pub tls: Option<TlsConfig>,
    /// Where clients reach this server, for links that leave it: `https://audit.example.com`.
    /// Links are paths if none.
    pub public_url: Option<String>,
    /// The identity provider whose tokens are taken beside API keys.
    pub issuer: Option<Arc<Issuer>>,
    /// The dialect that is served at the root too, not only under `/compat`.
    pub root_dialect: Option<Dialect>,
    /// The largest body of a request, as sent.
    pub max_body_bytes: usize,
    /// The largest body of a request, decompressed.
    pub max_decompressed_bytes: usize,
    /// Bytes of bodies, as sent, that are held at a time; further requests wait.
    pub max_held_bytes: usize,
    /// Bodies that are decompressed and parsed at a time; the others wait.
    pub max_parses: usize,
    /// How long a request other than a query or an export may take once its body is there.
    pub request_timeout: Duration,
    /// How long a question about events (a list, a count, a histogram) may take.
    pub query_timeout: Duration,
    /// How long the headers of a request may take.
    pub header_timeout: Duration,
    /// How long a client may pause within a body.
    pub body_idle_timeout: Duration,
    /// How long a whole body may take, so that a drip every few seconds is no way around
    /// the limit above.
    pub body_timeout: Duration,
    /// How long the body of a sign-in may take: strangers send it, and it is a few bytes.
    pub sign_in_timeout: Duration,
    /// Connections at a time; further ones wait in the queue of the listener.
    pub max_connections: usize,
    /// Streamed exports at a time; further ones are told to come back.
    pub max_exports: usize,
    /// Streamed exports at a time of one caller.
    pub max_exports_per_caller: usize,
    /// Live tails at a time.
    pub max_live: usize,
    /// How often a live tail, or a job that is followed, gives a sign of life without news.
    pub live_heartbeat: Duration,
    /// How long an export or a live tail waits for a client that reads nothing.
    pub export_stall_timeout: Duration,
    /// How long running requests may go on after the server was told to stop.
    pub shutdown_grace: Duration,
    /// How often is looked for what other servers on the same lake changed: keys, jobs.
    pub refresh_interval: Duration,
    /// For how long a server that runs an export job has it for itself without a sign of life.
    pub job_lease: Duration,
    /// How long the files of an export job are kept once they are ready.
    pub export_retention: Duration,
    /// Export jobs that this server runs at a time.
    pub max_jobs: usize,
    /// Export jobs of one tenant that wait or run; further ones are told to come back.
    pub max_queued_jobs: usize,
    /// Events in one file of an export job, unless it has so many that parts are made of it.
    pub rows_per_file: u64,
    /// Events in one part of a large export job, and from how many on it is large.
    pub rows_per_part: u64,
    /// Who is asked to sign checkpoints too.
    pub witnesses: Vec<Witness>,
}

/// Somebody else who signs a checkpoint if it goes on from the one before (C2SP tlog-witness).
#[derive(Clone, Debug)]
pub struct Witness {
    /// Where it takes checkpoints, without `/add-checkpoint`.
    pub url: String,
    /// The key of its cosignatures.
    pub key: VerifierKey,
}

/// What a server shows to prove who it is.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The certificate and those that lead from it to a known one, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

impl ServerConfig {
    /// Whether clients reach the server over TLS, here or at a proxy, so that browsers are told
    /// to send its cookies over nothing else. Of a proxy only `public_url` can tell.
    #[must_use]
    pub fn secure_cookies(&self) -> bool {
        let public = self.public_url.as_deref().unwrap_or_default();
        self.tls.is_some() || public.starts_with("https://")
    }

    /// Whether people may sign in with the identity provider.
    #[must_use]
    pub fn offers_login(&self) -> bool {
        self.issuer.as_ref().is_some_and(|issuer| issuer.offers_login())
    }

    /// Where browsers find this server, without a slash at the end.
    pub(crate) fn address(&self) -> String {
        match self.public_url.as_deref() {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}", self.listen)
            }
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            tls: None,
            public_url: None,
            issuer: None,
            root_dialect: None,
            max_body_bytes: 32 << 20,
            max_decompressed_bytes: 256 << 20,
            max_held_bytes: 256 << 20,
            max_parses: 4,
            request_timeout: Duration::from_secs(30),
            query_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10 * 60),
            sign_in_timeout: Duration::from_secs(10),
            max_connections: 1024,
            max_exports: 64,
            max_exports_per_caller: 16,
            max_live: 100,
            live_heartbeat: Duration::from_secs(15),
            export_stall_timeout: Duration::from_secs(5 * 60),
            shutdown_grace: Duration::from_secs(30),
            refresh_interval: Duration::from_secs(5),
            job_lease: Duration::from_secs(15),
            export_retention: Duration::from_secs(7 * 24 * 60 * 60),
            max_jobs: 2,
            max_queued_jobs: 100,
            rows_per_file: 50_000,
            rows_per_part: 500_000,
            witnesses: Vec::new(),
        }
    }
}
