//! Import shapes: a plain SQL file says how another system's records become events. Each
//! record is one row of the table `source` with the column `raw`; the columns the query
//! gives are columns of the event. A source is added by adding a file.

use std::sync::Arc;

use arrow::array::builder::StringBuilder;
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use auditlake_model::columns::{COLUMNS, Kind};
use auditlake_model::line::LineWriter;
use auditlake_model::text::minify_into;
use datafusion::datasource::MemTable;
use include_dir::{Dir, include_dir};

use crate::engine::Engine;
use crate::error::QueryError;

static IMPORTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../queries/imports");

/// How records of one source become events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name: that of the file.
    pub name: String,
    /// The key of the array that holds the records of a document; none when each line is one.
    pub records: Option<String>,
    sql: String,
}

/// The names of the shapes that are built in.
#[must_use]
pub fn shapes() -> Vec<String> {
    let names = IMPORTS.files().filter_map(|file| file.path().file_stem()?.to_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names
}

impl Shape {
    /// A built-in shape.
    pub fn built_in(name: &str) -> Result<Self, QueryError> {
        match IMPORTS.get_file(format!("{name}.sql")).and_then(|file| file.contents_utf8()) {
            Some(sql) => Ok(Self::new(name, sql)),
            None => Err(QueryError::Invalid(format!(
                "{name:?} is no shape; allowed are {}, or the path of a .sql file",
                shapes().join(", ")
            ))),
        }
    }

    /// A shape from the text of its SQL file. A line `-- records: KEY` says that a document
    /// is one JSON object with an array of records under that key.
    #[must_use]
    pub fn new(name: &str, sql: &str) -> Self {
        let records = sql.lines().find_map(|line| line.strip_prefix("-- records:"));
        let records = records.map(|key| key.trim().to_owned());
        Self { name: name.to_owned(), records, sql: sql.to_owned() }
    }
}

impl Engine {
    /// Turns records (each a JSON text) into events as NDJSON, for the same strict parser
    /// that every event goes through.
    pub async fn reshape(&self, shape: &Shape, records: &[&str]) -> Result<Vec<u8>, QueryError> {
        let schema = Arc::new(Schema::new(vec![Field::new("raw", DataType::Utf8, false)]));
        let raw = Arc::new(StringArray::from(records.to_vec()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![raw])?;
        let session = self.bare_session()?;
        session
            .register_table("source", Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))?;
        let in_shape = |error: QueryError| match error {
            QueryError::Invalid(why) => QueryError::Invalid(format!("shape {}: {why}", shape.name)),
            other => other,
        };
        let run = async { session.sql(&shape.sql).await?.collect().await };
        let answer = run.await.map_err(|error| in_shape(error.into()))?;
        let mut lines = Vec::new();
        for batch in &answer {
            let events = as_events(batch).map_err(in_shape)?;
            let mut writer = LineWriter::new(&events.schema())
                .map_err(|error| QueryError::Invalid(error.to_string()))?;
            writer.write(&events, &mut lines);
        }
        Ok(lines)
    }
}

/// JSON without white space between tokens: a line must not break.
fn minified(json: &ArrayRef) -> Result<ArrayRef, QueryError> {
    let mut texts = StringBuilder::new();
    let mut scratch = String::new();
    for text in json.as_string::<i32>() {
        scratch.clear();
        if let Some(text) = text {
            minify_into(text, &mut scratch)
                .map_err(|reason| QueryError::Invalid(format!("data {reason}")))?;
        }
        texts.append_option(text.map(|_| scratch.as_str()));
    }
    Ok(Arc::new(texts.finish()))
}

/// A query's answer with its columns as the event has them.
fn as_events(batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = COLUMNS
            .iter()
            .find(|column| column.name == field.name() && column.kind != Kind::Seq)
            .filter(|column| column.name != "recorded_at")
            .ok_or_else(|| {
                QueryError::Invalid(format!(
                    "the query gives a column {}, which a client may not give",
                    field.name()
                ))
            })?;
        let array = cast(array, &column.data_type())?;
        columns.push(if column.kind == Kind::Json { minified(&array)? } else { array });
        fields.push(Field::new(column.name, column.data_type(), true));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
