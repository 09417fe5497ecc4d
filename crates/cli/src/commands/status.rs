//! `status`: what the lake holds.

use std::io;

use auditlake_lake::{Segment, Snapshot};
use auditlake_model::time::{format_day, format_rfc3339};
use serde_json::json;

use crate::args::StatusArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, arguments: &StatusArgs) -> anyhow::Result<()> {
    let snapshot = super::open_reader(settings).await?.snapshot().await?;
    if arguments.json {
        say!("{}", as_json(settings, &snapshot))?;
    } else {
        print(settings, &snapshot)?;
    }
    Ok(())
}

/// The first and last day of segments and hot events.
fn days(snapshot: &Snapshot) -> Option<(i32, i32)> {
    let sealed = snapshot.segments().iter().map(|segment| segment.day);
    let days = || sealed.clone().chain(snapshot.hot().iter().map(|hot| hot.day));
    Some((days().min()?, days().max()?))
}

fn as_json(settings: &Settings, snapshot: &Snapshot) -> serde_json::Value {
    let manifest = snapshot.manifest();
    let tenants: serde_json::Map<String, serde_json::Value> = manifest
        .tenants
        .iter()
        .map(|(tenant, head)| (tenant.clone(), json!({"size": head.size, "root": head.root_hex()})))
        .collect();
    json!({
        "lake": settings.lake,
        "commit": manifest.version,
        "epoch": manifest.epoch,
        "events": manifest.rows() + snapshot.hot_rows(),
        "hot_events": snapshot.hot_rows(),
        "segments": snapshot.segments().len(),
        "segment_bytes": manifest.bytes(),
        "days": days(snapshot).map(|(first, last)| [format_day(first), format_day(last)]),
        "tenants": tenants,
    })
}

fn print(settings: &Settings, snapshot: &Snapshot) -> io::Result<()> {
    let manifest = snapshot.manifest();
    let sealed = manifest.rows();
    say!("lake      {}", settings.lake)?;
    say!("commit    {} (epoch {})", manifest.version, manifest.epoch)?;
    say!(
        "events    {} ({} in segments, {} hot)",
        progress::count(sealed + snapshot.hot_rows()),
        progress::count(sealed),
        progress::count(snapshot.hot_rows()),
    )?;
    say!(
        "segments  {} of {}",
        progress::count(snapshot.segments().len() as u64),
        progress::size(manifest.bytes()),
    )?;
    if let Some((first, last)) = days(snapshot) {
        say!("days      {} to {}", format_day(first), format_day(last))?;
    }
    let recorded =
        snapshot.segments().iter().map(|at: &std::sync::Arc<Segment>| at.recorded_us().1);
    if let Some(last) = recorded.max() {
        say!("recorded  {} (newest in a segment)", format_rfc3339(last))?;
    }
    for (tenant, head) in &manifest.tenants {
        say!(
            "tenant    {tenant}: {} events, root {}",
            progress::count(head.size),
            head.root_hex()
        )?;
    }
    Ok(())
}
