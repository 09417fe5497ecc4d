//! What can be claimed of a request at all.

use auditlake_model::claim::Claim;
use auditlake_model::columns::{COLUMNS, at, index_of};
use auditlake_model::filter::{Match, TERMS, Term};

use crate::scan::ScanRequest;

/// Whether a claim can be made of a request; the error says why not, in words for the client.
///
/// Of any events it can be claimed that they are in their logs. That none is missing can be
/// claimed of a range of one log only: whether an event that is not there has some other
/// property, nobody can tell from its hash.
pub fn check_claim(claim: Claim, request: &ScanRequest) -> Result<(), String> {
    match claim {
        Claim::Inclusion => Ok(()),
        Claim::Complete => {
            tenant_of(request)?;
            match left_out(request) {
                Some(by) => Err(format!(
                    "{by} leaves events out: such an export can only claim inclusion; ask for \
                     proof=inclusion"
                )),
                None => Ok(()),
            }
        }
    }
}

/// The tenant whose log is exported.
pub(super) fn tenant_of(request: &ScanRequest) -> Result<&str, String> {
    let scoped = request.scope.bounds().filter(|(column, _)| *column == at::TENANT_ID);
    let asked = request.filter.terms.iter().filter(|term| term.column == at::TENANT_ID);
    let mut tenants = scoped.map(|(_, value)| Some(value)).chain(asked.map(one_value));
    let first = tenants.next().flatten();
    let agree = tenants.all(|other| other == first);
    first.filter(|_| agree).ok_or_else(|| {
        "proof=complete is about the log of one tenant: `tenant_id` must name exactly one, of \
         those whose events you may see"
            .to_owned()
    })
}

/// The one value that a term allows.
fn one_value(term: &Term) -> Option<&str> {
    match (term.any.as_slice(), term.none.as_slice()) {
        ([Match::Exact(text)], []) => Some(text),
        _ => None,
    }
}

/// By what a request leaves out events of the tenant's log, ranges of it aside.
fn left_out(request: &ScanRequest) -> Option<String> {
    let filter = &request.filter;
    let mut bounds = request.scope.bounds().filter(|(column, _)| *column != at::TENANT_ID);
    if let Some((column, value)) = bounds.next() {
        return Some(format!("what you may see ({} = {value})", COLUMNS[column].name));
    }
    let other_term = filter.terms.iter().find(|term| term.column != at::TENANT_ID);
    let parameter = if let Some(term) = other_term {
        parameter_of(term)
    } else if filter.occurred.from_us.is_some() {
        "from"
    } else if filter.occurred.to_us.is_some() {
        "to"
    } else if !filter.contains.is_empty() {
        "q"
    } else if !filter.conditions.is_empty() {
        "where"
    } else if request.limit.is_some() {
        return Some("`limit`".to_owned());
    } else if request.after.is_some() {
        return Some("a beginning in the middle".to_owned());
    } else {
        return None;
    };
    Some(format!("the filter `{parameter}`"))
}

/// The parameter that a term came from.
fn parameter_of(term: &Term) -> &'static str {
    let named = TERMS.into_iter().find(|(_, column)| index_of(column) == Some(term.column));
    named.map_or(COLUMNS[term.column].name, |(parameter, _)| parameter)
}
