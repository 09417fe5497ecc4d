//! An archive on its way out: a thread packs the files of a job one after the other while the
//! connection sends. A slow client slows the packing, a gone one ends it, and an error breaks
//! the body off.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auditlake_export::Archive;
use auditlake_lake::Document;
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::jobs::{Job, MANIFEST};
use crate::permits::Permit;
use crate::state::AppState;

/// Pieces on their way.
const PIECES: usize = 4;
/// The largest of them: a slow client is to take one within the time that it has for it.
const PIECE_BYTES: usize = 64 << 10;

/// What goes through the channel: a body ends cleanly only with [`Piece::End`].
enum Piece {
    Bytes(Bytes),
    End,
}

/// What the archive has written and nobody has sent yet.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Out {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is to be packed, and where it goes.
struct Pack {
    state: AppState,
    held: Document<Job>,
    out: Out,
    sender: mpsc::Sender<Piece>,
    stopping: CancellationToken,
    stall: Duration,
}

/// The body that all files of a job are, and its manifest.
pub(super) fn pack(state: &AppState, held: &Document<Job>, permit: Permit) -> Body {
    let (sender, receiver) = mpsc::channel(PIECES);
    let pack = Pack {
        state: state.clone(),
        held: held.clone(),
        out: Out::default(),
        sender,
        stopping: state.stopping().clone(),
        stall: state.config().export_stall_timeout,
    };
    let (runtime, span) = (Handle::current(), tracing::Span::current());
    // Deflating keeps a processor busy, so it has a thread of its own.
    drop(state.tasks().spawn_blocking(move || {
        let _permit = permit;
        let _entered = span.enter();
        match runtime.block_on(pack.run()) {
            Ok(()) => tracing::info!("archive done"),
            Err(error) => tracing::warn!(%error, "archive broken off"),
        }
    }));
    Body::from_stream(futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver: mpsc::Receiver<Piece> = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the archive broke off")), None)),
        }
    }))
}

impl Pack {
    async fn run(self) -> io::Result<()> {
        let mut archive = Archive::of_time(self.out.clone(), self.held.value.created_at_us);
        self.add(&mut archive, MANIFEST, None).await?;
        for file in &self.held.value.files {
            self.add(&mut archive, &file.name, Some(file.bytes)).await?;
        }
        archive.finish()?;
        self.send().await?;
        self.put(Piece::End).await
    }

    /// Puts a file into the archive; with a size, only if it has this one.
    async fn add(
        &self,
        archive: &mut Archive<Out>,
        name: &str,
        size: Option<u64>,
    ) -> io::Result<()> {
        let exports = self.state.lake().exports();
        let found = exports.read(&self.held.id, name, None).await.map_err(io::Error::other)?;
        let Some(mut reader) = found.filter(|found| size.is_none_or(|size| size == found.size))
        else {
            return Err(io::Error::other(format!("{name} is not there as it was written")));
        };
        archive.begin(name)?;
        while let Some(bytes) = reader.bytes.next().await.transpose().map_err(io::Error::other)? {
            archive.write(&bytes)?;
            self.send().await?;
        }
        Ok(())
    }

    /// Sends what the archive has written.
    async fn send(&self) -> io::Result<()> {
        let mut bytes = Bytes::from(self.out.take());
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            self.put(Piece::Bytes(piece)).await?;
        }
        Ok(())
    }

    async fn put(&self, piece: Piece) -> io::Result<()> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Err(io::Error::other("the server stops")),
            sent = tokio::time::timeout(self.stall, self.sender.send(piece)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(io::Error::other("the client left")),
                Err(_) => Err(io::Error::other("the client reads nothing")),
            },
        }
    }
}
