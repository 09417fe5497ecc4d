//! `sql`: questions to the table `events`, one on the command line or several on input.

use std::io::{BufRead, IsTerminal, Write};

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use auditlake_model::scope::Scope;
use auditlake_query::Engine;
use futures::TryStreamExt;

use crate::args::{SqlArgs, SqlFormat};
use crate::progress;
use crate::settings::Settings;

/// A table is aligned in memory, so it ends here; the other formats stream without end.
const TABLE_ROWS: usize = 10_000;

pub(crate) async fn run(settings: &Settings, arguments: &SqlArgs) -> anyhow::Result<()> {
    let engine = settings.engine()?;
    match &arguments.statement {
        Some(statement) => answer(settings, &engine, statement, arguments.format).await,
        None => converse(settings, &engine, arguments.format).await,
    }
}

/// Reads statements up to a `;` each. A wrong one is told, and the next one read.
async fn converse(settings: &Settings, engine: &Engine, format: SqlFormat) -> anyhow::Result<()> {
    // That there is no lake is said before anything is asked.
    super::open_reader(settings).await?;
    let is_terminal = std::io::stdin().is_terminal();
    let mut statement = String::new();
    let mut failed = None;
    for line in prompted(is_terminal) {
        statement.push_str(&line?);
        statement.push('\n');
        if statement.trim_end().ends_with(';') {
            let asked = std::mem::take(&mut statement);
            if let Err(error) =
                answer(settings, engine, asked.trim_end().trim_end_matches(';'), format).await
            {
                eprintln!("{error:#}");
                failed = Some(error);
            }
        }
    }
    if !statement.trim().is_empty() {
        answer(settings, engine, &statement, format).await?;
    }
    // A script must notice; a person has read it.
    failed.filter(|_| !is_terminal).map_or(Ok(()), Err)
}

fn prompted(is_terminal: bool) -> impl Iterator<Item = std::io::Result<String>> {
    let mut lines = std::io::stdin().lock().lines();
    std::iter::from_fn(move || {
        if is_terminal {
            eprint!("sql> ");
        }
        lines.next()
    })
}

async fn answer(
    settings: &Settings,
    engine: &Engine,
    statement: &str,
    format: SqlFormat,
) -> anyhow::Result<()> {
    // Opened anew: behind a conversation of days would be thousands of commits to catch up with.
    let snapshot = super::open_reader(settings).await?.snapshot().await?;
    let mut batches = engine.sql(&snapshot, &Scope::everything(), statement).await?;
    let mut out = std::io::stdout();
    match format {
        SqlFormat::Table => {
            let (mut rows, mut shown): (usize, Vec<RecordBatch>) = (0, Vec::new());
            while let Some(batch) = batches.try_next().await? {
                let room = TABLE_ROWS.saturating_sub(rows);
                rows += batch.num_rows();
                shown.push(batch.slice(0, batch.num_rows().min(room)));
                if rows > TABLE_ROWS {
                    break;
                }
            }
            if shown.is_empty() {
                shown.push(RecordBatch::new_empty(batches.schema()));
            }
            writeln!(out, "{}", pretty_format_batches(&shown)?)?;
            if rows > TABLE_ROWS {
                let most = progress::count(TABLE_ROWS as u64);
                eprintln!("only the first {most} rows are shown; --format csv gives all of them");
            }
        }
        SqlFormat::Csv => {
            let mut writer = arrow::csv::Writer::new(out);
            writer.write(&RecordBatch::new_empty(batches.schema()))?;
            while let Some(batch) = batches.try_next().await? {
                writer.write(&batch)?;
            }
        }
        SqlFormat::Ndjson => {
            let mut writer = arrow::json::LineDelimitedWriter::new(out);
            while let Some(batch) = batches.try_next().await? {
                writer.write(&batch)?;
            }
            writer.finish()?;
        }
    }
    Ok(())
}
