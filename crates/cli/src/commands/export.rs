//! `export`: events to a file or standard output, from the lake or from a server; with a proof
//! if one is asked for.

mod edges;
mod proven;
mod target;
mod writing;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use auditlake_export::{Compression, CsvOptions, Format, Options, Totals};
use auditlake_model::claim::Claim;
use auditlake_model::columns;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::ScanRequest;
use bytes::Bytes;
use serde_json::json;

pub(crate) use self::proven::Proven;
pub(crate) use self::target::Target;
pub(crate) use self::writing::write;

use crate::args::ExportArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, arguments: &ExportArgs) -> anyhow::Result<()> {
    let options = options(arguments)?;
    let started = Instant::now();
    let done = match (&arguments.server, arguments.proof) {
        (Some(server), _) => from_server(server, arguments, options).await?,
        (None, Some(claim)) => with_proof(settings, arguments, options, claim).await?,
        (None, None) => plain(settings, arguments, options).await?,
    };
    Ok(report(arguments, &done, started)?)
}

async fn plain(
    settings: &Settings,
    arguments: &ExportArgs,
    options: Options,
) -> anyhow::Result<Done> {
    let request = request(arguments)?;
    let snapshot = super::open_reader(settings).await?.snapshot().await?;
    let mut target = Target::open(arguments.output.as_deref())?;
    let put = |piece: Bytes| target.write_all(&piece);
    let totals = write(&settings.engine()?, &snapshot, &request, options, put).await?;
    target.publish()?;
    let Totals { rows, bytes, copied_bytes } = totals;
    Ok(Done { bytes, rows: Some(rows), copied_bytes: Some(copied_bytes), ..Done::default() })
}

async fn with_proof(
    settings: &Settings,
    arguments: &ExportArgs,
    options: Options,
    claim: Claim,
) -> anyhow::Result<Done> {
    let Some(output) = arguments.output.as_deref() else {
        bail!("--proof needs a file to stand beside: name one with --output");
    };
    let request = request(arguments)?;
    let reader = super::open_reader(settings).await?;
    let snapshot = reader.snapshot().await?;
    let engine = settings.engine()?;
    let asked = arguments.filter.pairs();
    let chosen = (claim, options);
    let proven = Proven::new(&engine, &reader, &snapshot, request, &asked, chosen)?;
    let is_bundle = is_zip(output);
    let done = if is_bundle { proven.bundle(output).await? } else { proven.file(output).await? };
    Ok(Done {
        bytes: done.bytes,
        rows: Some(done.rows),
        copied_bytes: Some(done.copied_bytes),
        statement: Some(done.statement),
        proof: done.proof.map(|path| path.display().to_string()),
        unproven: snapshot.hot_rows(),
    })
}

async fn from_server(
    server: &str,
    arguments: &ExportArgs,
    options: Options,
) -> anyhow::Result<Done> {
    let mut target = Target::open(arguments.output.as_deref())?;
    let bytes = super::remote::export(server, arguments, options, &mut target).await?;
    target.publish()?;
    Ok(Done { bytes, ..Done::default() })
}

/// What is known of a finished export; of a server's only how long it is.
#[derive(Default)]
struct Done {
    bytes: u64,
    rows: Option<u64>,
    /// Pages of Parquet that were copied as they lay in the lake.
    copied_bytes: Option<u64>,
    /// What the proof claims, in words.
    statement: Option<String>,
    /// The file of the proof; none if it is in the bundle.
    proof: Option<String>,
    /// Events that the lake has but no committed log yet, of all tenants and whether they are
    /// meant or not: a proof cannot be of them.
    unproven: u64,
}

fn report(arguments: &ExportArgs, done: &Done, started: Instant) -> std::io::Result<()> {
    let Done { bytes, rows, copied_bytes, .. } = *done;
    let to = arguments.output.as_ref().map(|path| path.display().to_string());
    if done.unproven > 0 && !arguments.json {
        let left = progress::count(done.unproven);
        eprintln!(
            "{left} events of the lake are in no committed log yet, and so not in this export, \
             whatever its filter"
        );
    }
    let text = if arguments.json {
        let mut said =
            json!({"rows": rows, "bytes": bytes, "copied_bytes": copied_bytes, "output": to});
        if let Some(statement) = &done.statement {
            said["proof"] = json!(done.proof);
            said["statement"] = json!(statement);
            said["not_committed"] = json!(done.unproven);
        }
        said.to_string()
    } else {
        let rows = rows.map(|rows| format!("{} events, ", progress::count(rows)));
        let (rows, size) = (rows.unwrap_or_default(), progress::size(bytes));
        format!("exported {rows}{size} in {}", progress::seconds(started.elapsed()))
    };
    match to {
        Some(to) if !arguments.json => {
            say!("{text} to {to}")?;
            if let Some(proof) = &done.proof {
                say!("the proof is {proof}")?;
            }
            done.statement.as_ref().map_or(Ok(()), |statement| say!("{statement}"))
        }
        Some(_) => say!("{text}"),
        None => {
            eprintln!("{text}");
            Ok(())
        }
    }
}

/// Whether a path is that of an evidence bundle.
fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zip")
}

/// A bundle is made with a proof and only so; a server gives nothing else with one.
fn check_output(arguments: &ExportArgs) -> anyhow::Result<()> {
    let Some(output) = arguments.output.as_deref() else { return Ok(()) };
    let name = output.display();
    match (arguments.proof, is_zip(output)) {
        (None, true) => bail!(
            "{name} is the name of an evidence bundle: add --proof inclusion or \
             --proof complete, or choose a name that ends in the format"
        ),
        (Some(_), false) if arguments.server.is_some() => bail!(
            "a server gives proofs as an evidence bundle: choose a name that ends in .zip \
             instead of {name}"
        ),
        _ => Ok(()),
    }
}

/// Format and compression: as said, else by the output's name.
fn options(arguments: &ExportArgs) -> anyhow::Result<Options> {
    check_output(arguments)?;
    let name = arguments.output.as_deref().and_then(|path| path.file_name()?.to_str());
    let name = name.unwrap_or_default();
    let name = name.strip_suffix(".zip").unwrap_or(name);
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
