//! The lists of dialects: the events of a scan as JSON elements in a dialect's schema, from a
//! place on and up to a number.

use std::sync::Arc;

use auditlake_export::{Encoder, Envelope, Format, Options, Shape};
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::{EventStream, Order, Position, ScanRequest};
use futures::StreamExt;

use crate::page::position;
use crate::problem::Problem;
use crate::state::AppState;

/// Events rendered at a time: after each such piece is looked how large the answer has become.
const PIECE_ROWS: usize = 64;
/// A page that a client cannot go on from in its middle is refused beyond so many bytes.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// Some events in a dialect's schema.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// With a comma between each two: the inside of a JSON array.
    pub(super) bytes: Vec<u8>,
    /// How many they are.
    pub(super) rows: usize,
    /// Where the last one stands, when others follow.
    pub(super) continues: Option<Position>,
}

/// Which page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Events in front of it.
    pub(super) skip: usize,
    /// The most events in it.
    pub(super) limit: usize,
    /// The parameter that holds `limit`, for whoever asked for too much.
    pub(super) limit_name: &'static str,
}

/// One page of the events that a filter means, newest first, and how many there are in all.
/// Both are of one snapshot.
pub(super) async fn page(
    state: &AppState,
    scope: &Scope,
    filter: Filter,
    shape: Arc<dyn Shape>,
    window: Window,
) -> Result<(u64, Elements), Problem> {
    let snapshot = state.lake().snapshot();
    let question = async {
        let total = state.engine().count(&snapshot, scope, &filter).await?;
        let Window { skip, limit, .. } = window;
        if skip as u64 >= total {
            return Ok::<_, Problem>((total, Elements::default()));
        }
        let scan = ScanRequest {
            filter,
            order: Order::NewestFirst,
            limit: Some(skip.saturating_add(limit)),
            ..ScanRequest::of(scope.clone())
        };
        let stream = state.engine().scan(&snapshot, &scan).await?;
        Ok((total, read(stream, shape, skip, limit, MAX_PAGE_BYTES).await?))
    };
    let (total, elements) = state.in_query_time(question).await??;
    if elements.continues.is_some() {
        let reason = format!(
            "this page would have more than {} MiB; ask for fewer events at a time",
            MAX_PAGE_BYTES >> 20
        );
        return Err(Problem::parameter(window.limit_name, &reason));
    }
    Ok((total, elements))
}

/// Reads up to `limit` events behind the first `skip`, and none more once there are
/// `most_bytes`. Whether others follow is known only if the stream holds them.
pub(super) async fn read(
    mut stream: EventStream,
    shape: Arc<dyn Shape>,
    mut skip: usize,
    limit: usize,
    most_bytes: usize,
) -> Result<Elements, Problem> {
    let nothing = Envelope { before: String::new(), after: String::new() };
    let mut encoder = Encoder::shaped(shape, Options::new(Format::Json), nothing)?;
    let mut elements = Elements::default();
    let mut last = None;
    while let Some(batch) = stream.next().await.transpose()? {
        let mut row = skip.min(batch.num_rows());
        skip -= row;
        while row < batch.num_rows() {
            if elements.rows == limit || elements.bytes.len() >= most_bytes {
                elements.continues = last;
                return Ok(elements);
            }
            let rows = (batch.num_rows() - row).min(limit - elements.rows).min(PIECE_ROWS);
            let piece = batch.slice(row, rows);
            encoder.encode(&piece, &mut elements.bytes)?;
            last = Some(position(&piece, rows - 1));
            elements.rows += rows;
            row += rows;
        }
    }
    Ok(elements)
}
