//! The scope as a value: which events a caller may see at all, whatever is asked for.
//!
//! A scope is not a filter. A filter is what somebody asks, a scope is what they may see; it
//! comes from who they are, and nothing that a request says can widen it. It holds columns to
//! one exact value each, so that it can be evaluated on any row without fail.

use std::fmt;

use crate::columns::COLUMNS;

/// The events whose columns have all of these values.
///
/// There is no default: whoever reads events says on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    bounds: Vec<(usize, String)>,
}

impl Scope {
    /// Every event of every tenant: for who runs the installation.
    #[must_use]
    pub fn everything() -> Self {
        Self { bounds: Vec::new() }
    }

    /// The part of this scope where a column, given by its position, has this value.
    #[must_use]
    pub fn within(mut self, column: usize, value: impl Into<String>) -> Self {
        self.bounds.push((column, value.into()));
        self
    }

    /// The columns that are held to a value, and the values.
    pub fn bounds(&self) -> impl Iterator<Item = (usize, &str)> {
        self.bounds.iter().map(|(column, value)| (*column, value.as_str()))
    }

    /// Whether it holds every event.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.bounds.is_empty()
    }

    /// The value that a column is held to, if it is.
    #[must_use]
    pub fn exactly(&self, column: usize) -> Option<&str> {
        self.bounds().find(|(bound, _)| *bound == column).map(|(_, value)| value)
    }
}

impl fmt::Display for Scope {
    /// The scope in words, for a log line or a manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("every tenant");
        }
        for (place, (column, value)) in self.bounds().enumerate() {
            let and = if place > 0 { " and " } else { "" };
            write!(f, "{and}{} = {value}", COLUMNS[column].name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::at;

    #[test]
    fn says_what_it_holds() {
        assert_eq!(Scope::everything().to_string(), "every tenant");
        let scope = Scope::everything().within(at::TENANT_ID, "acme").within(at::ORG_ID, "emea");
        assert_eq!(scope.to_string(), "tenant_id = acme and org_id = emea");
        assert_eq!(scope.exactly(at::ORG_ID), Some("emea"));
        assert_eq!(scope.exactly(at::TEAM_ID), None);
    }
}
