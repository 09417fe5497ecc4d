//! From a stream of batches to the body of an answer: a bounded channel between the thread
//! that encodes and the connection that sends. A slow client slows the query; a gone one ends
//! it, even while it waits for a batch; an error breaks the body off.

use std::io;
use std::time::Duration;

use arrow::array::RecordBatch;
use auditlake_export::{Encoder, ExportError, Totals};
use auditlake_query::{EventStream, QueryError};
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
/// What the next buffer is made with at most, whatever the last one grew to.
const BUFFER_BYTES: usize = 4 << 20;

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
pub(crate) async fn run(stream: EventStream, encoder: Encoder, outlet: Outlet) {
    match pump(stream, encoder, &outlet).await {
        Ok(Totals { rows, bytes }) => tracing::info!(rows, bytes, "export done"),
        Err(Broken::Gone) => tracing::info!("export given up: the client left"),
        Err(Broken::Stalled) => tracing::warn!("export broken off: the client reads nothing"),
        Err(Broken::Stopping) => tracing::warn!("export broken off: the server stops"),
        Err(Broken::Query(error)) => tracing::error!(%error, "export broken off"),
        Err(Broken::Export(error)) => tracing::error!(%error, "export broken off"),
    }
}

async fn pump(
    mut stream: EventStream,
    mut encoder: Encoder,
    outlet: &Outlet,
) -> Result<Totals, Broken> {
    let mut out = Vec::with_capacity(SEND_BYTES);
    // A client sees the first bytes before the first batch is read.
    encoder.start(&mut out)?;
    outlet.send(&mut out).await?;
    while let Some(batch) = outlet.next(&mut stream, &mut out).await? {
        encoder.encode(&batch, &mut out)?;
        outlet.rows.inc_by(batch.num_rows() as u64);
        drop(batch);
        if out.len() >= SEND_BYTES {
            outlet.send(&mut out).await?;
        }
    }
    let totals = encoder.finish(&mut out)?;
    outlet.send(&mut out).await?;
    outlet.put(Piece::End).await?;
    Ok(totals)
}

impl Outlet {
    /// The next batch. What waits in `out` goes on its way while the query works.
    async fn next(
        &self,
        stream: &mut EventStream,
        out: &mut Vec<u8>,
    ) -> Result<Option<RecordBatch>, Broken> {
        if !out.is_empty() {
            match stream.next().now_or_never() {
                Some(batch) => return Ok(batch.transpose()?),
                None => self.send(out).await?,
            }
        }
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Broken::Stopping),
            () = self.sender.closed() => Err(Broken::Gone),
            batch = stream.next() => Ok(batch.transpose()?),
        }
    }

    /// Sends `out` in pieces and leaves it empty.
    async fn send(&self, out: &mut Vec<u8>) -> Result<(), Broken> {
        if out.is_empty() {
            return Ok(());
        }
        let room = out.len().min(BUFFER_BYTES);
        let mut bytes = Bytes::from(std::mem::replace(out, Vec::with_capacity(room)));
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            let sent = piece.len() as u64;
            self.put(Piece::Bytes(piece)).await?;
            self.bytes.inc_by(sent);
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
