//! `verify` of a whole lake.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use auditlake_lake::{LakeChecks, LakeFinding, LakeReport, Progress, VerifiedTo, verify_lake};
use indicatif::ProgressBar;
use serde_json::json;

use super::known::Known;
use super::{Page, Verified, printed};
use crate::args::VerifyArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;

pub(super) async fn run(
    settings: &Settings,
    arguments: &VerifyArgs,
    target: &str,
    known: Known,
) -> anyhow::Result<Verified> {
    let state = arguments.state.as_deref().map(State::new);
    let checks = LakeChecks {
        keys: known.keys.iter().map(|key| key.public).collect(),
        witnesses: known.witnesses,
        against: known.against,
        since: arguments.since,
        resume: state.as_ref().map_or(Ok(None), State::read)?,
        ..LakeChecks::default()
    };
    let config = settings.lake_config_at(target, false)?;
    let mut shown = Shown { bar: None, state: state.as_ref(), failed: None };
    let report = verify_lake(&config, &checks, |progress| shown.take(progress)).await;
    if let Some(bar) = shown.bar.take() {
        bar.finish_and_clear();
    }
    let report = report?;
    if let Some(error) = shown.failed {
        return Err(error);
    }
    let is_good = report.findings.is_empty() && report.findings_left_out == 0;
    // What was noted before stays when something is wrong: without it, a lake that was rolled back
    // would be found once, and be good at the next look.
    if let Some(state) = state.as_ref().filter(|_| is_good) {
        state.write(&report.verified_to)?;
    }
    printed(print(arguments, &report, is_good))?;
    Ok(Verified::of(is_good))
}

/// What happens while a lake is verified.
struct Shown<'a> {
    bar: Option<ProgressBar>,
    state: Option<&'a State>,
    /// Why the state could not be written.
    failed: Option<anyhow::Error>,
}

impl Shown<'_> {
    fn take(&mut self, progress: Progress) {
        match progress {
            Progress::Expected(events) => self.bar = Some(progress::bar(Some(events), "events")),
            Progress::Events(events) => {
                if let Some(bar) = &self.bar {
                    bar.set_position(events);
                }
            }
            Progress::Window { verified_to } => {
                if let Some(Err(error)) = self.state.map(|state| state.write(&verified_to)) {
                    self.failed.get_or_insert(error);
                }
            }
            _ => {}
        }
    }
}

/// The file that says how far a lake was verified.
struct State {
    path: PathBuf,
}

impl State {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn named(&self) -> String {
        format!("--state {}", self.path.display())
    }

    /// What an earlier run left; none if there was none.
    fn read(&self) -> anyhow::Result<Option<VerifiedTo>> {
        match fs::read(&self.path) {
            Ok(bytes) => {
                let read = serde_json::from_slice::<VerifiedTo>(&bytes);
                read.map(Some).with_context(|| self.named())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| self.named()),
        }
    }

    /// Puts the file in the place of the one before, whole.
    fn write(&self, verified_to: &VerifiedTo) -> anyhow::Result<()> {
        let mut staged = self.path.as_os_str().to_owned();
        staged.push(".partial");
        let write = || -> io::Result<()> {
            let mut file = File::create(&staged)?;
            serde_json::to_writer(&mut file, verified_to)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&staged, &self.path)
        };
        write().with_context(|| self.named())
    }
}

fn print(arguments: &VerifyArgs, report: &LakeReport, is_good: bool) -> io::Result<()> {
    if arguments.json {
        let mut value = serde_json::to_value(report)?;
        value["good"] = json!(is_good);
        return say!("{value}");
    }
    let count = progress::count;
    let LakeReport { commits, checkpoints, segments, events, tenants, .. } = report;
    let logs = tenants.len() as u64;
    let mut proved = Vec::new();
    if is_good {
        proved.push(format!(
            "The {} commits follow each other, and none of the {} checkpoints of {} logs in them \
             contradicts another.",
            count(*commits),
            count(*checkpoints),
            count(logs)
        ));
        proved.push(format!(
            "The {} events in {} segments are, each once and unchanged, those that the \
             checkpoints stand for.",
            count(*events),
            count(*segments)
        ));
    }
    let findings: Vec<String> = report.findings.iter().map(sentence).collect();
    let page = Page {
        subject: format!("{} events of {} tenants", count(*events), count(logs)),
        proved: &proved,
        not_proved: &report.notes,
        findings: &findings,
        left_out: report.findings_left_out,
    };
    page.print()
}

/// Where, then what.
fn sentence(finding: &LakeFinding) -> String {
    let mut places = Vec::new();
    places.extend(finding.path.clone());
    places.extend(finding.tenant_id.as_ref().map(|tenant| format!("tenant {tenant}")));
    places.extend(finding.seqs.as_ref().map(|seqs| match seqs.end.saturating_sub(seqs.start) {
        0 | 1 => format!("seq {}", seqs.start),
        _ => format!("seqs {} to {}", seqs.start, seqs.end.saturating_sub(1)),
    }));
    places.extend(finding.id.as_ref().map(|id| format!("id {id:?}")));
    if places.is_empty() {
        return finding.detail.clone();
    }
    format!("{}: {}", places.join(", "), finding.detail)
}
