//! What each role may do, and to which events it is held.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the installation: everything, for every tenant.
    Operator,
    /// Runs a tenant.
    EnterpriseAdmin,
    /// Reads and exports a tenant's events, and changes nothing.
    Auditor,
    /// Reads and exports the events of one organisation.
    OrgAdmin,
    /// Reads the events of one team.
    TeamLead,
    /// Reads what was done in its own name.
    User,
    /// Writes events, and reads none.
    Ingester,
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To read events.
    AuditRead,
    /// To take events away as files.
    AuditExport,
    /// To write events.
    AuditWrite,
    /// To change how the tenant is kept.
    ConfigWrite,
    /// To make and revoke keys.
    KeysWrite,
    /// To read proofs.
    IntegrityRead,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Operator,
        Self::EnterpriseAdmin,
        Self::Auditor,
        Self::OrgAdmin,
        Self::TeamLead,
        Self::User,
        Self::Ingester,
    ];

    /// Whether it may do something at all.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        use Permission::{
            AuditExport, AuditRead, AuditWrite, ConfigWrite, IntegrityRead, KeysWrite,
        };
        match self {
            Self::Operator => true,
            Self::EnterpriseAdmin => matches!(
                permission,
                AuditRead | AuditExport | ConfigWrite | KeysWrite | IntegrityRead
            ),
            Self::Auditor => matches!(permission, AuditRead | AuditExport | IntegrityRead),
            Self::OrgAdmin => matches!(permission, AuditRead | AuditExport),
            Self::TeamLead | Self::User => permission == AuditRead,
            Self::Ingester => permission == AuditWrite,
        }
    }

    /// Its name, as keys and tokens give it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::EnterpriseAdmin => "enterprise_admin",
            Self::Auditor => "auditor",
            Self::OrgAdmin => "org_admin",
            Self::TeamLead => "team_lead",
            Self::User => "user",
            Self::Ingester => "ingester",
        }
    }
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 6] = [
        Self::AuditRead,
        Self::AuditExport,
        Self::AuditWrite,
        Self::ConfigWrite,
        Self::KeysWrite,
        Self::IntegrityRead,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuditRead => "audit:read",
            Self::AuditExport => "audit:export",
            Self::AuditWrite => "audit:write",
            Self::ConfigWrite => "config:write",
            Self::KeysWrite => "keys:write",
            Self::IntegrityRead => "integrity:read",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| {
            let allowed: Vec<_> = Self::ALL.iter().map(|role| role.name()).collect();
            format!("{text:?} is no role; allowed: {}", allowed.join(", "))
        })
    }
}
