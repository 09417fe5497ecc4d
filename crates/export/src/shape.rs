//! Shapes: other schemas for the same events. A shape says which cells an event has under
//! names of its own; how a cell is quoted, guarded and escaped stays with this crate, so that
//! no shape can write a broken file.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use auditlake_model::columns;
use auditlake_model::digits::put_u64;
use auditlake_model::line::{ARRAY_COMMA, LineWriter};
use auditlake_model::page::{Page, Piece};
use auditlake_model::text::{escape_into, put_escaped};

use crate::csv::CellWriter;
use crate::error::ExportError;
use crate::options::{Format, Options};
use crate::row::{Row, columns_of};

/// Another schema for events: flat, with names of its own.
///
/// In NDJSON and JSON an event is one object with every column, nulls as `null`. In CSV it is
/// a line under a header of the columns, quoted and guarded like that of a canonical file.
/// Renderers on any number of threads share one shape.
pub trait Shape: Send + Sync + fmt::Debug {
    /// The names, in their order. There is at least one.
    fn columns(&self) -> &'static [&'static str];

    /// Pushes exactly one cell per column, in the order of the columns, onto what is empty. An
    /// export in which an event has more or fewer fails.
    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>);

    /// Whether [`Row::line`] is asked for, which costs as much as to write the line.
    fn needs_line(&self) -> bool {
        false
    }
}

/// One cell of a shaped event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing: `null` in JSON, and no text in CSV.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// A number.
    Number(u64),
    /// One JSON value without line ends: itself in JSON, its text in CSV.
    Json(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// Text that may be absent, as [`Row::text`] gives it.
    #[must_use]
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Borrowed(text)))
    }
}

/// What stands around the elements of a file in format json. Other formats have no use for it.
///
/// Elements are parted by a comma and a line end, and a line end follows the last of them: a
/// file of no element is `before` and `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Up to the first element, the bracket that opens the array included.
    pub before: String,
    /// From the bracket that closes the array on.
    pub after: String,
}

impl Envelope {
    /// The array alone.
    #[must_use]
    pub fn array() -> Self {
        Self { before: "[\n".to_owned(), after: "]\n".to_owned() }
    }
}

/// Writes batches of events in a shape.
pub(crate) struct ShapedWriter {
    shape: Arc<dyn Shape>,
    style: Style,
    lines: Option<Lines>,
}

/// How cells are written.
enum Style {
    Csv(CellWriter),
    Json {
        before: Piece,
        /// `{"first":`, then `,"second":` and so on.
        keys: Vec<Piece>,
        after: Piece,
    },
}

impl ShapedWriter {
    pub(crate) fn new(shape: Arc<dyn Shape>, options: &Options) -> Result<Self, ExportError> {
        let names = shape.columns();
        if names.is_empty() {
            // Its lines would be blank, and readers skip those.
            return Err(ExportError::Schema(format!("{shape:?} has no columns")));
        }
        let json = |before: &[u8], after: &[u8]| {
            let keys = names.iter().enumerate().map(|(position, name)| key(position, name));
            let (before, after) = (Piece::new(before), Piece::new(after));
            Style::Json { before, keys: keys.collect(), after }
        };
        let style = match options.format {
            Format::Csv => Style::Csv(CellWriter::new(names.len(), options.csv)),
            Format::Ndjson => json(b"", b"}\n"),
            Format::Json => json(ARRAY_COMMA, b"}"),
            Format::Parquet => return Err(no_parquet()),
        };
        let lines = if shape.needs_line() { Some(Lines::new()?) } else { None };
        Ok(Self { shape, style, lines })
    }

    /// Writes what every row of a batch of events comes to.
    pub(crate) fn render(
        &mut self,
        batch: &RecordBatch,
        page: &mut Page,
    ) -> Result<(), ExportError> {
        let Self { shape, style, lines } = self;
        if let Some(lines) = lines {
            lines.turn_to(batch);
        }
        let (columns, wanted) = (columns_of(batch), shape.columns().len());
        let mut cells = Vec::with_capacity(wanted);
        for row in 0..batch.num_rows() {
            let line = lines.as_ref().map_or(b"".as_slice(), |lines| lines.line(row));
            cells.clear();
            shape.cells(&Row::new(&columns, row, line), &mut cells);
            if cells.len() != wanted {
                let given = cells.len();
                return Err(ExportError::Schema(format!("{shape:?}: {given} cells, not {wanted}")));
            }
            style.put(&cells, page);
        }
        Ok(())
    }
}

impl Style {
    fn put(&self, cells: &[Cell<'_>], page: &mut Page) {
        match self {
            Self::Csv(writer) => {
                for (position, cell) in cells.iter().enumerate() {
                    match cell {
                        Cell::Null => writer.text(position, None, page),
                        Cell::Text(text) | Cell::Json(text) => {
                            writer.text(position, Some(text), page);
                        }
                        Cell::Number(number) => writer.number(position, *number, page),
                    }
                }
            }
            Self::Json { before, keys, after } => {
                page.put_piece(before);
                for (key, cell) in keys.iter().zip(cells) {
                    page.put_piece(key);
                    put_json(cell, page);
                }
                page.put_piece(after);
            }
        }
    }
}

fn put_json(cell: &Cell<'_>, page: &mut Page) {
    match cell {
        Cell::Null => page.put(b"null"),
        Cell::Text(text) => {
            page.push(b'"');
            put_escaped(text.as_bytes(), 0, text.len(), page);
            page.push(b'"');
        }
        Cell::Number(number) => put_u64(*number, page),
        Cell::Json(json) => page.put(json.as_bytes()),
    }
}

/// What stands in front of a value.
fn key(position: usize, name: &str) -> Piece {
    let mut key = vec![if position == 0 { b'{' } else { b',' }, b'"'];
    escape_into(name, &mut key);
    key.extend_from_slice(b"\":");
    Piece::new(&key)
}

/// Parquet is what analysts read with one schema, and the lake's own.
pub(crate) fn no_parquet() -> ExportError {
    let given = Format::Parquet.to_string();
    ExportError::Option { name: "format", given, allowed: "csv, ndjson or json" }
}

/// The canonical lines of one batch.
struct Lines {
    writer: LineWriter,
    text: Vec<u8>,
    /// Where each ends, its line end included.
    ends: Vec<usize>,
}

impl Lines {
    fn new() -> Result<Self, ExportError> {
        let writer = LineWriter::new(&columns::schema())?;
        Ok(Self { writer, text: Vec::new(), ends: Vec::new() })
    }

    fn turn_to(&mut self, batch: &RecordBatch) {
        self.text.clear();
        self.ends.clear();
        self.writer.write_each(batch, &mut self.text, &mut self.ends);
    }

    /// The line of a row, without its line end.
    fn line(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row] - 1]
    }
}
