//! The head of a tenant's log: the newest checkpoint, the keys that sign it, and the newest one
//! that somebody else has seen.

use axum::http::StatusCode;

use crate::Console;
use crate::api::log::{LogKeys, SignedHead, Witness};
use crate::error::ApiError;
use crate::format;
use crate::query::Query;
use crate::session::Viewer;

/// A log as the page shows it.
pub(super) struct LogView {
    pub(super) tenant: String,
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: String,
    pub(super) note: String,
    pub(super) download: String,
    /// What the browser calls the file.
    pub(super) file: String,
    /// The same page, after everything that waits was committed and signed.
    pub(super) fresh: String,
    pub(super) events: String,
    pub(super) keys: Vec<String>,
    pub(super) cosigned: Option<CosignedView>,
}

/// The newest checkpoint that a witness has signed.
pub(super) struct CosignedView {
    pub(super) size: u64,
    /// Events that were signed since.
    pub(super) behind: u64,
    pub(super) download: String,
    pub(super) file: String,
    pub(super) witnesses: Vec<WitnessView>,
}

/// A witness, and when it signed.
pub(super) struct WitnessView {
    pub(super) name: String,
    pub(super) at: Option<String>,
    pub(super) ago: String,
}

/// Asks for all that is known of a log.
pub(super) async fn log(
    console: &Console,
    viewer: &Viewer,
    tenant: &str,
    query: &Query,
) -> Result<LogView, ApiError> {
    let named = Query::default().with("tenant_id", tenant);
    let fresh = named.with("fresh", query.get("fresh").unwrap_or_default());
    let newest = checkpoint(console, viewer, &fresh).await?;
    let Some(newest) = newest else { return Err(ApiError::internal()) };
    let keys = named.href("/v1/log/keys");
    let with_witness = named.with("cosigned", "true");
    let (keys, cosigned) = tokio::join!(
        console.api.get::<LogKeys>(viewer, &keys),
        checkpoint(console, viewer, &with_witness),
    );
    let cosigned = match cosigned {
        Err(error) if error.status == StatusCode::NOT_FOUND => None,
        found => found?.map(|head| CosignedView::of(head, &newest, tenant, viewer.now_us())),
    };
    let LogKeys { origin, keys } = keys?;
    Ok(LogView {
        tenant: format::visible(tenant),
        origin,
        size: newest.size,
        root: newest.root,
        note: newest.note,
        download: named.href("/v1/log/checkpoint"),
        file: file_name(tenant, newest.size),
        fresh: named.with("fresh", "true").href("/integrity"),
        events: named.href("/logs"),
        keys,
        cosigned,
    })
}

async fn checkpoint(
    console: &Console,
    viewer: &Viewer,
    query: &Query,
) -> Result<Option<SignedHead>, ApiError> {
    let note = console.api.text(viewer, &query.href("/v1/log/checkpoint")).await?;
    Ok(SignedHead::read(note))
}

impl CosignedView {
    fn of(head: SignedHead, newest: &SignedHead, tenant: &str, now_us: i64) -> Self {
        let query = Query::default().with("tenant_id", tenant).with("cosigned", "true");
        Self {
            size: head.size,
            behind: newest.size.saturating_sub(head.size),
            download: query.href("/v1/log/checkpoint"),
            file: file_name(tenant, head.size),
            witnesses: head.witnesses.iter().map(|one| WitnessView::of(one, now_us)).collect(),
        }
    }
}

impl WitnessView {
    fn of(witness: &Witness, now_us: i64) -> Self {
        let at_us = witness.time_s.and_then(|seconds| seconds.checked_mul(1_000_000));
        // A time beyond all calendars is what a broken witness may claim.
        let at_us = at_us.filter(|us| *us <= auditlake_model::time::MAX_US);
        Self {
            name: format::visible(&witness.name),
            at: at_us.map(auditlake_model::time::format_rfc3339),
            ago: at_us.map(|us| format::relative(us, now_us)).unwrap_or_default(),
        }
    }
}

/// A name for the file of a checkpoint that every system takes.
fn file_name(tenant: &str, size: u64) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let tenant: String = tenant.chars().map(plain).take(64).collect();
    format!("checkpoint-{tenant}-{size}.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_names_that_every_system_takes() {
        assert_eq!(file_name("acme", 750), "checkpoint-acme-750.txt");
        assert_eq!(file_name("../a b\u{202e}", 1), "checkpoint----a-b--1.txt");
    }

    #[test]
    fn a_witness_may_say_any_time() {
        let witness = |time_s| Witness { name: "wit.example".to_owned(), time_s };
        let shown = WitnessView::of(&witness(Some(60)), 120_000_000);
        assert_eq!(shown.at.as_deref(), Some("1970-01-01T00:01:00.000000Z"));
        assert_eq!(shown.ago, "1 min ago");
        for time_s in [None, Some(i64::MAX), Some(i64::MAX / 1_000_000)] {
            assert_eq!(WitnessView::of(&witness(time_s), 0).at, None);
        }
    }
}
