//! A job as the lake keeps it: everything that another server needs to go on with it.

use std::sync::Arc;

use auditlake_export::manifest::FilterValue;
use auditlake_export::{Compression, Format, Options, Shape};
use auditlake_model::ModelError;
use auditlake_model::claim::Claim;
use auditlake_model::columns::{self, COLUMNS};
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::{Engine, Order, Position, ScanRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::layout::paper_name;
use crate::identity::Principal;
use crate::placing::with_places;
use crate::problem::Problem;
use crate::{dialects, manifesting, params, proving};

/// What is to be exported, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobRequest {
    /// The filter's parameters, as a query string would give them.
    pub(crate) filter: Vec<(String, String)>,
    /// A saved filter that holds as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) saved: Option<SavedFilter>,
    /// Names of columns; all if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<Vec<String>>,
    #[serde(with = "as_text")]
    pub(crate) order: Order,
    #[serde(with = "as_text")]
    pub(crate) format: Format,
    #[serde(with = "as_text")]
    pub(crate) compression: Compression,
    /// Whether formulas are guarded; only for CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) csv_safe: Option<bool>,
    /// The dialect whose shape the events get. Such an export is one file, however large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shape: Option<String>,
    /// What is claimed of the events, and proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<Claim>,
}

/// A saved query as it was when the job was made: later changes do not change the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedFilter {
    pub(crate) id: String,
    pub(crate) filter: Vec<(String, String)>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// It waits for a server to take it.
    Queued,
    /// A server writes its files.
    Running,
    /// Its files are there.
    Ready,
    /// It ended without them; `error` says why.
    Failed,
    /// Somebody called it off.
    Canceled,
    /// Its files were there, and are deleted.
    Expired,
}

/// Which events there were when the job was made.
///
/// The events that were recorded before an instant are a set that never changes again (the
/// cursor of lists rests on the same), so every attempt gives the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    pub(crate) recorded_before_us: i64,
    /// A commit from which on all of these events are in segments: who knows only of older
    /// ones may not see all of them.
    pub(crate) commit: u64,
}

/// Which server works on a job, and until when nobody else may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) holder: String,
    pub(crate) until_us: i64,
}

/// Where an event stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) occurred_at_us: i64,
    pub(crate) tenant_id: String,
    pub(crate) seq: u64,
}

/// A file that is whole and durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDone {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// Its first and its last event, if it has any.
    pub(crate) first: Option<Place>,
    pub(crate) last: Option<Place>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) request: JobRequest,
    /// Who asked: the export has the rights of this caller, and no others.
    pub(crate) caller: Principal,
    pub(crate) state: JobState,
    pub(crate) pin: Pin,
    pub(crate) created_at_us: i64,
    pub(crate) started_at_us: Option<i64>,
    pub(crate) finished_at_us: Option<i64>,
    /// How often a server began or went on with it.
    pub(crate) attempt: u32,
    /// The exact number of events, once they were counted.
    pub(crate) rows_total: Option<u64>,
    /// Events of each file but the last, once they were counted.
    pub(crate) rows_per_file: Option<u64>,
    /// The files that are done, in order.
    pub(crate) files: Vec<FileDone>,
    /// Events and bytes written so far, those of the file at work too.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) error: Option<String>,
    pub(crate) expires_at_us: Option<i64>,
    pub(crate) lease: Option<Lease>,
    pub(crate) manifest_sha256: Option<String>,
    /// Of the proof, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proof_sha256: Option<String>,
    /// Which attempt's manifest and proof count, once they are there. Jobs of releases that did
    /// not tell have them under plain names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) papers_attempt: Option<u32>,
}

impl JobState {
    /// Whether nothing happens to it any more by itself, but that files are deleted.
    pub(crate) fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Its name, as clients see it.
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
}

impl JobRequest {
    /// The filter's parameters, those of the saved filter last, as manifests and events have
    /// them.
    pub(crate) fn told_filter(&self) -> Vec<FilterValue> {
        let saved = self.saved.iter().flat_map(|saved| &saved.filter);
        manifesting::parameters(self.filter.iter().chain(saved))
    }

    /// All events in a format, in the order of the log.
    pub(crate) fn new(format: Format) -> Self {
        Self {
            filter: Vec::new(),
            saved: None,
            columns: None,
            order: Order::default(),
            format,
            compression: Compression::default(),
            csv_safe: None,
            shape: None,
            proof: None,
        }
    }

    /// Refuses what could not be exported for this caller, before anything is kept or counted.
    pub(crate) fn check(&self, engine: &Engine, caller: &Principal) -> Result<(), Problem> {
        params::filter_of(&self.filter)?;
        engine.check(&self.filter()?)?;
        self.columns()?;
        if self.csv_safe.is_some() && self.format != Format::Csv {
            let reason = format!("format {} has no use for it, only csv has", self.format);
            return Err(Problem::parameter("csv_safe", &reason));
        }
        self.options().check()?;
        if let Some(name) = &self.shape {
            if self.columns.is_some() {
                let reason = format!("the shape {name} has columns of its own");
                return Err(Problem::parameter("columns", &reason));
            }
            self.shape()?;
        }
        match self.proof {
            Some(claim) => proving::check(claim, &self.all(caller)?),
            None => Ok(()),
        }
    }

    /// The scan for all events that are meant and that a caller may see, without regard to when
    /// they were recorded.
    pub(crate) fn all(&self, caller: &Principal) -> Result<ScanRequest, ModelError> {
        let mut scan = ScanRequest::of(caller.scope());
        scan.filter = self.filter()?;
        scan.order = self.order;
        scan.columns = self.columns()?;
        Ok(scan)
    }

    /// What the encoder is to do.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.format);
        options.compression = self.compression;
        options.csv.safe = self.csv_safe.unwrap_or(options.csv.safe);
        options
    }

    /// The events that are meant.
    pub(crate) fn filter(&self) -> Result<Filter, ModelError> {
        let filter = filter_of(&self.filter)?;
        match &self.saved {
            Some(saved) => Ok(filter.and(filter_of(&saved.filter)?)),
            None => Ok(filter),
        }
    }

    /// The positions of the columns that are meant; all if none.
    pub(crate) fn columns(&self) -> Result<Option<Vec<usize>>, ModelError> {
        let list = self.columns.as_ref().map(|names| names.join(","));
        list.map(|list| columns::parse_list(&list)).transpose()
    }

    /// The shape of the events, if it is not our own.
    pub(crate) fn shape(&self) -> Result<Option<Arc<dyn Shape>>, Problem> {
        let Some(name) = &self.shape else { return Ok(None) };
        match dialects::shape(name) {
            Some(shape) => Ok(Some(shape)),
            None => Err(Problem::parameter("shape", &format!("{name:?} is no shape"))),
        }
    }

    /// Whether somebody who sent one again would mean the other; a saved query may have been
    /// changed in between.
    pub(crate) fn means_the_same(&self, other: &Self) -> bool {
        let saved = |request: &Self| request.saved.as_ref().map(|saved| saved.id.clone());
        let bare = |request: &Self| Self { saved: None, ..request.clone() };
        saved(self) == saved(other) && bare(self) == bare(other)
    }
}

fn filter_of(pairs: &[(String, String)]) -> Result<Filter, ModelError> {
    Filter::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

impl Job {
    /// The events that its caller may see.
    pub(crate) fn scope(&self) -> Scope {
        self.caller.scope()
    }

    /// The events that are meant, and were there when it was made.
    pub(crate) fn pinned_filter(&self) -> Result<Filter, ModelError> {
        let mut filter = self.request.filter()?;
        proving::pin(&mut filter, self.pin.recorded_before_us);
        Ok(filter)
    }

    /// The scan for everything in the files.
    pub(crate) fn whole_scan(&self) -> Result<ScanRequest, ModelError> {
        let mut scan = self.request.all(&self.caller)?;
        proving::pin(&mut scan.filter, self.pin.recorded_before_us);
        Ok(scan)
    }

    /// The scan behind the last file that is done. Its columns are those of the files, and
    /// behind them what tells where an event stands.
    pub(crate) fn scan(&self) -> Result<ScanRequest, ModelError> {
        let mut scan = self.whole_scan()?;
        scan.columns = scan.columns.map(|columns| with_places(&columns));
        scan.after = self.files.iter().rev().find_map(|file| file.last.clone()).map(Place::into);
        Ok(scan)
    }

    /// The names of the columns of its files.
    pub(crate) fn column_names(&self) -> Result<Vec<String>, Problem> {
        if let Some(shape) = self.request.shape()? {
            return Ok(shape.columns().iter().map(|name| (*name).to_owned()).collect());
        }
        let all = || COLUMNS.iter().map(|column| column.name.to_owned()).collect();
        Ok(self.request.columns.clone().unwrap_or_else(all))
    }

    /// Under which name a file is stored that stands beside its files.
    pub(crate) fn paper(&self, name: &str) -> String {
        match self.papers_attempt {
            Some(attempt) => paper_name(attempt, name),
            None => name.to_owned(),
        }
    }

    /// Whether a server may take it now.
    pub(crate) fn is_free(&self, now_us: i64) -> bool {
        match (self.state, &self.lease) {
            (JobState::Queued, _) | (JobState::Running, None) => true,
            (JobState::Running, Some(lease)) => lease.until_us <= now_us,
            _ => false,
        }
    }

    /// Events in the files that are done.
    pub(crate) fn rows_done(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of the files that are done.
    pub(crate) fn bytes_done(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Puts it back into the queue, with the files that are done.
    pub(crate) fn queue_again(&mut self) {
        self.state = JobState::Queued;
        self.error = None;
        self.finished_at_us = None;
        self.lease = None;
    }

    /// Begins it anew: none of its files is believed.
    pub(crate) fn forget_files(&mut self) {
        self.files.clear();
        (self.rows, self.bytes) = (0, 0);
    }
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        let Place { occurred_at_us, tenant_id, seq } = place;
        Self { occurred_at_us, tenant_id, seq }
    }
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        let Position { occurred_at_us, tenant_id, seq } = position;
        Self { occurred_at_us, tenant_id, seq }
    }
}

/// Values that have a name, by their name.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(input: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}
