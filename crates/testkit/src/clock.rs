//! A clock that shows what the test says.

use std::sync::atomic::{AtomicI64, Ordering};

use auditlake_model::env::Clock;

/// Time moves only by [`ManualClock::set`] and [`ManualClock::advance`]. Share it in an `Arc`.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_us: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now_us`, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn new(now_us: i64) -> Self {
        Self { now_us: AtomicI64::new(now_us) }
    }

    /// Shows another time, earlier or later.
    pub fn set(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::SeqCst);
    }

    /// Moves on by `by_us` microseconds, backwards when negative, and answers the new time.
    pub fn advance(&self, by_us: i64) -> i64 {
        self.now_us.fetch_add(by_us, Ordering::SeqCst) + by_us
    }
}

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = ManualClock::new(5);
        assert_eq!((clock.now_us(), clock.now_us()), (5, 5));
        assert_eq!(clock.advance(10), 15);
        assert_eq!(clock.advance(-20), -5);
        clock.set(7);
        assert_eq!(clock.now_us(), 7);
    }
}
