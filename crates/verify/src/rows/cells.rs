//! CSV back to columns: what the export's writer made of a value is undone, so that the line of
//! the event can be rendered from the same columns that it was written from. A cell that the
//! writer would not have made is refused, even where its meaning could be guessed.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use auditlake_export::unguard;
use auditlake_model::columns::{self, COLUMNS, Column, Kind};
use auditlake_model::time::{format_rfc3339, parse_rfc3339};
use memchr::{memchr, memchr_iter, memchr2};

/// The name of a column in the first line.
fn name_of(column: &Column) -> &'static str {
    // The name says that the cell is JSON text.
    if column.kind == Kind::Json { "data_json" } else { column.name }
}

/// Holds the first line, with its line end, against the one that an export has.
pub(super) fn check_header(line: &[u8]) -> Result<(), String> {
    let names: Vec<&str> = COLUMNS.iter().map(name_of).collect();
    let wanted = format!("{}\n", names.join(","));
    if line == wanted.as_bytes() {
        return Ok(());
    }
    if line.ends_with(b"\r\n") {
        return Err("its line ends are CR LF: another program has written it anew".to_owned());
    }
    Err(format!("its first line is not the one of an export, {}", wanted.trim_end()))
}

/// Reads records.
pub(super) struct Cells {
    is_safe: bool,
}

/// The records of a piece.
pub(super) struct Records {
    /// Those that can be read.
    pub(super) batch: Result<RecordBatch, ArrowError>,
    /// The line on which each of these begins, from 1.
    pub(super) lines: Vec<u64>,
    /// The others, by line, and what is wrong.
    pub(super) faults: Vec<(u64, String)>,
}

impl Cells {
    pub(super) fn new(is_safe: bool) -> Self {
        Self { is_safe }
    }

    pub(super) fn read(&self, text: &[u8]) -> Records {
        let mut builders: Vec<Builder> = COLUMNS.iter().map(Builder::new).collect();
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        let (mut start, mut line) = (0, 1);
        while start < text.len() {
            let end = record_end(text, start);
            let record = &text[start..end];
            match self.values(record) {
                Ok(values) => {
                    lines.push(line);
                    builders.iter_mut().zip(values).for_each(|(to, value)| to.append(value));
                }
                Err(fault) => faults.push((line, fault)),
            }
            line += memchr_iter(b'\n', record).count() as u64 + 1;
            start = end + 1;
        }
        let columns = builders.into_iter().map(Builder::finish).collect::<Result<Vec<_>, _>>();
        let batch = columns.and_then(|columns| RecordBatch::try_new(columns::schema(), columns));
        Records { batch, lines, faults }
    }

    /// The values of a record, one for each column.
    fn values<'a>(&self, record: &'a [u8]) -> Result<Vec<Value<'a>>, String> {
        let record = std::str::from_utf8(record).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut values = Vec::with_capacity(COLUMNS.len());
        let mut rest = Some(record);
        for column in &COLUMNS {
            let Some(text) = rest else {
                let (is, wanted) = (values.len(), COLUMNS.len());
                return Err(format!("it has {is} cells, and an event has {wanted}"));
            };
            let wrong = |reason: &str| format!("column {}: {reason}", name_of(column));
            let (cell, behind) = cell(text).map_err(wrong)?;
            values.push(self.value(column, cell).map_err(wrong)?);
            rest = behind;
        }
        match rest {
            None => Ok(values),
            Some(_) => Err(format!("it has more than {} cells", COLUMNS.len())),
        }
    }

    fn value<'a>(
        &self,
        column: &Column,
        cell: Option<Cow<'a, str>>,
    ) -> Result<Value<'a>, &'static str> {
        let Some(cell) = cell else {
            return if column.required { Err("it is empty") } else { Ok(Value::Null) };
        };
        match column.kind {
            Kind::Time => time(&cell).map(Value::Time),
            Kind::Seq => number(&cell).map(Value::Seq),
            Kind::Text | Kind::Dict | Kind::Json if self.is_safe => {
                unguarded(cell).map(Value::Text)
            }
            Kind::Text | Kind::Dict | Kind::Json => Ok(Value::Text(cell)),
        }
    }
}

/// Where the record ends that begins at `start`: at a line end outside of quotes.
fn record_end(text: &[u8], start: usize) -> usize {
    let (mut at, mut is_quoted) = (start, false);
    while let Some(found) = memchr2(b'"', b'\n', &text[at..]) {
        at += found;
        match text[at] {
            b'"' => is_quoted = !is_quoted,
            _ if !is_quoted => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// A cell, which is none for a null, and what comes behind its comma.
type Split<'a> = (Option<Cow<'a, str>>, Option<&'a str>);

fn cell(text: &str) -> Result<Split<'_>, &'static str> {
    let Some(inside) = text.strip_prefix('"') else {
        let (cell, behind) = match text.split_once(',') {
            Some((cell, behind)) => (cell, Some(behind)),
            None => (text, None),
        };
        if cell.contains('"') {
            return Err("it has a quote, but does not begin with one");
        }
        return Ok(((!cell.is_empty()).then_some(Cow::Borrowed(cell)), behind));
    };
    let (mut end, mut has_quotes) = (0, false);
    loop {
        end += memchr(b'"', &inside.as_bytes()[end..]).ok_or("its closing quote is not there")?;
        if inside.as_bytes().get(end + 1) != Some(&b'"') {
            break;
        }
        has_quotes = true;
        end += 2;
    }
    let (cell, behind) = (&inside[..end], &inside[end + 1..]);
    let cell = match has_quotes {
        true => Cow::Owned(cell.replace("\"\"", "\"")),
        false => Cow::Borrowed(cell),
    };
    match behind.strip_prefix(',') {
        None if behind.is_empty() => Ok((Some(cell), None)),
        None => Err("it has something behind its closing quote"),
        behind => Ok((Some(cell), behind)),
    }
}

fn time(cell: &str) -> Result<i64, &'static str> {
    let time_us = parse_rfc3339(cell)?;
    if format_rfc3339(time_us) == cell {
        return Ok(time_us);
    }
    Err("it is a time, but not written as 2026-05-17T08:00:00.000000Z")
}

fn number(cell: &str) -> Result<u64, &'static str> {
    let wrong = "it is no number as an export writes it";
    let is_canonical = cell == "0" || cell.starts_with(|c: char| ('1'..='9').contains(&c));
    if !is_canonical {
        return Err(wrong);
    }
    cell.parse().map_err(|_| wrong)
}

/// The text of a cell that was written with care for spreadsheets.
fn unguarded(cell: Cow<'_, str>) -> Result<Cow<'_, str>, &'static str> {
    let plain = unguard(&cell).len();
    if plain == cell.len() {
        return if needs_guard(&cell) {
            Err("a spreadsheet may run it as a formula: the ' in front of it was taken away")
        } else {
            Ok(cell)
        };
    }
    let guard = cell.len() - plain;
    Ok(match cell {
        Cow::Borrowed(cell) => Cow::Borrowed(&cell[guard..]),
        Cow::Owned(mut cell) => {
            cell.drain(..guard);
            Cow::Owned(cell)
        }
    })
}

/// Whether the writer would have put a guard in front: then one is taken off when it is there.
fn needs_guard(cell: &str) -> bool {
    // Few cells begin with a sign, and the full-width signs begin with 0xEF.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'{' | b' ' | b'_');
    if cell.bytes().next().is_none_or(is_plain) {
        return false;
    }
    unguard(&format!("'{cell}")).len() == cell.len()
}

enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Time(i64),
    Seq(u64),
}

/// A column under construction.
enum Builder {
    Text(StringBuilder),
    /// Every text is a value of its own: to find those that are the same would cost more.
    Dictionary(Int32Builder, StringBuilder, i32),
    Time(TimestampMicrosecondBuilder),
    Seq(UInt64Builder),
}

impl Builder {
    fn new(column: &Column) -> Self {
        match column.kind {
            Kind::Text | Kind::Json => Self::Text(StringBuilder::new()),
            Kind::Dict => Self::Dictionary(Int32Builder::new(), StringBuilder::new(), 0),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new()),
            Kind::Seq => Self::Seq(UInt64Builder::new()),
        }
    }

    /// Appends a value, which is one of the column's kind or none.
    fn append(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(values), Value::Text(text)) => values.append_value(text),
            (Self::Dictionary(keys, values, count), Value::Text(text)) => {
                values.append_value(text);
                keys.append_value(*count);
                *count += 1;
            }
            (Self::Time(times), Value::Time(time_us)) => times.append_value(time_us),
            (Self::Seq(numbers), Value::Seq(number)) => numbers.append_value(number),
            (Self::Text(values), _) => values.append_null(),
            (Self::Dictionary(keys, ..), _) => keys.append_null(),
            (Self::Time(times), _) => times.append_null(),
            (Self::Seq(numbers), _) => numbers.append_null(),
        }
    }

    fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(mut values) => Arc::new(values.finish()),
            Self::Dictionary(mut keys, mut values, _) => {
                let values = Arc::new(values.finish());
                Arc::new(DictionaryArray::<Int32Type>::try_new(keys.finish(), values)?)
            }
            Self::Time(mut times) => Arc::new(times.finish().with_timezone("UTC")),
            Self::Seq(mut numbers) => Arc::new(numbers.finish()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(record: &str) -> Result<Vec<Option<String>>, &'static str> {
        let (mut cells, mut rest) = (Vec::new(), Some(record));
        while let Some(text) = rest {
            let (cell, behind) = cell(text)?;
            cells.push(cell.map(Cow::into_owned));
            rest = behind;
        }
        Ok(cells)
    }

    #[test]
    fn a_null_is_nothing_and_an_empty_text_is_quoted() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(cells("a,,\"\"").unwrap(), [some("a"), None, some("")]);
        assert_eq!(cells("\"x,\"\"y\"\"\n\",").unwrap(), [some("x,\"y\"\n"), None]);
        for wrong in ["a\"b", "\"a", "\"a\"b,c", "\"a\" ,b"] {
            assert!(cells(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn guards_are_taken_off_and_asked_for() {
        let plain = |cell: &'static str| unguarded(Cow::Borrowed(cell)).map(Cow::into_owned);
        assert_eq!(plain("'=1"), Ok("=1".to_owned()));
        assert_eq!(plain("''=1"), Ok("'=1".to_owned()));
        assert_eq!(plain("'tis"), Ok("'tis".to_owned()));
        assert_eq!(plain("'\u{FF1D}1"), Ok("\u{FF1D}1".to_owned()));
        assert_eq!(plain("a=b"), Ok("a=b".to_owned()));
        for formula in ["=1", "+1", "-1", "@x", "\tx", "\u{FF1D}1"] {
            assert!(plain(formula).is_err(), "{formula}");
        }
        let owned = unguarded(Cow::Owned("'@x".to_owned()));
        assert_eq!(owned, Ok(Cow::Borrowed("@x")));
    }

    #[test]
    fn numbers_and_times_are_as_they_are_written() {
        assert_eq!((number("0"), number("17")), (Ok(0), Ok(17)));
        for wrong in ["", "017", "+1", "1.0", "99999999999999999999", " 1"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time("1970-01-01T00:00:01.000000Z"), Ok(1_000_000));
        for wrong in ["1970-01-01T00:00:01Z", "1970-01-01T01:00:01.000000+01:00", "1970"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn records_that_cannot_be_read_are_told_by_their_lines() {
        let empty = ",".repeat(COLUMNS.len() - 1);
        let text = format!("{empty}\n\"a\nb\"\n{empty},\n");
        let records = Cells::new(true).read(text.as_bytes());
        let lines: Vec<u64> = records.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 4]);
        assert!(records.faults[0].1.starts_with("column id"), "{:?}", records.faults);
        assert_eq!(records.batch.unwrap().num_rows(), 0);
    }
}
