//! `export`: events to a file or standard output, from the lake or from a server.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use auditlake_export::{Compression, CsvOptions, Encoder, Format, Options, Totals};
use auditlake_lake::Snapshot;
use auditlake_model::columns;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, ScanRequest};
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::json;

use crate::args::ExportArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, arguments: &ExportArgs) -> anyhow::Result<()> {
    let options = options(arguments)?;
    let started = Instant::now();
    let totals = if let Some(server) = &arguments.server {
        let mut target = Target::open(arguments.output.as_deref())?;
        let bytes = super::remote::export(server, arguments, options, &mut target).await?;
        target.publish()?;
        Done { bytes, rows: None, copied_bytes: None }
    } else {
        let request = request(arguments)?;
        let snapshot = super::open_reader(settings).await?.snapshot().await?;
        let mut target = Target::open(arguments.output.as_deref())?;
        let totals = write(&settings.engine()?, &snapshot, &request, options, &mut target).await?;
        target.publish()?;
        let Totals { rows, bytes, copied_bytes } = totals;
        Done { bytes, rows: Some(rows), copied_bytes: Some(copied_bytes) }
    };
    Ok(report(arguments, &totals, started)?)
}

/// What is known of a finished export; of a server's only how long it is.
struct Done {
    bytes: u64,
    rows: Option<u64>,
    /// Pages of Parquet that were copied as they lay in the lake.
    copied_bytes: Option<u64>,
}

fn report(arguments: &ExportArgs, done: &Done, started: Instant) -> std::io::Result<()> {
    let Done { bytes, rows, copied_bytes } = *done;
    let to = arguments.output.as_ref().map(|path| path.display().to_string());
    let text = if arguments.json {
        json!({"rows": rows, "bytes": bytes, "copied_bytes": copied_bytes, "output": to})
            .to_string()
    } else {
        let rows = rows.map(|rows| format!("{} events, ", progress::count(rows)));
        let (rows, size) = (rows.unwrap_or_default(), progress::size(bytes));
        format!("exported {rows}{size} in {}", progress::seconds(started.elapsed()))
    };
    match to {
        Some(to) if !arguments.json => say!("{text} to {to}"),
        Some(_) => say!("{text}"),
        None => {
            eprintln!("{text}");
            Ok(())
        }
    }
}

/// Format and compression: as said, else by the output's name.
fn options(arguments: &ExportArgs) -> anyhow::Result<Options> {
    let name = arguments.output.as_deref().and_then(|path| path.file_name()?.to_str());
    let name = name.unwrap_or_default();
    let (stem, by_name) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Compression::Gzip),
        Some((stem, "zst")) => (stem, Compression::Zstd),
        _ => (name, Compression::None),
    };
    let format = match arguments.format {
        Some(format) => format,
        None => stem
            .rsplit_once('.')
            .and_then(|(_, extension)| extension.parse().ok())
            .unwrap_or(Format::Ndjson),
    };
    let options = Options {
        format,
        compression: arguments.compression.unwrap_or(by_name),
        csv: CsvOptions { safe: arguments.csv_safe },
    };
    options.check()?;
    Ok(options)
}

fn request(arguments: &ExportArgs) -> anyhow::Result<ScanRequest> {
    let filter = Filter::of(arguments.filter.pairs())?;
    let columns = arguments.columns.as_deref().map(columns::parse_list).transpose()?;
    let (order, limit) = (arguments.order, arguments.limit);
    // Whoever reads the lake's files sees every tenant anyway.
    Ok(ScanRequest { filter, columns, order, limit, ..ScanRequest::of(Scope::everything()) })
}

/// Encodes an answer into the target; the memory it takes does not depend on the rows.
pub(crate) async fn write(
    engine: &Engine,
    snapshot: &Snapshot,
    request: &ScanRequest,
    options: Options,
    target: &mut Target,
) -> anyhow::Result<Totals> {
    let sorted = request.keeps_segment_order();
    let mut encoder = Encoder::in_order(request.schema()?, options, sorted)?;
    let renderers = encoder.renderers(engine.partitions())?;
    let mut rendered = engine.render(snapshot, request, renderers).await?;
    let bar = progress::bar(None, "events");
    let mut pieces: Vec<Bytes> = Vec::new();
    encoder.start(&mut pieces)?;
    target.write_pieces(&mut pieces)?;
    while let Some(events) = rendered.try_next().await? {
        bar.inc(events.rows() as u64);
        encoder.add(events, &mut pieces)?;
        target.write_pieces(&mut pieces)?;
    }
    let totals = encoder.finish(&mut pieces)?;
    target.write_pieces(&mut pieces)?;
    bar.finish_and_clear();
    Ok(totals)
}

/// Where an export goes. A file gets its name only when it is complete and synced: one that
/// bears its name is never short.
pub(crate) struct Target {
    output: Box<dyn Write + Send>,
    /// The staged file, and the name it is to get.
    staged: Option<(PathBuf, PathBuf)>,
}

impl Target {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self { output: Box::new(std::io::stdout()), staged: None });
        };
        let mut staged = path.as_os_str().to_owned();
        staged.push(".partial");
        let staged = PathBuf::from(staged);
        let file = File::create(&staged).with_context(|| format!("{}", staged.display()))?;
        let output = Box::new(file);
        Ok(Self { output, staged: Some((staged, path.to_owned())) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.output.write_all(bytes)?)
    }

    /// Writes pieces and leaves none.
    fn write_pieces(&mut self, pieces: &mut Vec<Bytes>) -> anyhow::Result<()> {
        pieces.drain(..).try_for_each(|piece| self.write(&piece))
    }

    /// Gives the file its name.
    pub(crate) fn publish(mut self) -> anyhow::Result<()> {
        self.output.flush()?;
        if let Some((staged, path)) = self.staged.take() {
            File::open(&staged)?.sync_all()?;
            std::fs::rename(&staged, &path).with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Not published: half an export is worth less than none.
        if let Some((staged, _)) = &self.staged {
            let _ = std::fs::remove_file(staged);
        }
    }
}
