//! `export --server`: the same export, asked of a running server.

use std::io::Write;

use anyhow::{Context, bail};
use auditlake_export::{Format, Options};

use super::export::Target;
use crate::args::ExportArgs;

/// Streams the server's answer into the target; answers how many bytes.
pub(crate) async fn export(
    server: &str,
    arguments: &ExportArgs,
    options: Options,
    target: &mut Target,
) -> anyhow::Result<u64> {
    let key = std::env::var("AUDITLAKE_KEY")
        .context("AUDITLAKE_KEY must hold the API key for the server")?;
    let mut parameters = arguments.filter.pairs();
    let (format, compression) = (options.format.to_string(), options.compression.to_string());
    let (order, safe) = (arguments.order.to_string(), options.csv.safe.to_string());
    let safe = (options.format == Format::Csv).then_some(("csv_safe", safe.as_str()));
    let limit = arguments.limit.map(|limit| limit.to_string());
    let proof = arguments.proof.map(|claim| claim.to_string());
    parameters.extend([("format", format.as_str()), ("compression", compression.as_str())]);
    parameters.push(("order", order.as_str()));
    parameters.extend(safe);
    parameters.extend(arguments.columns.as_deref().map(|columns| ("columns", columns)));
    parameters.extend(limit.as_deref().map(|limit| ("limit", limit)));
    parameters.extend(proof.as_deref().map(|claim| ("proof", claim)));
    let url = format!("{}/v1/events/export", server.trim_end_matches('/'));
    let mut response = reqwest::Client::new()
        .get(&url)
        .query(&parameters)
        .bearer_auth(key)
        .send()
        .await
        .with_context(|| url.clone())?;
    if !response.status().is_success() {
        let status = response.status();
        bail!("{url}: {status}: {}", response.text().await.unwrap_or_default());
    }
    let mut bytes = 0;
    // A server that fails on the way cuts the connection; that is an error here, not an end.
    while let Some(chunk) = response.chunk().await.context("the export broke off")? {
        target.write_all(&chunk)?;
        bytes += chunk.len() as u64;
    }
    Ok(bytes)
}
