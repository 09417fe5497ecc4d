//! Who may do what, from the server's own table of roles: a role or a permission that is added
//! there stands here at once, and the console cannot be compiled without words for it.

use auditlake_server::{Permission, Place, Role};

/// A role, and what it may do.
pub(crate) struct RoleRow {
    pub(crate) name: &'static str,
    /// Who has it.
    pub(crate) who: &'static str,
    /// Whose events it sees.
    pub(crate) sees: &'static str,
    /// One for each of [`permissions`].
    pub(crate) cells: Vec<bool>,
    /// Whether it is the viewer's.
    pub(crate) is_own: bool,
}

/// A permission, and what it is for.
pub(crate) struct PermissionColumn {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
}

/// A role that a key can have, and which parts of a place it takes.
pub(crate) struct RoleOption {
    pub(crate) name: &'static str,
    pub(crate) who: &'static str,
    /// The names of the fields, as the form has them, with spaces between.
    pub(crate) fields: String,
    /// Those without which it cannot be.
    pub(crate) needs: String,
    pub(crate) is_chosen: bool,
}

/// Every role, with the viewer's marked.
pub(crate) fn roles(own: &str) -> Vec<RoleRow> {
    let row = |role: Role| RoleRow {
        name: role.name(),
        who: who(role),
        sees: sees(role),
        cells: Permission::ALL.map(|permission| role.may(permission)).into(),
        is_own: role.name() == own,
    };
    Role::ALL.into_iter().map(row).collect()
}

/// Every permission, in the order of the cells of a role.
pub(crate) fn permissions() -> Vec<PermissionColumn> {
    let column = |permission: Permission| PermissionColumn {
        name: permission.name(),
        words: match permission {
            Permission::AuditRead => "read events",
            Permission::AuditExport => "take events away",
            Permission::AuditWrite => "write events",
            Permission::ConfigWrite => "change the configuration",
            Permission::KeysWrite => "make and revoke keys",
            Permission::IntegrityRead => "read proofs",
        },
    };
    Permission::ALL.into_iter().map(column).collect()
}

/// The roles of keys that a viewer may make. Only an operator makes operators.
pub(crate) fn options(viewer: &str, chosen: &str) -> Vec<RoleOption> {
    let is_operator = viewer == Role::Operator.name();
    let offered = Role::ALL.into_iter().filter(|role| is_operator || *role != Role::Operator);
    let option = |role: Role| {
        let (fields, needs) = fields(role, is_operator);
        RoleOption {
            name: role.name(),
            who: who(role),
            fields: fields.join(" "),
            needs: needs.join(" "),
            is_chosen: role.name() == chosen,
        }
    };
    offered.map(option).collect()
}

/// The parts of a place by the names that calls give them.
const PARTS: [&str; 4] = ["tenant_id", "org_id", "team_id", "user_id"];

/// Which parts of a place a role can have, and which it must have: what the places that the
/// server takes have in common. Who belongs to a tenant need not name it.
fn fields(role: Role, names_tenant: bool) -> (Vec<&'static str>, Vec<&'static str>) {
    let some = |bit: u32| (bit != 0).then(|| "x".to_owned());
    let taken = (0..1_u32 << PARTS.len()).filter(|bits| {
        let [tenant_id, org_id, team_id, user_id] = [1, 2, 4, 8].map(|bit| some(*bits & bit));
        Place { tenant_id, org_id, team_id, user_id }.check(role).is_ok()
    });
    let (any, all) = taken.fold((0, u32::MAX), |(any, all), bits| (any | bits, all & bits));
    let named = |set: u32| {
        let parts = PARTS.into_iter().enumerate().filter(|(at, _)| set & (1_u32 << *at) != 0);
        let parts = parts.map(|(_, name)| name);
        parts.filter(|name| names_tenant || *name != "tenant_id").collect()
    };
    (named(any), named(all))
}

fn who(role: Role) -> &'static str {
    match role {
        Role::Operator => "runs the installation",
        Role::EnterpriseAdmin => "runs a tenant",
        Role::Auditor => "checks a tenant and changes nothing",
        Role::OrgAdmin => "runs an organisation",
        Role::TeamLead => "leads a team",
        Role::User => "a person",
        Role::Ingester => "a program that sends events",
    }
}

fn sees(role: Role) -> &'static str {
    match role {
        Role::Operator => "every tenant",
        Role::EnterpriseAdmin | Role::Auditor => "the tenant",
        Role::OrgAdmin => "the organisation",
        Role::TeamLead => "the team",
        Role::User => "what was done in the own name",
        Role::Ingester => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_role_are_those_that_the_server_takes() {
        let none: [&str; 0] = [];
        assert_eq!(fields(Role::Operator, true), (none.to_vec(), none.to_vec()));
        let tenant = vec!["tenant_id"];
        assert_eq!(fields(Role::Auditor, true), (vec!["tenant_id", "user_id"], tenant));
        let wanted = (vec!["org_id", "user_id"], vec!["org_id"]);
        assert_eq!(fields(Role::OrgAdmin, false), wanted, "the own tenant is not asked for");
        assert_eq!(fields(Role::Ingester, true).1, none);
    }

    #[test]
    fn only_an_operator_is_offered_to_make_operators() {
        let names = |viewer| -> Vec<&str> {
            options(viewer, "auditor").iter().map(|option| option.name).collect()
        };
        assert_eq!(names("operator").len(), Role::ALL.len());
        assert!(!names("enterprise_admin").contains(&"operator"));
        let chosen = options("operator", "auditor");
        assert_eq!(chosen.iter().filter(|option| option.is_chosen).count(), 1);
    }

    #[test]
    fn the_table_has_a_cell_for_every_permission() {
        let rows = roles("auditor");
        assert!(rows.iter().all(|row| row.cells.len() == permissions().len()));
        assert_eq!(rows.iter().filter(|row| row.is_own).count(), 1);
    }
}
