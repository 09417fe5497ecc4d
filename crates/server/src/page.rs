//! The first few events of a stream, as their canonical lines.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_model::columns::at;
use auditlake_model::line::LineWriter;
use auditlake_query::{EventStream, Position};
use futures::StreamExt;

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
    /// Reads up to `limit` events of all columns. The stream must hold one more if there is
    /// one: that is how a page knows that it is not the last.
    pub(crate) async fn read(mut stream: EventStream, limit: usize) -> Result<Self, Problem> {
        let schema = stream.schema();
        let mut writer = LineWriter::new(&schema)?;
        let mut page = Self::default();
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        let mut last = None;
        while let Some(batch) = stream.next().await.transpose()? {
            lines.clear();
            ends.clear();
            writer.write_each(&batch, &mut lines, &mut ends);
            let mut start = 0;
            for (row, end) in ends.iter().enumerate() {
                if page.rows == limit || page.events.len() >= MAX_BYTES {
                    page.continues = match row {
                        0 => last,
                        _ => Some(position(&batch, row - 1)),
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
                last = Some(position(&batch, row));
            }
        }
        Ok(page)
    }
}

/// Where a row of all columns stands.
fn position(batch: &RecordBatch, row: usize) -> Position {
    let times = batch.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>();
    let tenants = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
    let names = tenants.values().as_string::<i32>();
    let seqs = batch.column(at::SEQ).as_primitive::<UInt64Type>();
    Position {
        occurred_at_us: times.value(row),
        tenant_id: tenants.key(row).map_or("", |key| names.value(key)).to_owned(),
        seq: seqs.value(row),
    }
}
