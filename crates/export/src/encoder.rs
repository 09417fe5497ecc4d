//! The encoder of one file: puts what renderers made behind each other, perhaps through a
//! compressor, and counts what went through. After an error it never ends the file, so that a
//! broken export cannot pass for a complete one.

use std::mem;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use auditlake_model::columns;
use auditlake_model::line::ARRAY_COMMA;
use auditlake_model::page::Pages;
use auditlake_model::render::Render;
use bytes::Bytes;

use crate::compress::Compressor;
use crate::csv;
use crate::error::ExportError;
use crate::options::{Format, Options};
use crate::parquet_file::ParquetEncoder;
use crate::renderer::{Content, Recipe, Rendered, Renderer};
use crate::shape::{Envelope, Shape, no_parquet};

/// What went through an encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events.
    pub rows: u64,
    /// Bytes given out, after compression.
    pub bytes: u64,
    /// Of these, pages of Parquet that were copied as they lay in the lake.
    pub copied_bytes: u64,
}

/// Where an encoder puts its bytes.
pub trait Sink {
    /// Takes the file's next bytes.
    fn put(&mut self, bytes: Bytes);
}

impl Sink for Vec<Bytes> {
    fn put(&mut self, bytes: Bytes) {
        self.push(bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: Bytes) {
        self.extend_from_slice(&bytes);
    }
}

/// Makes one file of record batches.
///
/// Batches are either given to [`Self::encode`], or rendered on other threads by
/// [`Self::renderers`] and given to [`Self::add`] in the order they are to have. Once a call
/// has failed, all later ones do: what was given out so far is no file, and its stream is to
/// be aborted.
pub struct Encoder {
    body: Body,
    compressor: Option<Compressor>,
    recipe: Recipe,
    /// Renders what is given unrendered.
    own: Renderer,
    has_started: bool,
    /// Set while a call is at work, and left so by one that fails.
    is_broken: bool,
    totals: Totals,
}

enum Body {
    /// Lines behind a header, which may be empty.
    Text {
        header: Vec<u8>,
    },
    /// One array; the first element does without the comma that elements come with.
    Array {
        envelope: Envelope,
        has_elements: bool,
    },
    Parquet(Box<ParquetEncoder>),
}

impl Encoder {
    /// An encoder for batches of `schema`, any projection of the event's columns.
    pub fn new(schema: SchemaRef, options: Options) -> Result<Self, ExportError> {
        Self::in_order(schema, options, false)
    }

    /// An encoder for events that, if `is_sorted`, come day after day, each day in the order of
    /// segments. A Parquet file then keeps that order within each row group and says so, and
    /// takes over row groups as they lie in the lake.
    pub fn in_order(
        schema: SchemaRef,
        options: Options,
        is_sorted: bool,
    ) -> Result<Self, ExportError> {
        options.check()?;
        let mut copies = false;
        let body = match options.format {
            Format::Csv => Body::Text { header: csv::header_of(&schema) },
            Format::Ndjson => Body::Text { header: Vec::new() },
            Format::Json => Body::Array { envelope: Envelope::array(), has_elements: false },
            Format::Parquet => {
                let parquet = ParquetEncoder::new(&schema, is_sorted)?;
                copies = parquet.copies();
                Body::Parquet(Box::new(parquet))
            }
        };
        let pages = Pages::default();
        Self::of(body, Recipe { schema, shape: None, options, pages, copies })
    }

    /// An encoder for batches of all columns of the event, which leave in another shape. There
    /// is no such Parquet. The envelope is for format json.
    pub fn shaped(
        shape: Arc<dyn Shape>,
        options: Options,
        envelope: Envelope,
    ) -> Result<Self, ExportError> {
        let body = match options.format {
            Format::Csv => Body::Text { header: csv::header(shape.columns().iter().copied()) },
            Format::Ndjson => Body::Text { header: Vec::new() },
            Format::Json => Body::Array { envelope, has_elements: false },
            Format::Parquet => return Err(no_parquet()),
        };
        let (schema, pages) = (columns::schema(), Pages::default());
        Self::of(body, Recipe { schema, shape: Some(shape), options, pages, copies: false })
    }

    fn of(body: Body, recipe: Recipe) -> Result<Self, ExportError> {
        Ok(Self {
            body,
            compressor: Compressor::new(recipe.options.compression)?,
            own: Renderer::new(&recipe)?,
            recipe,
            has_started: false,
            is_broken: false,
            totals: Totals::default(),
        })
    }

    /// Renderers of this file's batches, to be used on whatever threads; no more than are of
    /// use: those of Parquet only hand on what the encoder takes time for.
    pub fn renderers(&self, most: usize) -> Result<Vec<Renderer>, ExportError> {
        let count = if self.recipe.options.format == Format::Parquet { 1 } else { most };
        (0..count).map(|_| Renderer::new(&self.recipe)).collect()
    }

    /// Gives out what stands before the first event, all of it readable at once even through
    /// a compressor. Calling it is optional, and calling it again changes nothing.
    pub fn start(&mut self, out: &mut impl Sink) -> Result<(), ExportError> {
        self.unbroken(|encoder| {
            encoder.head(out)?;
            if let Some(compressor) = &mut encoder.compressor {
                let packed = compressor.flush()?;
                encoder.give(packed, out);
            }
            Ok(())
        })
    }

    /// Renders a batch and adds it.
    pub fn encode(&mut self, batch: &RecordBatch, out: &mut impl Sink) -> Result<(), ExportError> {
        let rendered = self.unbroken(|encoder| encoder.own.batch(batch.clone()))?;
        self.add(rendered.item, out)
    }

    /// Adds what one of this file's renderers made. Compressors and Parquet hold some of it
    /// back.
    pub fn add(&mut self, rendered: Rendered, out: &mut impl Sink) -> Result<(), ExportError> {
        self.unbroken(|encoder| {
            encoder.head(out)?;
            let Rendered { rows, content } = rendered;
            encoder.content(content, out)?;
            encoder.totals.rows += rows as u64;
            Ok(())
        })
    }

    /// Gives back the memory that is kept for what comes next: for an encoder that is going to
    /// wait.
    pub fn rest(&self) {
        self.recipe.pages.release();
    }

    /// Ends the file.
    pub fn finish(mut self, out: &mut impl Sink) -> Result<Totals, ExportError> {
        self.unbroken(|encoder| {
            encoder.head(out)?;
            match &mut encoder.body {
                Body::Text { .. } => {}
                Body::Array { envelope, has_elements } => {
                    let line_end = if *has_elements { "\n" } else { "" };
                    let end = format!("{line_end}{}", envelope.after);
                    encoder.text(end, out)?;
                }
                Body::Parquet(parquet) => {
                    let bytes = parquet.finish()?;
                    encoder.give(bytes, out);
                }
            }
            if let Some(compressor) = encoder.compressor.take() {
                let packed = compressor.finish()?;
                encoder.give(packed, out);
            }
            Ok(encoder.totals)
        })
    }

    /// The one place that knows of broken files: the file is one from when a call begins until
    /// it has come to its end, and no call begins on a file that is.
    fn unbroken<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<T, ExportError>,
    ) -> Result<T, ExportError> {
        if mem::replace(&mut self.is_broken, true) {
            return Err(ExportError::Incomplete);
        }
        let done = call(self)?;
        self.is_broken = false;
        Ok(done)
    }

    /// What stands before the first event, the first time.
    fn head(&mut self, out: &mut impl Sink) -> Result<(), ExportError> {
        if mem::replace(&mut self.has_started, true) {
            return Ok(());
        }
        match &mut self.body {
            Body::Text { header } => {
                let header = mem::take(header);
                self.text(header, out)
            }
            Body::Array { envelope, .. } => {
                let before = mem::take(&mut envelope.before);
                self.text(before, out)
            }
            Body::Parquet(parquet) => {
                let bytes = parquet.start()?;
                self.give(bytes, out);
                Ok(())
            }
        }
    }

    fn content(&mut self, content: Content, out: &mut impl Sink) -> Result<(), ExportError> {
        match (&mut self.body, content) {
            (Body::Parquet(parquet), Content::Batch(batch)) => {
                let bytes = parquet.batch(&batch)?;
                self.give(bytes, out);
            }
            (Body::Parquet(parquet), Content::RowGroup(group)) => {
                self.totals.copied_bytes += group.bytes() as u64;
                let bytes = parquet.row_group(group)?;
                self.give(bytes, out);
            }
            (Body::Text { .. }, Content::Text(page)) => {
                self.text(Bytes::from_owner(page), out)?;
            }
            (Body::Array { .. }, Content::Text(page)) if page.is_empty() => {}
            (Body::Array { has_elements, .. }, Content::Text(page)) => {
                let is_first = !mem::replace(has_elements, true);
                let skipped = if is_first { ARRAY_COMMA.len() } else { 0 };
                self.text(Bytes::from_owner(page).slice(skipped..), out)?;
            }
            _ => return Err(ExportError::Schema("rendered for another format".to_owned())),
        }
        Ok(())
    }

    /// Gives out text, through the compressor if there is one.
    fn text(&mut self, text: impl Into<Bytes>, out: &mut impl Sink) -> Result<(), ExportError> {
        let text = text.into();
        match &mut self.compressor {
            None => self.give(text, out),
            Some(compressor) => {
                let packed = compressor.write(&text)?;
                self.give(packed, out);
            }
        }
        Ok(())
    }

    fn give(&mut self, bytes: impl Into<Bytes>, out: &mut impl Sink) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.totals.bytes += bytes.len() as u64;
            out.put(bytes);
        }
    }
}
