//! `compact`: one segment per day, now.

use serde_json::json;

use crate::args::StatusArgs;
use crate::output::say;
use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, arguments: &StatusArgs) -> anyhow::Result<()> {
    // Opening for writing makes a lake; compacting none is a mistake of the caller.
    super::open_reader(settings).await?;
    let lake = super::open(settings).await?;
    lake.flush().await?;
    let done = lake.compact(2).await?;
    let deleted = lake.sweep().await?;
    lake.close().await?;
    if arguments.json {
        say!(
            "{}",
            json!({"days": done.days, "segments_before": done.segments_before,
                   "segments_after": done.segments_after, "files_deleted": deleted})
        )?;
    } else {
        say!(
            "compacted {} days: {} segments became {}; {deleted} removed files deleted",
            done.days,
            done.segments_before,
            done.segments_after
        )?;
    }
    Ok(())
}
