//! Where the driver gets the time and randomness from: traits, so that a test needs neither.
//!
//! This is the client's clock module: the only place that reads the system's clock.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kring_protocol::ids::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Spreads what many clients would otherwise do at the same moment.
pub trait Jitter: Send + Sync + 'static {
    /// A number below `bound`, evenly distributed; 0 if `bound` is 0.
    fn below(&self, bound: u64) -> u64;
}

/// What a client takes from its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness that protects nothing.
    pub jitter: Arc<dyn Jitter>,
}

/// The system's clock and random numbers.
struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the clock module")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Jitter for System {
    fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { rand::random_range(0..bound) }
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        let system = Arc::new(System);
        Self { clock: system.clone(), jitter: system }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surroundings(..)")
    }
}

/// Waits.
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Gives up on `work` after `limit`.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// A moment from which time that passes is measured, whatever the time of day does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since(tokio::time::Instant);

impl Since {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "the clock module")]
    pub(super) fn now() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// How much has passed.
    pub(super) fn passed(self) -> Duration {
        self.0.elapsed()
    }
}
