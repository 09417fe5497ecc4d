//! What a token says, read strictly: of the right issuer, for us, at the right time, and about
//! somebody whose role and place are complete.

use serde_json::{Map, Value};

use super::principal::{Kind, Place, Principal};
use super::role::Role;
use crate::audit::INSTALLATION;

/// The longest claim that is taken, in bytes.
const MAX_CLAIM_BYTES: usize = 256;

/// Under which names a token says where its holder belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The tenant.
    pub tenant: String,
    /// The role: one of ours, or a list that holds exactly one of ours.
    pub role: String,
    /// The organisation.
    pub org: String,
    /// The team.
    pub team: String,
    /// The person, as `actor.id` has it.
    pub user: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            tenant: "tenant_id".to_owned(),
            role: "role".to_owned(),
            org: "org_id".to_owned(),
            team: "team_id".to_owned(),
            user: "sub".to_owned(),
        }
    }
}

impl ClaimNames {
    /// The names, and what each of them is for.
    pub(super) fn each(&self) -> [(&'static str, &str); 5] {
        [
            ("tenant", self.tenant.as_str()),
            ("role", self.role.as_str()),
            ("org", self.org.as_str()),
            ("team", self.team.as_str()),
            ("user", self.user.as_str()),
        ]
    }
}

/// The claims of a token whose signature is good.
pub(super) struct Claims(pub(super) Map<String, Value>);

impl Claims {
    /// Whether the token comes from this issuer.
    pub(super) fn check_issuer(&self, issuer: &str) -> Result<(), String> {
        match self.0.get("iss") {
            Some(Value::String(given)) if given == issuer => Ok(()),
            _ => Err("claim iss is not the issuer".to_owned()),
        }
    }

    /// Whether the token was made for this audience.
    pub(super) fn check_audience(&self, audience: &str) -> Result<(), String> {
        let is_meant = match self.0.get("aud") {
            Some(Value::String(given)) => given == audience,
            Some(Value::Array(several)) => several.iter().any(|given| given == audience),
            _ => false,
        };
        if is_meant { Ok(()) } else { Err("claim aud does not name the audience".to_owned()) }
    }

    /// Whether the token answers this sign-in of this client (OpenID Connect Core, 3.1.3.7), and
    /// not another one's.
    pub(super) fn check_login(&self, client_id: &str, nonce: &str) -> Result<(), String> {
        match self.0.get("azp") {
            None => {}
            Some(Value::String(given)) if given == client_id => {}
            Some(_) => return Err("claim azp is not the client".to_owned()),
        }
        match self.0.get("nonce") {
            Some(Value::String(given)) if given == nonce => Ok(()),
            _ => Err("claim nonce is not that of this sign-in".to_owned()),
        }
    }

    /// Whether the token is valid now, give or take what clocks may differ.
    pub(super) fn check_time(&self, now_us: i64, leeway_s: u64) -> Result<(), String> {
        let (now_s, leeway_s) = (now_us as f64 / 1e6, leeway_s as f64);
        let Some(end_s) = self.seconds("exp")? else {
            return Err("claim exp is missing".to_owned());
        };
        if now_s >= end_s + leeway_s {
            return Err("it has expired".to_owned());
        }
        if self.seconds("nbf")?.is_some_and(|start_s| now_s + leeway_s < start_s) {
            return Err("it is not valid yet".to_owned());
        }
        Ok(())
    }

    /// A claim that is a number of seconds since 1970. A text that looks like one is none:
    /// other readers would take it for no limit at all.
    fn seconds(&self, name: &str) -> Result<Option<f64>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(format!("claim {name} is no number")),
        }
    }

    /// Who the token is about.
    ///
    /// What a role has no use for is not read: a directory gives an organisation and a team to
    /// everyone, and that narrows no auditor.
    pub(super) fn principal(&self, names: &ClaimNames) -> Result<Principal, String> {
        let role = self.role(&names.role)?;
        let id = self.required("sub")?;
        let tenant_id = Some(self.required(&names.tenant)?);
        if tenant_id.as_deref() == Some(INSTALLATION) {
            return Err("no token is of the installation's own log".to_owned());
        }
        let user_id = self.text(&names.user)?;
        let org_id = match role {
            Role::OrgAdmin | Role::TeamLead | Role::User => self.text(&names.org)?,
            _ => None,
        };
        let team_id = match role {
            Role::TeamLead | Role::User => self.text(&names.team)?,
            _ => None,
        };
        let place = Place { tenant_id, org_id, team_id, user_id };
        place.check(role)?;
        Ok(Principal { id, kind: Kind::User, role, place })
    }

    /// The role. Nobody who can only be told by a token runs the installation: tokens are a
    /// tenant's.
    fn role(&self, name: &str) -> Result<Role, String> {
        let given: Vec<&str> = match self.0.get(name) {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => return Err(format!("claim {name} is neither a string nor a list of strings")),
        };
        let mut ours: Vec<Role> = given.iter().filter_map(|text| text.parse().ok()).collect();
        ours.dedup();
        match ours.as_slice() {
            [Role::Operator] => Err("no token makes its holder an operator".to_owned()),
            [role] => Ok(*role),
            [] => Err(format!("claim {name} has none of the roles")),
            _ => Err(format!("claim {name} has several of the roles")),
        }
    }

    fn required(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("claim {name} is missing"))
    }

    /// A claim that is a text. An empty one is an error rather than none: what is none does
    /// not narrow.
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() || text.len() > MAX_CLAIM_BYTES => {
                Err(format!("claim {name} must have 1 to {MAX_CLAIM_BYTES} bytes"))
            }
            Some(Value::String(text)) if text.chars().any(char::is_control) => {
                Err(format!("claim {name} has control characters"))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("claim {name} is no string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: Value) -> Result<Principal, String> {
        let Value::Object(claims) = claims else { panic!("an object") };
        Claims(claims).principal(&ClaimNames::default())
    }

    #[test]
    fn a_role_takes_what_it_needs_and_nothing_else() {
        let everything = |role: &str| json!({"sub": "u1", "role": role, "tenant_id": "acme", "org_id": "emea", "team_id": "red"});
        let auditor = read(everything("auditor")).unwrap();
        assert_eq!((auditor.place.org_id, auditor.place.team_id), (None, None));
        assert_eq!(auditor.place.user_id.as_deref(), Some("u1"));
        let org_admin = read(everything("org_admin")).unwrap();
        assert_eq!(org_admin.place.org_id.as_deref(), Some("emea"));
        assert_eq!(org_admin.place.team_id, None);
        let team_lead = read(everything("team_lead")).unwrap();
        assert_eq!(team_lead.place.team_id.as_deref(), Some("red"));
    }

    #[test]
    fn a_sign_in_takes_only_its_own_token() {
        let check = |claims: Value| {
            let Value::Object(claims) = claims else { panic!("an object") };
            Claims(claims).check_login("console", "n1")
        };
        assert!(check(json!({"nonce": "n1"})).is_ok());
        assert!(check(json!({"nonce": "n1", "azp": "console"})).is_ok());
        for (claims, word) in [
            (json!({}), "nonce"),
            (json!({"nonce": "n2"}), "nonce"),
            (json!({"nonce": ["n1"]}), "nonce"),
            (json!({"nonce": "n1", "azp": "other"}), "azp"),
            (json!({"nonce": "n1", "azp": ["console"]}), "azp"),
        ] {
            assert!(check(claims.clone()).unwrap_err().contains(word), "{claims}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (claims, words) in [
            (json!({"role": "auditor", "tenant_id": "acme"}), "sub"),
            (json!({"sub": "u", "tenant_id": "acme"}), "role"),
            (json!({"sub": "u", "role": "auditor"}), "tenant_id"),
            (json!({"sub": "u", "role": "ingester"}), "tenant_id"),
            (json!({"sub": "u", "role": "auditor", "tenant_id": ""}), "1 to 256"),
            (json!({"sub": "u", "role": "auditor", "tenant_id": 7}), "no string"),
            (json!({"sub": "u", "role": "operator", "tenant_id": "acme"}), "operator"),
            (json!({"sub": "u", "role": "auditor", "tenant_id": "_auditlake"}), "own log"),
            (json!({"sub": "u", "role": "king", "tenant_id": "acme"}), "none of the roles"),
            (json!({"sub": "u", "role": ["user", "auditor"], "tenant_id": "acme"}), "several"),
            (json!({"sub": "u", "role": "org_admin", "tenant_id": "acme"}), "org_id"),
            (json!({"sub": "u", "role": "team_lead", "tenant_id": "acme", "org_id": ""}), "org_id"),
        ] {
            let reason = read(claims.clone()).unwrap_err();
            assert!(reason.contains(words), "{claims}: {reason}");
        }
        let groups = json!({"sub": "u", "role": ["staff", "auditor"], "tenant_id": "acme"});
        assert_eq!(read(groups).unwrap().role, Role::Auditor);
    }
}
