//! `quickstart`: a lake with a realistic quarter of events, one export of each format, an
//! evidence bundle that is verified, and a server, from nothing but this binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use auditlake_export::{Format, Options};
use auditlake_lake::{LakeReader, Snapshot};
use auditlake_model::claim::Claim;
use auditlake_model::filter::Filter;
use auditlake_model::sample::{Sample, SampleConfig};
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, ScanRequest};
use auditlake_verify::{Trust, verify_export};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::export::{Proven, Target, write};
use super::import::{Taken, Taking, finish, parse_lines};
use crate::args::QuickstartArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;

/// Events that are generated and appended at a time.
const BATCH: usize = 8192;

pub(crate) async fn run(settings: &Settings, arguments: &QuickstartArgs) -> anyhow::Result<()> {
    fill(settings, arguments).await?;
    let bundle = export_all(settings).await?;
    say!("")?;
    say!(
        "try    auditlake sql \"SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC\""
    )?;
    say!("       auditlake export --type 'admin.*' -o admin.csv")?;
    if let Some(bundle) = bundle {
        say!("       auditlake verify {}", bundle.display())?;
    }
    say!("       auditlake verify {}", settings.lake)?;
    say!("       auditlake status")?;
    say!("")?;
    if arguments.no_serve { Ok(()) } else { super::serve::run(settings).await }
}

/// Generates events on one thread, parses on another, and appends.
async fn fill(settings: &Settings, arguments: &QuickstartArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let lake = super::open(settings).await?;
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
    let (mut taking, mut bytes) = (Taking::new(&lake), 0);
    while let Some(lines) = receiver.recv().await {
        bytes += lines.len() as u64;
        let draft = tokio::task::spawn_blocking(move || parse_lines(lines)).await??;
        bar.inc(draft.rows() as u64);
        taking.take(draft).await?;
    }
    generator.await?;
    bar.finish_and_clear();
    let Taken { accepted, duplicates } = taking.end().await;
    finish(lake).await?;
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

/// One file of each format, and the bundle if there is a log to prove.
async fn export_all(settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let reader = super::open_reader(settings).await?;
    let snapshot = reader.snapshot().await?;
    let engine = settings.engine()?;
    let folder = match settings.lake_config(false)?.root.folder() {
        Some(folder) => folder.join("exports").join("quickstart"),
        None => PathBuf::from("auditlake-exports"),
    };
    std::fs::create_dir_all(&folder)?;
    for format in [Format::Csv, Format::Ndjson, Format::Json, Format::Parquet] {
        let started = Instant::now();
        let path = folder.join(format!("events.{}", format.extension()));
        let mut target = Target::open(Some(&path))?;
        let request = ScanRequest::of(Scope::everything());
        let put = |piece: Bytes| target.write_all(&piece);
        let totals = write(&engine, &snapshot, &request, Options::new(format), put).await?;
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
    let logs = snapshot.manifest().tenants.iter();
    // The smallest log: it shows all there is to see, and takes no time.
    let Some((tenant, _)) = logs.min_by_key(|(_, head)| head.size) else { return Ok(None) };
    let path = folder.join("evidence.zip");
    prove(&engine, &reader, &snapshot, tenant, &path).await?;
    verify(&reader, tenant, &path).await?;
    Ok(Some(path))
}

/// An evidence bundle of everything a tenant has.
async fn prove(
    engine: &Engine,
    reader: &LakeReader,
    snapshot: &Snapshot,
    tenant: &str,
    path: &Path,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let asked = [("tenant_id", tenant)];
    let request =
        ScanRequest { filter: Filter::of(asked)?, ..ScanRequest::of(Scope::everything()) };
    let chosen = (Claim::Complete, Options::new(Format::Ndjson));
    let proven = Proven::new(engine, reader, snapshot, request, &asked, chosen)?;
    let done = proven.bundle(path).await?;
    say!(
        "{:<9} {}: all {} events of {tenant}, with proof, {} in {}",
        "evidence",
        path.display(),
        progress::count(done.rows),
        progress::size(done.bytes),
        progress::seconds(started.elapsed()),
    )?;
    Ok(())
}

/// Checks the bundle as an auditor would who was given the lake's public key.
async fn verify(reader: &LakeReader, tenant: &str, path: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let keys = reader.log().keys().await?.map(|keys| keys.verifiers(tenant)).unwrap_or_default();
    let (trust, bundle) = (Trust { keys, ..Trust::default() }, path.to_owned());
    let verifying = move || verify_export(&bundle, &trust, &|_| {});
    let verdict = tokio::task::spawn_blocking(verifying).await??;
    if let Some(finding) = verdict.findings.first() {
        bail!("{}: {}", path.display(), finding.detail);
    }
    say!(
        "{:<9} {}: {} events, nothing changed, nothing left out, in {}",
        "verified",
        path.display(),
        progress::count(verdict.rows),
        progress::seconds(started.elapsed()),
    )?;
    Ok(())
}
