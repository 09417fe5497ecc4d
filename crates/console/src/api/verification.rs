//! `/v1/log/verification`: the last verification of the whole lake. Who is no operator is told
//! its state and its times, and nothing of the rest, which is about all tenants.

use serde::Deserialize;

/// How the last verification ended, or that it runs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Verification {
    pub(crate) state: VerificationState,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    /// Who asked for it.
    pub(crate) asked_by: Option<String>,
    /// Events read so far.
    pub(crate) events: Option<u64>,
    /// How many there are to be read, once that is known.
    pub(crate) expected_events: Option<u64>,
    /// What is wrong; the first of them, if there are many.
    #[serde(default)]
    pub(crate) findings: Vec<Finding>,
    /// How many more there are.
    pub(crate) findings_left_out: Option<u64>,
    /// What was not checked or cannot be known, in sentences.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerificationState {
    /// There was none yet.
    None,
    Running,
    Good,
    /// It found something wrong with the lake.
    NotGood,
    /// It broke off, and says nothing about the lake.
    Failed,
}

impl VerificationState {
    /// Its name in the API, which the page's script compares.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Running => "running",
            Self::Good => "good",
            Self::NotGood => "not_good",
            Self::Failed => "failed",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Finding {
    /// The object below the storage root, when one is to blame.
    pub(crate) path: Option<String>,
    /// Whose log.
    pub(crate) tenant_id: Option<String>,
    /// All of it in a sentence.
    pub(crate) detail: String,
}
