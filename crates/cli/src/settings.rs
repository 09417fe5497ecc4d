//! Settings: flags, then the environment (both through clap), then `auditlake.toml`.

mod serving;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use auditlake_lake::{LakeConfig, Root};
use auditlake_query::{Engine, EngineConfig};
use auditlake_server::ServerConfig;
use serde::Deserialize;
use serving::{Oidc, Serving, WitnessTable};

use crate::args::{Arguments, Command, ServeArgs};

/// What every command needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) lake: String,
    pub(crate) wal_dir: Option<PathBuf>,
    pub(crate) listen: String,
    key_dir: Option<PathBuf>,
    log_origin: Option<String>,
    engine: EngineConfig,
    serving: Serving,
    tuning: Tuning,
}

/// How lake and server behave, where the defaults do not suit.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tuning {
    flush_interval_ms: Option<u64>,
    flush_bytes: Option<usize>,
    compact_segments: Option<usize>,
    removal_grace_ms: Option<u64>,
    job_lease_ms: Option<u64>,
    refresh_interval_ms: Option<u64>,
}

/// The file's keys; an unknown one is an error that names it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    lake: Option<String>,
    wal_dir: Option<PathBuf>,
    key_dir: Option<PathBuf>,
    log_origin: Option<String>,
    listen: Option<String>,
    query_memory_mib: Option<usize>,
    query_spill_gib: Option<u64>,
    spill_dir: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    public_url: Option<String>,
    dialect: Option<String>,
    /// In seconds.
    query_timeout: Option<u64>,
    max_exports: Option<usize>,
    max_exports_per_caller: Option<usize>,
    /// In days.
    export_retention: Option<u64>,
    oidc: Option<Oidc>,
    #[serde(default)]
    witness: Vec<WitnessTable>,
    #[serde(default)]
    tuning: Tuning,
}

impl Settings {
    pub(crate) fn load(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut file = read_file(arguments.config.as_deref())?;
        let flags = match &arguments.command {
            Command::Serve(flags) => flags.clone(),
            Command::Quickstart(quickstart) => quickstart.serve.clone(),
            _ => ServeArgs::default(),
        };
        let serving = Serving::new(flags, &mut file)?;
        let mut engine = EngineConfig { spill_dir: file.spill_dir, ..EngineConfig::default() };
        if let Some(mib) = file.query_memory_mib {
            engine.memory_bytes = mib << 20;
        }
        if let Some(gib) = file.query_spill_gib {
            engine.spill_bytes = gib << 30;
        }
        let lake = arguments.lake.clone().or(file.lake);
        let listen = arguments.listen.clone().or(file.listen);
        Ok(Self {
            lake: lake.unwrap_or_else(|| "auditlake-data".to_owned()),
            wal_dir: arguments.wal_dir.clone().or(file.wal_dir),
            key_dir: arguments.key_dir.clone().or(file.key_dir),
            log_origin: arguments.log_origin.clone().or(file.log_origin),
            listen: listen.unwrap_or_else(|| "127.0.0.1:7400".to_owned()),
            engine,
            serving,
            tuning: file.tuning,
        })
    }

    /// How to open the lake; `create` makes its folder.
    pub(crate) fn lake_config(&self, create: bool) -> anyhow::Result<LakeConfig> {
        self.lake_config_at(&self.lake, create)
    }

    /// How to open a lake that lies somewhere else than the settings say.
    pub(crate) fn lake_config_at(&self, lake: &str, create: bool) -> anyhow::Result<LakeConfig> {
        // Credentials and endpoints are named as every S3 tool names them (AWS_…).
        let options = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
        let options = options.filter(|(name, _)| {
            ["aws_", "google_", "azure_"].iter().any(|prefix| name.starts_with(prefix))
        });
        let mut config = LakeConfig::new(Root::open(lake, create, options)?);
        if let Some(wal_dir) = &self.wal_dir {
            config.wal_dir.clone_from(wal_dir);
        }
        if let Some(key_dir) = &self.key_dir {
            config.key_dir.clone_from(key_dir);
        }
        config.origin.clone_from(&self.log_origin);
        let tuning = &self.tuning;
        if let Some(ms) = tuning.flush_interval_ms {
            config.flush_interval = Duration::from_millis(ms);
        }
        if let Some(ms) = tuning.removal_grace_ms {
            config.removal_grace = Duration::from_millis(ms);
        }
        config.flush_bytes = tuning.flush_bytes.unwrap_or(config.flush_bytes);
        config.compact_segments = tuning.compact_segments.unwrap_or(config.compact_segments);
        Ok(config)
    }

    /// How to serve at this address; certificate and keys of others are read, and refused when
    /// they are not what they should be.
    pub(crate) fn server_config(&self, listen: SocketAddr) -> anyhow::Result<ServerConfig> {
        self.serving.config(listen, &self.tuning)
    }

    pub(crate) fn engine(&self) -> anyhow::Result<Engine> {
        Ok(Engine::new(self.engine.clone())?)
    }
}

fn read_file(named: Option<&Path>) -> anyhow::Result<File> {
    let path = named.unwrap_or(Path::new("auditlake.toml"));
    if named.is_none() && !path.exists() {
        return Ok(File::default());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}
