//! The values of a dictionary column as finished text: each is rendered when the first row
//! needs it, and copied from then on.

use arrow::array::{Array, AsArray, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;

use crate::page::Page;

/// Rendered text that is kept; values behind it are rendered for each row. A dictionary that
/// large is one in name only.
const KEPT_BYTES: usize = 2 << 20;

/// The rendered values of the dictionary that was met last.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// What the text was rendered from. Holding it keeps its memory from being used for
    /// anything else, so that the same address means the same values.
    source: Option<StringArray>,
    text: Page,
    /// Where each value's text lies.
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    /// Before the start for a value that no row has needed yet.
    end: u32,
}

const UNSEEN: Span = Span { start: 1, end: 0 };

impl Dictionary {
    /// Turns to a batch's dictionary. Batches of one row group share theirs, and then what is
    /// rendered stays.
    pub fn turn_to(&mut self, values: &StringArray) {
        if !self.source.as_ref().is_some_and(|source| is_same(source, values)) {
            self.text.clear();
            self.spans.clear();
            self.spans.resize(values.len(), UNSEEN);
            self.source = Some(values.clone());
        }
    }

    /// Writes the value at `index`, which `render` turns into text.
    #[inline]
    pub fn put(
        &mut self,
        index: usize,
        page: &mut Page,
        render: impl FnOnce(Option<&str>, &mut Page),
    ) {
        let Span { start, end } = self.spans[index];
        if start <= end {
            page.put_part(self.text.whole(), start as usize, end as usize);
        } else {
            self.put_new(index, page, render);
        }
    }

    #[cold]
    fn put_new(
        &mut self,
        index: usize,
        page: &mut Page,
        render: impl FnOnce(Option<&str>, &mut Page),
    ) {
        let values = self.source.as_ref().filter(|values| values.is_valid(index));
        let value = values.map(|values| values.value(index));
        if self.text.len() >= KEPT_BYTES {
            return render(value, page);
        }
        let start = self.text.len();
        render(value, &mut self.text);
        page.put(&self.text[start..]);
        match (u32::try_from(start), u32::try_from(self.text.len())) {
            (Ok(start), Ok(end)) => self.spans[index] = Span { start, end },
            // One value of gigabytes.
            _ => self.text.truncate(start),
        }
    }
}

/// The value that stands in every row of a column, if one does. Sorted and sparse columns have
/// long runs of one value, and a run's text can be joined with its neighbours'.
#[must_use]
pub fn fixed_value(array: &DictionaryArray<Int32Type>) -> Option<Option<&str>> {
    let keys = array.keys();
    let (first, rest) = keys.values().split_first()?;
    if keys.null_count() > 0 || rest.iter().any(|key| key != first) {
        return None;
    }
    let (values, index) = (array.values().as_string::<i32>(), *first as usize);
    Some(values.is_valid(index).then(|| values.value(index)))
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
