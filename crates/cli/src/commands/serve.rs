//! `serve`: the HTTP API and the console in front of it, until the process is asked to end.

use std::sync::Arc;

use anyhow::Context;
use auditlake_console::ConsoleConfig;
use auditlake_model::env::Environment;
use auditlake_server::{AppState, Keys};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{self, say};
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let environment = Environment::system();
    let lake = Arc::new(super::open(settings).await?);
    // Before anybody can know that the server is there: whoever sees it may stop it.
    let asked = Asked::listening().context("listening for signals")?;
    let listener = TcpListener::bind(&settings.listen)
        .await
        .with_context(|| format!("listening on {}", settings.listen))?;
    let listen = listener.local_addr()?;
    // Whatever may be wrong is found before the first key is made: a start that fails is not
    // to use it up.
    let config = settings.server_config(listen)?;
    let engine = settings.engine()?;
    let keys = Keys::load(lake.documents()).await?;
    let show = |key: &str| output::line(format_args!("operator key (shown only now): {key}"));
    keys.first_operator(lake.documents(), &environment, show).await?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    say!("auditlake listens on {scheme}://{listen}")?;
    let console =
        ConsoleConfig { secure_cookies: config.secure_cookies(), oidc: config.offers_login() };
    let state = AppState::new(Arc::clone(&lake), engine, environment, keys, config);
    let router = auditlake_console::mount(auditlake_server::app(state.clone()), console);
    auditlake_server::run(listener, router, state, asked.ended()).await?;
    match Arc::try_unwrap(lake) {
        Ok(lake) => Ok(lake.close().await?),
        // Every task of the server has ended, so this cannot be; the WAL has it all anyway.
        Err(_) => anyhow::bail!("the lake is still in use; it was not flushed"),
    }
}

/// SIGINT and SIGTERM, which end the process at once until somebody listens for them.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
}

impl Asked {
    fn listening() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Resolves at the first of them since.
    async fn ended(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        tracing::info!("ending: running requests are finished first");
    }
}
