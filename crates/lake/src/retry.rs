//! Trying a write again that is harmless to repeat.

use std::time::Duration;

use crate::error::LakeError;

/// How often and how patiently one write is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    pub(crate) attempts: u32,
    pub(crate) wait: Duration,
}

impl Retry {
    /// Waits before the next attempt, twice as long each time; gives the error back when no
    /// attempt is left.
    pub(crate) async fn after(&mut self, what: &str, error: LakeError) -> Result<(), LakeError> {
        if self.attempts == 0 {
            return Err(error);
        }
        tracing::warn!(%error, "{what} failed, trying again");
        tokio::time::sleep(self.wait).await;
        self.attempts -= 1;
        self.wait = (self.wait * 2).min(Duration::from_secs(10));
        Ok(())
    }
}
