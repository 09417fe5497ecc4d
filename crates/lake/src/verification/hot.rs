//! What stands behind the newest commit: events in the WAL, which are not signed yet, and
//! commits that were torn.

use std::path::Path;

use super::findings::{Found, LakeFinding, LakeFindingKind};
use super::history::History;
use crate::config::LakeConfig;
use crate::error::LakeError;
use crate::paths;
use crate::recovery::check_covered;
use crate::wal::{read_after, read_writer_id};

/// Says how many events are not signed yet, and whether a torn newest commit is what a start
/// would leave out.
pub(super) async fn look(
    config: &LakeConfig,
    history: &History,
    torn: Option<u64>,
    found: &mut Found,
) -> Result<(), LakeError> {
    let folder = config.wal_dir.clone();
    let writer = read_writer_id(&folder);
    let applied = writer.as_ref().and_then(|writer| history.wal_applied.get(writer)).copied();
    if let Some(torn) = torn {
        let of = |writer: &str| history.wal_applied.get(writer).copied().unwrap_or(0);
        match check_covered(&folder, &history.writer, of, torn) {
            Ok(()) => found.note(format!(
                "Commit {torn} is torn; the write-ahead log still has what it named."
            )),
            Err(error) => {
                let finding = LakeFinding::new(LakeFindingKind::CommitDamaged, error.to_string());
                found.add(finding.at(paths::commit(torn)));
            }
        }
    }
    let Some(applied) = applied else { return Ok(()) };
    let counted = tokio::task::spawn_blocking(move || count(&folder, applied)).await;
    match counted.map_err(LakeError::data("reading the write-ahead log"))? {
        Ok(0) => {}
        Ok(events) => found.note(format!(
            "{events} events are in the write-ahead log only: they are not signed yet, and were \
             not verified."
        )),
        Err(error) => found.note(format!("The write-ahead log was not read: {error}.")),
    }
    Ok(())
}

/// The events behind a frame, one for each line.
fn count(folder: &Path, applied: u64) -> Result<u64, LakeError> {
    let mut events = 0;
    read_after(folder, applied, |_, payload| {
        events += memchr::memchr_iter(b'\n', payload).count() as u64;
        Ok(())
    })?;
    Ok(events)
}
