//! The command line. A flag wins over the environment, which wins over `auditlake.toml`.

mod keys;
mod log;
mod serving;
mod verify;

use std::path::PathBuf;

use auditlake_export::{Compression, Format};
use auditlake_model::claim::Claim;
use auditlake_query::Order;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use keys::{CreateKeyArgs, KeysCommand, ListKeysArgs, RevokeKeyArgs};
pub(crate) use log::{CheckpointArgs, LogCommand, LogKeysArgs, RotateKeyArgs};
pub(crate) use serving::ServeArgs;
pub(crate) use verify::VerifyArgs;

/// A self-hosted audit-log lake and export engine.
#[derive(Debug, Parser)]
#[command(name = "auditlake", version, about)]
pub(crate) struct Arguments {
    /// The lake: a folder, or s3://, gs://, az:// (default ./auditlake-data)
    #[arg(long, global = true, env = "AUDITLAKE_LAKE", value_name = "DIR|URL")]
    pub(crate) lake: Option<String>,
    /// The folder of the write-ahead log (default: wal/ in the lake's folder)
    #[arg(long, global = true, env = "AUDITLAKE_WAL_DIR", value_name = "DIR")]
    pub(crate) wal_dir: Option<PathBuf>,
    /// The folder of the key that signs checkpoints (default: keys/ in the lake's folder)
    #[arg(long, global = true, env = "AUDITLAKE_KEY_DIR", value_name = "DIR")]
    pub(crate) key_dir: Option<PathBuf>,
    /// The name under which a new lake signs checkpoints (default: auditlake/ and an id)
    #[arg(long, global = true, env = "AUDITLAKE_LOG_ORIGIN", value_name = "NAME")]
    pub(crate) log_origin: Option<String>,
    /// Where the server listens (default 127.0.0.1:7400)
    #[arg(long, global = true, env = "AUDITLAKE_LISTEN", value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// The settings file (default ./auditlake.toml, when there is one)
    #[arg(long, global = true, env = "AUDITLAKE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a lake with a realistic quarter of events, export it in every format, serve it
    Quickstart(QuickstartArgs),
    /// Serve the HTTP API
    Serve(ServeArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Import events from files
    Import(ImportArgs),
    /// Export events to a file or standard output
    Export(Box<ExportArgs>),
    /// Check an export, an evidence bundle or a whole lake, offline; ends with 3 if it is not good
    Verify(VerifyArgs),
    /// Show checkpoints and public keys of the tenants' logs, and rotate the signing key
    #[command(subcommand)]
    Log(LogCommand),
    /// Ask a question in SQL over the table `events`; without one, ask several
    Sql(SqlArgs),
    /// Show what the lake holds
    Status(StatusArgs),
    /// Merge the segments of each day into one
    Compact(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct QuickstartArgs {
    /// How many events
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    /// The seed they are made from
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// End after the exports instead of serving
    #[arg(long)]
    pub(crate) no_serve: bool,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files or globs (gzip and zstd are recognised); `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// How records become events: a built-in shape or a .sql file (default: they are events)
    #[arg(long)]
    pub(crate) shape: Option<String>,
    /// The tenant of events that name none
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Move unknown keys into data instead of refusing them
    #[arg(long)]
    pub(crate) unknown_to_data: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// csv, ndjson, json or parquet (default: by the output's name, else ndjson)
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// none, gzip or zstd (default: by the output's name, else none)
    #[arg(long)]
    pub(crate) compression: Option<Compression>,
    /// The file to write (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The columns, in this order, separated by commas (default: all)
    #[arg(long)]
    pub(crate) columns: Option<String>,
    /// log (by day, tenant, time), asc or desc (by time)
    #[arg(long, default_value_t = Order::Log)]
    pub(crate) order: Order,
    /// At most so many events
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// Prove what is exported: `inclusion` (every event is authentic) or `complete` (and none is
    /// missing); FILE.proof.json comes beside the file, a FILE that ends in .zip is an evidence
    /// bundle with everything an auditor needs
    #[arg(long, value_name = "CLAIM", requires = "output", conflicts_with = "columns")]
    pub(crate) proof: Option<Claim>,
    /// Whether CSV cells that a spreadsheet would run as formulas get a ' in front
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) csv_safe: bool,
    /// Export from a running server instead (the key comes from AUDITLAKE_KEY)
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Print the result as JSON (on standard error when the export goes to standard output)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// The filters of the API, each as a flag; repeat or separate by commas for "or", `!` in
/// front for "not", `*` at the end for "begins with".
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// From this time on (date, RFC 3339, or epoch s, ms, µs)
    #[arg(long)]
    from: Option<String>,
    /// Before this time
    #[arg(long)]
    to: Option<String>,
    /// Recorded from this time on
    #[arg(long)]
    recorded_from: Option<String>,
    /// Recorded before this time
    #[arg(long)]
    recorded_to: Option<String>,
    /// From this position of the tenant's log on
    #[arg(long, value_name = "SEQ")]
    seq_from: Option<String>,
    /// Before this position of the tenant's log
    #[arg(long, value_name = "SEQ")]
    seq_to: Option<String>,
    #[arg(long)]
    tenant_id: Vec<String>,
    #[arg(long)]
    id: Vec<String>,
    #[arg(long)]
    r#type: Vec<String>,
    #[arg(long)]
    outcome: Vec<String>,
    #[arg(long)]
    actor_id: Vec<String>,
    #[arg(long)]
    actor_email: Vec<String>,
    #[arg(long)]
    actor_kind: Vec<String>,
    #[arg(long)]
    target_kind: Vec<String>,
    #[arg(long)]
    target_id: Vec<String>,
    #[arg(long)]
    org_id: Vec<String>,
    #[arg(long)]
    team_id: Vec<String>,
    #[arg(long)]
    namespace: Vec<String>,
    #[arg(long)]
    tool: Vec<String>,
    #[arg(long)]
    policy_result: Vec<String>,
    #[arg(long)]
    classification: Vec<String>,
    /// An address, or a network like 10.0.0.0/8
    #[arg(long)]
    ip: Vec<String>,
    #[arg(long)]
    request_id: Vec<String>,
    /// A text that stands in type, actor, target, reason or data
    #[arg(long)]
    q: Vec<String>,
    /// An SQL condition over the columns; of several, all must hold
    #[arg(long, value_name = "SQL")]
    r#where: Vec<String>,
}

impl FilterArgs {
    /// The filter's parameters as the API names them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let ranges = [
            ("from", &self.from),
            ("to", &self.to),
            ("recorded_from", &self.recorded_from),
            ("recorded_to", &self.recorded_to),
            ("seq_from", &self.seq_from),
            ("seq_to", &self.seq_to),
        ];
        let terms = [
            ("tenant_id", &self.tenant_id),
            ("id", &self.id),
            ("type", &self.r#type),
            ("outcome", &self.outcome),
            ("actor_id", &self.actor_id),
            ("actor_email", &self.actor_email),
            ("actor_kind", &self.actor_kind),
            ("target_kind", &self.target_kind),
            ("target_id", &self.target_id),
            ("org_id", &self.org_id),
            ("team_id", &self.team_id),
            ("namespace", &self.namespace),
            ("tool", &self.tool),
            ("policy_result", &self.policy_result),
            ("classification", &self.classification),
            ("ip", &self.ip),
            ("request_id", &self.request_id),
            ("q", &self.q),
            ("where", &self.r#where),
        ];
        let ranges = ranges.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let terms = terms
            .into_iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value.as_str())));
        ranges.chain(terms).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The statement; without one, statements are read from standard input, each up to a `;`
    pub(crate) statement: Option<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = SqlFormat::Table)]
    pub(crate) format: SqlFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlFormat {
    /// Aligned, for people
    Table,
    /// Comma-separated
    Csv,
    /// One JSON object a line
    Ndjson,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_filter_of_the_api_is_a_flag() {
        let command = Arguments::command();
        let export = command.find_subcommand("export").expect("export is a command");
        let flags: Vec<_> = export.get_arguments().filter_map(clap::Arg::get_long).collect();
        let terms = auditlake_model::filter::TERMS.iter().map(|(name, _)| *name);
        let others = auditlake_model::filter::RANGES.into_iter();
        for name in terms.chain(others).chain(auditlake_model::filter::TEXTS) {
            assert!(flags.contains(&name.replace('_', "-").as_str()), "no flag for {name}");
        }
    }
}
