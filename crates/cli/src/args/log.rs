//! The command line of `log`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print the newest signed checkpoint of each tenant's log, or of one of them
    Checkpoint(CheckpointArgs),
    /// Print the public keys that checkpoints are signed with, the newest last
    Keys(LogKeysArgs),
    /// Sign with a new key from now on; checkpoints signed with the old one stay good
    RotateKey(RotateKeyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointArgs {
    /// Only that of this tenant
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogKeysArgs {
    /// Under the name that signs this tenant's log (default: the name of the lake's log)
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeyArgs {
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
