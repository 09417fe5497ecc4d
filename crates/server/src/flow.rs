//! One streamed export on its way: takes turns to read and to encode, waits in between for its
//! client, and is recorded before its clean end.
//!
//! An export that gives up its turn drops its query and goes on later behind the last event
//! that it encoded, in the same snapshot: the bytes are those of an export that was never
//! interrupted. Parquet cannot do that (a row group that is copied has no last event that
//! anybody looked at), so such an export has one turn for its whole life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auditlake_export::{Digested, Encoder, ExportError, Format, Options, Totals};
use auditlake_lake::Snapshot;
use auditlake_query::{Ordered, Position, ScanRequest};
use axum::http::HeaderMap;
use futures::StreamExt;
use tokio::runtime::Handle;

use crate::permits::Permit;
use crate::placing::{Placed, Placing, with_places};
use crate::pump::{Broken, Outlet, Waiting};
use crate::state::AppState;
use crate::turns::Turn;

/// Bytes are sent on when so many are there, or when the next events let themselves be waited
/// for.
const SEND_BYTES: usize = 64 << 10;
/// What all exports together may have encoded before their clients take it, and what each of
/// them may have of it.
const SHARED_BYTES: usize = 32 << 20;
const SHARE_BYTES: (usize, usize) = (128 << 10, 4 << 20);
/// How long a turn lasts when others wait for one.
const TURN: Duration = Duration::from_secs(2);
/// How long a client may let an export wait within a turn that others want.
const PATIENCE: Duration = Duration::from_millis(100);
/// From how many exports on each has one renderer, and small buffers.
const CROWD: usize = 8;

/// How far an export came; shared with who records what became of it.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    rows: Arc<AtomicU64>,
}

impl Progress {
    /// Events that were encoded.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Notes that so many more were encoded.
    pub(crate) fn add(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
}

/// An export on its way.
pub(crate) struct Flow {
    state: AppState,
    snapshot: Snapshot,
    scan: ScanRequest,
    /// How many of the scan's columns are the caller's; all if none.
    columns: Option<usize>,
    encoder: Encoder,
    /// The turn of an export that cannot give it up.
    whole: Option<Turn>,
    out: Digested<Waiting>,
    outlet: Outlet,
    progress: Progress,
    _permit: Permit,
}

/// How a turn ended.
enum Ended {
    /// There is more to come.
    Early(Box<Flow>),
    /// Everything is encoded; what waits is to be sent.
    Done(Box<Finished>),
}

/// An export whose last byte is encoded, but not sent.
pub(crate) struct Finished {
    pub(crate) totals: Totals,
    pub(crate) sha256: [u8; 32],
    out: Digested<Waiting>,
    outlet: Outlet,
    _permit: Permit,
}

/// Whether so many exports run that each has to do with less.
pub(crate) fn is_crowded(state: &AppState) -> bool {
    state.exports().running() > CROWD
}

impl Flow {
    /// An export of what `scan` means in the lake as it is now. What stands before its first
    /// event already waits to be sent.
    pub(crate) fn new(
        state: &AppState,
        mut scan: ScanRequest,
        mut encoder: Encoder,
        options: &Options,
        (outlet, permit): (Outlet, Permit),
        whole: Option<Turn>,
    ) -> Result<Self, ExportError> {
        let mut out = Digested::new(Waiting::default());
        encoder.start(&mut out)?;
        let mut columns = None;
        if options.format != Format::Parquet
            && let Some(wanted) = &scan.columns
        {
            columns = Some(wanted.len());
            scan.columns = Some(with_places(wanted));
        }
        Ok(Self {
            state: state.clone(),
            snapshot: state.lake().snapshot(),
            scan,
            columns,
            encoder,
            whole,
            out,
            outlet,
            progress: Progress::default(),
            _permit: permit,
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Runs until everything is encoded. The rest is left to be sent, because the export is
    /// recorded before its end.
    pub(crate) async fn run(self) -> Result<Finished, Broken> {
        let (state, mut flow) = (self.state.clone(), Box::new(self));
        loop {
            // Outside of a turn, so that a client may take its time.
            let stall = state.config().export_stall_timeout;
            flow.outlet.send_all(flow.out.inner_mut(), stall).await?;
            let turn = match flow.whole {
                Some(_) => None,
                None => Some(next_turn(&flow.outlet, &state).await?),
            };
            state.metrics().export_turns.inc();
            let (runtime, span) = (Handle::current(), tracing::Span::current());
            // Encoding keeps a processor busy, so it has a thread of its own. The tracker owns
            // it; it ends when the client leaves or the server stops.
            let work = state.tasks().spawn_blocking(move || {
                let _entered = span.enter();
                let _turn = turn;
                runtime.block_on(flow.turn())
            });
            match work.await.map_err(|panic| Broken::Internal(panic.to_string()))?? {
                Ended::Early(back) => {
                    flow = back;
                    flow.encoder.rest();
                }
                Ended::Done(finished) => return Ok(*finished),
            }
        }
    }

    /// Reads and encodes until everything is, or until the turn is given up.
    async fn turn(mut self: Box<Self>) -> Result<Ended, Broken> {
        let began = Instant::now();
        if self.scan.limit == Some(0) {
            return self.finish();
        }
        let mut events = self.render().await?;
        while let Some(Placed { rendered, last, .. }) = self.next(&mut events).await? {
            let rows = rendered.rows() as u64;
            self.encoder.add(rendered, &mut self.out)?;
            self.went_on(rows, last);
            let is_full = self.out.inner_mut().bytes() >= SEND_BYTES;
            if is_full && !self.keep_pace().await? {
                return Ok(Ended::Early(self));
            }
            if began.elapsed() >= TURN && self.is_to_give_way() {
                return Ok(Ended::Early(self));
            }
        }
        self.finish()
    }

    /// Notes what was encoded, and where to go on behind it.
    fn went_on(&mut self, rows: u64, last: Option<Position>) {
        self.progress.add(rows);
        self.state.metrics().export_rows.inc_by(rows);
        if let Some(left) = &mut self.scan.limit {
            *left = left.saturating_sub(usize::try_from(rows).unwrap_or(usize::MAX));
        }
        if last.is_some() {
            self.scan.after = last;
        }
    }

    /// The rest of the events, rendered by as many threads as are of use.
    async fn render(&self) -> Result<Ordered<Placed>, Broken> {
        let engine = self.state.engine();
        let most = if is_crowded(&self.state) { 1 } else { engine.partitions() };
        let renderers = self.encoder.renderers(most)?;
        let renderers = renderers.into_iter().map(|one| Placing::new(one, self.columns));
        let renderers: Vec<_> = renderers.collect();
        tokio::select! {
            biased;
            broken = self.outlet.breaks() => Err(broken),
            rendered = engine.render(&self.snapshot, &self.scan, renderers) => Ok(rendered?),
        }
    }

    /// The next events. What waits goes on its way while the query works.
    async fn next(&mut self, events: &mut Ordered<Placed>) -> Result<Option<Placed>, Broken> {
        let stall = self.state.config().export_stall_timeout;
        loop {
            let waits = self.out.inner_mut().bytes() > 0;
            tokio::select! {
                biased;
                next = events.next() => return Ok(next.transpose()?),
                // Even if the client takes nothing for long: it holds nothing up meanwhile.
                sent = self.outlet.send_one(self.out.inner_mut(), stall), if waits => sent?,
                broken = self.outlet.breaks(), if !waits => return Err(broken),
            };
        }
    }

    /// Whether the client takes what is made for it. If it does not, and others want the turn,
    /// it is to be given up.
    async fn keep_pace(&mut self) -> Result<bool, Broken> {
        let running = self.state.exports().running().max(1);
        let share = (SHARED_BYTES / running).clamp(SHARE_BYTES.0, SHARE_BYTES.1);
        let stall = self.state.config().export_stall_timeout;
        let mut patience = Duration::ZERO;
        let (mut since, mut before) = (Instant::now(), self.out.inner_mut().bytes());
        loop {
            let is_sent = self.outlet.send(self.out.inner_mut(), patience).await?;
            let waits = self.out.inner_mut().bytes();
            if is_sent || waits < share {
                return Ok(true);
            }
            if patience > Duration::ZERO && self.is_to_give_way() {
                return Ok(false);
            }
            if waits < before {
                (since, before) = (Instant::now(), waits);
            } else if since.elapsed() >= stall {
                return Err(Broken::Stalled);
            }
            patience = PATIENCE.min(stall);
        }
    }

    fn is_to_give_way(&self) -> bool {
        self.whole.is_none() && self.state.turns().are_wanted()
    }

    /// Ends the file.
    fn finish(self: Box<Self>) -> Result<Ended, Broken> {
        let Self { encoder, mut out, outlet, _permit, .. } = *self;
        let totals = encoder.finish(&mut out)?;
        let sha256 = out.sha256();
        Ok(Ended::Done(Box::new(Finished { totals, sha256, out, outlet, _permit })))
    }
}

impl Finished {
    /// Sends what waits, and ends the answer cleanly.
    pub(crate) async fn end(mut self, trailers: HeaderMap, stall: Duration) -> Result<(), Broken> {
        self.outlet.send_all(self.out.inner_mut(), stall).await?;
        self.outlet.end(trailers, stall).await
    }
}

/// Waits for a turn.
async fn next_turn(outlet: &Outlet, state: &AppState) -> Result<Turn, Broken> {
    tokio::select! {
        biased;
        broken = outlet.breaks() => Err(broken),
        turn = state.turns().next() => {
            turn.ok_or_else(|| Broken::Internal("turns are given out no more".to_owned()))
        }
    }
}
