//! What a check says while it goes on.

use crate::findings::Findings;

/// Sentences and findings, as they come.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) proved: Vec<String>,
    pub(crate) not_proved: Vec<String>,
    pub(crate) findings: Findings,
}

/// Names in a sentence; of many only the first.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 5;
    let more = names.len().saturating_sub(MOST);
    let names: Vec<&str> = names.take(MOST).collect();
    match (names.join(", "), more) {
        (names, 0) => names,
        (names, more) => format!("{names} and {more} more"),
    }
}
