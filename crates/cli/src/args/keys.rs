//! The command line of `keys`.

use auditlake_model::time::{DAY_US, day_start, parse_day, parse_rfc3339};
use auditlake_server::Role;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key; its text is printed once and never again
    Create(Box<CreateKeyArgs>),
    /// Show the keys, without their texts
    List(ListKeysArgs),
    /// Revoke a key for ever
    Revoke(RevokeKeyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateKeyArgs {
    /// operator, enterprise_admin, auditor, org_admin, team_lead, user or ingester
    #[arg(long)]
    pub(crate) role: Role,
    /// What people call it (default: the role)
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The tenant of its holder; every role but operator and ingester needs one
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// The organisation of an org_admin, a team_lead or a user
    #[arg(long)]
    pub(crate) org: Option<String>,
    /// The team of a team_lead or a user
    #[arg(long)]
    pub(crate) team: Option<String>,
    /// The person that the holder is, as actor.id has it
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// When it ends: a number of days (90d), a date or an RFC 3339 time (default: never)
    #[arg(long, value_name = "90d|TIME")]
    pub(crate) expires: Option<Expiry>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListKeysArgs {
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeKeyArgs {
    /// The id of the key: what stands between `alk_` and the next underscore
    pub(crate) id: String,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// No key is meant to last longer, and no time behind it could be written down.
const MAX_DAYS: u32 = 36_500;

/// When a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// So many days after it is made.
    Days(u32),
    /// At this time, in microseconds since 1970.
    At(i64),
}

impl Expiry {
    /// The time, for a key that is made now.
    pub(crate) fn for_key_made_at(self, now_us: i64) -> i64 {
        match self {
            Self::Days(days) => now_us.saturating_add(i64::from(days) * DAY_US),
            Self::At(time_us) => time_us,
        }
    }
}

impl std::str::FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        if let Some(days @ 1..=MAX_DAYS) = days {
            return Ok(Self::Days(days));
        }
        if let Some(day) = parse_day(text.as_bytes()) {
            return Ok(Self::At(day_start(day)));
        }
        parse_rfc3339(text).map(Self::At).map_err(|reason| {
            format!("{reason}; give days (90d), a date, or a time like 2027-01-31T12:00:00Z")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_days_a_date_or_a_time() {
        assert_eq!("90d".parse(), Ok(Expiry::Days(90)));
        assert_eq!(Expiry::Days(2).for_key_made_at(5), 5 + 2 * DAY_US);
        assert_eq!("1970-01-02".parse(), Ok(Expiry::At(DAY_US)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Expiry::At(1_000_000)));
        assert_eq!(Expiry::At(7).for_key_made_at(5), 7);
        for wrong in ["", "d", "0d", "-1d", "4000000000d", "soon", "90 days"] {
            let error = wrong.parse::<Expiry>().unwrap_err();
            assert!(error.contains("90d"), "{wrong}: {error}");
        }
    }
}
