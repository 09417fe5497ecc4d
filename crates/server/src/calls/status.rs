//! `GET /v1/status`: what the lake holds, told from its manifest and what is in memory; nothing is
//! read. Who is bound to a tenant learns what is that tenant's.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use auditlake_lake::{HotBatch, Segment, Snapshot};
use auditlake_model::columns::at;
use auditlake_model::time::{civil, format_day, format_rfc3339};
use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::identity::{Permission, Principal, Role};
use crate::params::Params;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(status))
}

/// What the lake holds of a tenant; for who is above all tenants, of all of them.
#[derive(Serialize, ToSchema)]
struct LakeStatus {
    /// The tenant; null where all of the lake is meant.
    tenant_id: Option<String>,
    /// How many events there are.
    events: u64,
    /// Those of them that are durable, but in no segment and no checkpoint yet.
    hot_events: u64,
    /// The day of the earliest event, `2026-03-01`; null without any.
    #[schema(format = Date)]
    first_day: Option<String>,
    /// The day of the latest event.
    #[schema(format = Date)]
    last_day: Option<String>,
    /// When the lake took the event that it took last.
    #[schema(format = DateTime)]
    newest_recorded_at: Option<String>,
    /// The number of the newest commit, which is of all tenants; null for who sees one of them.
    commit: Option<u64>,
    /// By the month in which events happened, the oldest first; those without events are left out.
    months: Vec<MonthStatus>,
}

/// What is held of one month.
#[derive(Serialize, ToSchema)]
struct MonthStatus {
    /// `2026-01`.
    month: String,
    /// How many events.
    events: u64,
    /// About how many bytes they take in segments: of a segment with several tenants, a tenant has
    /// as large a share as of its events.
    stored_bytes: u64,
}

/// Tells what the lake holds.
///
/// An operator learns it of the whole lake, others of their tenant.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "operations",
    responses(
        (status = 200, description = "What it holds", body = LakeStatus),
        (status = 400, description = "A parameter was given; there is none", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "The role sees no whole tenant", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
async fn status(
    State(state): State<AppState>,
    caller: Principal,
    request: Request,
) -> Result<Json<LakeStatus>, Problem> {
    // Whose roles see the whole of a tenant, and no others.
    caller.require(Permission::IntegrityRead)?;
    Params::read(request.uri().query()).finish()?;
    let tenant_id = caller.place.tenant_id;
    let snapshot = state.lake().snapshot();
    let sees_all = caller.role == Role::Operator;
    let commit = sees_all.then_some(snapshot.manifest().version);
    // Events that are in no segment are counted one by one, away from the threads that serve
    // connections.
    let counting = state.tasks().spawn_blocking(move || {
        let held = Held::of(&snapshot, tenant_id.as_deref());
        held.told(tenant_id, commit)
    });
    let told = counting.await.map_err(|error| Problem::internal("counting events", &error))?;
    Ok(Json(told))
}

/// What is held, added up.
#[derive(Default)]
struct Held {
    events: u64,
    hot_events: u64,
    days: Option<(i32, i32)>,
    newest_us: Option<i64>,
    /// Events and bytes by year and month.
    months: BTreeMap<(i32, u32), (u64, u64)>,
}

impl Held {
    /// Of a tenant, or of all of them.
    fn of(snapshot: &Snapshot, tenant: Option<&str>) -> Self {
        let mut held = Self::default();
        for segment in snapshot.segments() {
            held.add_segment(segment, tenant);
        }
        for hot in snapshot.hot() {
            held.add_hot(hot, tenant);
        }
        held
    }

    fn add_segment(&mut self, segment: &Segment, tenant: Option<&str>) {
        let spans = segment.tenants.iter().filter(|(name, _)| is_meant(tenant, name));
        let (mut rows, mut newest_us) = (0, i64::MIN);
        for (_, span) in spans {
            rows += span.rows;
            newest_us = newest_us.max(span.recorded_us.1);
        }
        // In so many bits that no product is too large.
        let share = u128::from(segment.bytes) * u128::from(rows);
        let bytes = share.checked_div(u128::from(segment.rows)).unwrap_or(0);
        self.add(segment.day, rows, u64::try_from(bytes).unwrap_or(u64::MAX), newest_us);
    }

    fn add_hot(&mut self, hot: &HotBatch, tenant: Option<&str>) {
        let tenants = hot.batch.column(at::TENANT_ID).as_dictionary::<Int32Type>();
        let names = tenants.values().as_string::<i32>();
        let meant: Vec<bool> =
            names.iter().map(|name| is_meant(tenant, name.unwrap_or_default())).collect();
        let recorded = hot.batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>();
        let keys = tenants.keys().values().iter().zip(recorded.values().iter());
        let (mut rows, mut newest_us) = (0, i64::MIN);
        for (key, recorded_us) in keys {
            let place = usize::try_from(*key).unwrap_or(usize::MAX);
            if meant.get(place).copied().unwrap_or(false) {
                rows += 1;
                newest_us = newest_us.max(*recorded_us);
            }
        }
        self.hot_events += rows;
        self.add(hot.day, rows, 0, newest_us);
    }

    fn add(&mut self, day: i32, rows: u64, bytes: u64, newest_us: i64) {
        if rows == 0 {
            return;
        }
        self.events += rows;
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
        self.newest_us = self.newest_us.max(Some(newest_us));
        let (year, month, _) = civil(day);
        let (events, stored) = self.months.entry((year, month)).or_default();
        (*events, *stored) = (*events + rows, *stored + bytes);
    }

    fn told(self, tenant_id: Option<String>, commit: Option<u64>) -> LakeStatus {
        let months = self.months.into_iter().map(|((year, month), (events, stored_bytes))| {
            MonthStatus { month: format!("{year:04}-{month:02}"), events, stored_bytes }
        });
        LakeStatus {
            tenant_id,
            events: self.events,
            hot_events: self.hot_events,
            first_day: self.days.map(|(first, _)| format_day(first)),
            last_day: self.days.map(|(_, last)| format_day(last)),
            newest_recorded_at: self.newest_us.map(format_rfc3339),
            commit,
            months: months.collect(),
        }
    }
}

/// Whether a tenant's events are counted.
fn is_meant(wanted: Option<&str>, tenant: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_days_add_up_and_nothing_counts_for_nothing() {
        let mut held = Held::default();
        held.add(59, 0, 0, i64::MIN);
        held.add(31, 5, 100, 7);
        held.add(58, 2, 10, 3);
        held.add(59, 1, 0, 9);
        let told = held.told(None, Some(4));
        assert_eq!((told.events, told.commit), (8, Some(4)));
        assert_eq!(told.first_day.as_deref(), Some("1970-02-01"));
        assert_eq!(told.last_day.as_deref(), Some("1970-03-01"));
        assert_eq!(told.newest_recorded_at.as_deref(), Some("1970-01-01T00:00:00.000009Z"));
        let of = |one: &MonthStatus| (one.month.clone(), one.events, one.stored_bytes);
        let months: Vec<_> = told.months.iter().map(of).collect();
        assert_eq!(months, [("1970-02".to_owned(), 7, 110), ("1970-03".to_owned(), 1, 0)]);
        let told = Held::default().told(Some("acme".to_owned()), None);
        assert_eq!((told.events, told.first_day, told.newest_recorded_at), (0, None, None));
        assert_eq!(told.commit, None);
    }
}
