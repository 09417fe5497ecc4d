//! What runs beside requests: other servers' changes are learned, export jobs are run, and
//! witnesses are asked. Each task belongs to the state's tracker and ends when the server stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::state::AppState;
use crate::{jobs, witnessing};

/// Starts what runs beside requests; [`crate::run`] does so, and waits for its end.
///
/// Without it a server answers, but it learns of no key that another one made, runs no export job
/// and asks no witness.
pub fn background(state: &AppState) {
    let tending = state.clone();
    drop(state.tasks().spawn(async move { tend_keys(&tending).await }));
    let running = state.clone();
    drop(state.tasks().spawn(async move { jobs::run(running).await }));
    let keeping = Arc::new(Mutex::new(()));
    for witness in &state.config().witnesses {
        let asking = witnessing::run(state.clone(), witness.clone(), Arc::clone(&keeping));
        drop(state.tasks().spawn(asking));
    }
}

/// A loop without a pause would keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(10);

/// Learns which keys were made and revoked elsewhere, every few seconds.
async fn tend_keys(state: &AppState) {
    let mut ticks = tokio::time::interval(state.config().refresh_interval.max(SHORTEST));
    // After a pause of the machine one look is enough.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = state.stopping().cancelled() => return,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            biased;
            () = state.stopping().cancelled() => return,
            // What is known stays known when the store does not answer.
            refreshed = state.keys().refresh(state.lake().documents()) => {
                if let Err(error) = refreshed {
                    tracing::warn!(%error, "keys could not be read again");
                }
            }
        }
    }
}
