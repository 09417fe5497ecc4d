//! From a scan to the bytes of a file.

use std::io;

use auditlake_export::{Encoder, Options, Totals};
use auditlake_lake::Snapshot;
use auditlake_query::{Engine, ScanRequest};
use bytes::Bytes;
use futures::TryStreamExt;

use super::edges::{Edges, Noting};
use crate::progress;

/// Encodes an answer and hands its bytes on as they come; the memory it takes does not depend
/// on the rows.
pub(crate) async fn write(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &ScanRequest,
    options: Options,
    put: impl FnMut(Bytes) -> io::Result<()>,
) -> anyhow::Result<Totals> {
    Ok(encode(engine, snapshot, request, options, false, put).await?.0)
}

/// The same for all columns, and where the first and the last event stand; none if there is no
/// event.
pub(super) async fn write_noting(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &ScanRequest,
    options: Options,
    put: impl FnMut(Bytes) -> io::Result<()>,
) -> anyhow::Result<(Totals, Option<Edges>)> {
    encode(engine, snapshot, request, options, true, put).await
}

async fn encode(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &ScanRequest,
    options: Options,
    notes: bool,
    mut put: impl FnMut(Bytes) -> io::Result<()>,
) -> anyhow::Result<(Totals, Option<Edges>)> {
    let sorted = request.keeps_segment_order();
    let mut encoder = Encoder::in_order(request.schema()?, options, sorted)?;
    let renderers = encoder.renderers(engine.partitions())?;
    let renderers = renderers.into_iter().map(|renderer| Noting { renderer, notes });
    let mut rendered = engine.render(snapshot, request, renderers).await?;
    let bar = progress::bar(None, "events");
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut edges: Option<Edges> = None;
    encoder.start(&mut pieces)?;
    pieces.drain(..).try_for_each(&mut put)?;
    while let Some(events) = rendered.try_next().await? {
        bar.inc(events.rendered.rows() as u64);
        edges = match (edges, events.edges) {
            (Some(before), Some(behind)) => Some(before.and(behind)),
            (one, other) => one.or(other),
        };
        encoder.add(events.rendered, &mut pieces)?;
        pieces.drain(..).try_for_each(&mut put)?;
    }
    let totals = encoder.finish(&mut pieces)?;
    pieces.drain(..).try_for_each(&mut put)?;
    bar.finish_and_clear();
    Ok((totals, edges))
}
