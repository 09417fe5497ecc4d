//! About how many events are meant, from the manifest and what is in memory: nothing is read.

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

impl Engine {
    /// About how many events are meant. Of segments and hot events that several tenants share,
    /// only what is of the tenant asked for counts.
    pub async fn estimate(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        filter: &Filter,
    ) -> Result<Estimate, QueryError> {
        let tenant = scope.exactly(at::TENANT_ID).or(filter.exactly(at::TENANT_ID));
        let (tenant, snapshot) = (tenant.map(str::to_owned), snapshot.clone());
        let (engine, meant) = (self.clone(), self.meant(scope, filter)?);
        self.apart(async move {
            let state = engine.session(&snapshot, 1, BATCH_ROWS)?.state();
            let steps = meant.over(&state, &schema())?;
            let mut estimate = Estimate::default();
            for found in steps.candidates(&snapshot)? {
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

/// How many of a segment's events are of a tenant, or of all of them.
fn rows_of(segment: &Segment, tenant: Option<&str>) -> u64 {
    match tenant {
        Some(tenant) => segment.tenants.get(tenant).map_or(0, |span| span.rows),
        None => segment.rows,
    }
}
