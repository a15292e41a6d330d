//! The one place of these tests that reads a clock, and the bound on every wait.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kring_protocol::ids::Timestamp;

/// Longest wait for something that must happen. Machines that run tests are slow; nothing waits for so long unless it
/// has failed.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Now.
#[expect(clippy::disallowed_methods, reason = "certificates of tests are valid now")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Waits for an event.
///
/// # Panics
/// When it does not come.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come in time"),
    }
}

/// A moment from which to measure.
#[expect(clippy::disallowed_methods, reason = "what is measured is shown, not judged")]
pub fn stopwatch() -> Instant {
    Instant::now()
}
