//! `verify`: checks an export, an evidence bundle or a whole lake, asking nobody.

mod known;
mod lake;

use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::bail;
use auditlake_export::proof::PROOF;
use auditlake_verify::{Trust, Verdict, verify_export, verify_export_with};
use serde_json::json;

use crate::args::VerifyArgs;
use crate::output::say;
use crate::progress;
use crate::settings::Settings;
use known::Known;

/// How many findings a person is shown; programs get all.
const SHOWN: usize = 20;

/// What came of it, which is also the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// Nothing is wrong.
    Good,
    /// Something is.
    NotGood,
}

impl Verified {
    fn of(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::NotGood }
    }
}

pub(crate) async fn run(settings: &Settings, arguments: &VerifyArgs) -> anyhow::Result<Verified> {
    let known = Known::read(arguments)?;
    let target = arguments.target.as_deref().unwrap_or(&settings.lake);
    if arguments.target.is_some() && is_lake(target) && Path::new(target).join(PROOF).exists() {
        // Whoever can write to a lake could have it taken for an export of nothing.
        bail!("{target} is a lake, and {PROOF} in it is that of an export: move it elsewhere");
    }
    if arguments.target.is_none() || is_lake(target) {
        if arguments.proof.is_some() {
            bail!("{target} is a lake, and --proof is for exports");
        }
        return lake::run(settings, arguments, target, known).await;
    }
    if arguments.since.is_some() || arguments.state.is_some() {
        bail!("{target} is no lake, and --since and --state are for lakes");
    }
    let Known { keys, witnesses, against } = known;
    let trust = Trust { keys, witnesses, against };
    let bar = progress::bar(None, "events");
    let read = |more| bar.inc(more);
    let verdict = match &arguments.proof {
        Some(proof) => verify_export_with(Path::new(target), proof, &trust, &read),
        None => verify_export(Path::new(target), &trust, &read),
    };
    bar.finish_and_clear();
    let verdict = verdict?;
    printed(print(arguments, &verdict))?;
    Ok(Verified::of(verdict.is_good()))
}

/// Whether a lake is there, rather than an export.
fn is_lake(target: &str) -> bool {
    let folder = Path::new(target);
    let has = |name: &str| folder.join(name).is_dir();
    target.contains("://") || has("log") || has("events") || has("meta")
}

fn print(arguments: &VerifyArgs, verdict: &Verdict) -> io::Result<()> {
    if arguments.json {
        let mut value = serde_json::to_value(verdict)?;
        value["good"] = json!(verdict.is_good());
        return say!("{value}");
    }
    let (rows, size) = (progress::count(verdict.rows), progress::size(verdict.bytes));
    let claim = verdict.claim.map(|claim| format!(", claim: {claim}")).unwrap_or_default();
    let findings: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
    let page = Page {
        subject: format!("{rows} events, {size}{claim}"),
        proved: &verdict.proved,
        not_proved: &verdict.not_proved,
        findings: &findings,
        left_out: verdict.findings_left_out,
    };
    page.print()
}

/// What a person gets to read.
struct Page<'a> {
    /// What was looked at.
    subject: String,
    proved: &'a [String],
    not_proved: &'a [String],
    findings: &'a [String],
    /// Findings that are not in the list.
    left_out: u64,
}

impl Page<'_> {
    fn print(&self) -> io::Result<()> {
        let count = self.findings.len() as u64 + self.left_out;
        match count {
            0 => say!("GOOD: nothing is wrong ({})", self.subject)?,
            1 => say!("NOT GOOD: 1 finding ({})", self.subject)?,
            _ => say!("NOT GOOD: {} findings ({})", progress::count(count), self.subject)?,
        }
        let shown = &self.findings[..self.findings.len().min(SHOWN)];
        list("what is wrong", shown)?;
        let more = count - shown.len() as u64;
        if more > 0 {
            say!("  and {} more (--json shows more of them)", progress::count(more))?;
        }
        list("proved", self.proved)?;
        list("not proved", self.not_proved)
    }
}

fn list(title: &str, sentences: &[String]) -> io::Result<()> {
    if sentences.is_empty() {
        return Ok(());
    }
    say!("\n{title}:")?;
    sentences.iter().try_for_each(|sentence| say!("  - {}", visible(sentence)))
}

/// A text without what a terminal would obey: much of it comes from files that may be forged.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            visible.extend(character.escape_default());
        } else {
            visible.push(character);
        }
    }
    visible
}

/// Whoever reads what is printed may leave early; what was found does not change by that, nor
/// does the exit code.
fn printed(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_text_does_not_reach_the_terminal_as_it_is() {
        assert_eq!(visible("é \u{1b}[2Jgood\r\n"), "é \\u{1b}[2Jgood\\r\\n");
    }
}
