//! The encoder: one format, perhaps a compressor behind it, and the counts of what went
//! through. After an error it never ends the file, so that a broken export cannot pass for a
//! complete one.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use auditlake_model::line::LineWriter;

use crate::compress::Compressor;
use crate::csv::CsvEncoder;
use crate::error::ExportError;
use crate::json::ArrayEncoder;
use crate::options::{Format, Options};
use crate::parquet_file::ParquetEncoder;

/// What is kept of the buffer between format and compressor: one batch of large `data` must
/// not hold its memory for the rest of the export.
const TEXT_KEPT: usize = 8 << 20;

/// What went through an encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events.
    pub rows: u64,
    /// Bytes given out, after compression.
    pub bytes: u64,
}

/// Turns record batches into the bytes of one file.
///
/// The caller may take bytes out of `out` between any two calls. Once a call has failed, all
/// later ones do: what was given out so far is no file, and its stream is to be aborted.
pub struct Encoder {
    schema: SchemaRef,
    body: Body,
    compressor: Option<Compressor>,
    /// What the format wrote and the compressor has yet to read.
    text: Vec<u8>,
    started: bool,
    /// Set while a call is at work, and left so by one that fails.
    broken: bool,
    totals: Totals,
}

enum Body {
    Csv(CsvEncoder),
    Lines(LineWriter),
    Array(ArrayEncoder),
    Parquet(Box<ParquetEncoder>),
}

impl Encoder {
    /// An encoder for batches of `schema`, any projection of the event's columns.
    pub fn new(schema: SchemaRef, options: Options) -> Result<Self, ExportError> {
        options.check()?;
        let body = match options.format {
            Format::Csv => Body::Csv(CsvEncoder::new(&schema, options.csv)?),
            Format::Ndjson => Body::Lines(LineWriter::new(&schema)?),
            Format::Json => Body::Array(ArrayEncoder::new(&schema)?),
            Format::Parquet => Body::Parquet(Box::new(ParquetEncoder::new(&schema)?)),
        };
        Ok(Self {
            schema,
            body,
            compressor: Compressor::new(options.compression)?,
            text: Vec::new(),
            started: false,
            broken: false,
            totals: Totals::default(),
        })
    }

    /// Appends what stands before the first event, all of it readable at once even through a
    /// compressor. Calling it is optional, and calling it again changes nothing.
    pub fn start(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.write(out, |body, text| body.flush(text))?;
        if let Some(compressor) = &mut self.compressor {
            let before = out.len();
            self.broken = true;
            compressor.flush(out)?;
            self.broken = false;
            self.totals.bytes += (out.len() - before) as u64;
        }
        Ok(())
    }

    /// Appends the bytes of `batch`, after what stands before the first event. Compressors
    /// and Parquet hold some of them back.
    pub fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ExportError> {
        if let Err(error) = check(&self.schema, batch) {
            self.broken = true;
            return Err(error);
        }
        self.write(out, |body, text| body.encode(batch, text))?;
        self.totals.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Totals, ExportError> {
        self.write(out, Body::finish)?;
        if let Some(compressor) = self.compressor {
            let before = out.len();
            compressor.finish(out)?;
            self.totals.bytes += (out.len() - before) as u64;
        }
        Ok(self.totals)
    }

    /// Runs the format into `out`, through the compressor if there is one.
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        render: impl FnOnce(&mut Body, &mut Vec<u8>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        if self.broken {
            return Err(ExportError::Incomplete);
        }
        self.broken = true;
        let before = out.len();
        match &mut self.compressor {
            None => {
                start_once(&mut self.body, &mut self.started, out);
                render(&mut self.body, out)?;
            }
            Some(compressor) => {
                self.text.clear();
                start_once(&mut self.body, &mut self.started, &mut self.text);
                render(&mut self.body, &mut self.text)?;
                compressor.write(&self.text, out)?;
                self.text.clear();
                self.text.shrink_to(TEXT_KEPT);
            }
        }
        self.totals.bytes += (out.len() - before) as u64;
        self.broken = false;
        Ok(())
    }
}

fn start_once(body: &mut Body, started: &mut bool, text: &mut Vec<u8>) {
    if !*started {
        match body {
            Body::Csv(csv) => csv.header(text),
            Body::Array(array) => array.start(text),
            Body::Lines(_) | Body::Parquet(_) => {}
        }
        *started = true;
    }
}

impl Body {
    fn flush(&mut self, text: &mut Vec<u8>) -> Result<(), ExportError> {
        match self {
            Self::Parquet(parquet) => parquet.flush(text),
            Self::Csv(_) | Self::Lines(_) | Self::Array(_) => Ok(()),
        }
    }

    fn encode(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ExportError> {
        match self {
            Self::Csv(csv) => csv.encode(batch, text),
            Self::Lines(lines) => lines.write(batch, text),
            Self::Array(array) => array.encode(batch, text),
            Self::Parquet(parquet) => return parquet.encode(batch, text),
        }
        Ok(())
    }

    fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), ExportError> {
        match self {
            Self::Array(array) => array.finish(text),
            Self::Parquet(parquet) => return parquet.finish(text),
            Self::Csv(_) | Self::Lines(_) => {}
        }
        Ok(())
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
