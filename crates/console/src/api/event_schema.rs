//! What the columns of an event are called for people, and which parameter of the API filters
//! each. Names and parameters are those of the model, so that a new column is there at once.

use auditlake_model::columns::{COLUMNS, Kind, index_of};
use auditlake_model::filter::TERMS;

use crate::format;

/// The name of a column, or of a parameter, for people.
pub(crate) fn label(name: &str) -> String {
    let known = match name {
        "id" => "Event id",
        "seq" => "Position in the log",
        "occurred_at" => "Time",
        "recorded_at" => "Recorded",
        "tenant_id" => "Tenant",
        "org_id" => "Organisation",
        "team_id" => "Team",
        "ip" | "context_ip" => "IP address",
        "context_country" => "Country",
        "context_user_agent" => "User agent",
        "context_fingerprint" => "Fingerprint",
        "request_id" | "context_request_id" => "Request",
        "context_session_id" => "Session",
        "actor_label" => "Actor name",
        "target_label" => "Target name",
        "policy_name" => "Policy",
        "q" => "Text",
        "where" => "Expression",
        "saved_query" => "Saved query",
        "recorded_from" => "Recorded from",
        "recorded_to" => "Recorded before",
        "seq_from" => "Position from",
        "seq_to" => "Position before",
        _ => "",
    };
    if known.is_empty() { format::words(name) } else { known.to_owned() }
}

/// The parameter that filters a column; for the others there is `where`.
pub(crate) fn parameter_of(column: &str) -> Option<&'static str> {
    TERMS.iter().find(|(_, of)| *of == column).map(|(name, _)| *name)
}

/// The column that a parameter filters.
pub(crate) fn column_of(parameter: &str) -> Option<&'static str> {
    TERMS.iter().find(|(name, _)| *name == parameter).map(|(_, column)| *column)
}

/// Whether the API counts the values of a column.
pub(crate) fn has_facets(column: &str) -> bool {
    index_of(column).is_some_and(|position| COLUMNS[position].kind == Kind::Dict)
}

/// A text as SQL has it.
pub(crate) fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_for_people() {
        for column in &COLUMNS {
            let label = label(column.name);
            assert!(!label.contains('_') && label.starts_with(char::is_uppercase), "{label}");
        }
        assert_eq!(label("target_kind"), "Target kind");
        assert_eq!(label(""), "");
    }

    #[test]
    fn parameters_and_columns_belong_together() {
        assert_eq!(parameter_of("context_ip"), Some("ip"));
        assert_eq!(column_of("request_id"), Some("context_request_id"));
        assert_eq!(parameter_of("reason"), None);
        assert!(has_facets("tool") && !has_facets("data") && !has_facets("actor"));
        assert_eq!(sql_text("a'b"), "'a''b'");
    }
}
