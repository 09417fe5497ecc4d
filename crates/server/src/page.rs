//! The first few events of a stream, as their canonical lines.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use auditlake_model::line::LineWriter;
use auditlake_query::{EventStream, Position};
use futures::StreamExt;

use crate::placing::Places;
use crate::problem::Problem;

/// A page is closed after this many bytes, so that events with large `data` cannot make an
/// answer of hundreds of megabytes. The cursor leads on, so none is lost.
const MAX_BYTES: usize = 16 << 20;

/// Some events.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Their lines with a comma between each two: the inside of a JSON array.
    pub(crate) events: Vec<u8>,
    /// How many they are.
    pub(crate) rows: usize,
    /// Where the last one stands, when others follow.
    pub(crate) continues: Option<Position>,
}

impl Page {
    /// Reads up to `limit` events, of which the first `columns` columns are shown; all if none.
    /// The stream must hold the columns that tell an event's place, and one more event if there
    /// is one: that is how a page knows that it is not the last.
    pub(crate) async fn read(
        mut stream: EventStream,
        limit: usize,
        columns: Option<usize>,
    ) -> Result<Self, Problem> {
        let schema = stream.schema();
        let places = places(&schema)?;
        let shown: Vec<usize> = (0..columns.unwrap_or(schema.fields().len())).collect();
        let project = |error| Problem::internal("choosing columns", &error);
        let mut writer = LineWriter::new(&Arc::new(schema.project(&shown).map_err(project)?))?;
        let mut page = Self::default();
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        let mut last = None;
        while let Some(batch) = stream.next().await.transpose()? {
            lines.clear();
            ends.clear();
            let written = batch.project(&shown).map_err(project)?;
            writer.write_each(&written, &mut lines, &mut ends);
            let mut start = 0;
            for (row, end) in ends.iter().enumerate() {
                if page.rows == limit || page.events.len() >= MAX_BYTES {
                    page.continues = match row {
                        0 => last,
                        _ => Some(places.position(&batch, row - 1)),
                    };
                    return Ok(page);
                }
                if page.rows > 0 {
                    page.events.push(b',');
                }
                page.events.extend_from_slice(&lines[start..end - 1]);
                page.rows += 1;
                start = *end;
            }
            if let Some(row) = batch.num_rows().checked_sub(1) {
                last = Some(places.position(&batch, row));
            }
        }
        Ok(page)
    }
}

fn places(schema: &Schema) -> Result<Places, Problem> {
    let missing = &"columns that tell its place are missing";
    Places::of(schema).ok_or_else(|| Problem::internal("reading a page", missing))
}

/// Where a row of all columns stands.
pub(crate) fn position(batch: &RecordBatch, row: usize) -> Position {
    Places::ALL_COLUMNS.position(batch, row)
}
