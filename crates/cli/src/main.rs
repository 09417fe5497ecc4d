//! The `auditlake` binary: reads arguments and settings, wires, prints, maps exit codes.

mod allocator;
mod args;
mod commands;
mod output;
mod progress;
mod settings;
mod source;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;
use commands::verify::Verified;
use tracing_subscriber::EnvFilter;

/// Done.
const DONE: u8 = 0;
/// Failed.
const FAILED: u8 = 1;
/// What was to be verified is not good.
const NOT_GOOD: u8 = 3;

fn main() -> ExitCode {
    allocator::bound();
    // clap itself exits with 2 on wrong usage.
    let arguments = Arguments::parse();
    let filter =
        EnvFilter::try_from_env("AUDITLAKE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    // Two rustls providers may be linked in; which one is used must not be left to chance.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::warn!("a TLS provider was installed already");
    }
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads our output has enough (`auditlake sql … | head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::from(DONE),
        Err(error) => {
            eprintln!("auditlake: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Only a write to standard output fails with nothing around the system's error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Runs the command; answers with which code the process is to end.
fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let settings = settings::Settings::load(&arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(obey(&settings, arguments.command));
    // After a failure somebody may still wait for standard input, and need not be waited for.
    runtime.shutdown_background();
    outcome
}

async fn obey(settings: &settings::Settings, command: Command) -> anyhow::Result<u8> {
    let done = match command {
        Command::Quickstart(args) => commands::quickstart::run(settings, &args).await,
        Command::Serve(_) => commands::serve::run(settings).await,
        Command::Keys(command) => commands::keys::run(settings, &command).await,
        Command::Import(args) => commands::import::run(settings, &args).await,
        Command::Export(args) => commands::export::run(settings, &args).await,
        Command::Verify(args) => {
            return Ok(match commands::verify::run(settings, &args).await? {
                Verified::Good => DONE,
                Verified::NotGood => NOT_GOOD,
            });
        }
        Command::Log(command) => commands::log::run(settings, &command).await,
        Command::Sql(args) => commands::sql::run(settings, &args).await,
        Command::Status(args) => commands::status::run(settings, &args).await,
        Command::Compact(args) => commands::compact::run(settings, &args).await,
    };
    done.map(|()| DONE)
}
