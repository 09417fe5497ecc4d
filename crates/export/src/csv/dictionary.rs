//! The values of a dictionary as finished cells, rendered once and then copied per row.

use arrow::array::{Array, StringArray};

use super::cell::Style;

/// The cells of the dictionary rendered last.
#[derive(Default)]
pub(super) struct Dictionary {
    /// What was rendered. Holding it keeps its memory from being used for anything else, so
    /// that the same address means the same values.
    source: Option<StringArray>,
    bytes: Vec<u8>,
    /// Where each cell begins in `bytes`, and where the last one ends.
    bounds: Vec<usize>,
}

impl Dictionary {
    /// Renders `values` for a batch of `rows` rows, unless that would cost more than rendering
    /// its rows. Batches of one row group share a dictionary, which is rendered for the first.
    pub(super) fn prepare(&mut self, values: &StringArray, rows: usize, style: Style) {
        if self.has(values) {
            return;
        }
        if values.len() > rows {
            self.source = None;
            return;
        }
        self.bytes.clear();
        self.bounds.clear();
        self.bounds.push(0);
        for index in 0..values.len() {
            if values.is_null(index) {
                style.null(&mut self.bytes);
            } else {
                style.text(values.value(index), &mut self.bytes);
            }
            self.bounds.push(self.bytes.len());
        }
        self.source = Some(values.clone());
    }

    /// Whether the cells are those of `values`.
    pub(super) fn has(&self, values: &StringArray) -> bool {
        self.source.as_ref().is_some_and(|source| is_same(source, values))
    }

    /// The cell of one value, with what follows it.
    #[inline]
    pub(super) fn cell(&self, index: usize) -> &[u8] {
        &self.bytes[self.bounds[index]..self.bounds[index + 1]]
    }
}

/// Whether two arrays are the same memory. Different memory with equal values is not: to
/// compare the values would cost as much as to render them.
fn is_same(left: &StringArray, right: &StringArray) -> bool {
    let nulls = match (left.nulls(), right.nulls()) {
        (None, None) => true,
        (Some(left), Some(right)) => left.inner().ptr_eq(right.inner()),
        _ => false,
    };
    nulls && left.offsets().ptr_eq(right.offsets()) && left.values().ptr_eq(right.values())
}
