//! The one place of the relay that reads the system's clock. Everything else is handed the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kring_protocol::ids::Timestamp;

/// The monotonic clock, by which it is measured how long something has lasted.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Now. A clock before 1970 counts as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
