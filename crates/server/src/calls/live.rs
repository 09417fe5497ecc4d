//! `GET /v1/events/stream`: new events as they are recorded, as server-sent events.
//!
//! Each event that the caller may see and the filters mean is given once, in the order of
//! recording. The id of each says where it stands, and who comes back with it as
//! `Last-Event-ID` goes on right behind. A tail reads the lake in windows of `recorded_at` that
//! end where `cursor` puts the bound of a list: nothing that is recorded later falls into a
//! window that was read.

mod mark;
mod window;

use std::time::{Duration, Instant};

use auditlake_lake::Snapshot;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::mark::Mark;
use self::window::Window;
use super::saved_queries;
use crate::cursor::newest_recorded;
use crate::identity::session::{self, Session};
use crate::identity::{Permission, Principal};
use crate::params::{FilterParams, Params};
use crate::permits::Permit;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How often the lake is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// A tail ends after so long, and its client comes back by itself: with a key or token that is
/// then looked at anew.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// Pieces of text that wait for the client, and how large they are about.
const PIECES: usize = 4;
const PIECE_BYTES: usize = 64 << 10;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(stream_events))
}

/// Follow new events
///
/// Server-sent events: first `ready`, then an `event` for each new event that the filters mean,
/// its data the canonical line, in the order of recording. A client that comes back with
/// `Last-Event-ID` goes on where it was. The server ends a stream every now and then, and with
/// the key or the session that it was opened with; clients that follow the protocol come back by
/// themselves.
#[utoipa::path(
    get,
    path = "/v1/events/stream",
    tag = "events",
    params(
        FilterParams,
        ("last-event-id" = Option<String>, Header,
            description = "The id of the last event that was received"),
    ),
    responses(
        (status = 200, description = "The events, as they come", body = String,
            content_type = "text/event-stream"),
        (status = 400, description = "A parameter is unknown or wrong", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role may not read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "Enough live tails are open", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn stream_events(
    State(state): State<AppState>,
    caller: Principal,
    session: Option<Extension<Session>>,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(Permission::AuditRead)?;
    let mut params = Params::read(request.uri().query());
    let (filter, _) = saved_queries::narrowed(&state, &caller, &mut params).await?;
    params.finish()?;
    let mark = match last_event_id(request.headers())? {
        Some(mark) => mark,
        None => end_of(&state.lake().snapshot()),
    };
    let permit = state.live().take(&caller)?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let scope = caller.scope();
    let tail = Tail {
        state: state.clone(),
        caller,
        session: session.map(|Extension(session)| session),
        began: Instant::now(),
        scope,
        filter,
        mark,
        span_us: i64::MAX,
        sender,
        _permit: permit,
    };
    drop(state.tasks().spawn(tail.run().instrument(tracing::Span::current())));
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), receiver))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // Proxies that gather answers would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Mark>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    Mark::decode(text).map(Some).ok_or_else(|| {
        Problem::bad_request(
            "header Last-Event-ID: is no id of an event of this stream; give the last one as it \
             was, or none to begin with what comes next",
        )
    })
}

/// Behind everything that a snapshot holds.
fn end_of(snapshot: &Snapshot) -> Mark {
    Mark::from(newest_recorded(snapshot).map_or(i64::MIN, |newest| newest.saturating_add(1)))
}

/// One live tail.
struct Tail {
    state: AppState,
    caller: Principal,
    /// The session that it was opened with, if it was with one.
    session: Option<Session>,
    began: Instant,
    scope: Scope,
    filter: Filter,
    /// What lies before it was given.
    mark: Mark,
    /// How much of recorded time is read at once.
    span_us: i64,
    sender: mpsc::Sender<Bytes>,
    _permit: Permit,
}

/// Why a tail ends.
enum End {
    /// The client left, or takes nothing.
    Gone,
    /// It was open for long enough, or what opened it opens nothing any more.
    Over,
    /// Something went wrong that the client is told of.
    Failed(Problem),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// The shortest window that is tried before a tail is given up as too slow.
const SHORTEST_US: i64 = 1_000_000;

impl Tail {
    async fn run(mut self) {
        let (state, sender) = (self.state.clone(), self.sender.clone());
        tracing::info!("live tail begins");
        let ended = tokio::select! {
            biased;
            () = state.stopping().cancelled() => Ok(()),
            () = sender.closed() => Ok(()),
            ended = self.follow() => ended,
        };
        match ended {
            Ok(()) | Err(End::Gone | End::Over) => {}
            Err(End::Failed(problem)) => {
                // A client that takes nothing is not told either.
                let _ = sender.try_send(told(problem).await);
            }
        }
        tracing::info!("live tail ended");
    }

    async fn follow(&mut self) -> Result<(), End> {
        let id = self.mark.encode();
        let ready = format!("retry: 2000\nid: {id}\nevent: ready\ndata: {{}}\n\n");
        self.send(ready.into()).await?;
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let heartbeat = self.state.config().live_heartbeat;
        let mut spoken = Instant::now();
        loop {
            ticks.tick().await;
            self.check_opener()?;
            if self.catch_up().await? {
                spoken = Instant::now();
            }
            if spoken.elapsed() >= heartbeat {
                self.send(Bytes::from_static(b": heartbeat\n\n")).await?;
                spoken = Instant::now();
            }
        }
    }

    /// Ends what has been open for long enough, or what nobody could open now. The client comes
    /// back with what opens it then.
    fn check_opener(&self) -> Result<(), End> {
        let session = self.session.as_ref();
        if self.began.elapsed() < LIFE && session::still_opens(&self.state, &self.caller, session) {
            return Ok(());
        }
        Err(End::Over)
    }

    /// Gives everything that the lake holds by now; answers whether there was anything.
    async fn catch_up(&mut self) -> Result<bool, End> {
        let snapshot = self.state.lake().snapshot();
        let Some(newest) = newest_recorded(&snapshot) else { return Ok(false) };
        let bound_us = newest.saturating_add(1);
        let mut has_spoken = false;
        while self.mark.recorded_us() < bound_us {
            // However much there is to catch up with.
            self.check_opener()?;
            let to_us = self.mark.recorded_us().saturating_add(self.span_us).min(bound_us);
            let meant = (&self.scope, &self.filter);
            let read = Window::read(&self.state, &snapshot, meant, &self.mark, to_us);
            let window = match self.state.in_query_time(read).await {
                Ok(window) => window?,
                Err(too_slow) => {
                    self.shorten(to_us, too_slow)?;
                    continue;
                }
            };
            has_spoken |= !window.events.is_empty();
            let last = self.give(window.events).await?;
            match last.filter(|_| window.is_cut) {
                // About as much again as fitted.
                Some(last) => {
                    let fitted = last.recorded_us().saturating_sub(self.mark.recorded_us());
                    self.span_us = fitted.saturating_mul(2).max(1);
                    self.mark = last;
                }
                None => {
                    self.span_us = self.span_us.saturating_mul(2);
                    self.mark = Mark::from(to_us);
                }
            }
        }
        Ok(has_spoken)
    }

    /// After a window that took too long: a shorter one may not.
    fn shorten(&mut self, to_us: i64, too_slow: Problem) -> Result<(), End> {
        let tried_us = to_us.saturating_sub(self.mark.recorded_us());
        if tried_us <= SHORTEST_US {
            return Err(End::Failed(too_slow));
        }
        self.span_us = (tried_us / 8).max(SHORTEST_US);
        Ok(())
    }

    /// Sends events; answers where the last one stands.
    async fn give(&mut self, events: Vec<(Mark, Vec<u8>)>) -> Result<Option<Mark>, End> {
        let mut piece = Vec::new();
        let mut last = None;
        for (mark, line) in events {
            let head = format!("id: {}\nevent: event\ndata: ", mark.encode());
            piece.extend_from_slice(head.as_bytes());
            piece.extend_from_slice(&line);
            piece.extend_from_slice(b"\n\n");
            self.state.metrics().live_events.inc();
            last = Some(mark);
            if piece.len() >= PIECE_BYTES {
                self.send(std::mem::take(&mut piece).into()).await?;
            }
        }
        if !piece.is_empty() {
            self.send(piece.into()).await?;
        }
        Ok(last)
    }

    async fn send(&self, piece: Bytes) -> Result<(), End> {
        let stall = self.state.config().export_stall_timeout;
        match tokio::time::timeout(stall, self.sender.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                tracing::warn!("live tail broken off: the client reads nothing");
                Err(End::Gone)
            }
        }
    }
}

/// What a client is told at the end of a tail that failed; the stream has a good status already.
async fn told(problem: Problem) -> Bytes {
    let body = problem.into_response().into_body().collect().await;
    let body = body.map(|collected| collected.to_bytes()).unwrap_or_default();
    Bytes::from([b"event: error\ndata: ".as_slice(), &body, b"\n\n"].concat())
}
