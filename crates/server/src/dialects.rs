//! Dialects: the HTTP surfaces of other audit logs, so that what was written for them works
//! here unchanged.
//!
//! Each module maps the paths, parameters, limits and envelopes of one system onto the
//! canonical calls: filters, counts and scans of the engine, export streams and export jobs.
//! None has a query or an export of its own, and the scope of the caller holds in all of them.
//! What the documents of a system leave open is decided in `docs/dialects.md`.

mod asked;
mod clawforge;
mod hellojohn;
mod openclaw;
mod period;
mod reading;
mod runbook;
mod times;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use auditlake_export::{Envelope, Format, Shape};
use axum::Router;

use crate::state::AppState;

/// A system whose HTTP surface is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// ClawForge: `/api/v1/audit/{org}` and its export.
    Clawforge,
    /// The runbook operator: `/api/v1/audit/export`, and downloads of large exports.
    Runbook,
    /// HelloJohn: `/v1/audit-logs` and its export.
    Hellojohn,
    /// OpenClaw Enterprise: `/api/v1/audit` and its export.
    Openclaw,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::Clawforge, Self::Runbook, Self::Hellojohn, Self::Openclaw];

    /// Its name, as in settings and in `/compat/<name>`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clawforge => "clawforge",
            Self::Runbook => "runbook",
            Self::Hellojohn => "hellojohn",
            Self::Openclaw => "openclaw",
        }
    }

    /// The schema in which its events are given.
    fn shape(self) -> Arc<dyn Shape> {
        match self {
            Self::Clawforge => Arc::new(clawforge::Entry),
            Self::Runbook => Arc::new(runbook::Record),
            Self::Hellojohn => Arc::new(hellojohn::Log),
            Self::Openclaw => Arc::new(openclaw::Entry),
        }
    }

    /// Its paths behind a prefix.
    fn routes(self, prefix: &str) -> Router<AppState> {
        match self {
            Self::Clawforge => clawforge::routes(prefix),
            Self::Runbook => runbook::routes(prefix),
            Self::Hellojohn => hellojohn::routes(prefix),
            Self::Openclaw => openclaw::routes(prefix),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == text).ok_or_else(|| {
            let allowed: Vec<_> = Self::ALL.iter().map(|dialect| dialect.name()).collect();
            format!("{text:?} is no dialect; allowed: {}", allowed.join(", "))
        })
    }
}

/// Every dialect under `/compat/<name>`.
pub(crate) fn routes() -> Router<AppState> {
    Dialect::ALL.into_iter().fold(Router::new(), |router, dialect| {
        router.merge(dialect.routes(&format!("/compat/{dialect}")))
    })
}

/// One dialect with the paths that its own clients know.
pub(crate) fn root(dialect: Dialect) -> Router<AppState> {
    dialect.routes("")
}

/// The schema of this name, for an export job that remembers only the name.
pub(crate) fn shape(name: &str) -> Option<Arc<dyn Shape>> {
    name.parse::<Dialect>().ok().map(Dialect::shape)
}

/// What an envelope tells of the export that it stands around.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvelopeFacts {
    /// When the export was asked for.
    pub(crate) exported_at_us: i64,
    /// The first instant of the range of time, if it has one.
    pub(crate) from_us: Option<i64>,
    /// The first instant behind the range of time, if it has an end.
    pub(crate) to_us: Option<i64>,
    /// How many events there are in all.
    pub(crate) total: u64,
    /// The format of the file.
    pub(crate) format: Format,
}

/// What stands around the elements of a JSON file in the schema of this name.
pub(crate) fn envelope(name: &str, facts: &EnvelopeFacts) -> Envelope {
    match name.parse::<Dialect>() {
        Ok(Dialect::Runbook) => runbook::envelope(facts),
        _ => Envelope::array(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_dialect_and_schema_and_no_other_name_does() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse::<Dialect>(), Ok(dialect));
            assert!(shape(dialect.name()).is_some());
        }
        assert!(shape("splunk").is_none());
        let error = "splunk".parse::<Dialect>().unwrap_err();
        assert!(error.contains("clawforge, runbook, hellojohn, openclaw"), "{error}");
    }

    #[test]
    fn schemas_have_the_documented_columns_in_their_order() {
        let columns = |dialect: Dialect| dialect.shape().columns().join(",");
        assert_eq!(
            columns(Dialect::Clawforge),
            "id,orgId,userId,userEmail,eventType,toolName,outcome,reason,targetType,targetId,\
             ipAddress,sessionId,requestId,timestamp,metadata"
        );
        assert_eq!(
            columns(Dialect::Runbook),
            "id,timestamp,action,user,role,resource,resourceType,namespace,sourceIP,checksum"
        );
        assert_eq!(
            columns(Dialect::Hellojohn),
            "id,type,actor_id,actor_email,actor_type,resource_id,resource_type,tenant_id,\
             organization_id,ip_address,country,result,created_at,metadata"
        );
        assert_eq!(
            columns(Dialect::Openclaw),
            "id,tenantId,userId,timestamp,actionType,actionDetail,dataAccessed,modelUsed,\
             modelTokens,dataClassification,policyApplied,policyResult,policyReason,outcome,\
             requestId"
        );
    }
}
