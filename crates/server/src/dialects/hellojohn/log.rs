//! An event as HelloJohn gives it: its documented CSV columns, which name the members of its
//! JSON as well.

use std::borrow::Cow;

use auditlake_export::{Cell, Row, Shape};
use auditlake_model::columns::at;
use auditlake_model::time::format_rfc3339;

/// HelloJohn's schema.
#[derive(Debug)]
pub(in crate::dialects) struct Log;

impl Shape for Log {
    fn columns(&self) -> &'static [&'static str] {
        &[
            "id",
            "type",
            "actor_id",
            "actor_email",
            "actor_type",
            "resource_id",
            "resource_type",
            "tenant_id",
            "organization_id",
            "ip_address",
            "country",
            "result",
            "created_at",
            "metadata",
        ]
    }

    fn cells<'a>(&self, event: &Row<'a>, cells: &mut Vec<Cell<'a>>) {
        let text = |column| Cell::text(event.text(column));
        cells.extend([
            text(at::ID),
            text(at::TYPE),
            text(at::ACTOR_ID),
            text(at::ACTOR_EMAIL),
            text(at::ACTOR_KIND),
            text(at::TARGET_ID),
            text(at::TARGET_KIND),
            text(at::TENANT_ID),
            text(at::ORG_ID),
            text(at::CONTEXT_IP),
            text(at::CONTEXT_COUNTRY),
            text(at::OUTCOME),
            Cell::Text(Cow::Owned(format_rfc3339(event.micros(at::OCCURRED_AT)))),
            event.text(at::DATA).map_or(Cell::Null, |data| Cell::Json(Cow::Borrowed(data))),
        ]);
    }
}
