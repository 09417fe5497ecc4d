//! Work on the parts of an answer side by side, handed on in the order of the parts.
//!
//! Every worker takes the next part when it is done with one. What it makes of the part that
//! is being handed on goes straight to the reader; of a later part it goes into a store that
//! all answers share, bounded in bytes: when it is full, only the parts in front go on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use auditlake_model::render::Made;
use futures::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{AcquireError, Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::error::QueryError;

/// Memory is counted in such units.
const UNIT: usize = 1024;
/// What of the part in front may wait for the reader.
const FRONT_BYTES: usize = 4 << 20;

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// What all answers together may have ready before it is their turn.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    room: Arc<Semaphore>,
    bytes: usize,
}

impl Ahead {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(units(bytes.max(UNIT)) as usize)),
            bytes: bytes.max(UNIT),
        }
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        // What is larger than all the room gets all of it.
        Arc::clone(&self.room).acquire_many_owned(units(bytes.min(self.bytes))).await
    }
}

/// Where the parts of an answer come from, in order.
pub(crate) trait Parts: Send + 'static {
    type Part: Send;

    /// The next part; none when there are no more.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Part>, QueryError>> + Send;
}

/// What makes something of parts, one after the other.
pub(crate) trait Worker<P>: Send + 'static {
    type Item: Send + 'static;

    /// Makes something of one part, giving it to `outlet` piece by piece.
    fn work(
        &mut self,
        part: P,
        outlet: &mut Outlet<Self::Item>,
    ) -> impl Future<Output = Result<(), Stopped>> + Send;
}

/// Why a worker ends early.
pub(crate) enum Stopped {
    /// Nobody wants what it makes any more.
    Unwanted,
    Failed(QueryError),
}

impl<E: Into<QueryError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What goes from a worker to the reader. A part that ends without [`Piece::End`], by a panic,
/// must not pass for a complete one.
enum Piece<T> {
    Item(T, OwnedSemaphorePermit),
    Failed(QueryError),
    End,
}

/// Where a worker puts what it makes of one part.
pub(crate) struct Outlet<T> {
    /// The part's place.
    place: usize,
    pieces: UnboundedSender<Piece<T>>,
    front: watch::Receiver<usize>,
    front_room: Arc<Semaphore>,
    ahead: Ahead,
}

impl<T> Outlet<T> {
    /// Hands on what was made; waits until there is room for it.
    pub(crate) async fn put(&mut self, made: Made<T>) -> Result<(), Stopped> {
        let permit = tokio::select! {
            biased;
            reached = reaches(&mut self.front, self.place) => {
                reached?;
                let units = units(made.bytes.min(FRONT_BYTES));
                Arc::clone(&self.front_room).acquire_many_owned(units).await
            }
            permit = self.ahead.room(made.bytes) => permit,
        };
        let permit = permit.map_err(|_| Stopped::Unwanted)?;
        self.pieces.send(Piece::Item(made.item, permit)).map_err(|_| Stopped::Unwanted)
    }
}

/// Waits until the part at `place` is the one in front.
async fn reaches(front: &mut watch::Receiver<usize>, place: usize) -> Result<(), Stopped> {
    front.wait_for(|front| *front >= place).await.map(drop).map_err(|_| Stopped::Unwanted)
}

/// What is made of one part, piece by piece; none behind the last part.
type Order<T> = Option<UnboundedReceiver<Piece<T>>>;

/// The parts that no worker has taken yet.
struct Queue<P, T> {
    parts: P,
    /// How many were taken.
    taken: usize,
    /// Set while the next part is being looked for, and left so by a panic.
    is_broken: bool,
    order: UnboundedSender<Order<T>>,
}

/// What the workers share.
struct Shared<P, T> {
    queue: Mutex<Queue<P, T>>,
    front: watch::Receiver<usize>,
    front_room: Arc<Semaphore>,
    ahead: Ahead,
}

impl<P: Parts, T: Send + 'static> Shared<P, T> {
    /// Works on parts until there are none.
    async fn run(self: Arc<Self>, mut worker: impl Worker<P::Part, Item = T>) {
        while let Some((part, mut outlet)) = self.take().await {
            let worked = match part {
                Ok(part) => worker.work(part, &mut outlet).await,
                Err(error) => Err(Stopped::Failed(error)),
            };
            let sent = match worked {
                Ok(()) => outlet.pieces.send(Piece::End),
                Err(Stopped::Unwanted) => return,
                Err(Stopped::Failed(error)) => {
                    let _ = outlet.pieces.send(Piece::Failed(error));
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// The next part and where to put what is made of it.
    async fn take(&self) -> Option<(Result<P::Part, QueryError>, Outlet<T>)> {
        let mut queue = self.queue.lock().await;
        let next = if std::mem::replace(&mut queue.is_broken, true) {
            Err(broken())
        } else {
            queue.parts.next().await
        };
        queue.is_broken = next.is_err();
        let Some(part) = next.transpose() else {
            let _ = queue.order.send(None);
            return None;
        };
        let (pieces, receiver) = mpsc::unbounded_channel();
        queue.order.send(Some(receiver)).ok()?;
        let place = queue.taken;
        queue.taken += 1;
        let outlet = Outlet {
            place,
            pieces,
            front: self.front.clone(),
            front_room: Arc::clone(&self.front_room),
            ahead: self.ahead.clone(),
        };
        Some((part, outlet))
    }
}

fn broken() -> QueryError {
    QueryError::Internal("a thread that worked on it broke off".to_owned())
}

/// What was made of an answer, in its order. Dropping it ends the work.
pub struct Ordered<T> {
    order: UnboundedReceiver<Order<T>>,
    /// What is made of the part in front.
    current: Order<T>,
    /// The place of the part in front.
    front: watch::Sender<usize>,
    has_ended: bool,
    _workers: JoinSet<()>,
}

/// Sets workers to work on the parts.
pub(crate) fn start<P: Parts, W: Worker<P::Part>>(
    parts: P,
    workers: Vec<W>,
    ahead: &Ahead,
    threads: &Handle,
) -> Ordered<W::Item> {
    let (order, receiver) = mpsc::unbounded_channel();
    let (front, front_receiver) = watch::channel(0);
    let shared = Arc::new(Shared {
        queue: Mutex::new(Queue { parts, taken: 0, is_broken: false, order }),
        front: front_receiver,
        front_room: Arc::new(Semaphore::new(units(FRONT_BYTES) as usize)),
        ahead: ahead.clone(),
    });
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn_on(Arc::clone(&shared).run(worker), threads);
    }
    Ordered { order: receiver, current: None, front, has_ended: false, _workers: tasks }
}

impl<T> Ordered<T> {
    /// What comes next, unless a part has ended and the next one is to be looked at.
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Option<Result<T, QueryError>>>> {
        let Some(current) = &mut self.current else {
            return Poll::Ready(match ready!(self.order.poll_recv(context)) {
                Some(Some(part)) => {
                    self.current = Some(part);
                    None
                }
                Some(None) => Some(None),
                None => Some(Some(Err(broken()))),
            });
        };
        Poll::Ready(match ready!(current.poll_recv(context)) {
            Some(Piece::Item(item, _permit)) => Some(Some(Ok(item))),
            Some(Piece::Failed(error)) => Some(Some(Err(error))),
            Some(Piece::End) => {
                self.current = None;
                self.front.send_modify(|front| *front += 1);
                None
            }
            None => Some(Some(Err(broken()))),
        })
    }
}

impl<T> Stream for Ordered<T> {
    type Item = Result<T, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.has_ended {
            if let Some(next) = ready!(self.poll_piece(context)) {
                self.has_ended = !matches!(next, Some(Ok(_)));
                return Poll::Ready(next);
            }
        }
        Poll::Ready(None)
    }
}

impl<T> std::fmt::Debug for Ordered<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ordered").field("has_ended", &self.has_ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
