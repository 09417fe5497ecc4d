//! How large the export of a draft would be, in words, and what is wrong with the draft.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde::Serialize;

use super::draft::Draft;
use crate::Console;
use crate::api::events::EventsPage;
use crate::api::preflight::Preflight;
use crate::error::ApiError;
use crate::format;
use crate::query::Query;
use crate::session::Viewer;

const PREFLIGHT: &str = "/v1/exports/preflight";
/// How long the form waits until events are counted; without it, it says how many there may be.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the API says of a draft.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    /// The figures, unless there is something wrong with the draft.
    pub(super) figures: Result<Preflight, Wrong>,
    /// Why it cannot be claimed that nothing is missing, if it cannot.
    pub(super) not_complete: Option<String>,
}

/// What is wrong with a draft, and which of its parameters it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    pub(super) parameter: Option<String>,
    pub(super) text: String,
}

/// What the form's script is told of a draft.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    text: String,
    advice: Option<String>,
    error: Option<Wrong>,
    not_complete: Option<String>,
    download: String,
    format: String,
    rows: Option<u64>,
    bytes: u64,
    from: String,
    to: String,
}

impl Wrong {
    /// What the API refused, if it is the draft's fault or passes by itself; everything else is
    /// a page of its own.
    pub(super) fn of(error: ApiError) -> Result<Self, ApiError> {
        let is_shown = matches!(
            error.status,
            StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::CONFLICT
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::GATEWAY_TIMEOUT
        );
        if !is_shown {
            return Err(error);
        }
        let parameter = error.problem.parameter;
        // Beside the field its name need not be said again.
        let named = parameter.as_ref().map(|name| format!("parameter {name}: "));
        let detail = error.problem.detail;
        let text = named.and_then(|prefix| detail.strip_prefix(&prefix).map(str::to_owned));
        Ok(Self { parameter, text: text.unwrap_or(detail) })
    }
}

/// Asks the API what it says of a draft.
pub(super) async fn ask(
    console: &Console,
    viewer: &Viewer,
    draft: &Draft,
) -> Result<Estimate, ApiError> {
    let rough = match figures(console, viewer, draft).await? {
        Ok(rough) => rough,
        Err(wrong) => return Ok(Estimate { figures: Err(wrong), not_complete: None }),
    };
    let (counted, not_complete) = tokio::join!(
        counted(console, viewer, draft, rough),
        why_not_complete(console, viewer, draft),
    );
    Ok(Estimate { figures: Ok(counted), not_complete: not_complete? })
}

/// The figures with the exact number of events, which the list tells as well, if that is quick.
async fn counted(console: &Console, viewer: &Viewer, draft: &Draft, rough: Preflight) -> Preflight {
    if rough.rows.is_some() {
        return rough;
    }
    let meant = Query::of(draft.meant());
    let list = meant.and("columns", "id").and("limit", "1").and("total", "true");
    let path = list.href("/v1/events");
    let counting = console.api.get::<EventsPage>(viewer, &path);
    match tokio::time::timeout(PATIENCE, counting).await {
        Ok(Ok(EventsPage { total: Some(total), .. })) => rough.counted(total),
        // It takes longer, or the API has enough to do: what there may be at most is true too.
        _ => rough,
    }
}

/// What the API says of a draft without counting anything.
pub(super) async fn figures(
    console: &Console,
    viewer: &Viewer,
    draft: &Draft,
) -> Result<Result<Preflight, Wrong>, ApiError> {
    let body = draft.body();
    match console.api.send(viewer, Method::POST, PREFLIGHT, Some(&body)).await {
        Ok(figures) => Ok(Ok(figures)),
        Err(error) => Wrong::of(error).map(Err),
    }
}

/// Whether something is in the way of the stronger claim is the API's to say, so it is asked.
async fn why_not_complete(
    console: &Console,
    viewer: &Viewer,
    draft: &Draft,
) -> Result<Option<String>, ApiError> {
    if draft.proof == "complete" {
        return Ok(None);
    }
    let complete = Draft { proof: "complete".to_owned(), ..draft.clone() };
    let wrong = figures(console, viewer, &complete).await?.err();
    Ok(wrong.map(|wrong| format!("Not possible for this export: {}.", wrong.text)))
}

impl Estimate {
    /// The figures in a line, empty where there are none.
    pub(super) fn text(&self, draft: &Draft) -> String {
        match &self.figures {
            Ok(figures) => in_words(figures, !draft.proof.is_empty()),
            Err(_) => String::new(),
        }
    }

    /// Everything that the form's script needs.
    pub(super) fn plan(self, draft: &Draft) -> Plan {
        let text = self.text(draft);
        let (figures, error) = match self.figures {
            Ok(figures) => (Some(figures), None),
            Err(wrong) => (None, Some(wrong)),
        };
        Plan {
            text,
            advice: figures.as_ref().map(|figures| figures.advice.clone()),
            error,
            not_complete: self.not_complete,
            download: draft.file_href(),
            format: draft.format.clone(),
            rows: figures.as_ref().and_then(|figures| figures.rows),
            bytes: figures.as_ref().map_or(0, |figures| figures.bytes_estimate),
            from: draft.from.clone(),
            to: draft.to.clone(),
        }
    }
}

fn in_words(figures: &Preflight, has_proof: bool) -> String {
    if figures.rows_at_most == 0 {
        return "No rows: no event is meant by these filters.".to_owned();
    }
    let way = match (figures.is_for_a_job(), figures.files, has_proof) {
        (true, 0 | 1, false) => "as a job, one file".to_owned(),
        (true, files, false) => format!("as a job, {} files in a zip", format::count(files)),
        (true, _, true) => "as a job, an evidence bundle".to_owned(),
        (false, _, false) => "as a download".to_owned(),
        (false, _, true) => "as a download, an evidence bundle".to_owned(),
    };
    let (rows, bytes) = (rows_in_words(figures), format::bytes(figures.bytes_estimate));
    format!("{rows}, about {bytes}, {}: {way}.", seconds_in_words(figures.seconds_estimate))
}

/// Exact where the lake knows, and as much as it knows elsewhere.
fn rows_in_words(figures: &Preflight) -> String {
    let (least, most) = (figures.rows_at_least, figures.rows_at_most);
    match figures.rows {
        Some(1) => "exactly 1 row".to_owned(),
        Some(rows) => format!("exactly {} rows", format::count(rows)),
        None if least == 0 => format!("up to {} rows", format::count(most)),
        None => format!("between {} and {} rows", format::count(least), format::count(most)),
    }
}

fn seconds_in_words(seconds: f64) -> String {
    let span = format::seconds(seconds);
    if seconds < 1.0 { span } else { format!("about {span}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Preflight {
        Preflight {
            rows_at_least: 1_200_000,
            rows_at_most: 1_200_000,
            rows: Some(1_200_000),
            bytes_estimate: 210_000_000,
            seconds_estimate: 4.4,
            advice: "job".to_owned(),
            files: 25,
        }
    }

    #[test]
    fn a_line_says_how_large_and_which_way() {
        let text = in_words(&figures(), false);
        assert!(text.starts_with("exactly 1,200,000 rows, about 210"), "{text}");
        assert!(text.ends_with("about 4 s: as a job, 25 files in a zip."), "{text}");
        let small = Preflight { advice: "stream".to_owned(), files: 1, ..figures() };
        assert!(in_words(&small, false).ends_with(": as a download."));
        assert!(in_words(&small, true).ends_with("an evidence bundle."));
        let quick = Preflight { seconds_estimate: 0.2, ..small };
        assert!(in_words(&quick, false).contains(", less than 1 s: "));
    }

    #[test]
    fn what_is_not_known_is_not_said_as_if_it_were() {
        let open = Preflight { rows: None, rows_at_least: 0, ..figures() };
        assert_eq!(rows_in_words(&open), "up to 1,200,000 rows");
        let wide = Preflight { rows: None, rows_at_least: 5, ..figures() };
        assert_eq!(rows_in_words(&wide), "between 5 and 1,200,000 rows");
        let none = Preflight { rows: Some(0), rows_at_most: 0, ..figures() };
        assert!(in_words(&none, false).starts_with("No rows"));
    }
}
