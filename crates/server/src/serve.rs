//! The API on a socket, with TLS or without: accepts within a bound, cuts clients that do not
//! speak, and at the end lets running requests finish. Every task is owned here and awaited
//! before [`run`] returns.

mod tls;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::background::background;
use crate::config::ServerConfig;
use crate::state::AppState;

/// The largest headers of a request.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// How often a silent HTTP/2 connection is asked whether it lives, and how long it may think.
const PING: Duration = Duration::from_secs(20);
/// The waits after accepting failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// Serves until `shutdown` is ready; then accepts no more, gives running requests the grace
/// that the configuration says, breaks off the rest, and waits for all of it to be over.
///
/// `router` is [`crate::app`] of the same state, or what stands in front of it.
pub async fn run(
    listener: TcpListener,
    router: Router,
    state: AppState,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let config = state.config().clone();
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    tracing::info!(%address, tls = tls.is_some(), "listening");
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!("without TLS, keys and events travel in clear over the network");
    }
    let (tasks, stopping) = (state.tasks().clone(), state.stopping().clone());
    background(&state);
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let server = Arc::new(Server {
        http: http(&config, Owned { tasks: tasks.clone(), stopping: stopping.clone() }),
        tls,
        header_timeout: config.header_timeout,
        closing: CancellationToken::new(),
        router,
    });
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, slot) = tokio::select! {
            () = &mut shutdown => break,
            // Takes ended connections out of the set, and nothing else.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots, config.export_stall_timeout) => accepted,
        };
        let (server, watcher) = (Arc::clone(&server), graceful.watcher());
        connections.spawn(async move { server.client(stream, watcher, slot).await });
    }
    drop(listener);
    server.closing.cancel();
    let running = graceful.count();
    tracing::info!(running, "stopping");
    if tokio::time::timeout(config.shutdown_grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still run after the grace of the shutdown; they are broken off");
    }
    stopping.cancel();
    connections.shutdown().await;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

struct Server {
    http: Builder<Owned>,
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
    /// Cancelled when no more is accepted: whoever has not even greeted by then may go.
    closing: CancellationToken,
    router: Router,
}

impl Server {
    /// A client, from its first byte on; `slot` is the place that it takes.
    async fn client(&self, stream: TcpStream, watcher: Watcher, slot: OwnedSemaphorePermit) {
        match &self.tls {
            None => self.connection(stream, watcher).await,
            Some(tls) => {
                let greeting = tokio::time::timeout(self.header_timeout, tls.accept(stream));
                match self.closing.run_until_cancelled(greeting).await {
                    Some(Ok(Ok(stream))) => self.connection(stream, watcher).await,
                    Some(Ok(Err(error))) => tracing::debug!(%error, "a TLS handshake failed"),
                    // It took too long, or the server ends.
                    Some(Err(_)) | None => {}
                }
            }
        }
        drop(slot);
    }

    async fn connection<S>(&self, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Arc::new(Notify::new());
        let (router, first) = (self.router.clone(), Arc::clone(&asked));
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            first.notify_one();
            router.clone().oneshot(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service).into_owned();
        let mut connection = pin!(watcher.watch(connection));
        // HTTP/1 has a timeout for headers, but it begins only when the first bytes have told
        // the version of HTTP; a client that sends none of them would stay for ever.
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = asked.notified() => None,
            () = tokio::time::sleep(self.header_timeout) => Some(Ok(())),
        };
        let ended = match ended {
            Some(ended) => ended,
            None => connection.await,
        };
        if let Err(error) = ended {
            // Clients come and go; what matters was logged by the request.
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stall: Duration,
) -> (TcpStream, OwnedSemaphorePermit) {
    let mut wait = BACKOFF.0;
    let slot = match Arc::clone(slots).acquire_owned().await {
        Ok(slot) => slot,
        // Nobody closes the semaphore.
        Err(_) => std::future::pending().await,
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = tune(&stream, stall) {
                    tracing::debug!(%error, "a connection goes without its socket options");
                }
                return (stream, slot);
            }
            Err(error) if is_clients(&error) => {}
            Err(error) => {
                // Most likely out of file descriptors: asking again at once would spin.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(wait).await;
                wait = (2 * wait).min(BACKOFF.1);
            }
        }
    }
}

/// Answers are written whole, so waiting for more to send would only delay them. A client that
/// takes nothing for so long is cut off by the kernel, whatever is being written to it.
fn tune(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(stall))
}

/// Whether accepting failed because the client had left.
fn is_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn http(config: &ServerConfig, executor: Owned) -> Builder<Owned> {
    let mut builder = Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES as u32);
    builder
}

/// Runs the requests of HTTP/2 connections as tasks that end with the server.
#[derive(Clone)]
struct Owned {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl<F> Executor<F> for Owned
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let stopping = self.stopping.clone();
        drop(self.tasks.spawn(async move {
            stopping.run_until_cancelled(task).await;
        }));
    }
}
