//! One module per command; each parses nothing and prints what it did.

pub(crate) mod compact;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod quickstart;
pub(crate) mod remote;
pub(crate) mod serve;
pub(crate) mod sql;
pub(crate) mod status;
pub(crate) mod verify;

use auditlake_lake::{Lake, LakeError, LakeReader};
use auditlake_model::env::Environment;

use crate::settings::Settings;

/// Opens the lake for writing.
async fn open(settings: &Settings) -> anyhow::Result<Lake> {
    let opened = Lake::open(settings.lake_config(true)?, Environment::system()).await;
    opened.map_err(refused)
}

/// Why a lake could not be taken over, and what to do about it.
fn refused(error: LakeError) -> anyhow::Error {
    match error {
        LakeError::Locked(_) => anyhow::anyhow!(
            "{error}; stop it first, or talk to it: POST /v1/events, export --server URL"
        ),
        other => other.into(),
    }
}

/// Opens the lake for reading, beside any writer.
async fn open_reader(settings: &Settings) -> anyhow::Result<LakeReader> {
    Ok(LakeReader::open(settings.lake_config(false)?).await?)
}
