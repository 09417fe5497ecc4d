//! The part of an export that any number of threads can do side by side: batches into text.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use auditlake_model::layout::RowGroup;
use auditlake_model::line::LineWriter;
use auditlake_model::page::{Page, Pages};
use auditlake_model::render::{Made, Render};

use crate::csv::CsvWriter;
use crate::error::ExportError;
use crate::options::{Format, Options};
use crate::shape::{Shape, ShapedWriter};

/// Rows that are rendered at a time: their text fits into the cache of a core, so that it is
/// still there when it is written.
const TEXT_ROWS: usize = 512;
/// A row group of fewer rows is decoded and written anew with its neighbours: a file of many
/// small ones is slow to read.
const COPIED_ROWS: usize = 8192;

/// Some events on their way into a file.
#[derive(Debug)]
pub struct Rendered {
    pub(crate) rows: usize,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Ready to be written.
    Text(Page),
    /// To be encoded with its neighbours.
    Batch(RecordBatch),
    /// To be copied.
    RowGroup(RowGroup),
}

impl Rendered {
    /// How many events they are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }
}

fn made(rows: usize, content: Content) -> Made<Rendered> {
    let bytes = match &content {
        Content::Text(page) => page.whole().len(),
        Content::Batch(batch) => batch.get_array_memory_size(),
        Content::RowGroup(group) => group.bytes(),
    };
    Made { item: Rendered { rows, content }, bytes }
}

/// What all renderers of one file are made from.
#[derive(Clone)]
pub(crate) struct Recipe {
    /// The columns of every batch.
    pub(crate) schema: SchemaRef,
    /// Under which names its events leave, if not under their own.
    pub(crate) shape: Option<Arc<dyn Shape>>,
    pub(crate) options: Options,
    pub(crate) pages: Pages,
    /// Whether row groups may come as they lie in the lake.
    pub(crate) copies: bool,
}

/// Renders batches of one schema. It keeps what it has rendered of the last dictionaries, so
/// batches that share theirs should meet the same renderer.
pub struct Renderer {
    schema: SchemaRef,
    body: Body,
    pages: Pages,
    copies: bool,
}

enum Body {
    Csv(CsvWriter),
    Lines(LineWriter),
    Shaped(Box<ShapedWriter>),
    Parquet,
}

impl Renderer {
    pub(crate) fn new(recipe: &Recipe) -> Result<Self, ExportError> {
        let Recipe { schema, shape, options, pages, copies } = recipe.clone();
        let body = match (shape, options.format) {
            (Some(shape), _) => Body::Shaped(Box::new(ShapedWriter::new(shape, &options)?)),
            (None, Format::Csv) => Body::Csv(CsvWriter::new(&schema, options.csv)?),
            (None, Format::Ndjson) => Body::Lines(LineWriter::new(&schema)?),
            (None, Format::Json) => Body::Lines(LineWriter::elements(&schema)?),
            (None, Format::Parquet) => Body::Parquet,
        };
        Ok(Self { schema, body, pages, copies })
    }
}

impl Render for Renderer {
    type Item = Rendered;
    type Error = ExportError;

    fn most_rows(&self) -> usize {
        match self.body {
            Body::Csv(_) | Body::Lines(_) | Body::Shaped(_) => TEXT_ROWS,
            Body::Parquet => usize::MAX,
        }
    }

    fn copies_from_rows(&self) -> Option<usize> {
        self.copies.then_some(COPIED_ROWS)
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<Made<Rendered>, ExportError> {
        check(&self.schema, &batch)?;
        let rows = batch.num_rows();
        let content = match &mut self.body {
            Body::Csv(csv) => {
                let mut page = self.pages.take();
                csv.render(&batch, &mut page);
                Content::Text(page)
            }
            Body::Lines(lines) => {
                let mut page = self.pages.take();
                lines.render(&batch, &mut page);
                Content::Text(page)
            }
            Body::Shaped(shaped) => {
                let mut page = self.pages.take();
                shaped.render(&batch, &mut page)?;
                Content::Text(page)
            }
            Body::Parquet => Content::Batch(batch),
        };
        Ok(made(rows, content))
    }

    fn row_group(&mut self, group: RowGroup) -> Result<Made<Rendered>, ExportError> {
        Ok(made(group.rows, Content::RowGroup(group)))
    }
}

/// The formats trust the types, the order and the nulls that the schema promised: a batch of
/// another shape would put values under the wrong names.
fn check(schema: &Schema, batch: &RecordBatch) -> Result<(), ExportError> {
    let given = batch.schema_ref();
    if given.fields().len() != schema.fields().len() {
        let (is, wanted) = (given.fields().len(), schema.fields().len());
        return Err(ExportError::Schema(format!("{is} columns, not {wanted}")));
    }
    let pairs = schema.fields().iter().zip(given.fields().iter().zip(batch.columns()));
    for (wanted, (field, array)) in pairs {
        if field.name() != wanted.name() || field.data_type() != wanted.data_type() {
            return Err(ExportError::Schema(format!(
                "column {} of type {} where {} of type {} was promised",
                field.name(),
                field.data_type(),
                wanted.name(),
                wanted.data_type()
            )));
        }
        if !wanted.is_nullable() && array.logical_null_count() > 0 {
            return Err(ExportError::Schema(format!("column {} has nulls", wanted.name())));
        }
    }
    Ok(())
}
