//! From an encoder to the body of an answer: a bounded channel between the thread that encodes or
//! packs and the connection that sends. A body ends cleanly, and with its trailers, only when it
//! is told to; whatever else becomes of the encoder, an error or a panic, breaks it off.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use auditlake_export::{ExportError, Sink};
use auditlake_query::QueryError;
use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::state::AppState;

/// The largest piece in the channel, and how many pieces are on their way.
const WIDE: (usize, usize) = (256 << 10, 4);
/// The same when many exports run, so that all of their channels together stay small.
const NARROW: (usize, usize) = (64 << 10, 1);
/// The same for archives of files: a slow client is to take a piece within the time that it has
/// for it.
const ARCHIVE: (usize, usize) = (64 << 10, 4);

/// What goes through the channel. A sender that is dropped without [`Piece::End`] breaks the
/// body off.
enum Piece {
    Bytes(Bytes),
    End(HeaderMap),
}

/// The end of the channel that the encoder fills.
pub(crate) struct Outlet {
    sender: mpsc::Sender<Piece>,
    stopping: CancellationToken,
    piece_bytes: usize,
    bytes: Counter,
}

/// Why an export did not come to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    Gone,
    Stalled,
    Stopping,
    Query(QueryError),
    Export(ExportError),
    /// The thread that worked on it broke off, or the end of it could not be recorded.
    Internal(String),
}

/// A channel into the body of an answer.
pub(crate) fn channel(state: &AppState, is_crowded: bool) -> (Outlet, Body) {
    let size = if is_crowded { NARROW } else { WIDE };
    open(state, size, state.metrics().export_bytes.clone())
}

/// A channel into the body of an archive, whose files were counted when they were exported.
pub(crate) fn archive_channel(state: &AppState) -> (Outlet, Body) {
    open(state, ARCHIVE, Counter::default())
}

fn open(state: &AppState, size: (usize, usize), bytes: Counter) -> (Outlet, Body) {
    let (piece_bytes, pieces) = size;
    let (sender, receiver) = mpsc::channel(pieces);
    let outlet = Outlet { sender, stopping: state.stopping().clone(), piece_bytes, bytes };
    (outlet, body(receiver))
}

fn body(receiver: mpsc::Receiver<Piece>) -> Body {
    let frames = futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(Frame::data(bytes)), Some(receiver))),
            Some(Piece::End(trailers)) => Some((Ok(Frame::trailers(trailers)), None)),
            None => Some((Err(io::Error::other("the answer broke off")), None)),
        }
    });
    Body::new(StreamBody::new(frames))
}

impl Outlet {
    /// Sends what waits; answers whether all of it is on its way, or the client took nothing
    /// for so long that the rest still waits.
    pub(crate) async fn send(&self, out: &mut Waiting, patience: Duration) -> Result<bool, Broken> {
        while !out.is_empty() {
            if !self.send_one(out, patience).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends what waits, or gives the client up.
    pub(crate) async fn send_all(
        &self,
        out: &mut Waiting,
        patience: Duration,
    ) -> Result<(), Broken> {
        if self.send(out, patience).await? { Ok(()) } else { Err(Broken::Stalled) }
    }

    /// Sends one piece of what waits, if there is room for it within so long. Nothing is lost
    /// when this is dropped.
    pub(crate) async fn send_one(
        &self,
        out: &mut Waiting,
        patience: Duration,
    ) -> Result<bool, Broken> {
        let Some(room) = self.room(patience).await? else { return Ok(false) };
        if let Some(piece) = out.next(self.piece_bytes) {
            self.bytes.inc_by(piece.len() as u64);
            room.send(Piece::Bytes(piece));
        }
        Ok(true)
    }

    /// Ends the body cleanly.
    pub(crate) async fn end(&self, trailers: HeaderMap, patience: Duration) -> Result<(), Broken> {
        match self.room(patience).await? {
            Some(room) => room.send(Piece::End(trailers)),
            None => return Err(Broken::Stalled),
        }
        Ok(())
    }

    /// Waits until something does not go on: the client leaves, or the server stops.
    pub(crate) async fn breaks(&self) -> Broken {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Broken::Stopping,
            () = self.sender.closed() => Broken::Gone,
        }
    }

    /// Room for one piece, if there is some within so long.
    async fn room(&self, patience: Duration) -> Result<Option<mpsc::Permit<'_, Piece>>, Broken> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(Broken::Stopping),
            room = tokio::time::timeout(patience, self.sender.reserve()) => match room {
                Ok(Ok(room)) => Ok(Some(room)),
                Ok(Err(_)) => Err(Broken::Gone),
                Err(_) => Ok(None),
            },
        }
    }
}

/// What is to be sent next.
#[derive(Default)]
pub(crate) struct Waiting {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Waiting {
    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes the next bytes out, not more than so many.
    fn next(&mut self, most: usize) -> Option<Bytes> {
        let first = self.pieces.front_mut()?;
        let piece = first.split_to(first.len().min(most));
        if first.is_empty() {
            self.pieces.pop_front();
        }
        self.bytes -= piece.len();
        Some(piece)
    }
}

impl Sink for Waiting {
    fn put(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.pieces.push_back(bytes);
    }
}

impl Broken {
    /// What became of the export, in words that tell nothing about the inside of the server.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Gone => "the client left".to_owned(),
            Self::Stalled => "the client read nothing for too long".to_owned(),
            Self::Stopping => "the server stopped".to_owned(),
            Self::Query(QueryError::Invalid(reason)) => reason.clone(),
            Self::Query(QueryError::Resources(_)) => {
                "the query needed more memory than it may use".to_owned()
            }
            Self::Query(_) | Self::Export(_) | Self::Internal(_) => {
                "the server could not go on; its log has the reason".to_owned()
            }
        }
    }

    /// Tells the server's own log.
    pub(crate) fn log(&self) {
        match self {
            Self::Gone => tracing::info!("export given up: the client left"),
            Self::Stalled => tracing::warn!("export broken off: the client reads nothing"),
            Self::Stopping => tracing::warn!("export broken off: the server stops"),
            Self::Query(error @ QueryError::Invalid(_)) => {
                tracing::info!(%error, "export broken off");
            }
            Self::Query(error) => tracing::error!(%error, "export broken off"),
            Self::Export(error) => tracing::error!(%error, "export broken off"),
            Self::Internal(error) => tracing::error!(error, "export broken off"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_in_small_pieces() {
        let mut out = Waiting::default();
        out.put(Bytes::from_static(b"abcde"));
        out.put(Bytes::from_static(b"fg"));
        assert_eq!(out.bytes(), 7);
        let mut pieces = Vec::new();
        while let Some(piece) = out.next(3) {
            pieces.push(piece);
        }
        assert_eq!(pieces, ["abc", "de", "fg"]);
        assert_eq!((out.bytes(), out.is_empty()), (0, true));
    }
}
