//! JSON: one array whose elements are the canonical lines, each on a line of its own.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use auditlake_model::line::LineWriter;

use crate::error::ExportError;

/// Writes batches as the elements of one array.
pub(crate) struct ArrayEncoder {
    writer: LineWriter,
    /// The lines of one batch, and where each ends.
    lines: Vec<u8>,
    ends: Vec<usize>,
    any: bool,
}

impl ArrayEncoder {
    pub(crate) fn new(schema: &Schema) -> Result<Self, ExportError> {
        let writer = LineWriter::new(schema)?;
        Ok(Self { writer, lines: Vec::new(), ends: Vec::new(), any: false })
    }

    pub(crate) fn start(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"[\n");
    }

    /// The line end of an element is only written with what follows it: whether that is a
    /// comma or the end of the array is not known earlier.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        self.lines.clear();
        self.ends.clear();
        self.writer.write_each(batch, &mut self.lines, &mut self.ends);
        out.reserve(self.lines.len() + self.ends.len());
        let mut start = 0;
        for &end in &self.ends {
            if self.any {
                out.extend_from_slice(b",\n");
            }
            self.any = true;
            out.extend_from_slice(&self.lines[start..end - 1]);
            start = end;
        }
    }

    pub(crate) fn finish(&self, out: &mut Vec<u8>) {
        if self.any {
            out.push(b'\n');
        }
        out.extend_from_slice(b"]\n");
    }
}
