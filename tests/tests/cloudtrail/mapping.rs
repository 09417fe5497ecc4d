//! What a CloudTrail record becomes, written down independently of the SQL that does it.
//! The fields are those of "CloudTrail record contents" in the AWS CloudTrail User Guide.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

/// What an event is to be.
pub(crate) struct Expected {
    /// The text of each column that may have one.
    pub(crate) columns: BTreeMap<&'static str, Option<String>>,
    pub(crate) data: Value,
}

/// The members that have a column of their own which says all they say.
const MAPPED: [&str; 6] =
    ["eventID", "eventTime", "awsRegion", "userAgent", "requestID", "errorMessage"];

pub(crate) fn expected(record: &Value) -> Expected {
    let text = |pointer: &str| record.pointer(pointer)?.as_str().map(str::to_owned);
    let columns = BTreeMap::from([
        ("id", text("/eventID")),
        ("type", kind(record)),
        ("occurred_at", text("/eventTime").map(|time| time.replace('Z', ".000000Z"))),
        ("tenant_id", text("/recipientAccountId")),
        ("namespace", text("/awsRegion")),
        ("actor_kind", text("/userIdentity/type")),
        (
            "actor_id",
            text("/userIdentity/arn")
                .or_else(|| text("/userIdentity/principalId"))
                .or_else(|| text("/userIdentity/invokedBy")),
        ),
        (
            "actor_label",
            text("/userIdentity/userName")
                .or_else(|| text("/userIdentity/sessionContext/sessionIssuer/userName")),
        ),
        ("target_kind", text("/resources/0/type")),
        ("target_id", text("/resources/0/ARN")),
        ("outcome", Some(outcome(text("/errorCode").as_deref()).to_owned())),
        ("reason", text("/errorMessage")),
        ("context_ip", text("/sourceIPAddress").filter(|ip| ip.parse::<IpAddr>().is_ok())),
        ("context_user_agent", text("/userAgent")),
        ("context_request_id", text("/requestID")),
    ]);
    let mut data = record.clone();
    if let Some(members) = data.as_object_mut() {
        members.retain(|key, _| !MAPPED.contains(&key.as_str()));
    }
    Expected { columns, data }
}

/// `iam.amazonaws.com` and `CreateUser` are `iam.CreateUser`.
fn kind(record: &Value) -> Option<String> {
    let service = record["eventSource"].as_str()?.split('.').next()?;
    Some(format!("{service}.{}", record["eventName"].as_str()?))
}

fn outcome(error: Option<&str>) -> &'static str {
    match error {
        None => "success",
        Some(code) if code.contains("AccessDenied") || code.contains("Unauthorized") => "denied",
        Some(_) => "failure",
    }
}
