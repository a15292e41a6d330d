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

#[cfg(test)]
mod tests {
    use kring_protocol::ids::{AccessKey, CursorId, Epoch, GroupId, OperationId};

    use super::*;
    use crate::rules::entry::{Appended, Created, Erasing};
    use crate::store::Position;

    const START: Timestamp = Timestamp(1_800_000_000_000);
    const CURSOR: CursorId = CursorId([3; 16]);

    /// A log of two records, whose one cursor has passed the first.
    fn head() -> Head {
        let (group, operation) = (GroupId([1; 16]), OperationId([2; 16]));
        let key = AccessKey([4; 32]);
        let created = Created { group, epoch: Epoch(0), key, operation, at: START, cursor: Some(CURSOR) };
        let mut head = Head::from_created(Position(1), &created);
        for seq in [1, 2].map(Seq) {
            let record = vec![0].into();
            head.apply_appended(&Appended { group, seq, at: START, operation, record, commit: None });
        }
        move_to(&mut head, 1, START);
        head
    }

    fn move_to(head: &mut Head, seq: u64, now: Timestamp) {
        let group = GroupId([1; 16]);
        let request = kring_protocol::message::CursorMove { group, cursor: CURSOR, seq: Some(Seq(seq)) };
        head.move_cursor(&request, now);
    }

    #[test]
    fn the_periods_are_those_that_the_documents_name() {
        let days = [READ_RETENTION, UNREAD_RETENTION, COMMIT_RETENTION, KEY_RETENTION, CURSOR_LIFETIME];
        assert_eq!(days.map(|period| period / 86_400_000), [7, 30, 180, 210, 30]);
        assert!(days.iter().all(|period| period % 86_400_000 == 0));
    }

    #[test]
    fn what_was_read_goes_after_a_week_what_was_not_after_a_month_and_commits_after_half_a_year() {
        let mut head = head();
        for (seq, is_commit, period) in
            [(1, false, READ_RETENTION), (2, false, UNREAD_RETENTION), (1, true, COMMIT_RETENTION)]
        {
            for (age, goes) in [(0, false), (period - 1, false), (period, true), (period + 1, true)] {
                let now = START.plus(age);
                // Somebody is there, and reads no further.
                move_to(&mut head, 1, now);
                assert_eq!(record_expires(&head, Seq(seq), is_commit, START, now), goes, "{seq} after {age}");
            }
        }
    }

    #[test]
    fn a_note_stays_as_long_as_commits() {
        for (age, goes) in [(0, false), (COMMIT_RETENTION - 1, false), (COMMIT_RETENTION, true)] {
            assert_eq!(note_expires(START, START.plus(age)), goes, "{age}");
        }
    }

    #[test]
    fn a_group_is_erased_when_it_was_asked_for_and_everybody_has_read_it_or_had_a_month() {
        let mut head = head();
        assert!(!erasure_is_due(&head, START.plus(UNREAD_RETENTION)), "nobody asked");
        head.apply_erasing(&Erasing { group: GroupId([1; 16]), at: START });
        assert!(!erasure_is_due(&head, START));
        let late = START.plus(UNREAD_RETENTION);
        move_to(&mut head, 1, late);
        assert!(!erasure_is_due(&head, START.plus(UNREAD_RETENTION - 1)));
        assert!(erasure_is_due(&head, late), "it had the time to");
        move_to(&mut head, 2, START.plus(1));
        assert!(erasure_is_due(&head, START.plus(1)));
    }
}
