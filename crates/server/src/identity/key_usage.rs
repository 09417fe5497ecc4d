//! When a key was last used: to the microsecond in memory, and to the day in the lake, so that
//! a busy key costs one small document a day and no request waits for it.

use std::sync::atomic::{AtomicI64, Ordering};

use auditlake_lake::{Documents, LakeError};
use auditlake_model::time::day_of;
use serde::{Deserialize, Serialize};

/// The time that stands for "never": no key is older than this program.
const NEVER: i64 = 0;

/// The last use of a key, as this process knows it.
#[derive(Debug, Default)]
pub(super) struct Usage {
    last_us: AtomicI64,
    /// The newest that is known to stand in the lake.
    stored_us: AtomicI64,
}

/// The last use of a key, as the lake keeps it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct UsageDocument {
    pub(super) last_used_at_us: i64,
}

impl UsageDocument {
    /// The kind of document it is; its id is that of the key.
    pub(super) const KIND: &str = "key-usage";
}

impl Usage {
    pub(super) fn use_at(&self, now_us: i64) {
        self.last_us.fetch_max(now_us, Ordering::Relaxed);
    }

    pub(super) fn last_us(&self) -> Option<i64> {
        Some(self.last_us.load(Ordering::Relaxed)).filter(|last_us| *last_us != NEVER)
    }

    /// Takes note of what stands in the lake.
    pub(super) fn stored(&self, last_us: i64) {
        self.stored_us.fetch_max(last_us, Ordering::Relaxed);
        self.use_at(last_us);
    }

    /// Whether it was used on a day that the lake does not know of.
    pub(super) fn is_due(&self) -> bool {
        let stored_us = self.stored_us.load(Ordering::Relaxed);
        self.last_us().is_some_and(|last_us| day_of(last_us) > day_of(stored_us))
    }

    /// Writes the last use down, unless another server did so today.
    pub(super) async fn write(&self, documents: &Documents, id: &str) -> Result<(), LakeError> {
        let kind = UsageDocument::KIND;
        let mut version = 1;
        if let Some(newest) = documents.get::<UsageDocument>(kind, id).await? {
            self.stored(newest.value.last_used_at_us);
            version = newest.version + 1;
        }
        let Some(last_used_at_us) = self.last_us().filter(|_| self.is_due()) else {
            return Ok(());
        };
        match documents.put(kind, id, version, &UsageDocument { last_used_at_us }).await {
            Ok(()) => self.stored(last_used_at_us),
            // Another server wrote it at the same moment; the next look learns what.
            Err(LakeError::Invalid(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        documents.prune(kind, id, version).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditlake_model::time::DAY_US;

    #[test]
    fn is_due_once_a_day() {
        let usage = Usage::default();
        assert!(!usage.is_due());
        usage.use_at(3 * DAY_US + 5);
        assert!(usage.is_due());
        usage.stored(3 * DAY_US + 5);
        usage.use_at(3 * DAY_US + 6);
        assert!(!usage.is_due());
        assert_eq!(usage.last_us(), Some(3 * DAY_US + 6));
        usage.use_at(4 * DAY_US);
        assert!(usage.is_due());
        // Another server was used later, and wrote that.
        usage.stored(4 * DAY_US + 9);
        assert!(!usage.is_due());
        assert_eq!(usage.last_us(), Some(4 * DAY_US + 9));
    }
}
