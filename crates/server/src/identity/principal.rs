//! A caller, known: who it is, what it may do, and which events it may see.

use auditlake_model::columns::at;
use auditlake_model::scope::Scope;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::role::{Permission, Role};
use crate::problem::Problem;

/// Who is calling.
///
/// It is kept with what a caller leaves behind (a job, a saved query), so that this goes on
/// with the rights its caller had, and no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The id of the key, or the subject of the token.
    pub id: String,
    /// How it proved who it is.
    pub kind: Kind,
    /// What it may do.
    pub role: Role,
    /// Where it belongs.
    #[serde(flatten)]
    pub place: Place,
}

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By an API key.
    ApiKey,
    /// By a token of the identity provider.
    User,
}

/// Where a caller belongs: what its role needs of these is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The tenant; none for those who are above all tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// The team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// The person, as `actor_id` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

impl Place {
    /// Whether it says all that a role needs, and nothing that would silently not count. The
    /// error names what is missing or too much.
    pub fn check(&self, role: Role) -> Result<(), String> {
        let needs: &[(&str, &Option<String>)] = match role {
            Role::Operator | Role::Ingester => &[],
            Role::EnterpriseAdmin | Role::Auditor => &[("tenant_id", &self.tenant_id)],
            Role::OrgAdmin => &[("tenant_id", &self.tenant_id), ("org_id", &self.org_id)],
            Role::TeamLead => &[("tenant_id", &self.tenant_id), ("team_id", &self.team_id)],
            Role::User => &[("tenant_id", &self.tenant_id), ("user_id", &self.user_id)],
        };
        for (name, value) in needs {
            if value.as_deref().is_none_or(str::is_empty) {
                return Err(format!("role {role} needs a {name}"));
            }
        }
        let idle: &[(&str, &Option<String>)] = match role {
            Role::Operator => &[
                ("tenant_id", &self.tenant_id),
                ("org_id", &self.org_id),
                ("team_id", &self.team_id),
                ("user_id", &self.user_id),
            ],
            Role::EnterpriseAdmin | Role::Auditor | Role::Ingester => {
                &[("org_id", &self.org_id), ("team_id", &self.team_id)]
            }
            Role::OrgAdmin => &[("team_id", &self.team_id)],
            Role::TeamLead | Role::User => &[],
        };
        match idle.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(format!("role {role} has no {name}")),
            None => Ok(()),
        }
    }
}

impl Principal {
    /// The events it may see, if it may see any at all.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let Place { tenant_id, org_id, team_id, user_id } = &self.place;
        let held: &[(usize, &Option<String>)] = match self.role {
            Role::Operator => &[],
            Role::EnterpriseAdmin | Role::Auditor | Role::Ingester => &[(at::TENANT_ID, tenant_id)],
            Role::OrgAdmin => &[(at::TENANT_ID, tenant_id), (at::ORG_ID, org_id)],
            Role::TeamLead => {
                &[(at::TENANT_ID, tenant_id), (at::ORG_ID, org_id), (at::TEAM_ID, team_id)]
            }
            Role::User => &[(at::TENANT_ID, tenant_id), (at::ACTOR_ID, user_id)],
        };
        let bounds = held.iter().filter_map(|(column, value)| Some((*column, value.as_ref()?)));
        bounds.fold(Scope::everything(), |scope, (column, value)| scope.within(column, value))
    }

    /// Refuses a call that its role may not make.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.role.may(permission) {
            return Ok(());
        }
        let able: Vec<_> =
            Role::ALL.into_iter().filter(|role| role.may(permission)).map(Role::name).collect();
        let (name, role) = (permission.name(), self.role);
        let detail = format!(
            "this needs the permission {name}, which role {role} does not have; \
             roles that have it: {}",
            able.join(", ")
        );
        Err(Problem::new(StatusCode::FORBIDDEN, detail)
            .with("permission", name)
            .with("role", role.name()))
    }

    /// Refuses a call that is about all tenants at once.
    pub(crate) fn require_operator(&self) -> Result<(), Problem> {
        if self.role == Role::Operator {
            return Ok(());
        }
        let role = self.role;
        let detail = format!(
            "this is about all tenants at once, which is for role {}, not for role {role}",
            Role::Operator
        );
        Err(Problem::new(StatusCode::FORBIDDEN, detail).with("role", role.name()))
    }
}

/// The caller of a request; `access` has put it there, or has refused the request.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            Problem::internal("telling who calls", &"no principal on a path that needs one")
        })
    }
}
