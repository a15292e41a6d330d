//! What is dropped, and when.
//!
//! Application records and proposals go once every live cursor has passed them and they are 7 days old, in any case
//! after 30 days. Commits, Welcomes and notes stay 180 days, since a device that misses a Commit is out of the group.
//! Access keys outlive the Commit that ended their epoch by 30 days, so that a device that comes too late is told of
//! the gap instead of being taken for a stranger.

use kring_protocol::ids::{Seq, Timestamp};

use super::group::Head;

/// Application records stay so long even when everybody has read them: a device whose store was restored asks again.
pub const READ_RETENTION: u64 = 7 * Timestamp::DAY;
/// Application records stay so long for devices that have not read them.
pub const UNREAD_RETENTION: u64 = 30 * Timestamp::DAY;
/// Commits, Welcomes and notes stay so long.
pub const COMMIT_RETENTION: u64 = 180 * Timestamp::DAY;
/// Access keys stay so long after the end of their epoch.
pub const KEY_RETENTION: u64 = COMMIT_RETENTION + UNREAD_RETENTION;
/// A cursor that has not moved for so long holds nothing back: what it has not passed is gone.
pub const CURSOR_LIFETIME: u64 = UNREAD_RETENTION;

/// Whether a record goes now.
pub fn record_expires(head: &Head, seq: Seq, is_commit: bool, at: Timestamp, now: Timestamp) -> bool {
    let age = now.since(at);
    if is_commit {
        age >= COMMIT_RETENTION
    } else {
        age >= UNREAD_RETENTION || age >= READ_RETENTION && head.passed_by_all(now) >= seq
    }
}

/// Whether a note goes now.
pub fn note_expires(day: Timestamp, now: Timestamp) -> bool {
    now.since(day) >= COMMIT_RETENTION
}

/// Whether a group whose erasure was asked for goes now: everybody has read to the end, or had the time to.
pub fn erasure_is_due(head: &Head, now: Timestamp) -> bool {
    head.erasing_since()
        .is_some_and(|since| head.passed_by_all(now) >= head.newest() || now.since(since) >= UNREAD_RETENTION)
}
