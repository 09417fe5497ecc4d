//! Where events stand in the order of time: what lists go on from, and what lets an export go
//! on after it gave up its turn.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Schema, TimestampMicrosecondType, UInt64Type};
use auditlake_export::{ExportError, Rendered, Renderer};
use auditlake_model::columns::{COLUMNS, at};
use auditlake_model::layout::RowGroup;
use auditlake_model::render::{Made, Render};
use auditlake_query::Position;

/// The columns that give an event its place.
const PLACE: [usize; 3] = [at::OCCURRED_AT, at::TENANT_ID, at::SEQ];

/// Where the columns that give an event its place stand in batches of one schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    occurred_at: usize,
    tenant_id: usize,
    seq: usize,
}

impl Places {
    /// In batches of all columns.
    pub(crate) const ALL_COLUMNS: Self =
        Self { occurred_at: at::OCCURRED_AT, tenant_id: at::TENANT_ID, seq: at::SEQ };

    /// Finds them by name; none if one is not there.
    pub(crate) fn of(schema: &Schema) -> Option<Self> {
        let [occurred_at, tenant_id, seq] =
            PLACE.map(|column| schema.index_of(COLUMNS[column].name).ok());
        Some(Self { occurred_at: occurred_at?, tenant_id: tenant_id?, seq: seq? })
    }

    /// Where a row stands.
    pub(crate) fn position(self, batch: &RecordBatch, row: usize) -> Position {
        let times = batch.column(self.occurred_at).as_primitive::<TimestampMicrosecondType>();
        let tenants = batch.column(self.tenant_id).as_dictionary::<Int32Type>();
        let names = tenants.values().as_string::<i32>();
        let seqs = batch.column(self.seq).as_primitive::<UInt64Type>();
        Position {
            occurred_at_us: times.value(row),
            tenant_id: tenants.key(row).map_or("", |key| names.value(key)).to_owned(),
            seq: seqs.value(row),
        }
    }
}

/// The columns to ask for so that every event's place is known; those asked for come first.
pub(crate) fn with_places(columns: &[usize]) -> Vec<usize> {
    let missing = PLACE.into_iter().filter(|column| !columns.contains(column));
    columns.iter().copied().chain(missing).collect()
}

/// Some events on their way into a file, and where the first and the last of them stand, if that
/// is known.
pub(crate) struct Placed {
    pub(crate) rendered: Rendered,
    pub(crate) first: Option<Position>,
    pub(crate) last: Option<Position>,
}

/// A renderer that also notes where events stand.
pub(crate) struct Placing {
    renderer: Renderer,
    /// How many columns it is to see; those behind them only tell the place.
    columns: Option<Vec<usize>>,
}

impl Placing {
    /// Renders the first `columns` columns, or all of them.
    pub(crate) fn new(renderer: Renderer, columns: Option<usize>) -> Self {
        Self { renderer, columns: columns.map(|columns| (0..columns).collect()) }
    }
}

impl Render for Placing {
    type Item = Placed;
    type Error = ExportError;

    fn most_rows(&self) -> usize {
        self.renderer.most_rows()
    }

    fn copies_from_rows(&self) -> Option<usize> {
        self.renderer.copies_from_rows()
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<Made<Placed>, ExportError> {
        let places = Places::of(batch.schema_ref());
        let last = places.zip(batch.num_rows().checked_sub(1));
        let first = last.map(|(places, _)| places.position(&batch, 0));
        let last = last.map(|(places, row)| places.position(&batch, row));
        let batch = match &self.columns {
            Some(columns) => {
                batch.project(columns).map_err(|error| ExportError::Schema(error.to_string()))?
            }
            None => batch,
        };
        let Made { item, bytes } = self.renderer.batch(batch)?;
        Ok(Made { item: Placed { rendered: item, first, last }, bytes })
    }

    fn row_group(&mut self, group: RowGroup) -> Result<Made<Placed>, ExportError> {
        let Made { item, bytes } = self.renderer.row_group(group)?;
        Ok(Made { item: Placed { rendered: item, first: None, last: None }, bytes })
    }
}
