//! Export jobs, as `/v1/exports` tells of them.

use serde::Deserialize;

/// Where they are.
pub(crate) const PATH: &str = "/v1/exports";

/// A page of export jobs, the newest first.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ExportList {
    pub(crate) exports: Vec<Export>,
    /// Where the next page begins; none on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// An export job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Export {
    pub(crate) id: String,
    pub(crate) state: ExportState,
    pub(crate) created_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    /// When its files are deleted, once they are ready.
    pub(crate) expires_at: Option<String>,
    pub(crate) requested_by: Requester,
    /// The filter as it was given, to be given again.
    pub(crate) filter: Vec<Parameter>,
    /// The filter as the lake reads it.
    pub(crate) filter_text: String,
    pub(crate) saved_query: Option<String>,
    pub(crate) format: String,
    pub(crate) compression: String,
    pub(crate) csv_safe: Option<bool>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) order: String,
    /// The dialect whose shape the events have; the console makes no such job, but shows it.
    pub(crate) shape: Option<String>,
    pub(crate) proof: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) progress: Progress,
    /// The exact number of events, once they were counted.
    pub(crate) rows: Option<u64>,
    pub(crate) files: Vec<ExportFile>,
    pub(crate) manifest_url: Option<String>,
    pub(crate) proof_url: Option<String>,
    pub(crate) archive_url: Option<String>,
    /// Why it failed.
    pub(crate) error: Option<String>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportState {
    Queued,
    Running,
    Ready,
    Failed,
    Canceled,
    Expired,
}

impl ExportState {
    /// The word that people read.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// The tone of its badge; a job that runs has a bar to look at.
    pub(crate) const fn tone(self) -> &'static str {
        match self {
            Self::Ready => "good",
            Self::Failed => "bad",
            Self::Running => "",
            Self::Queued | Self::Canceled | Self::Expired => "muted",
        }
    }

    /// Whether it waits or is worked on.
    pub(crate) const fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

impl Export {
    /// The filter as it was given, with the saved query that it names.
    pub(crate) fn given(&self) -> Vec<(String, String)> {
        let filter = self.filter.iter().map(|pair| (pair.name.clone(), pair.value.clone()));
        let saved = self.saved_query.iter().map(|id| ("saved_query".to_owned(), id.clone()));
        filter.chain(saved).collect()
    }
}

/// Who asked for a job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Requester {
    pub(crate) id: String,
    pub(crate) role: String,
}

/// A parameter of a filter.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What is written so far.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) percent: Option<f64>,
    pub(crate) rows_per_second: Option<f64>,
}

/// A file of a job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ExportFile {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) url: String,
}
