//! What an export promises and proves: that its events are those of the log, or also that none
//! is missing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an export promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Each event is one of its tenant's log, unchanged, at the place it says. What the log has
    /// beside these events is left open.
    Inclusion,
    /// The same, and a range of one tenant's log is here without a gap.
    Complete,
}

impl Claim {
    /// Every claim there is.
    pub const ALL: [Self; 2] = [Self::Inclusion, Self::Complete];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inclusion => "inclusion",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownClaim(String);

impl fmt::Display for UnknownClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = Claim::ALL.map(Claim::name).join(", ");
        write!(f, "{:?} is no claim; allowed are {allowed}", self.0)
    }
}

impl std::error::Error for UnknownClaim {}

impl FromStr for Claim {
    type Err = UnknownClaim;

    fn from_str(text: &str) -> Result<Self, UnknownClaim> {
        let found = Self::ALL.into_iter().find(|claim| claim.name() == text);
        found.ok_or_else(|| UnknownClaim(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_have_one_name_everywhere() {
        for claim in Claim::ALL {
            assert_eq!(claim.to_string().parse(), Ok(claim));
            let json = serde_json::to_string(&claim).unwrap();
            assert_eq!(json, format!("{:?}", claim.name()));
            assert_eq!(serde_json::from_str::<Claim>(&json).unwrap(), claim);
        }
    }

    #[test]
    fn another_text_is_refused_with_what_is_allowed() {
        let error = "Complete".parse::<Claim>().unwrap_err().to_string();
        assert_eq!(error, "\"Complete\" is no claim; allowed are inclusion, complete");
    }
}
