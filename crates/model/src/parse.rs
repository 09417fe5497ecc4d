//! JSON → columns: strict, with line, key and reason for whatever is refused.
//!
//! Two ways in. [`parse_events`] takes what a client sends: an object, an array or NDJSON,
//! without `seq` and `recorded_at`. [`parse_lines`] takes back what [`crate::line`] wrote.

mod builder;
mod event;
mod value;

use arrow::array::RecordBatch;
use arrow::array::builder::{TimestampMicrosecondBuilder, UInt64Builder};
use serde_json::value::RawValue;

use crate::draft::Draft;
use crate::error::{ModelError, Rejection};
use crate::id::IdSource;
use builder::Builder;
use event::{Event, Fault};

/// What to do with a top-level key that is no column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Refuse the event.
    #[default]
    Refuse,
    /// Move the key and its value into `data`.
    IntoData,
}

/// Whose events a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantRule<'a> {
    /// Each event names its tenant, whichever that is.
    Named,
    /// Events that name no tenant are of this one; others may name theirs.
    Default(&'a str),
    /// All events are of this tenant, and one that names another is refused: a caller that is
    /// bound to a tenant writes for no other.
    Only(&'a str),
}

/// How a client's events are read.
pub struct ParseOptions<'a> {
    /// What to do with unknown keys.
    pub unknown: UnknownKeys,
    /// Whose events they may be.
    pub tenant: TenantRule<'a>,
    /// Whether good events are kept when others are refused.
    pub partial: bool,
    /// Ids for events without one.
    pub ids: &'a mut dyn IdSource,
}

/// The reason for which [`TenantRule::Only`] refuses an event: who may not is told apart from
/// what is wrong.
pub const OTHER_TENANT: &str = "is not the tenant that the caller is bound to; leave it out";

/// The most events of one request that are refused while others are taken; one more, and
/// the whole request is.
pub const MAX_REJECTED: usize = 1000;

/// A client's events, and those refused when partial success was asked for.
#[derive(Debug)]
pub struct Parsed {
    /// The good ones.
    pub draft: Draft,
    /// The bad ones.
    pub rejected: Vec<Rejection>,
}

/// Reads one JSON object, a JSON array of objects, or NDJSON.
pub fn parse_events(body: &[u8], options: &mut ParseOptions<'_>) -> Result<Parsed, ModelError> {
    let mut reader = Reader { builder: Builder::new(body.len() / 400), rejected: Vec::new() };
    let trimmed = body.trim_ascii();
    if trimmed.first() == Some(&b'[') {
        let elements: Vec<&RawValue> = serde_json::from_slice(trimmed).map_err(|source| {
            let line = source.line();
            ModelError::Event(Rejection { line, key: None, reason: json_reason(&source) })
        })?;
        for (index, element) in elements.iter().enumerate() {
            reader.take(element.get().as_bytes(), index + 1, options)?;
        }
    } else if is_one_object(trimmed) {
        let blank = &body[..body.len() - body.trim_ascii_start().len()];
        let line = 1 + memchr::memchr_iter(b'\n', blank).count();
        reader.take(trimmed, line, options)?;
    } else {
        for (index, line) in Lines::new(body).enumerate() {
            if !line.trim_ascii().is_empty() {
                reader.take(line, index + 1, options)?;
            }
        }
    }
    Ok(Parsed { draft: reader.builder.finish(), rejected: reader.rejected })
}

struct Reader {
    builder: Builder,
    rejected: Vec<Rejection>,
}

impl Reader {
    fn take(
        &mut self,
        json: &[u8],
        line: usize,
        options: &mut ParseOptions<'_>,
    ) -> Result<(), ModelError> {
        let outcome = Event::read(json, options.unknown).and_then(|event| {
            self.builder.append(event, options.tenant, || options.ids.id(line, json))
        });
        match outcome {
            Ok(()) => Ok(()),
            Err(Fault { key, reason }) => {
                let rejection = Rejection { line, key, reason };
                if !options.partial || self.rejected.len() == MAX_REJECTED {
                    return Err(ModelError::Event(rejection));
                }
                self.rejected.push(rejection);
                Ok(())
            }
        }
    }
}

/// Whether a body that opens with a brace is one (pretty-printed) object rather than lines.
fn is_one_object(body: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', body) else { return true };
    let first = &body[..end];
    serde_json::from_slice::<&RawValue>(first).is_err_and(|source| source.is_eof())
        && serde_json::from_slice::<&RawValue>(body).is_ok()
}

/// Reads canonical lines back into the columns they were written from.
pub fn parse_lines(lines: &[u8]) -> Result<RecordBatch, ModelError> {
    let mut builder = Builder::new(lines.len() / 400);
    let (mut seq, mut recorded_at) = (UInt64Builder::new(), TimestampMicrosecondBuilder::new());
    for (index, line) in Lines::new(lines).enumerate() {
        let refuse = |fault: Fault| {
            ModelError::Event(Rejection { line: index + 1, key: fault.key, reason: fault.reason })
        };
        let event = Event::read_sealed(line).map_err(refuse)?;
        let sealed = event.sealed.ok_or_else(|| refuse(Fault::missing("seq")))?;
        builder.append_sealed(event).map_err(refuse)?;
        seq.append_value(sealed.seq);
        recorded_at.append_value(sealed.recorded_at_us);
    }
    builder.finish().seal(seq.finish(), recorded_at.finish())
}

/// The lines of a text; a last line end opens no empty line.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

/// serde_json's message without its position, which is that of one event, not the body.
fn json_reason(source: &serde_json::Error) -> String {
    let text = source.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    format!("malformed JSON: {} (column {})", &text[..end], source.column())
}
