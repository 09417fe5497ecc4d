//! Events → columns: checks each value, gives what is missing, appends whole rows only.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::builder::{
    StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::Int32Type;

use super::event::{Event, Fault};
use super::{OTHER_TENANT, TenantRule};
use crate::columns::{CLASSIFICATIONS, COLUMNS, Kind, MAX_DATA_BYTES, OUTCOMES, at};
use crate::draft::Draft;
use crate::text::{escape_into, minify_inside, minify_into};

/// The longest text of one column, in bytes.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// The longest `id`, `type` and `tenant_id`, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The columns of the events read so far.
pub(super) struct Builder {
    text: Vec<Option<TextColumn>>,
    occurred_at: TimestampMicrosecondBuilder,
    data: StringBuilder,
    /// Scratch for one event's `data`.
    minified: String,
    rows: usize,
}

enum TextColumn {
    Plain(StringBuilder),
    Dict(StringDictionaryBuilder<Int32Type>),
}

impl TextColumn {
    fn append(&mut self, value: Option<&str>) {
        match self {
            Self::Plain(column) => column.append_option(value),
            Self::Dict(column) => column.append_option(value),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Plain(column) => Arc::new(column.finish()),
            Self::Dict(column) => Arc::new(column.finish()),
        }
    }
}

impl Builder {
    pub(super) fn new(capacity: usize) -> Self {
        let text = COLUMNS.iter().map(|column| match column.kind {
            Kind::Text => Some(TextColumn::Plain(StringBuilder::with_capacity(capacity, 0))),
            Kind::Dict => Some(TextColumn::Dict(StringDictionaryBuilder::new())),
            Kind::Json | Kind::Time | Kind::Seq => None,
        });
        Self {
            text: text.collect(),
            occurred_at: TimestampMicrosecondBuilder::with_capacity(capacity),
            data: StringBuilder::new(),
            minified: String::new(),
            rows: 0,
        }
    }

    /// Appends a client's event, or refuses it and appends nothing.
    pub(super) fn append(
        &mut self,
        mut event: Event<'_>,
        rule: TenantRule<'_>,
        id: impl FnOnce() -> String,
    ) -> Result<(), Fault> {
        event.text[at::ID].get_or_insert_with(|| Cow::Owned(id()));
        match (rule, event.text[at::TENANT_ID].as_deref()) {
            (TenantRule::Only(tenant), Some(named)) if named != tenant => {
                return Err(Fault::at(COLUMNS[at::TENANT_ID].name, OTHER_TENANT));
            }
            (TenantRule::Default(tenant) | TenantRule::Only(tenant), None) => {
                event.text[at::TENANT_ID] = Some(Cow::Owned(tenant.to_owned()));
            }
            _ => {}
        }
        self.append_sealed(event)
    }

    /// Appends an event that has everything.
    pub(super) fn append_sealed(&mut self, event: Event<'_>) -> Result<(), Fault> {
        check_texts(&event)?;
        let occurred_at = event.occurred_at_us.ok_or_else(|| Fault::missing("occurred_at"))?;
        self.minified.clear();
        let has_data = write_data(&event, &mut self.minified)?;
        for (column, text) in self.text.iter_mut().zip(&event.text) {
            if let Some(column) = column {
                column.append(text.as_deref());
            }
        }
        self.occurred_at.append_value(occurred_at);
        self.data.append_option(has_data.then_some(self.minified.as_str()));
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Draft {
        let rows = self.rows;
        let columns = COLUMNS.iter().enumerate().map(|(position, column)| -> ArrayRef {
            if let Some(text) = &mut self.text[position] {
                return text.finish();
            }
            match (column.kind, position) {
                (Kind::Json, _) => Arc::new(self.data.finish()),
                (Kind::Time, at::OCCURRED_AT) => {
                    Arc::new(self.occurred_at.finish().with_timezone("UTC"))
                }
                // What the lake gives is put in place by `Draft::seal`.
                (Kind::Seq, _) => Arc::new(UInt64Builder::new().finish()),
                _ => Arc::new(StringArray::new_null(0)),
            }
        });
        Draft::new(columns.collect(), rows)
    }
}

fn check_texts(event: &Event<'_>) -> Result<(), Fault> {
    for (column, text) in COLUMNS.iter().zip(&event.text) {
        let length = text.as_deref().map_or(0, str::len);
        if length > MAX_TEXT_BYTES {
            let reason = format!("has {length} bytes, more than {MAX_TEXT_BYTES}");
            return Err(Fault::at(&column.path(), reason));
        }
    }
    for position in [at::ID, at::TYPE, at::TENANT_ID] {
        let name = COLUMNS[position].name;
        match event.text[position].as_deref() {
            Some(text) => check_name(name, text)?,
            None if position == at::TENANT_ID => {
                let reason = "is required: the caller is bound to no tenant";
                return Err(Fault::at(name, reason));
            }
            None => return Err(Fault::missing(name)),
        }
    }
    check_choice(event, at::OUTCOME, &OUTCOMES)?;
    check_choice(event, at::CLASSIFICATION, &CLASSIFICATIONS)?;
    if let Some(ip) = event.text[at::CONTEXT_IP].as_deref()
        && ip.parse::<IpAddr>().is_err()
    {
        return Err(Fault::at("context.ip", "is no IPv4 or IPv6 address"));
    }
    Ok(())
}

fn check_name(name: &str, text: &str) -> Result<(), Fault> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES {
        let reason = format!("must have 1 to {MAX_NAME_BYTES} bytes, not {}", text.len());
        return Err(Fault::at(name, reason));
    }
    if text.chars().any(|char| char.is_control() || (name != "id" && char.is_whitespace())) {
        return Err(Fault::at(name, "must not contain white space or control characters"));
    }
    if name == "type" && text.split('.').any(str::is_empty) {
        return Err(Fault::at(name, "must be dotted words, like user.signed_in"));
    }
    if name == "tenant_id" && (text.contains(['/', '\\']) || text == "." || text == "..") {
        return Err(Fault::at(name, "must not contain slashes, nor be . or .."));
    }
    Ok(())
}

fn check_choice(event: &Event<'_>, position: usize, allowed: &[&str]) -> Result<(), Fault> {
    match event.text[position].as_deref() {
        Some(text) if !allowed.contains(&text) => {
            let reason = format!("must be one of {}", allowed.join(", "));
            Err(Fault::at(COLUMNS[position].name, reason))
        }
        _ => Ok(()),
    }
}

/// Writes `data`, minified, with the keys that move into it; false when there is none.
fn write_data(event: &Event<'_>, out: &mut String) -> Result<bool, Fault> {
    let refuse = |reason: &str| Fault::at("data", reason);
    if let Some(data) = event.data {
        // Checked before the copy: nothing above it can be minified to what is allowed
        // within reason.
        if data.len() > 16 * MAX_DATA_BYTES {
            return Err(too_large(data.len()));
        }
        minify_into(data, out).map_err(refuse)?;
    }
    if !event.moved.is_empty() {
        merge_moved(event, out)?;
    }
    if out.len() > MAX_DATA_BYTES {
        return Err(too_large(out.len()));
    }
    Ok(!out.is_empty())
}

fn merge_moved(event: &Event<'_>, out: &mut String) -> Result<(), Fault> {
    let kept: Vec<String> = if out.is_empty() {
        out.push('{');
        Vec::new()
    } else {
        out.pop();
        serde_json::from_str::<std::collections::BTreeMap<String, serde::de::IgnoredAny>>(
            event.data.unwrap_or("{}"),
        )
        .map(|map| map.into_keys().collect())
        .unwrap_or_default()
    };
    for (key, value) in &event.moved {
        if kept.iter().any(|kept| kept == key) {
            let reason = "stands both beside data and inside it; give it once";
            return Err(Fault::at(key, reason));
        }
        if out.len() > 1 {
            out.push(',');
        }
        let mut name = Vec::with_capacity(key.len() + 2);
        escape_into(key, &mut name);
        out.push('"');
        out.push_str(&String::from_utf8_lossy(&name));
        out.push_str("\":");
        minify_inside(value, 1, out).map_err(|reason| Fault::at(key, reason))?;
    }
    out.push('}');
    Ok(())
}

fn too_large(bytes: usize) -> Fault {
    Fault::at("data", format!("has {bytes} bytes, more than {MAX_DATA_BYTES}"))
}
