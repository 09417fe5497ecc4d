//! Findings as they are made, bounded: a file of another log would have as many as it has rows.

use crate::verdict::{Finding, FindingKind};

/// How many findings are kept; who has so many faults is not helped by one more.
const MOST: usize = 1000;

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    left_out: u64,
}

impl Findings {
    /// Adds one; `make` is called only if it is kept.
    pub(crate) fn add_with(&mut self, make: impl FnOnce() -> Finding) {
        if self.kept.len() < MOST {
            self.kept.push(make());
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        self.add_with(|| finding);
    }

    pub(crate) fn add(&mut self, kind: FindingKind, detail: impl Into<String>) {
        self.push(Finding::new(kind, detail));
    }

    /// Takes over others, each changed on the way.
    pub(crate) fn append(&mut self, others: Self, mut change: impl FnMut(Finding) -> Finding) {
        self.left_out += others.left_out;
        for finding in others.kept {
            self.add_with(|| change(finding));
        }
    }

    /// Puts them in the order of the lines that they are about; others go last.
    pub(crate) fn sort(&mut self) {
        self.kept.sort_by_key(|finding| finding.line.unwrap_or(u64::MAX));
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.kept.len() as u64 + self.left_out
    }

    pub(crate) fn into_parts(self) -> (Vec<Finding>, u64) {
        (self.kept, self.left_out)
    }
}
