//! Whose turn it is: of the exports that run only a few read and encode at a time.
//!
//! A query holds a row group, decoded batches and rendered pages; hundreds of exports to slow
//! clients would hold hundreds of these while they wait. So an export needs a turn to work, and
//! gives it up when its client does not keep up or when others have waited long enough; what it
//! keeps meanwhile is a few pages and the place in the log where it goes on. Memory thereby
//! depends on the number of turns, not on the number of clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Exports that read and encode at a time.
const TURNS: usize = 8;
/// Seconds after which a whole turn may be asked for again.
const RETRY: u32 = 10;

/// Gives out turns in the order in which they are asked for.
#[derive(Clone)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    /// For those that cannot go on where they were: they keep their turn until they are done.
    whole: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// The right to work; given back when it goes.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self::of(TURNS)
    }
}

impl Turns {
    fn of(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            whole: Arc::new(Semaphore::new(most)),
            waiting: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// A turn for the whole of an export that cannot be interrupted. Nobody waits for one: it
    /// might be hours.
    pub(crate) fn whole(&self) -> Result<Turn, Problem> {
        let permit = Arc::clone(&self.whole).try_acquire_owned().map_err(|_| {
            let detail = format!(
                "{TURNS} exports as parquet or with a proof run already, and no more may; come \
                 back later, or make an export job"
            );
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY)
        })?;
        Ok(Turn { _permit: permit })
    }

    /// The next turn that is free. None when turns are given out no more.
    pub(crate) async fn next(&self) -> Option<Turn> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Turn { _permit: permit })
    }

    /// Whether somebody waits for a turn.
    pub(crate) fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counts one that waits, also when it stops waiting without a turn.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_turn_that_comes_back_goes_to_who_waits() {
        let turns = Turns::of(1);
        let one = turns.next().await.unwrap();
        assert!(!turns.are_wanted());
        let mut second = Box::pin(turns.next());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(turns.are_wanted());
        drop(one);
        assert!(second.await.is_some());
        assert!(!turns.are_wanted());
        let whole = turns.whole();
        assert!(whole.is_ok(), "those that cannot give way have turns of their own");
        assert!(turns.whole().is_err(), "nobody waits for a turn that may take hours");
        drop(whole);
        assert!(turns.whole().is_ok());
        let _held = turns.next().await;
        let waits = turns.next().now_or_never();
        assert!(waits.is_none());
        assert!(!turns.are_wanted(), "who gave up waiting is not counted");
    }
}
