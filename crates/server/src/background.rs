//! What runs beside requests: other servers' changes are learned, and export jobs are run.
//! Each task belongs to the state's tracker and ends when the server stops.

use std::time::Duration;

use crate::jobs;
use crate::state::AppState;

/// Starts what runs beside requests; [`crate::run`] does so, and waits for its end.
///
/// Without it a server answers, but it learns of no key that another one made, and runs no
/// export job.
pub fn background(state: &AppState) {
    let tending = state.clone();
    drop(state.tasks().spawn(async move { tend_keys(&tending).await }));
    let running = state.clone();
    drop(state.tasks().spawn(async move { jobs::run(running).await }));
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
