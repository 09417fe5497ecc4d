//! The encoder of one file: puts what renderers made behind each other, perhaps through a
//! compressor, and counts what went through. After an error it never ends the file, so that a
//! broken export cannot pass for a complete one.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use auditlake_model::line::ARRAY_COMMA;
use auditlake_model::page::{Page, Pages};
use auditlake_model::render::Render;
use bytes::Bytes;

use crate::compress::Compressor;
use crate::csv;
use crate::error::ExportError;
use crate::options::{Format, Options};
use crate::parquet_file::ParquetEncoder;
use crate::renderer::{Content, Rendered, Renderer};

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
    schema: SchemaRef,
    options: Options,
    body: Body,
    compressor: Option<Compressor>,
    /// Renders what is given unrendered.
    own: Renderer,
    pages: Pages,
    has_started: bool,
    /// Set while a call is at work, and left so by one that fails.
    is_broken: bool,
    totals: Totals,
}

enum Body {
    Text,
    /// One array; the first element does without the comma that elements come with.
    Array {
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
        let pages = Pages::default();
        let mut copies = false;
        let body = match options.format {
            Format::Csv | Format::Ndjson => Body::Text,
            Format::Json => Body::Array { has_elements: false },
            Format::Parquet => {
                let parquet = ParquetEncoder::new(&schema, is_sorted)?;
                copies = parquet.copies();
                Body::Parquet(Box::new(parquet))
            }
        };
        let own = Renderer::new(SchemaRef::clone(&schema), &options, pages.clone(), copies)?;
        Ok(Self {
            schema,
            options,
            body,
            compressor: Compressor::new(options.compression)?,
            own,
            pages,
            has_started: false,
            is_broken: false,
            totals: Totals::default(),
        })
    }

    /// Renderers of this file's batches, to be used on whatever threads; no more than are of
    /// use: those of Parquet only hand on what the encoder takes time for.
    pub fn renderers(&self, most: usize) -> Result<Vec<Renderer>, ExportError> {
        let count = if self.options.format == Format::Parquet { 1 } else { most };
        let copies = self.own.copies_from_rows().is_some();
        let pages = || self.pages.clone();
        (0..count)
            .map(|_| Renderer::new(self.schema.clone(), &self.options, pages(), copies))
            .collect()
    }

    /// Gives out what stands before the first event, all of it readable at once even through
    /// a compressor. Calling it is optional, and calling it again changes nothing.
    pub fn start(&mut self, out: &mut impl Sink) -> Result<(), ExportError> {
        self.begin()?;
        self.head(out)?;
        if let Some(compressor) = &mut self.compressor {
            let packed = compressor.flush()?;
            self.give(packed, out);
        }
        self.is_broken = false;
        Ok(())
    }

    /// Renders a batch and adds it.
    pub fn encode(&mut self, batch: &RecordBatch, out: &mut impl Sink) -> Result<(), ExportError> {
        self.begin()?;
        let rendered = self.own.batch(batch.clone())?;
        self.is_broken = false;
        self.add(rendered.item, out)
    }

    /// Adds what one of this file's renderers made. Compressors and Parquet hold some of it
    /// back.
    pub fn add(&mut self, rendered: Rendered, out: &mut impl Sink) -> Result<(), ExportError> {
        self.begin()?;
        self.head(out)?;
        let Rendered { rows, content } = rendered;
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
            (Body::Text, Content::Text(page)) => self.text(page, out)?,
            (Body::Array { .. }, Content::Text(page)) if page.is_empty() => {}
            (Body::Array { has_elements }, Content::Text(page)) => {
                let is_first = !std::mem::replace(has_elements, true);
                let skipped = if is_first { ARRAY_COMMA.len() } else { 0 };
                self.text_from(page, skipped, out)?;
            }
            _ => return Err(ExportError::Schema("rendered for another format".to_owned())),
        }
        self.totals.rows += rows as u64;
        self.is_broken = false;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self, out: &mut impl Sink) -> Result<Totals, ExportError> {
        self.begin()?;
        self.head(out)?;
        match &mut self.body {
            Body::Text => {}
            Body::Array { has_elements } => {
                let mut page = self.pages.take();
                page.put(if *has_elements { b"\n]\n".as_slice() } else { b"]\n" });
                self.text(page, out)?;
            }
            Body::Parquet(parquet) => {
                let bytes = parquet.finish()?;
                self.give(bytes, out);
            }
        }
        if let Some(compressor) = self.compressor.take() {
            let packed = compressor.finish()?;
            self.give(packed, out);
        }
        Ok(self.totals)
    }

    /// Marks the file as broken until the call that asked has come to its end.
    fn begin(&mut self) -> Result<(), ExportError> {
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(ExportError::Incomplete);
        }
        Ok(())
    }

    /// What stands before the first event, the first time.
    fn head(&mut self, out: &mut impl Sink) -> Result<(), ExportError> {
        if std::mem::replace(&mut self.has_started, true) {
            return Ok(());
        }
        let mut page = self.pages.take();
        match &mut self.body {
            Body::Parquet(parquet) => {
                let bytes = parquet.start()?;
                self.give(bytes, out);
            }
            Body::Array { .. } => page.put(b"[\n"),
            Body::Text if self.options.format == Format::Csv => {
                csv::put_header(&self.schema, &mut page);
            }
            Body::Text => {}
        }
        self.text(page, out)
    }

    fn text(&mut self, page: Page, out: &mut impl Sink) -> Result<(), ExportError> {
        self.text_from(page, 0, out)
    }

    /// Gives out a page but for its first bytes.
    fn text_from(
        &mut self,
        page: Page,
        skipped: usize,
        out: &mut impl Sink,
    ) -> Result<(), ExportError> {
        match &mut self.compressor {
            None => self.give(Bytes::from_owner(page).slice(skipped..), out),
            Some(compressor) => {
                let packed = compressor.write(&page[skipped..])?;
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
