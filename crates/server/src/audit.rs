//! Self-audit: what callers do to the log is an event of the log. An export, a download, a
//! change of keys or configuration counts as done only once its event is durable.

use auditlake_model::id::FreshIds;
use auditlake_model::parse::{ParseOptions, TenantRule, UnknownKeys, parse_events};
use auditlake_model::time::format_rfc3339;
use auditlake_model::{Draft, ModelError};
use serde_json::{Value, json};

use crate::identity::Principal;
use crate::problem::Problem;
use crate::state::AppState;

/// The tenant in whose log stands what an operator does to no tenant in particular.
pub(crate) const INSTALLATION: &str = "_auditlake";

/// Something that a caller did.
#[derive(Debug)]
pub(crate) struct Deed<'a> {
    /// `audit.exported`, `audit.export_downloaded`, `key.created`, …
    pub(crate) r#type: &'static str,
    /// `success`, `failure`, `denied`, `partial`.
    pub(crate) outcome: &'static str,
    /// What it was done to: a kind and an id.
    pub(crate) target: (&'static str, &'a str),
    /// In whose log it is to stand; the caller's own tenant if none.
    pub(crate) tenant_id: Option<&'a str>,
    /// Everything else, an object.
    pub(crate) data: Value,
}

impl AppState {
    /// Writes down what a caller did; answers when that is durable.
    pub(crate) async fn record(&self, caller: &Principal, deed: Deed<'_>) -> Result<(), Problem> {
        let draft = self.told(caller, deed)?;
        self.lake().append(draft).await?;
        Ok(())
    }

    /// The event of what a caller did.
    fn told(&self, caller: &Principal, deed: Deed<'_>) -> Result<Draft, ModelError> {
        let place = &caller.place;
        let tenant_id = place.tenant_id.as_deref().or(deed.tenant_id).unwrap_or(INSTALLATION);
        let actor_id = place.user_id.as_deref().unwrap_or(&caller.id);
        let event = json!({
            "type": deed.r#type,
            "occurred_at": format_rfc3339(self.environment().clock.now_us()),
            "tenant_id": tenant_id,
            "org_id": place.org_id,
            "team_id": place.team_id,
            "actor": {"kind": caller.kind, "id": actor_id, "role": caller.role},
            "target": {"kind": deed.target.0, "id": deed.target.1},
            "outcome": deed.outcome,
            "data": deed.data,
        });
        let mut ids = FreshIds(self.environment());
        let mut options = ParseOptions {
            unknown: UnknownKeys::Refuse,
            tenant: TenantRule::Named,
            partial: false,
            ids: &mut ids,
        };
        Ok(parse_events(event.to_string().as_bytes(), &mut options)?.draft)
    }
}
