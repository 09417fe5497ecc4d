//! Zip archives as a stream: files go in one after the other, bytes come out as they are made,
//! and nothing that was given out is ever changed.
//!
//! A zip archive is read by the directory at its end. It is written by [`Archive::finish`] and
//! by nothing else: an archive that was dropped, or that met an error, has none, and no reader
//! takes the part that is there for the whole.
//!
//! Every file is deflated, also one that gets no smaller by it: its size stands behind it, and a
//! reader that does not wait for the directory finds the end only of what is deflated.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auditlake_model::time::{DAY_US, civil, day_of};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// Somebody waits for the archive, and what is worth packing well comes packed already.
const DEFLATE_LEVEL: i64 = 1;
/// For its owner to read and write, for everybody else to read.
const PERMISSIONS: u32 = 0o644;

/// A zip archive on its way out. Files of any size have their place in it (ZIP64), and the same
/// files under the same names always make the same bytes.
///
/// Once a call has failed, all later ones do. What stands around files is written in pieces of
/// a few bytes, so a writer that minds should be a [`BufWriter`](std::io::BufWriter).
pub struct Archive<W: Write> {
    // Dropped before the writer, which would otherwise end the archive when it is dropped.
    shut: Shut,
    writer: ZipWriter<StreamWriter<Gate<W>>>,
    modified: DateTime,
}

impl<W: Write> fmt::Debug for Archive<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("is_broken", &self.shut.is_shut()).finish_non_exhaustive()
    }
}

impl<W: Write> Archive<W> {
    /// An archive written to `out`, its files dated 1980-01-01, which in a zip archive is the
    /// same as not dated.
    #[must_use]
    pub fn new(out: W) -> Self {
        Self::dated(out, DateTime::DEFAULT)
    }

    /// An archive whose files carry this time, in UTC. Archives know no time before 1980 or
    /// after 2107, and no odd second.
    #[must_use]
    pub fn of_time(out: W, time_us: i64) -> Self {
        Self::dated(out, dos_time(time_us))
    }

    fn dated(out: W, modified: DateTime) -> Self {
        let shut = Shut::default();
        let gate = Gate { inner: out, shut: Arc::clone(&shut.0) };
        Self { shut, writer: ZipWriter::new_stream(gate), modified }
    }

    /// Ends the file before, and begins another one. A name may have folders in it, but leads
    /// out of none and stands there once.
    pub fn begin(&mut self, name: &str) -> io::Result<()> {
        let modified = self.modified;
        self.unbroken(|writer| {
            check_name(name)?;
            // The size is not known yet, so every file gets the room that a large one needs.
            let options = SimpleFileOptions::DEFAULT
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(DEFLATE_LEVEL))
                .large_file(true)
                .last_modified_time(modified)
                .system(System::Unix)
                .unix_permissions(PERMISSIONS);
            Ok(writer.start_file(name, options)?)
        })
    }

    /// Puts the next bytes of the file that was begun.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unbroken(|writer| writer.write_all(bytes))
    }

    /// Ends the last file and writes the directory.
    pub fn finish(self) -> io::Result<W> {
        self.shut.check()?;
        let Self { shut, writer, .. } = self;
        let gate = writer.finish()?.into_inner();
        shut.check()?;
        Ok(gate.inner)
    }

    fn unbroken<T>(
        &mut self,
        call: impl FnOnce(&mut ZipWriter<StreamWriter<Gate<W>>>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.shut.check()?;
        let done = call(&mut self.writer);
        if done.is_err() {
            self.shut.shut();
        }
        done
    }
}

/// Shuts the gate when it is dropped.
#[derive(Default)]
struct Shut(Arc<AtomicBool>);

impl Shut {
    fn shut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_shut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn check(&self) -> io::Result<()> {
        if self.is_shut() {
            return Err(io::Error::other("an earlier file was not written, the archive is broken"));
        }
        Ok(())
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        self.shut();
    }
}

/// Lets bytes through until it is shut, which it is at its first error. What comes later
/// vanishes: it is the end that the zip writer puts behind a broken archive when it is dropped,
/// and it must neither reach the reader nor be complained about.
struct Gate<W> {
    inner: W,
    shut: Arc<AtomicBool>,
}

impl<W: Write> Gate<W> {
    fn pass<T>(&mut self, idle: T, call: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.shut.load(Ordering::Relaxed) {
            return Ok(idle);
        }
        call(&mut self.inner).inspect_err(|error| {
            // Such a call is made again, and nothing was lost.
            if error.kind() != ErrorKind::Interrupted {
                self.shut.store(true, Ordering::Relaxed);
            }
        })
    }
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(bytes.len(), |inner| match inner.write(bytes)? {
            0 if !bytes.is_empty() => Err(ErrorKind::WriteZero.into()),
            written => Ok(written),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass((), Write::flush)
    }
}

/// Whoever unpacks an archive trusts its names.
fn check_name(name: &str) -> io::Result<()> {
    let is_wrong = |part: &str| matches!(part, "" | "." | "..") || part.contains(['\\', ':', '\0']);
    if name.split('/').any(is_wrong) {
        let reason = format!("{name:?} is no name for a file in an archive");
        return Err(io::Error::new(ErrorKind::InvalidInput, reason));
    }
    Ok(())
}

fn dos_time(time_us: i64) -> DateTime {
    let (year, month, day) = civil(day_of(time_us));
    let second = time_us.rem_euclid(DAY_US) / 1_000_000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let date = u16::try_from(year).ok().and_then(|year| {
        let (month, day) = (month as u8, day as u8);
        DateTime::from_date_and_time(year, month, day, hour as u8, minute as u8, second as u8).ok()
    });
    date.unwrap_or(DateTime::DEFAULT)
}
