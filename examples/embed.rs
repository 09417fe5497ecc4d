//! A lake inside one's own program: append two events, ask for one, export it.
//!
//! `cargo run -p auditlake-examples --example embed`

use auditlake_export::{Encoder, Format, Options};
use auditlake_lake::{Lake, LakeConfig, Root};
use auditlake_model::env::Environment;
use auditlake_model::filter::Filter;
use auditlake_model::id::FreshIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, EngineConfig, ScanRequest};
use futures::TryStreamExt;

const EVENTS: &str = r#"
{"type":"user.signed_in","occurred_at":"2026-05-17T08:00:00Z","actor":{"kind":"user","id":"ada"}}
{"type":"admin.role_granted","occurred_at":"2026-05-17T08:01:00Z","actor":{"kind":"user","id":"ada"}}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let environment = Environment::system();
    let root = Root::open(&folder.path().display().to_string(), true, [])?;
    let lake = Lake::open(LakeConfig::new(root), environment.clone()).await?;

    let mut options = ParseOptions {
        unknown: UnknownKeys::Refuse,
        tenant: TenantRule::Default("acme"),
        partial: false,
        ids: &mut FreshIds(&environment),
    };
    let parsed = parse_events(EVENTS.as_bytes(), &mut options)?;
    // Answers when the events would survive a power cut.
    let receipt = lake.append(parsed.draft).await?;
    eprintln!("{} accepted", receipt.accepted);

    let mut filter = Filter::default();
    filter.add("type", "admin.*")?;
    let engine = Engine::new(EngineConfig::default())?;
    let request = ScanRequest { filter, ..ScanRequest::of(Scope::everything()) };
    let mut batches = engine.scan(&lake.snapshot(), &request).await?;
    let mut encoder = Encoder::new(batches.schema(), Options::new(Format::Ndjson))?;
    let mut out = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        encoder.encode(&batch, &mut out)?;
    }
    encoder.finish(&mut out)?;
    print!("{}", String::from_utf8(out)?);

    lake.close().await?;
    Ok(())
}
