//! The steps of a chore: each is announced, timed, and listed in a table at the end.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What has run so far, in order.
#[derive(Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    outcome: String,
    took: Duration,
}

impl Steps {
    /// Runs one step. The step is recorded before its error is returned, so a table printed
    /// afterwards shows where the chore stopped.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work();
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.rows.push(Row { name, outcome: outcome.to_owned(), took: start.elapsed() });
        result.with_context(|| format!("step `{name}`"))
    }

    /// Records a step that did not run, and why.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        println!("\n== {name}: skipped, {why}");
        let outcome = format!("skipped: {why}");
        self.rows.push(Row { name, outcome, took: Duration::ZERO });
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max("total".len());
        for row in &self.rows {
            let seconds = row.took.as_secs_f64();
            writeln!(out, "{:<width$}  {seconds:>7.1} s  {}", row.name, row.outcome)?;
        }
        let total: Duration = self.rows.iter().map(|row| row.took).sum();
        write!(out, "{:<width$}  {:>7.1} s", "total", total.as_secs_f64())
    }
}
