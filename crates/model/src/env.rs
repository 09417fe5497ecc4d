//! What the outside gives: the time and randomness. Injected, so that a test, a simulation
//! or a replay decides both.

use std::fmt::Debug;
use std::sync::Arc;

use rand::RngCore;

/// A source of the current time.
pub trait Clock: Send + Sync + Debug {
    /// Microseconds since 1970-01-01 UTC.
    fn now_us(&self) -> i64;
}

/// A source of random bytes fit for secrets.
pub trait Entropy: Send + Sync + Debug {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The machine's own clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // The one place that reads the machine's clock.
    fn now_us(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random bytes.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods)] // The one place that asks for randomness.
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// Clock and randomness, handed to whatever needs them.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Environment {
    /// The machine's own clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}
