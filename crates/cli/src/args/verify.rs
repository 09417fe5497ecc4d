//! The command line of `verify`.

use std::path::PathBuf;

use auditlake_lake::Since;
use auditlake_model::time::{day_start, parse_day, parse_rfc3339};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A file with its proof beside it, an evidence bundle (a .zip or the folder it was unpacked
    /// to), or a lake (default: the lake of the settings)
    #[arg(value_name = "FILE|BUNDLE|LAKE")]
    pub(crate) target: Option<String>,
    /// A public key of the log, or a file with one in each line; may be repeated. Without any, the
    /// keys that came along are taken, and the answer says so
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) key: Vec<String>,
    /// The public key of a witness, who must have cosigned a checkpoint, or a file of such keys;
    /// may be repeated
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) witness: Vec<String>,
    /// Checkpoints that were kept elsewhere, as `log checkpoint` prints them; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Vec<PathBuf>,
    /// The proof of an export, where it does not lie beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// Of a lake only what was committed from this commit on, or recorded from this time on
    #[arg(long, value_name = "COMMIT|TIME", value_parser = since, conflicts_with = "state")]
    pub(crate) since: Option<Since>,
    /// Where to keep how far a lake was verified: a later run goes on from there
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Print the result, with all findings, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the verification of a lake begins.
fn since(text: &str) -> Result<Since, String> {
    if let Ok(commit) = text.parse() {
        return Ok(Since::Commit(commit));
    }
    if let Some(day) = parse_day(text.as_bytes()) {
        return Ok(Since::Recorded(day_start(day)));
    }
    parse_rfc3339(text).map(Since::Recorded).map_err(|reason| {
        let allowed = "the number of a commit, a date, or a time like 2027-01-31T12:00:00Z";
        format!("{reason}; give {allowed}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_commit_a_date_or_a_time() {
        assert_eq!(since("17"), Ok(Since::Commit(17)));
        assert_eq!(since("1970-01-02"), Ok(Since::Recorded(86_400_000_000)));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Since::Recorded(1_000_000)));
        for wrong in ["", "-1", "yesterday", "1970-13-01"] {
            let error = since(wrong).unwrap_err();
            assert!(error.contains("the number of a commit"), "{wrong}: {error}");
        }
    }
}
