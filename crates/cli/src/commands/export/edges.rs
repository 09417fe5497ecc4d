//! Where the first and the last event of a file stand, noted while its events are rendered.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType, UInt64Type};
use auditlake_export::manifest::Edge;
use auditlake_export::{ExportError, Rendered, Renderer};
use auditlake_model::columns::at;
use auditlake_model::layout::RowGroup;
use auditlake_model::render::{Made, Render};
use auditlake_model::time::format_rfc3339;

/// The first and the last event of a file, or of a part of it.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    pub(super) first: Edge,
    pub(super) last: Edge,
}

/// Some events on their way into a file, and the outermost of them, if they were noted.
pub(super) struct Noted {
    pub(super) rendered: Rendered,
    pub(super) edges: Option<Edges>,
}

/// A renderer that may also note edges. It then sees all columns, and takes no row group as it
/// lies in the lake: nobody has looked into it.
pub(super) struct Noting {
    pub(super) renderer: Renderer,
    pub(super) notes: bool,
}

impl Render for Noting {
    type Item = Noted;
    type Error = ExportError;

    fn most_rows(&self) -> usize {
        self.renderer.most_rows()
    }

    fn copies_from_rows(&self) -> Option<usize> {
        if self.notes { None } else { self.renderer.copies_from_rows() }
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<Made<Noted>, ExportError> {
        let last = if self.notes { batch.num_rows().checked_sub(1) } else { None };
        let edges = last.map(|last| Edges { first: edge(&batch, 0), last: edge(&batch, last) });
        let Made { item, bytes } = self.renderer.batch(batch)?;
        Ok(Made { item: Noted { rendered: item, edges }, bytes })
    }

    fn row_group(&mut self, group: RowGroup) -> Result<Made<Noted>, ExportError> {
        let Made { item, bytes } = self.renderer.row_group(group)?;
        Ok(Made { item: Noted { rendered: item, edges: None }, bytes })
    }
}

impl Edges {
    /// Of these events and those that come behind them.
    pub(super) fn and(self, behind: Self) -> Self {
        Self { first: self.first, last: behind.last }
    }
}

/// Where a row of a batch of all columns stands.
fn edge(batch: &RecordBatch, row: usize) -> Edge {
    let times = batch.column(at::OCCURRED_AT).as_primitive::<TimestampMicrosecondType>();
    let tenants = batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
    let names = tenants.values().as_string::<i32>();
    Edge {
        tenant_id: tenants.key(row).map_or("", |key| names.value(key)).to_owned(),
        seq: batch.column(at::SEQ).as_primitive::<UInt64Type>().value(row),
        occurred_at: format_rfc3339(times.value(row)),
    }
}
