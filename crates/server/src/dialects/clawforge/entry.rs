//! An event as ClawForge gives it.

use std::borrow::Cow;

use auditlake_export::{Cell, Row, Shape};
use auditlake_model::columns::at;
use auditlake_model::time::format_rfc3339;

/// ClawForge's schema.
#[derive(Debug)]
pub(in crate::dialects) struct Entry;

impl Shape for Entry {
    fn columns(&self) -> &'static [&'static str] {
        &[
            "id",
            "orgId",
            "userId",
            "userEmail",
            "eventType",
            "toolName",
            "outcome",
            "reason",
            "targetType",
            "targetId",
            "ipAddress",
            "sessionId",
            "requestId",
            "timestamp",
            "metadata",
        ]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        let text = |column| Cell::text(event.text(column));
        cells.extend([
            text(at::ID),
            // An organisation of theirs is a tenant here, or one within a tenant.
            Cell::text(event.text(at::ORG_ID).or_else(|| event.text(at::TENANT_ID))),
            text(at::ACTOR_ID),
            text(at::ACTOR_EMAIL),
            text(at::TYPE),
            text(at::TOOL),
            text(at::OUTCOME),
            text(at::REASON),
            text(at::TARGET_KIND),
            text(at::TARGET_ID),
            text(at::CONTEXT_IP),
            text(at::CONTEXT_SESSION_ID),
            text(at::CONTEXT_REQUEST_ID),
            Cell::Text(Cow::Owned(format_rfc3339(event.micros(at::OCCURRED_AT)))),
            event.text(at::DATA).map_or(Cell::Null, |data| Cell::Json(Cow::Borrowed(data))),
        ]);
    }
}
