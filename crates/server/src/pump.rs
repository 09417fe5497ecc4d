//! From rendered events to the body of an answer: a bounded channel between the thread that
//! puts them behind each other and the connection that sends. A slow client slows the query; a
//! gone one ends it, even while it waits for events; an error breaks the body off.

use std::io;
use std::time::Duration;

use auditlake_export::{Encoder, ExportError, Rendered, Sink, Totals};
use auditlake_query::{Ordered, QueryError};
use axum::body::Body;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::state::AppState;

/// Bytes are sent on when so many are there, or when the next batch lets itself be waited for.
const SEND_BYTES: usize = 64 << 10;
/// The largest piece in the channel.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces on their way.
const PIECES: usize = 4;
/// What goes through the channel. A body ends cleanly only with [`Piece::End`]: a sender that
/// is dropped without it, by an error or a panic, breaks the body off.
enum Piece {
    Bytes(Bytes),
    End,
}

/// One of the exports that may run at a time; counted for as long as it lives.
pub(crate) struct Slot {
    running: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(crate) fn new(permit: OwnedSemaphorePermit, running: Gauge) -> Self {
        running.inc();
        Self { running, _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.running.dec();
    }
}

/// The end of the channel that the encoder fills.
pub(crate) struct Outlet {
    sender: mpsc::Sender<Piece>,
    stopping: CancellationToken,
    stall: Duration,
    rows: Counter,
    bytes: Counter,
    /// Given back when the export is over.
    _slot: Slot,
}

/// Why an export did not come to its end.
enum Broken {
    Gone,
    Stalled,
    Stopping,
    Query(QueryError),
    Export(ExportError),
}

/// A channel into the body of an answer.
pub(crate) fn channel(state: &AppState, slot: Slot) -> (Outlet, Body) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let metrics = state.metrics();
    let outlet = Outlet {
        sender,
        stopping: state.stopping().clone(),
        stall: state.config().export_stall_timeout,
        rows: metrics.export_rows.clone(),
        bytes: metrics.export_bytes.clone(),
        _slot: slot,
    };
    (outlet, body(receiver))
}

fn body(receiver: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    }))
}

/// Runs an export to its end. It keeps its thread busy, so it needs one of its own.
pub(crate) async fn run(rendered: Ordered<Rendered>, encoder: Encoder, outlet: Outlet) {
    match pump(rendered, encoder, &outlet).await {
        Ok(Totals { rows, bytes, .. }) => tracing::info!(rows, bytes, "export done"),
        Err(Broken::Gone) => tracing::info!("export given up: the client left"),
        Err(Broken::Stalled) => tracing::warn!("export broken off: the client reads nothing"),
        Err(Broken::Stopping) => tracing::warn!("export broken off: the server stops"),
        Err(Broken::Query(error)) => tracing::error!(%error, "export broken off"),
        Err(Broken::Export(error)) => tracing::error!(%error, "export broken off"),
    }
}

async fn pump(
    mut rendered: Ordered<Rendered>,
    mut encoder: Encoder,
    outlet: &Outlet,
) -> Result<Totals, Broken> {
    let mut out = Waiting::default();
    // A client sees the first bytes before the first batch is read.
    encoder.start(&mut out)?;
    outlet.send(&mut out).await?;
    while let Some(events) = outlet.next(&mut rendered, &mut out).await? {
        let rows = events.rows() as u64;
        encoder.add(events, &mut out)?;
        outlet.rows.inc_by(rows);
        if out.bytes >= SEND_BYTES {
            outlet.send(&mut out).await?;
        }
    }
    let totals = encoder.finish(&mut out)?;
    outlet.send(&mut out).await?;
    outlet.put(Piece::End).await?;
    Ok(totals)
}

/// What is to be sent next.
#[derive(Default)]
struct Waiting {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Sink for Waiting {
    fn put(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.pieces.push(bytes);
    }
}

impl Outlet {
    /// The next events. What waits in `out` goes on its way while the query works.
    async fn next(
        &self,
        rendered: &mut Ordered<Rendered>,
        out: &mut Waiting,
    ) -> Result<Option<Rendered>, Broken> {
        if out.bytes > 0 {
            match rendered.next().now_or_never() {
                Some(events) => return Ok(events.transpose()?),
                None => self.send(out).await?,
            }
        }
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Broken::Stopping),
            () = self.sender.closed() => Err(Broken::Gone),
            events = rendered.next() => Ok(events.transpose()?),
        }
    }

    /// Sends what waits, in pieces that are not too large.
    async fn send(&self, out: &mut Waiting) -> Result<(), Broken> {
        out.bytes = 0;
        for mut bytes in out.pieces.drain(..) {
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                let sent = piece.len() as u64;
                self.put(Piece::Bytes(piece)).await?;
                self.bytes.inc_by(sent);
            }
        }
        Ok(())
    }

    async fn put(&self, piece: Piece) -> Result<(), Broken> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Broken::Stopping),
            sent = tokio::time::timeout(self.stall, self.sender.send(piece)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(Broken::Gone),
                Err(_) => Err(Broken::Stalled),
            },
        }
    }
}

impl From<QueryError> for Broken {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<ExportError> for Broken {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}
