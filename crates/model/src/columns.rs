//! The columns of an event: the one place that says which there are, in which order, of
//! which type, and where each stands in the JSON form. Columns are added, never removed or
//! renamed; everything else (parser, line, encoders, SQL) is driven by this table.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::ModelError;

/// How a column is stored and rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain text, mostly distinct values.
    Text,
    /// Text with few distinct values, kept dictionary-encoded from disk to the encoder.
    Dict,
    /// Microseconds since 1970-01-01 UTC.
    Time,
    /// Position in the tenant log.
    Seq,
    /// A JSON object as text, verbatim but for white space.
    Json,
}

/// One column: its name in Arrow, SQL, CSV and Parquet, and its place in the JSON form.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The flat name.
    pub name: &'static str,
    /// The JSON object that holds it (`actor`), or none for a top-level key.
    pub group: Option<&'static str>,
    /// The key inside that object.
    pub key: &'static str,
    /// How it is stored.
    pub kind: Kind,
    /// Whether an event without it is refused.
    pub required: bool,
}

const fn column(name: &'static str, kind: Kind, required: bool) -> Column {
    Column { name, group: None, key: name, kind, required }
}

const fn nested(name: &'static str, group: &'static str, key: &'static str, kind: Kind) -> Column {
    Column { name, group: Some(group), key, kind, required: false }
}

/// Positions of columns that code needs by name.
pub mod at {
    #![allow(missing_docs)]
    pub const ID: usize = 0;
    pub const SEQ: usize = 1;
    pub const TYPE: usize = 2;
    pub const OCCURRED_AT: usize = 3;
    pub const RECORDED_AT: usize = 4;
    pub const TENANT_ID: usize = 5;
    pub const ORG_ID: usize = 6;
    pub const TEAM_ID: usize = 7;
    pub const NAMESPACE: usize = 8;
    pub const ACTOR_KIND: usize = 9;
    pub const ACTOR_ID: usize = 10;
    pub const ACTOR_LABEL: usize = 11;
    pub const ACTOR_EMAIL: usize = 12;
    pub const ACTOR_ROLE: usize = 13;
    pub const TARGET_KIND: usize = 14;
    pub const TARGET_ID: usize = 15;
    pub const TARGET_LABEL: usize = 16;
    pub const OUTCOME: usize = 17;
    pub const REASON: usize = 18;
    pub const TOOL: usize = 19;
    pub const POLICY_NAME: usize = 20;
    pub const POLICY_RESULT: usize = 21;
    pub const POLICY_REASON: usize = 22;
    pub const CLASSIFICATION: usize = 23;
    pub const CONTEXT_IP: usize = 24;
    pub const CONTEXT_COUNTRY: usize = 25;
    pub const CONTEXT_USER_AGENT: usize = 26;
    pub const CONTEXT_FINGERPRINT: usize = 27;
    pub const CONTEXT_REQUEST_ID: usize = 28;
    pub const CONTEXT_SESSION_ID: usize = 29;
    pub const DATA: usize = 30;
}

/// Every column, in the order of the schema and of the canonical line.
pub const COLUMNS: [Column; 31] = [
    column("id", Kind::Text, true),
    column("seq", Kind::Seq, true),
    column("type", Kind::Dict, true),
    column("occurred_at", Kind::Time, true),
    column("recorded_at", Kind::Time, true),
    column("tenant_id", Kind::Dict, true),
    column("org_id", Kind::Dict, false),
    column("team_id", Kind::Dict, false),
    column("namespace", Kind::Dict, false),
    nested("actor_kind", "actor", "kind", Kind::Dict),
    nested("actor_id", "actor", "id", Kind::Dict),
    nested("actor_label", "actor", "label", Kind::Dict),
    nested("actor_email", "actor", "email", Kind::Dict),
    nested("actor_role", "actor", "role", Kind::Dict),
    nested("target_kind", "target", "kind", Kind::Dict),
    nested("target_id", "target", "id", Kind::Text),
    nested("target_label", "target", "label", Kind::Text),
    column("outcome", Kind::Dict, false),
    column("reason", Kind::Text, false),
    column("tool", Kind::Dict, false),
    nested("policy_name", "policy", "name", Kind::Dict),
    nested("policy_result", "policy", "result", Kind::Dict),
    nested("policy_reason", "policy", "reason", Kind::Text),
    column("classification", Kind::Dict, false),
    nested("context_ip", "context", "ip", Kind::Dict),
    nested("context_country", "context", "country", Kind::Dict),
    nested("context_user_agent", "context", "user_agent", Kind::Dict),
    nested("context_fingerprint", "context", "fingerprint", Kind::Text),
    nested("context_request_id", "context", "request_id", Kind::Text),
    nested("context_session_id", "context", "session_id", Kind::Text),
    column("data", Kind::Json, false),
];

/// What `outcome` may say.
pub const OUTCOMES: [&str; 6] = ["success", "failure", "denied", "partial", "error", "pending"];
/// What `classification` may say.
pub const CLASSIFICATIONS: [&str; 4] = ["public", "internal", "confidential", "restricted"];
/// The largest `data` of one event, in bytes, after white space is taken out.
pub const MAX_DATA_BYTES: usize = 256 * 1024;

impl Column {
    /// The column's Arrow type.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self.kind {
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Dict => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Seq => DataType::UInt64,
        }
    }

    /// The column's Arrow field.
    #[must_use]
    pub fn field(&self) -> Field {
        Field::new(self.name, self.data_type(), !self.required)
    }

    /// The name a person sees in the JSON form: `actor.id`.
    #[must_use]
    pub fn path(&self) -> String {
        match self.group {
            Some(group) => format!("{group}.{}", self.key),
            None => self.key.to_owned(),
        }
    }
}

/// The Arrow schema of events.
#[must_use]
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(COLUMNS.iter().map(Column::field).collect::<Vec<_>>()))
    });
    Arc::clone(&SCHEMA)
}

/// The position of the column with this name.
#[must_use]
pub fn index_of(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.name == name)
}

/// The positions of the columns that a comma list names, in its order.
pub fn parse_list(list: &str) -> Result<Vec<usize>, ModelError> {
    let refuse = |reason| ModelError::Filter { name: "columns".to_owned(), reason };
    let mut positions = Vec::new();
    for name in list.split(',').map(str::trim) {
        let Some(position) = index_of(name) else {
            let allowed: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
            let allowed = allowed.join(", ");
            return Err(refuse(format!("{name:?} is no column; allowed: {allowed}")));
        };
        if positions.contains(&position) {
            return Err(refuse(format!("{name:?} is given twice")));
        }
        positions.push(position);
    }
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_agree_with_the_table() {
        for (position, name) in [
            (at::ID, "id"),
            (at::SEQ, "seq"),
            (at::TYPE, "type"),
            (at::OCCURRED_AT, "occurred_at"),
            (at::RECORDED_AT, "recorded_at"),
            (at::TENANT_ID, "tenant_id"),
            (at::ORG_ID, "org_id"),
            (at::TEAM_ID, "team_id"),
            (at::NAMESPACE, "namespace"),
            (at::ACTOR_KIND, "actor_kind"),
            (at::ACTOR_ID, "actor_id"),
            (at::ACTOR_LABEL, "actor_label"),
            (at::ACTOR_EMAIL, "actor_email"),
            (at::ACTOR_ROLE, "actor_role"),
            (at::TARGET_KIND, "target_kind"),
            (at::TARGET_ID, "target_id"),
            (at::TARGET_LABEL, "target_label"),
            (at::OUTCOME, "outcome"),
            (at::REASON, "reason"),
            (at::TOOL, "tool"),
            (at::POLICY_NAME, "policy_name"),
            (at::POLICY_RESULT, "policy_result"),
            (at::POLICY_REASON, "policy_reason"),
            (at::CLASSIFICATION, "classification"),
            (at::CONTEXT_IP, "context_ip"),
            (at::CONTEXT_COUNTRY, "context_country"),
            (at::CONTEXT_USER_AGENT, "context_user_agent"),
            (at::CONTEXT_FINGERPRINT, "context_fingerprint"),
            (at::CONTEXT_REQUEST_ID, "context_request_id"),
            (at::CONTEXT_SESSION_ID, "context_session_id"),
            (at::DATA, "data"),
        ] {
            assert_eq!(COLUMNS[position].name, name);
        }
    }

    #[test]
    fn groups_are_contiguous_so_that_a_line_opens_each_once() {
        let mut seen: Vec<&str> = Vec::new();
        for pair in COLUMNS.windows(2) {
            if let (Some(left), right) = (pair[0].group, pair[1].group)
                && right != Some(left)
            {
                assert!(!seen.contains(&left), "group {left} stands in two places");
                seen.push(left);
            }
        }
    }
}
