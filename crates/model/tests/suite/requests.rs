//! Requests made of a good event with one thing changed, and what the parser says to them.

use auditlake_model::ModelError;
use auditlake_model::env::Environment;
use auditlake_model::error::Rejection;
use auditlake_model::id::FreshIds;
use auditlake_model::parse::{ParseOptions, Parsed, TenantRule, UnknownKeys, parse_events};

const MEMBERS: [(&str, &str); 4] = [
    ("id", r#""a""#),
    ("type", r#""user.signed_in""#),
    ("occurred_at", r#""2026-03-01T00:00:00Z""#),
    ("tenant_id", r#""acme""#),
];

/// A good event without one of its members.
pub(crate) fn without(key: &str) -> String {
    let kept = MEMBERS.iter().filter(|(name, _)| *name != key);
    let members: Vec<String> = kept.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A good event with more members.
pub(crate) fn with(members: &str) -> String {
    format!("{},{members}}}", without("").trim_end_matches('}'))
}

/// A good event with another value of a member.
pub(crate) fn instead(key: &str, value: &str) -> String {
    format!("{},\"{key}\":{value}}}", without(key).trim_end_matches('}'))
}

pub(crate) fn parse(
    body: &[u8],
    unknown: UnknownKeys,
    partial: bool,
) -> Result<Parsed, ModelError> {
    let environment = Environment::system();
    let ids = &mut FreshIds(&environment);
    parse_events(body, &mut ParseOptions { unknown, tenant: TenantRule::Named, partial, ids })
}

pub(crate) fn rejection(body: &[u8], unknown: UnknownKeys) -> Rejection {
    match parse(body, unknown, false) {
        Err(ModelError::Event(rejection)) => rejection,
        Err(other) => panic!("{}: {other}", String::from_utf8_lossy(body)),
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(&body[..body.len().min(500)])),
    }
}
