//! A zip archive on its way out: what goes in is packed at once and sent while more comes. A slow
//! client slows the packing, a gone one ends it.
//!
//! An archive is read by the directory at its end, which is held back until [`Zipped::end`]: one
//! that breaks off before is taken for whole by no reader.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auditlake_export::{Archive, Digested, Sink};
use axum::http::HeaderMap;
use bytes::Bytes;

use crate::pump::{Broken, Outlet, Waiting};
use crate::state::AppState;

/// Of a file that is at hand, what is packed before it is sent on: a proof can be large.
const PIECE_BYTES: usize = 1 << 20;

/// An archive that is being packed.
pub(crate) struct Zip {
    archive: Archive<Out>,
    way: Way,
}

/// An archive that is packed; its last bytes wait to be sent.
pub(crate) struct Zipped {
    way: Way,
}

/// From the archive to the client.
struct Way {
    out: Out,
    packed: Digested<Waiting>,
    outlet: Outlet,
    stall: Duration,
}

impl Zip {
    /// An archive for a client, whose files carry this time.
    pub(crate) fn new(state: &AppState, outlet: Outlet, time_us: i64) -> Self {
        let out = Out::default();
        let archive = Archive::of_time(out.clone(), time_us);
        let stall = state.config().export_stall_timeout;
        let way = Way { out, packed: Digested::new(Waiting::default()), outlet, stall };
        Self { archive, way }
    }

    /// Ends the file before, and begins another one: its name is sent at once.
    pub(crate) async fn begin(&mut self, name: &str) -> Result<(), Broken> {
        self.archive.begin(name)?;
        self.way.send().await
    }

    /// Puts the next bytes of the file that was begun.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.archive.write(bytes)?;
        self.way.send().await
    }

    /// Puts a file that is at hand.
    pub(crate) async fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), Broken> {
        self.begin(name).await?;
        for piece in bytes.chunks(PIECE_BYTES) {
            self.write(piece).await?;
        }
        Ok(())
    }

    /// Waits until the archive cannot go on: the client leaves, or the server stops.
    pub(crate) async fn breaks(&self) -> Broken {
        self.way.outlet.breaks().await
    }

    /// Ends the last file and packs the directory, which is not sent yet.
    pub(crate) fn finish(self) -> Result<Zipped, Broken> {
        let Self { archive, mut way } = self;
        archive.finish()?;
        way.collect();
        Ok(Zipped { way })
    }
}

impl Zipped {
    /// Bytes of the archive.
    pub(crate) fn bytes(&self) -> u64 {
        self.way.packed.bytes()
    }

    /// Their SHA-256.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.way.packed.sha256()
    }

    /// Sends what waits, and ends the answer cleanly.
    pub(crate) async fn end(mut self, trailers: HeaderMap) -> Result<(), Broken> {
        self.way.send().await?;
        self.way.outlet.end(trailers, self.way.stall).await
    }
}

impl Way {
    /// Takes what the archive has written.
    fn collect(&mut self) {
        let bytes = self.out.take();
        if !bytes.is_empty() {
            self.packed.put(Bytes::from(bytes));
        }
    }

    async fn send(&mut self) -> Result<(), Broken> {
        self.collect();
        self.outlet.send_all(self.packed.inner_mut(), self.stall).await
    }
}

/// What the archive has written and nobody has taken yet.
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

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Internal(format!("packing an archive: {error}"))
    }
}
