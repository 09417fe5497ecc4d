//! The form of an export as its template shows it: what there is to choose, what is chosen, and
//! what is wrong with it.

use auditlake_model::columns::COLUMNS;

use super::draft::Draft;
use super::estimate::{Estimate, Wrong};
use crate::format;
use crate::ranges::{NAMED, RANGE};
use crate::session::Viewer;

/// One of a few.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    /// What it is good for.
    pub(super) hint: &'static str,
    pub(super) is_chosen: bool,
}

/// A filter that the export comes with; who unticks it leaves it out.
pub(super) struct FilterView {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) label: String,
    /// The value as a person sees it.
    pub(super) text: String,
}

/// A column that may be in the files.
pub(super) struct ColumnView {
    pub(super) name: &'static str,
    pub(super) is_chosen: bool,
}

/// What is wrong, beside the field that it is wrong with.
#[derive(Default)]
pub(super) struct Errors {
    pub(super) range: String,
    pub(super) columns: String,
    pub(super) packing: String,
    pub(super) proof: String,
    pub(super) tenant: String,
    pub(super) other: String,
}

/// The form.
pub(super) struct Form {
    pub(super) formats: [Choice; 4],
    pub(super) filters: Vec<FilterView>,
    pub(super) is_all: bool,
    /// Whether it has to be asked whose events are meant.
    pub(super) asks_tenant: bool,
    /// Whether "all entries" are still those of one tenant.
    pub(super) keeps_tenant: bool,
    /// Names of ranges, and what people read.
    pub(super) ranges: Vec<(&'static str, &'static str)>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) is_recorded: bool,
    pub(super) columns: Vec<ColumnView>,
    pub(super) picks_columns: bool,
    pub(super) compressions: [Choice; 3],
    pub(super) orders: [Choice; 3],
    pub(super) proofs: [Choice; 3],
    pub(super) is_csv_safe: bool,
    /// How large it would be; empty if that was not asked.
    pub(super) estimate: String,
    pub(super) is_for_a_job: bool,
    pub(super) not_complete: String,
    pub(super) errors: Errors,
    /// The events that it is about.
    pub(super) logs_href: String,
}

impl Form {
    pub(super) fn new(
        draft: &Draft,
        viewer: &Viewer,
        saved: Option<&str>,
        estimate: Option<&Estimate>,
    ) -> Self {
        let figures = estimate.and_then(|estimate| estimate.figures.as_ref().ok());
        let wrong = estimate.and_then(|estimate| estimate.figures.as_ref().err());
        let not_complete = estimate.and_then(|estimate| estimate.not_complete.clone());
        let has_tenant = draft.filters.iter().any(|(name, _)| name == "tenant_id");
        let filter = |(name, value): &(String, String)| view(name, value, saved);
        let is_picked = |name: &str| draft.columns.iter().any(|column| column == name);
        Self {
            formats: formats(&draft.format),
            filters: draft.filters.iter().map(filter).collect(),
            is_all: draft.is_all,
            asks_tenant: viewer.sees_many_tenants() && !has_tenant,
            keeps_tenant: has_tenant,
            ranges: NAMED.iter().map(|named| (named.name, named.label)).collect(),
            from: draft.from.clone(),
            to: draft.to.clone(),
            is_recorded: draft.is_recorded,
            columns: COLUMNS
                .iter()
                .map(|column| ColumnView { name: column.name, is_chosen: is_picked(column.name) })
                .collect(),
            picks_columns: draft.picks_columns,
            compressions: compressions(&draft.compression),
            orders: orders(&draft.order),
            proofs: proofs(&draft.proof),
            is_csv_safe: draft.is_csv_safe,
            estimate: estimate.map(|estimate| estimate.text(draft)).unwrap_or_default(),
            is_for_a_job: figures.is_some_and(|figures| figures.is_for_a_job()),
            not_complete: not_complete.unwrap_or_default(),
            errors: wrong.map(Errors::of).unwrap_or_default(),
            logs_href: draft.logs_href(),
        }
    }
}

impl Errors {
    /// Puts what is wrong where the field is; the template tells scripts the same places.
    fn of(wrong: &Wrong) -> Self {
        let mut errors = Self::default();
        let place = match wrong.parameter.as_deref().unwrap_or_default() {
            "from" | "to" | "recorded_from" | "recorded_to" | RANGE => &mut errors.range,
            "columns" => &mut errors.columns,
            "format" | "compression" | "csv_safe" | "order" => &mut errors.packing,
            "proof" => &mut errors.proof,
            "tenant_id" => &mut errors.tenant,
            _ => &mut errors.other,
        };
        place.clone_from(&wrong.text);
        if let Some(name) = &wrong.parameter
            && !errors.other.is_empty()
        {
            errors.other = format!("{name}: {}", wrong.text);
        }
        errors
    }
}

fn view(name: &str, value: &str, saved: Option<&str>) -> FilterView {
    let (label, text) = match (name, saved) {
        ("saved_query", Some(saved)) => ("saved query", saved),
        ("saved_query", None) => ("saved query", value),
        _ => (name, value),
    };
    FilterView {
        name: name.to_owned(),
        value: value.to_owned(),
        label: label.to_owned(),
        text: format::visible(text),
    }
}

/// Choices of which one is chosen.
fn choices<const N: usize>(all: [[&'static str; 3]; N], chosen: &str) -> [Choice; N] {
    all.map(|[value, label, hint]| Choice { value, label, hint, is_chosen: value == chosen })
}

fn formats(chosen: &str) -> [Choice; 4] {
    let all = [
        ["csv", "CSV", "Opens in Excel, Numbers and Sheets; data becomes text in one column."],
        ["ndjson", "NDJSON", "One whole event per line, for pipelines, grep and jq."],
        ["json", "JSON", "One array of whole events, for programs that read a document."],
        ["parquet", "Parquet", "Small and typed, for DuckDB, Spark and archives."],
    ];
    choices(all, chosen)
}

fn compressions(chosen: &str) -> [Choice; 3] {
    let all = [
        ["none", "None", "As it is."],
        ["gzip", "gzip", "Everything reads it."],
        ["zstd", "zstd", "Smaller and faster."],
    ];
    choices(all, chosen)
}

fn orders(chosen: &str) -> [Choice; 3] {
    let all = [
        ["log", "As stored, day after day", "The fastest."],
        ["asc", "Oldest first", ""],
        ["desc", "Newest first", ""],
    ];
    choices(all, chosen)
}

fn proofs(chosen: &str) -> [Choice; 3] {
    let all = [
        ["", "None", "Only the file."],
        ["inclusion", "Inclusion", "Every row is an event of the log, unchanged."],
        ["complete", "Complete", "And none is missing from this stretch of one tenant's log."],
    ];
    choices(all, chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(parameter: Option<&str>) -> Errors {
        let parameter = parameter.map(str::to_owned);
        Errors::of(&Wrong { parameter, text: "is wrong".to_owned() })
    }

    #[test]
    fn what_is_wrong_stands_beside_its_field() {
        assert_eq!(wrong(Some("recorded_to")).range, "is wrong");
        assert_eq!(wrong(Some("range")).range, "is wrong");
        assert_eq!(wrong(Some("proof")).proof, "is wrong");
        assert_eq!(wrong(Some("where")).other, "where: is wrong");
        assert_eq!(wrong(None).other, "is wrong");
    }

    #[test]
    fn one_of_the_choices_is_chosen() {
        let chosen = |choices: &[Choice]| choices.iter().filter(|c| c.is_chosen).count();
        assert_eq!(chosen(&formats("ndjson")), 1);
        assert_eq!(chosen(&proofs("")), 1);
        assert_eq!(chosen(&orders("sideways")), 0);
    }

    #[test]
    fn a_saved_query_is_shown_by_its_name() {
        let shown = view("saved_query", "sq_1", Some("Admins"));
        assert_eq!((shown.value.as_str(), shown.text.as_str()), ("sq_1", "Admins"));
    }
}
