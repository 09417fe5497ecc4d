//! How much of one kind of work may run at a time: for all callers together, and for each of
//! them, so that one caller cannot take every place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use prometheus_client::metrics::gauge::Gauge;

use crate::identity::Principal;
use crate::problem::Problem;

/// Seconds after which a caller may ask again for a place.
const RETRY: u32 = 10;

/// The places for one kind of work.
pub(crate) struct Permits {
    /// The work, in the plural: `exports`.
    what: &'static str,
    most: usize,
    most_each: usize,
    running: Gauge,
    taken: Mutex<HashMap<String, usize>>,
}

/// One of the places, counted for as long as it lives.
pub(crate) struct Permit {
    permits: Arc<Permits>,
    caller: String,
}

impl Permits {
    /// So many places, of which each caller may have so many; `running` shows how many are
    /// taken.
    pub(crate) fn new(
        what: &'static str,
        most: usize,
        most_each: usize,
        running: Gauge,
    ) -> Arc<Self> {
        let taken = Mutex::new(HashMap::new());
        Arc::new(Self { what, most, most_each, running, taken })
    }

    /// A place for a caller, unless all of them, or all that this caller may have, are taken.
    pub(crate) fn take(self: &Arc<Self>, caller: &Principal) -> Result<Permit, Problem> {
        let name = name(caller);
        let mut taken = self.taken();
        let (all, own) = (taken.values().sum::<usize>(), taken.get(&name).copied().unwrap_or(0));
        let what = self.what;
        let full = if all >= self.most {
            Some(format!("{all} {what} run already, and no more may; come back later"))
        } else if own >= self.most_each {
            Some(format!(
                "{own} {what} of this caller run already, and no more of one caller may; come \
                 back when one of them is over"
            ))
        } else {
            None
        };
        if let Some(detail) = full {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
            return Err(problem.retry_after(RETRY));
        }
        *taken.entry(name.clone()).or_default() += 1;
        self.running.inc();
        Ok(Permit { permits: Arc::clone(self), caller: name })
    }

    /// How many places are taken.
    pub(crate) fn running(&self) -> usize {
        self.taken().values().sum()
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // Every change under the lock is one step.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.permits.taken();
        if let Some(own) = taken.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.caller);
            }
        }
        self.permits.running.dec();
    }
}

/// Subjects of tokens are names of their own tenant, ids of keys of the whole installation.
fn name(caller: &Principal) -> String {
    let tenant = caller.place.tenant_id.as_deref().unwrap_or_default();
    format!("{:?} {tenant} {}", caller.kind, caller.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Role;

    fn caller(id: &str) -> Principal {
        serde_json::from_value(serde_json::json!({
            "id": id, "kind": "api_key", "role": Role::Operator,
        }))
        .unwrap()
    }

    #[test]
    fn places_are_bounded_for_all_and_for_each_and_come_back() {
        let running = Gauge::default();
        let permits = Permits::new("exports", 3, 2, running.clone());
        let (ann, bob) = (caller("ann"), caller("bob"));
        let one = permits.take(&ann).unwrap();
        let _two = permits.take(&ann).unwrap();
        assert!(permits.take(&ann).is_err());
        let _three = permits.take(&bob).unwrap();
        assert!(permits.take(&bob).is_err());
        assert_eq!((permits.running(), running.get()), (3, 3));
        drop(one);
        assert!(permits.take(&bob).is_ok(), "the place that came back");
        assert!(permits.take(&ann).is_ok());
        assert_eq!(permits.running(), 2);
    }
}
