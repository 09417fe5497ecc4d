//! About how many events are meant, from the manifest and what is in memory: nothing is read,
//! except for who sees only a part of a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use auditlake_lake::{Segment, Snapshot};
use auditlake_model::columns::{at, schema};
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;

use crate::engine::{BATCH_ROWS, Engine};
use crate::error::QueryError;

/// How large an answer is going to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// How many segments may hold an event that is meant.
    pub segments: usize,
    /// There are not more events than these.
    pub rows_at_most: u64,
    /// There are not fewer events than these.
    pub rows_at_least: u64,
    /// About how many bytes of segments are to be read.
    pub stored_bytes: u64,
}

/// About how many bytes of a segment an event takes, where the segment is not to tell.
const STORED_BYTES: u64 = 64;

impl Engine {
    /// About how many events are meant. Of segments and hot events that several tenants share,
    /// only what is of the tenant asked for counts.
    ///
    /// The manifest knows tenants and nothing narrower, so that the events of a scope within a
    /// tenant are counted: bounds would tell of those that lie outside of it.
    pub async fn estimate(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        filter: &Filter,
    ) -> Result<Estimate, QueryError> {
        if scope.bounds().any(|(column, _)| column != at::TENANT_ID) {
            let rows = self.count(snapshot, scope, filter).await?;
            let stored_bytes = rows.saturating_mul(STORED_BYTES);
            return Ok(Estimate {
                segments: 0,
                rows_at_most: rows,
                rows_at_least: rows,
                stored_bytes,
            });
        }
        let visible = visible(snapshot, scope);
        let tenant = scope.exactly(at::TENANT_ID).or(filter.exactly(at::TENANT_ID));
        let (tenant, snapshot) = (tenant.map(str::to_owned), snapshot.clone());
        let (engine, meant) = (self.clone(), self.meant(scope, filter)?);
        self.apart(async move {
            let state = engine.session(&snapshot, 1, BATCH_ROWS)?.state();
            let steps = meant.over(&state, &schema())?;
            let mut estimate = Estimate::default();
            for found in steps.candidates_of(&visible)? {
                let rows = rows_of(&found.segment, tenant.as_deref());
                let share = u128::from(found.segment.bytes) * u128::from(rows)
                    / u128::from(found.segment.rows.max(1));
                estimate.segments += 1;
                estimate.rows_at_most += rows;
                estimate.rows_at_least += if found.is_whole { rows } else { 0 };
                estimate.stored_bytes += u64::try_from(share).unwrap_or(found.segment.bytes);
            }
            for hot in snapshot.hot() {
                let sure = steps.surely(&hot.batch)?;
                estimate.rows_at_most += sure;
                estimate.rows_at_least += if steps.can_be_proven() { sure } else { 0 };
            }
            Ok(estimate)
        })
        .await
    }
}

/// The segments as far as who asks may know of them.
fn visible(snapshot: &Snapshot, scope: &Scope) -> Vec<Arc<Segment>> {
    let all = snapshot.segments();
    match scope.exactly(at::TENANT_ID) {
        Some(tenant) => all.iter().filter_map(|segment| of_tenant(segment, tenant)).collect(),
        None => all.to_vec(),
    }
}

/// A segment as if nothing but a tenant's events were in it. Least and greatest values are of
/// all events: whether they rule a segment out would tell the values of other tenants.
fn of_tenant(segment: &Arc<Segment>, tenant: &str) -> Option<Arc<Segment>> {
    let span = segment.tenants.get(tenant)?;
    if segment.tenants.len() == 1 {
        return Some(Arc::clone(segment));
    }
    let share = u128::from(segment.bytes) * u128::from(span.rows) / u128::from(segment.rows.max(1));
    Some(Arc::new(Segment {
        path: segment.path.clone(),
        bytes: u64::try_from(share).unwrap_or(segment.bytes),
        sha256: String::new(),
        rows: span.rows,
        day: segment.day,
        tenants: BTreeMap::from([(tenant.to_owned(), *span)]),
        widest_bytes: segment.widest_bytes,
        columns: BTreeMap::new(),
    }))
}

/// How many of a segment's events are of a tenant, or of all of them.
fn rows_of(segment: &Segment, tenant: Option<&str>) -> u64 {
    match tenant {
        Some(tenant) => segment.tenants.get(tenant).map_or(0, |span| span.rows),
        None => segment.rows,
    }
}
