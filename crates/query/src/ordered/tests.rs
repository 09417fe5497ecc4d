//! Order, bounds and failures of work side by side, without any file.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;

use super::*;

/// Parts that are their own place.
struct Numbers(std::ops::Range<usize>);

impl Parts for Numbers {
    type Part = usize;

    async fn next(&mut self) -> Result<Option<usize>, QueryError> {
        tokio::task::yield_now().await;
        Ok(self.0.next())
    }
}

const PIECES: usize = 5;

/// Gives each part's number a few times, after a while that differs from part to part.
#[derive(Clone, Default)]
struct Repeat {
    piece_bytes: usize,
    fails_at: Option<usize>,
    panics_at: Option<usize>,
    given: Arc<AtomicUsize>,
}

impl Worker<usize> for Repeat {
    type Item = (usize, usize);

    async fn work(
        &mut self,
        part: usize,
        outlet: &mut Outlet<(usize, usize)>,
    ) -> Result<(), Stopped> {
        for piece in 0..PIECES {
            tokio::time::sleep(Duration::from_micros((part * 7919 % 13) as u64 * 50)).await;
            if piece == 2 && self.fails_at == Some(part) {
                return Err(Stopped::Failed(QueryError::Invalid(format!("part {part}"))));
            }
            assert!(piece != 2 || self.panics_at != Some(part), "part {part} panics");
            outlet.put(Made { item: (part, piece), bytes: self.piece_bytes }).await?;
            self.given.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn run(parts: usize, worker: &Repeat, ahead_bytes: usize) -> Ordered<(usize, usize)> {
    let workers = vec![worker.clone(); 4];
    start(Numbers(0..parts), workers, &Ahead::new(ahead_bytes), &Handle::current())
}

fn wanted(parts: usize) -> Vec<(usize, usize)> {
    (0..parts).flat_map(|part| (0..PIECES).map(move |piece| (part, piece))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_workers_make_comes_in_order() {
    for ahead_bytes in [1, 4096, 1 << 20] {
        let worker = Repeat { piece_bytes: 2000, ..Repeat::default() };
        let made: Vec<_> = run(100, &worker, ahead_bytes).map(Result::unwrap).collect().await;
        assert_eq!(made, wanted(100), "with room for {ahead_bytes} bytes");
    }
    let nothing: Vec<_> = run(0, &Repeat::default(), 1024).collect().await;
    assert!(nothing.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failure_comes_in_its_place_and_ends_the_answer() {
    let worker = Repeat { fails_at: Some(17), ..Repeat::default() };
    let made: Vec<_> = run(100, &worker, 1 << 20).collect().await;
    let (last, before) = made.split_last().unwrap();
    assert!(matches!(last, Err(QueryError::Invalid(why)) if why == "part 17"));
    let before: Vec<_> = before.iter().map(|made| *made.as_ref().unwrap()).collect();
    assert_eq!(before, wanted(100)[..17 * PIECES + 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_does_not_pass_for_the_end() {
    for parts in [18, 100] {
        let worker = Repeat { panics_at: Some(17), ..Repeat::default() };
        let made: Vec<_> = run(parts, &worker, 1 << 20).collect().await;
        assert!(matches!(made.last(), Some(Err(QueryError::Internal(_)))));
        assert_eq!(made.len(), 17 * PIECES + 2 + 1);
    }
}

/// Panics when it is asked for its third part.
struct Panics(usize);

impl Parts for Panics {
    type Part = usize;

    async fn next(&mut self) -> Result<Option<usize>, QueryError> {
        self.0 += 1;
        assert!(self.0 != 3, "no third part");
        Ok(Some(self.0))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_while_planning_a_part_leaves_none_out() {
    for workers in [1, 4] {
        let workers = vec![Repeat::default(); workers];
        let made = start(Panics(0), workers, &Ahead::new(1 << 20), &Handle::current());
        let made: Vec<_> = made.collect().await;
        assert!(matches!(made.last(), Some(Err(QueryError::Internal(_)))));
        assert_eq!(made.len(), 2 * PIECES + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_waits_is_not_run_ahead_of_for_ever() {
    let worker = Repeat { piece_bytes: 1 << 20, ..Repeat::default() };
    let mut made = run(1000, &worker, 8 << 20);
    assert_eq!(made.next().await.unwrap().unwrap(), (0, 0));
    tokio::time::sleep(Duration::from_millis(300)).await;
    // What the reader took, the part in front, and what all may have ready.
    let most = 1 + FRONT_BYTES / (1 << 20) + 8;
    assert!(worker.given.load(Ordering::SeqCst) <= most + 1);
    assert_eq!(made.count().await, 1000 * PIECES - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_end_when_nobody_reads() {
    let worker = Repeat { piece_bytes: 1 << 20, ..Repeat::default() };
    let mut made = run(1000, &worker, 8 << 20);
    made.next().await.unwrap().unwrap();
    drop(made);
    tokio::time::timeout(Duration::from_secs(5), async {
        // Each worker holds one; they all give theirs back.
        while Arc::strong_count(&worker.given) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}
