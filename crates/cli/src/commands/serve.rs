//! `serve`: the HTTP API, until the process is asked to end.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use auditlake_model::env::Environment;
use auditlake_server::{AppState, Keys, ServerConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let environment = Environment::system();
    let lake = Arc::new(super::open(settings).await?);
    let listener = TcpListener::bind(&settings.listen)
        .await
        .with_context(|| format!("listening on {}", settings.listen))?;
    let listen = listener.local_addr()?;
    // Only now: a start that fails to listen is not to use up the first key.
    let mut keys = Keys::load(lake.documents()).await?;
    let show = |key: &str| print_line(&format!("operator key (shown only now): {key}"));
    keys.first_operator(lake.documents(), &environment, show).await?;
    print_line(&format!("auditlake listens on http://{listen}"))?;
    let config = ServerConfig { listen, ..ServerConfig::default() };
    let state = AppState::new(Arc::clone(&lake), settings.engine()?, environment, keys, config);
    auditlake_server::run(listener, state, asked_to_end()).await?;
    match Arc::try_unwrap(lake) {
        Ok(lake) => Ok(lake.close().await?),
        // Every task of the server has ended, so this cannot be; the WAL has it all anyway.
        Err(_) => anyhow::bail!("the lake is still in use; it was not flushed"),
    }
}

/// Scripts wait for these lines: they must not stay in a buffer.
fn print_line(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Resolves at SIGINT or SIGTERM.
async fn asked_to_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("ending: running requests are finished first");
}
