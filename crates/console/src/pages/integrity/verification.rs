//! The last verification of the whole lake, in words.

use auditlake_model::time::parse_rfc3339;

use crate::api::verification::{Finding, Verification, VerificationState};
use crate::format;

/// A verification as the page shows it.
pub(super) struct VerificationView {
    /// As the API calls its state; the page's script compares it.
    pub(super) state: &'static str,
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) sentence: &'static str,
    pub(super) is_running: bool,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    /// How long ago it ended, or how long it runs.
    pub(super) since: String,
    pub(super) asked_by: Option<String>,
    /// Read so far; none before the first.
    pub(super) events: Option<u64>,
    /// How many there are to be read.
    pub(super) expected: Option<u64>,
    pub(super) findings: Vec<String>,
    pub(super) findings_left_out: u64,
    pub(super) notes: Vec<String>,
    /// Whether the viewer may begin one, and is told all of it.
    pub(super) is_whole: bool,
}

impl VerificationView {
    pub(super) fn of(found: Verification, is_whole: bool, now_us: i64) -> Self {
        let (word, tone, sentence) = words(found.state, is_whole);
        let at = found.finished_at.as_deref().or(found.started_at.as_deref());
        let at_us = at.and_then(|text| parse_rfc3339(text).ok());
        Self {
            state: found.state.name(),
            word,
            tone,
            sentence,
            is_running: found.state == VerificationState::Running,
            since: at_us.map(|us| format::relative(us.min(now_us), now_us)).unwrap_or_default(),
            started_at: found.started_at,
            finished_at: found.finished_at,
            asked_by: found.asked_by.as_ref().map(format::visible),
            events: found.events.filter(|_| found.state != VerificationState::None),
            expected: found.expected_events.filter(|expected| *expected > 0),
            findings_left_out: found.findings_left_out.unwrap_or_default(),
            findings: found.findings.iter().map(in_words).collect(),
            notes: found.notes.iter().map(format::visible).collect(),
            is_whole,
        }
    }
}

fn words(state: VerificationState, is_whole: bool) -> (&'static str, &'static str, &'static str) {
    match state {
        VerificationState::None => {
            ("never run", "muted", "Nobody has verified this lake from here yet.")
        }
        VerificationState::Running => (
            "running",
            "warn",
            "Every segment is read and every log is recomputed. Events go on being taken.",
        ),
        VerificationState::Good => {
            ("good", "good", "Every event that was signed is there, once, and unchanged.")
        }
        VerificationState::NotGood if !is_whole => (
            "not good",
            "bad",
            "Something in the lake is not what was signed, of this tenant or of another. Whoever \
             runs the installation sees what it is; events of your own you can check below.",
        ),
        VerificationState::Failed if !is_whole => {
            ("broke off", "warn", "It could not be finished, and says nothing about the lake.")
        }
        VerificationState::NotGood => (
            "not good",
            "bad",
            "The lake is not what was signed. Keep it as it is, and look at what was found.",
        ),
        VerificationState::Failed => (
            "broke off",
            "warn",
            "It could not be finished, and says nothing about the lake. Start it again.",
        ),
    }
}

/// A finding with where it is.
fn in_words(finding: &Finding) -> String {
    let places = [finding.tenant_id.as_deref(), finding.path.as_deref()];
    let place: Vec<&str> = places.into_iter().flatten().collect();
    let text = match place.as_slice() {
        [] => finding.detail.clone(),
        place => format!("{}: {}", place.join(", "), finding.detail),
    };
    format::visible(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_say_where_they_are() {
        let found = serde_json::from_str::<Verification>(
            r#"{"state":"not_good","started_at":"1970-01-01T00:00:00Z",
                "finished_at":"1970-01-01T00:01:00Z","events":3,"notes":["no \u202ekey"],
                "findings":[{"kind":"segment","path":"events/a.parquet","tenant_id":null,
                    "seqs":null,"id":null,"detail":"it is cut off"}]}"#,
        );
        let view = VerificationView::of(found.unwrap(), true, 120_000_000);
        assert_eq!(view.findings, ["events/a.parquet: it is cut off"]);
        assert_eq!(view.notes, ["no ⟨U+202E⟩key"]);
        assert_eq!((view.state, view.since.as_str()), ("not_good", "1 min ago"));
        assert!(!view.is_running);
    }

    #[test]
    fn a_lake_that_was_never_verified_says_so() {
        let found = serde_json::from_str(r#"{"state":"none"}"#).unwrap();
        let view = VerificationView::of(found, true, 0);
        assert_eq!((view.word, view.since.as_str(), view.events), ("never run", "", None));
    }

    #[test]
    fn who_sees_one_tenant_is_told_how_it_ended() {
        let found = serde_json::from_str::<Verification>(
            r#"{"state":"not_good","started_at":"1970-01-01T00:00:00Z",
                "finished_at":"1970-01-01T00:01:00Z","asked_by":null,"events":null,
                "expected_events":null,"findings":[],"findings_left_out":null,"notes":[]}"#,
        );
        let view = VerificationView::of(found.unwrap(), false, 120_000_000);
        assert_eq!((view.word, view.since.as_str(), view.events), ("not good", "1 min ago", None));
        assert!(view.sentence.contains("of another"), "{}", view.sentence);
    }
}
