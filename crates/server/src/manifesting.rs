//! What the manifests of export jobs and of evidence bundles have in common.

use auditlake_export::manifest::{Edge, FilterValue, Requester};
use auditlake_model::time::format_rfc3339;

use crate::identity::Principal;
use crate::problem::Problem;

/// Who asked for the export.
pub(crate) fn requester(caller: &Principal) -> Result<Requester, Problem> {
    let kind = serde_json::to_value(caller.kind)
        .map_err(|error| Problem::internal("writing a manifest", &error))?;
    Ok(Requester {
        id: caller.id.clone(),
        kind: kind.as_str().unwrap_or_default().to_owned(),
        role: caller.role.to_string(),
    })
}

/// Where in the log an event stands.
pub(crate) fn edge(tenant_id: &str, seq: u64, occurred_at_us: i64) -> Edge {
    let occurred_at = format_rfc3339(occurred_at_us);
    Edge { tenant_id: tenant_id.to_owned(), seq, occurred_at }
}

/// The filter's parameters.
pub(crate) fn parameters<'a>(
    pairs: impl Iterator<Item = &'a (String, String)>,
) -> Vec<FilterValue> {
    pairs.map(|(name, value)| FilterValue { name: name.clone(), value: value.clone() }).collect()
}
