//! The canonical line: an event as one line of JSON with fixed key order, nulls omitted,
//! times in RFC 3339 with microseconds, minimal escapes, and `data` verbatim. The same
//! bytes are the NDJSON export, the WAL record and (without the line end) the leaf of the
//! tenant log, so nothing may ever render an event another way.

mod cell;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use crate::columns::COLUMNS;
use crate::error::ModelError;
use crate::page::{Page, Piece};
use cell::{Cell, Slot};

/// What parts the elements of a JSON array.
pub const ARRAY_COMMA: &[u8] = b",\n";

/// Renders batches of one schema (any projection of the event's columns) as lines.
#[derive(Debug)]
pub struct LineWriter {
    /// What a row consists of, in canonical order.
    parts: Vec<Part>,
    before: Piece,
    after: Piece,
}

/// A part of a row. Every value comes with a comma in front, `,"key":value`, and the brace of
/// its object then takes the place of the first comma: so nothing has to know whether it is
/// the first, nor whether anything will follow.
#[derive(Debug)]
enum Part {
    /// `,"actor":`, the object of the columns up to the close.
    Open(Piece),
    Column(Box<Slot>),
    Close,
}

impl LineWriter {
    /// A writer for batches of `schema`, whose columns must be event columns.
    pub fn new(schema: &Schema) -> Result<Self, ModelError> {
        Self::framed(schema, b"", b"\n")
    }

    /// A writer for the elements of a JSON array: without line ends, but each behind an
    /// [`ARRAY_COMMA`].
    pub fn elements(schema: &Schema) -> Result<Self, ModelError> {
        Self::framed(schema, ARRAY_COMMA, b"")
    }

    fn framed(schema: &Schema, before: &[u8], after: &[u8]) -> Result<Self, ModelError> {
        let mut slots = Vec::with_capacity(schema.fields().len());
        for (position, field) in schema.fields().iter().enumerate() {
            let place = COLUMNS
                .iter()
                .position(|column| column.name == field.name())
                .ok_or_else(|| ModelError::Schema(format!("no column {}", field.name())))?;
            let column = &COLUMNS[place];
            if &column.data_type() != field.data_type() {
                let (is, wanted) = (field.data_type(), column.data_type());
                return Err(ModelError::Schema(format!("{} is {is}, not {wanted}", column.name)));
            }
            slots.push((place, Slot::new(column, position)));
        }
        slots.sort_by_key(|(place, _)| *place);
        let mut parts = Vec::with_capacity(slots.len());
        let mut open = None;
        for (place, slot) in slots {
            let group = COLUMNS[place].group;
            if group != open {
                if open.is_some() {
                    parts.push(Part::Close);
                }
                if let Some(name) = group {
                    parts.push(Part::Open(Piece::new(format!(",\"{name}\":").as_bytes())));
                }
                open = group;
            }
            parts.push(Part::Column(Box::new(slot)));
        }
        if open.is_some() {
            parts.push(Part::Close);
        }
        Ok(Self { parts, before: Piece::new(before), after: Piece::new(after) })
    }

    /// Writes one line, with its line end, per row.
    pub fn render(&mut self, batch: &RecordBatch, page: &mut Page) {
        self.write_rows(batch, page, |_| {});
    }

    /// Appends one line, with its line end, per row.
    pub fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        Page::lend(out, |page| self.write_rows(batch, page, |_| {}));
    }

    /// Appends one line per row and, for each, where it ends in `out` (after its line end).
    pub fn write_each(&mut self, batch: &RecordBatch, out: &mut Vec<u8>, ends: &mut Vec<usize>) {
        Page::lend(out, |page| self.write_rows(batch, page, |end| ends.push(end)));
    }

    fn write_rows(&mut self, batch: &RecordBatch, page: &mut Page, mut ended: impl FnMut(usize)) {
        let mut cells = cells(&mut self.parts, batch);
        for row in 0..batch.num_rows() {
            page.put_piece(&self.before);
            let start = page.len();
            put_row(&mut cells, row, page);
            close_object(start, page);
            page.put_piece(&self.after);
            ended(page.len());
        }
    }
}

/// The cells of a batch, with whatever is the same in all its rows joined to one piece.
fn cells<'a>(parts: &'a mut [Part], batch: &'a RecordBatch) -> Vec<Cell<'a>> {
    let mut cells: Vec<Cell<'a>> = Vec::with_capacity(parts.len());
    // Whether the object that is open is there in every row, its brace already written.
    let mut is_fixed = false;
    for part in parts {
        match part {
            Part::Open(name) => {
                is_fixed = false;
                cells.push(Cell::Open(name));
            }
            Part::Close => match cells.last() {
                Some(Cell::Open(_)) => drop(cells.pop()),
                _ if is_fixed => push_fixed(&mut cells, b"}"),
                _ => cells.push(Cell::Close),
            },
            Part::Column(slot) => match slot.cell(batch) {
                None => {}
                Some(Cell::Fixed(text)) => {
                    if let Some(Cell::Open(name)) = cells.last() {
                        let mut opened = Piece::clone(name);
                        opened.extend(b"{");
                        opened.extend(&text[1..]);
                        cells.pop();
                        push_fixed(&mut cells, &opened);
                        is_fixed = true;
                    } else {
                        push_fixed(&mut cells, &text);
                    }
                }
                Some(cell) => cells.push(cell),
            },
        }
    }
    cells
}

fn push_fixed(cells: &mut Vec<Cell<'_>>, text: &[u8]) {
    match cells.last_mut() {
        Some(Cell::Fixed(before)) => before.extend(text),
        _ => cells.push(Cell::Fixed(Piece::new(text))),
    }
}

#[inline]
fn put_row(cells: &mut [Cell<'_>], row: usize, page: &mut Page) {
    // Where the open group's name begins, and where its object does.
    let (mut name_at, mut object_at) = (0, 0);
    for cell in cells {
        match cell {
            Cell::Open(name) => {
                name_at = page.len();
                page.put_piece(name);
                object_at = page.len();
            }
            Cell::Close if page.len() == object_at => page.truncate(name_at),
            Cell::Close => close_object(object_at, page),
            cell => cell.put(row, page),
        }
    }
}

/// Makes an object of the values written since `start`.
#[inline]
fn close_object(start: usize, page: &mut Page) {
    if page.len() == start {
        page.push(b'{');
    } else {
        page.set(start, b'{');
    }
    page.push(b'}');
}
