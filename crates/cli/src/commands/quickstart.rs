//! `quickstart`: a lake with a realistic quarter of events, one export of each format, and a
//! server, from nothing but this binary.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use auditlake_export::{Compression, CsvOptions, Format, Options};
use auditlake_model::sample::{Sample, SampleConfig};
use auditlake_model::scope::Scope;
use auditlake_query::ScanRequest;
use tokio::sync::mpsc;

use super::export::{Target, write};
use super::import::{append_lines, finish};
use crate::args::QuickstartArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;

/// Events that are generated and appended at a time.
const BATCH: usize = 8192;

pub(crate) async fn run(settings: &Settings, arguments: &QuickstartArgs) -> anyhow::Result<()> {
    fill(settings, arguments).await?;
    export_all(settings).await?;
    say!("")?;
    say!(
        "try    auditlake sql \"SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC\""
    )?;
    say!("       auditlake export --type 'admin.*' -o admin.csv")?;
    say!("       auditlake status")?;
    say!("")?;
    if arguments.no_serve { Ok(()) } else { super::serve::run(settings).await }
}

/// Generates events on one thread, parses on another, and appends.
async fn fill(settings: &Settings, arguments: &QuickstartArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let lake = Arc::new(super::open(settings).await?);
    let config =
        SampleConfig { seed: arguments.seed, events: arguments.events, ..SampleConfig::default() };
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(4);
    let generator = tokio::task::spawn_blocking(move || {
        let mut sample = Sample::new(config);
        loop {
            let mut lines = Vec::with_capacity(BATCH * 640);
            if sample.write(BATCH, &mut lines) == 0 || sender.blocking_send(lines).is_err() {
                return;
            }
        }
    });
    let bar = progress::bar(Some(arguments.events), "events");
    let (mut accepted, mut duplicates, mut bytes) = (0, 0, 0);
    while let Some(lines) = receiver.recv().await {
        bytes += lines.len() as u64;
        let receipt = append_lines(&lake, lines).await?;
        accepted += receipt.accepted;
        duplicates += receipt.duplicates;
        bar.inc(receipt.accepted + receipt.duplicates);
    }
    generator.await?;
    bar.finish_and_clear();
    if let Some(lake) = Arc::into_inner(lake) {
        finish(lake).await?;
    }
    say!(
        "lake      {}: {} events ({} were there already) from {} of NDJSON in {}, {}",
        settings.lake,
        progress::count(accepted),
        progress::count(duplicates),
        progress::size(bytes),
        progress::seconds(started.elapsed()),
        progress::rate(accepted + duplicates, started),
    )?;
    Ok(())
}

async fn export_all(settings: &Settings) -> anyhow::Result<()> {
    let snapshot = super::open_reader(settings).await?.snapshot().await?;
    let engine = settings.engine()?;
    let folder = match settings.lake_config(false)?.root.folder() {
        Some(folder) => folder.join("exports").join("quickstart"),
        None => PathBuf::from("auditlake-exports"),
    };
    std::fs::create_dir_all(&folder)?;
    for format in [Format::Csv, Format::Ndjson, Format::Json, Format::Parquet] {
        let started = Instant::now();
        let path = folder.join(format!("events.{}", format.extension()));
        let options =
            Options { format, compression: Compression::None, csv: CsvOptions::default() };
        let mut target = Target::open(Some(&path))?;
        let request = ScanRequest::of(Scope::everything());
        let totals = write(&engine, &snapshot, &request, options, &mut target).await?;
        target.publish()?;
        say!(
            "{:<9} {}: {} events, {} in {}, {}",
            format.to_string(),
            path.display(),
            progress::count(totals.rows),
            progress::size(totals.bytes),
            progress::seconds(started.elapsed()),
            progress::rate(totals.rows, started),
        )?;
    }
    Ok(())
}
