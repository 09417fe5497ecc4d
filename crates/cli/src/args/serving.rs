//! The flags of `serve`; each has its variable and its key in the settings file.

use std::path::PathBuf;

use auditlake_server::Dialect;
use clap::Args;

/// How to serve, beside where.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// The certificate to show, with its chain, as PEM; with it the server speaks TLS
    #[arg(long, env = "AUDITLAKE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, env = "AUDITLAKE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Where clients reach the server, for links that leave it (such as `https://audit.example.com`)
    #[arg(long, env = "AUDITLAKE_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Another system whose paths are served at the root too: clawforge, runbook, hellojohn or
    /// openclaw
    #[arg(long, env = "AUDITLAKE_DIALECT", value_name = "NAME")]
    pub(crate) dialect: Option<Dialect>,
    /// How long a question about events may take (default 10)
    #[arg(long, env = "AUDITLAKE_QUERY_TIMEOUT", value_name = "SECONDS")]
    pub(crate) query_timeout: Option<u64>,
    /// Streamed exports at a time (default 64)
    #[arg(long, env = "AUDITLAKE_MAX_EXPORTS", value_name = "COUNT")]
    pub(crate) max_exports: Option<usize>,
    /// Streamed exports at a time of one caller (default 16)
    #[arg(long, env = "AUDITLAKE_MAX_EXPORTS_PER_CALLER", value_name = "COUNT")]
    pub(crate) max_exports_per_caller: Option<usize>,
    /// How long the files of a finished export job are kept (default 7)
    #[arg(long, env = "AUDITLAKE_EXPORT_RETENTION", value_name = "DAYS")]
    pub(crate) export_retention: Option<u64>,
}
