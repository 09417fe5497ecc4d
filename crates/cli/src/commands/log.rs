//! `log`: the signed checkpoints of the tenants' logs and the keys that sign them: what is worth
//! keeping somewhere else, so that a later change of the lake can be told.

use anyhow::{Context, bail};
use auditlake_lake::{LogKeys, rotate_key};
use auditlake_model::env::Environment;
use auditlake_model::time::format_rfc3339;
use auditlake_tlog::{Algorithm, NoteError, VerifierKey};
use serde_json::json;

use crate::args::{CheckpointArgs, LogCommand, LogKeysArgs, RotateKeyArgs};
use crate::output::say;
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, command: &LogCommand) -> anyhow::Result<()> {
    match command {
        LogCommand::Checkpoint(arguments) => checkpoint(settings, arguments).await,
        LogCommand::Keys(arguments) => keys(settings, arguments).await,
        LogCommand::RotateKey(arguments) => rotate(settings, arguments).await,
    }
}

async fn checkpoint(settings: &Settings, arguments: &CheckpointArgs) -> anyhow::Result<()> {
    let reader = super::open_reader(settings).await?;
    let snapshot = reader.snapshot().await?;
    let tenants: Vec<&String> = match &arguments.tenant {
        Some(tenant) => vec![tenant],
        None => snapshot.manifest().tenants.keys().collect(),
    };
    let logs = reader.log();
    let (mut notes, mut shown) = (Vec::new(), Vec::new());
    for tenant in tenants {
        let none = || format!("the log of {tenant} has no checkpoint yet");
        let log = logs.tenant(&snapshot, tenant).await?.with_context(none)?;
        let note = log.checkpoint().with_context(none)?.to_string();
        let root = snapshot.manifest().tenants.get(tenant).map(|head| head.root_hex());
        shown.push(json!({
            "tenant_id": tenant,
            "size": log.size(),
            "root": root,
            "recorded_at": format_rfc3339(log.recorded_at_us()),
            "note": note,
        }));
        notes.push(note);
    }
    if arguments.json {
        say!("{}", json!({"checkpoints": shown}))?;
    } else if !notes.is_empty() {
        let notes: Vec<&str> = notes.iter().map(|note| note.trim_end_matches('\n')).collect();
        say!("{}", notes.join("\n\n"))?;
    }
    Ok(())
}

async fn keys(settings: &Settings, arguments: &LogKeysArgs) -> anyhow::Result<()> {
    let Some(keys) = super::open_reader(settings).await?.log().keys().await? else {
        bail!("this lake has no key that signs checkpoints: no writer with one has opened it");
    };
    let verifiers = match &arguments.tenant {
        Some(tenant) => keys.verifiers(tenant),
        None => of_lake(&keys)?,
    };
    let texts: Vec<String> = verifiers.iter().map(ToString::to_string).collect();
    if arguments.json {
        say!("{}", json!({"origin": keys.origin, "keys": texts}))?;
        return Ok(());
    }
    texts.iter().try_for_each(|text| say!("{text}"))?;
    Ok(())
}

/// The keys under the name of the lake's log.
fn of_lake(keys: &LogKeys) -> Result<Vec<VerifierKey>, NoteError> {
    let named = |key: &[u8; 32]| VerifierKey::new(&keys.origin, Algorithm::Ed25519, *key);
    keys.keys.iter().map(named).collect()
}

async fn rotate(settings: &Settings, arguments: &RotateKeyArgs) -> anyhow::Result<()> {
    // Opening for writing makes a lake; rotating the key of none is a mistake of the caller.
    super::open_reader(settings).await?;
    let config = settings.lake_config(false)?;
    let key = rotate_key(&config, &Environment::system()).await.map_err(super::refused)?;
    if arguments.json {
        say!("{}", json!({"key": key.to_string()}))?;
    } else {
        say!("{key}")?;
        eprintln!(
            "checkpoints are signed with this key from now on; give it to whoever verifies them"
        );
    }
    Ok(())
}
