//! An export as its pages show it: the words for its state, its figures, and what can be done
//! with it.

use std::collections::BTreeMap;

use auditlake_model::time::parse_rfc3339;

use crate::api::exports::{Export, ExportFile, ExportState};
use crate::format::{self, Moment};
use crate::pages::export::Draft;
use crate::pages::filter_words;
use crate::session::Viewer;

/// A file that can be had.
pub(super) struct FileView {
    pub(super) name: String,
    pub(super) rows: String,
    pub(super) size: String,
    pub(super) sha256: String,
    pub(super) url: String,
}

/// The one download that most people want.
pub(super) struct Download {
    pub(super) url: String,
    pub(super) label: &'static str,
}

/// A thing to know about an export.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// If it is an instant, as machines write it.
    pub(super) rfc3339: Option<String>,
}

/// An export on a page.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) state: &'static str,
    pub(super) tone: &'static str,
    pub(super) is_under_way: bool,
    pub(super) title: String,
    /// The filter in words, and as the lake reads it.
    pub(super) filter: String,
    pub(super) filter_text: String,
    pub(super) rows: String,
    pub(super) size: String,
    pub(super) who: String,
    pub(super) role: String,
    pub(super) is_own: bool,
    /// When it was asked for, RFC 3339.
    pub(super) created: String,
    /// When its files go, and how long that is.
    pub(super) expires: Option<Moment>,
    /// Of a hundred; none while its events are not counted.
    pub(super) percent: Option<String>,
    pub(super) progress: String,
    pub(super) error: Option<String>,
    pub(super) download: Option<Download>,
    pub(super) archive: Option<Download>,
    pub(super) manifest_url: Option<String>,
    pub(super) proof_url: Option<String>,
    pub(super) files: Vec<FileView>,
    pub(super) facts: Vec<Fact>,
    pub(super) can_retry: bool,
    pub(super) can_delete: bool,
    /// The same export of the events that there are now.
    pub(super) again_href: Option<String>,
    /// The events that it is about.
    pub(super) logs_href: String,
    /// What the log tells of it.
    pub(super) trail_href: String,
}

impl Item {
    pub(super) fn new(export: &Export, viewer: &Viewer, names: &BTreeMap<String, String>) -> Self {
        let now_us = viewer.now_us();
        let is_ready = export.state == ExportState::Ready;
        let draft = Draft::again(export);
        let expires = export.expires_at.as_deref();
        Self {
            id: export.id.clone(),
            state: export.state.name(),
            tone: export.state.tone(),
            is_under_way: export.state.is_under_way(),
            title: title(export),
            filter: filter_words::of_export(export, names),
            filter_text: format::visible(&export.filter_text),
            rows: rows(export),
            size: format::bytes(size(export)),
            who: format::visible(&export.requested_by.id),
            role: format::words(&export.requested_by.role),
            is_own: export.requested_by.id == viewer.session.id,
            created: export.created_at.clone(),
            expires: expires.filter(|_| is_ready).map(|at| Moment::of(at, now_us)),
            percent: export.progress.percent.map(|percent| format!("{percent:.1}")),
            progress: progress(export),
            error: export.error.clone(),
            download: download(export),
            archive: archive(export),
            manifest_url: export.manifest_url.clone(),
            proof_url: export.proof_url.clone(),
            files: files(export),
            facts: facts(export),
            can_retry: matches!(export.state, ExportState::Failed | ExportState::Canceled),
            can_delete: is_ready,
            // The form knows no shapes of other systems.
            again_href: export.shape.is_none().then(|| draft.form_href(false)),
            logs_href: draft.logs_href(),
            trail_href: format!("/logs?target_id={}", export.id),
        }
    }
}

/// `CSV, gzip, complete proof`.
fn title(export: &Export) -> String {
    let mut title = match export.format.as_str() {
        "parquet" => "Parquet".to_owned(),
        other => other.to_uppercase(),
    };
    if export.compression != "none" {
        title = format!("{title}, {}", export.compression);
    }
    if let Some(claim) = &export.proof {
        title = format!("{title}, {claim} proof");
    }
    title
}

/// The number of events where it is known, and what is written of them until then.
fn rows(export: &Export) -> String {
    format::count(export.rows.unwrap_or(export.progress.rows))
}

fn size(export: &Export) -> u64 {
    match export.files.as_slice() {
        [] => export.progress.bytes,
        files => files.iter().map(|file| file.bytes).sum(),
    }
}

/// The same words that the script writes when more has come.
fn progress(export: &Export) -> String {
    let progress = &export.progress;
    if export.state == ExportState::Queued {
        return "Waiting for a server".to_owned();
    }
    let unit = if progress.rows == 1 { "row" } else { "rows" };
    let mut words =
        vec![format!("{} {unit}", format::count(progress.rows)), format::bytes(progress.bytes)];
    words.extend(progress.percent.map(|percent| format!("{} %", percent.floor())));
    let pace = progress.rows_per_second;
    words.extend(pace.map(|pace| format!("{} rows/s", format::count(pace.round() as u64))));
    words.join(", ")
}

/// The file if there is one alone, and else all of them together.
fn download(export: &Export) -> Option<Download> {
    if let ([file], None) = (export.files.as_slice(), &export.proof_url) {
        return Some(Download { url: file.url.clone(), label: "Download" });
    }
    archive(export)
}

fn archive(export: &Export) -> Option<Download> {
    let label = if export.proof_url.is_some() { "Evidence bundle" } else { "Download zip" };
    export.archive_url.clone().map(|url| Download { url, label })
}

fn files(export: &Export) -> Vec<FileView> {
    let view = |file: &ExportFile| FileView {
        name: file.name.clone(),
        rows: format::count(file.rows),
        size: format::bytes(file.bytes),
        sha256: file.sha256.clone(),
        url: file.url.clone(),
    };
    export.files.iter().map(view).collect()
}

fn facts(export: &Export) -> Vec<Fact> {
    let text = |name, value: String| Fact { name, value, rfc3339: None };
    let time = |name, at: &String| Fact { name, value: format::utc(at), rfc3339: Some(at.clone()) };
    let mut facts = vec![text("Export", export.id.clone())];
    facts.extend(export.saved_query.clone().map(|id| text("Saved query", id)));
    facts.extend(export.shape.clone().map(|shape| text("Schema of", shape)));
    let columns = export.columns.as_ref().map(|names| names.join(", "));
    facts.push(text("Columns", columns.unwrap_or_else(|| "all".to_owned())));
    let order = match export.order.as_str() {
        "asc" => "oldest first",
        "desc" => "newest first",
        _ => "as stored, day after day",
    };
    facts.push(text("Order", order.to_owned()));
    if export.format == "csv" {
        let is_safe = export.csv_safe.unwrap_or(true);
        let guard = if is_safe { "guarded with a ' in front" } else { "left as they are" };
        facts.push(text("Cells that look like formulas", guard.to_owned()));
    }
    facts.push(time("Asked for", &export.created_at));
    facts.extend(export.started_at.as_ref().map(|at| time("Begun", at)));
    facts.extend(export.finished_at.as_ref().map(|at| time("Ended", at)));
    facts.extend(took(export).map(|span| text("Took", span)));
    if export.attempt > 1 {
        facts.push(text("Attempts", export.attempt.to_string()));
    }
    facts
}

fn took(export: &Export) -> Option<String> {
    let at_us = |text: &Option<String>| parse_rfc3339(text.as_deref()?).ok();
    let span_us = at_us(&export.finished_at)? - at_us(&export.started_at)?;
    Some(format::seconds(span_us as f64 / 1e6))
}
