//! How far a log's readers are: random ids that tell nobody whose they are.
//!
//! Decides: what every live cursor has passed may go. Refused: a registration beyond [`MAX_CURSORS`] live ones. A joiner's
//! cursor is never refused: it takes the place of the one that has not moved for longest, whose reader only loses what
//! the retention of unread records would have kept for it.

use std::collections::BTreeMap;

use kring_protocol::ids::{CursorId, Seq, Timestamp};
use kring_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::limits::MAX_CURSORS;
use super::retention::CURSOR_LIFETIME;

/// The cursors of one log.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursors(BTreeMap<CursorId, Cursor>);

/// The record that was passed, and when the cursor was last moved.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor(Seq, Timestamp);

impl Cursor {
    fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.1) < CURSOR_LIFETIME
    }
}

impl Cursors {
    pub(crate) fn contains(&self, cursor: CursorId) -> bool {
        self.0.contains_key(&cursor)
    }

    /// Whether one more may be registered.
    pub(crate) fn admit(&self, now: Timestamp) -> Result<(), Refusal> {
        let live = self.0.values().filter(|cursor| cursor.is_live(now)).count();
        if live >= MAX_CURSORS { Err(Refusal::TooMany { limit: MAX_CURSORS as u64 }) } else { Ok(()) }
    }

    /// Adds a cursor unless it is there. Where there is no room, those that hold nothing back any more go, then the one
    /// that has not moved for longest.
    pub(crate) fn insert(&mut self, cursor: CursorId, passed: Seq, now: Timestamp) {
        if self.contains(cursor) {
            return;
        }
        if self.0.len() >= MAX_CURSORS {
            self.drop_dead(now);
        }
        if self.0.len() >= MAX_CURSORS {
            let stalest = self.0.iter().min_by_key(|(_, cursor)| (cursor.1, cursor.0)).map(|(id, _)| *id);
            stalest.and_then(|stalest| self.0.remove(&stalest));
        }
        self.0.insert(cursor, Cursor(passed, now));
    }

    pub(crate) fn advance(&mut self, cursor: CursorId, seq: Seq, now: Timestamp) {
        if let Some(cursor) = self.0.get_mut(&cursor) {
            *cursor = Cursor(cursor.0.max(seq), now);
        }
    }

    pub(crate) fn remove(&mut self, cursor: CursorId) {
        self.0.remove(&cursor);
    }

    pub(crate) fn drop_dead(&mut self, now: Timestamp) {
        self.0.retain(|_, cursor| cursor.is_live(now));
    }

    /// The record that every live cursor has passed; none if there is no live cursor.
    pub(crate) fn passed_by_all(&self, now: Timestamp) -> Option<Seq> {
        self.0.values().filter(|cursor| cursor.is_live(now)).map(|cursor| cursor.0).min()
    }

    /// Bytes that they take in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.0.len() * 48
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> CursorId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        CursorId(id)
    }

    #[test]
    fn where_there_is_no_room_a_joiners_cursor_takes_the_place_of_the_stalest() {
        let mut cursors = Cursors::default();
        let now = Timestamp(1_800_000_000_000);
        for number in 0..MAX_CURSORS {
            cursors.insert(id(number), Seq(1), now);
        }
        for number in (0..MAX_CURSORS).filter(|number| *number != 7) {
            cursors.advance(id(number), Seq(1), now.plus(1));
        }
        assert_eq!(cursors.admit(now.plus(1)), Err(Refusal::TooMany { limit: MAX_CURSORS as u64 }));
        cursors.insert(id(5_000), Seq(9), now.plus(1));
        assert!(cursors.contains(id(5_000)) && !cursors.contains(id(7)));
        assert_eq!(cursors.0.len(), MAX_CURSORS);
        // Those that hold nothing back count no longer.
        assert_eq!(cursors.admit(now.plus(CURSOR_LIFETIME + 1)), Ok(()));
    }

    #[test]
    fn a_cursor_that_has_not_moved_for_its_lifetime_holds_nothing_back() {
        let mut cursors = Cursors::default();
        let start = Timestamp(1_800_000_000_000);
        assert_eq!(cursors.passed_by_all(start), None);
        cursors.insert(id(1), Seq(3), start);
        cursors.insert(id(2), Seq(7), start.plus(1));
        cursors.insert(id(1), Seq(5), start.plus(5_000)); // It is there, and stays as it is.
        assert_eq!(cursors.passed_by_all(start.plus(CURSOR_LIFETIME - 1)), Some(Seq(3)));
        assert_eq!(cursors.passed_by_all(start.plus(CURSOR_LIFETIME)), Some(Seq(7)));
        assert_eq!(cursors.passed_by_all(start.plus(CURSOR_LIFETIME + 1)), None);
        // Until it moves again, which is forward alone.
        cursors.advance(id(1), Seq(2), start.plus(CURSOR_LIFETIME));
        assert_eq!(cursors.passed_by_all(start.plus(CURSOR_LIFETIME)), Some(Seq(3)));
        cursors.remove(id(1));
        assert_eq!(cursors.passed_by_all(start.plus(CURSOR_LIFETIME)), Some(Seq(7)));
        cursors.drop_dead(start.plus(CURSOR_LIFETIME));
        assert!(cursors.contains(id(2)));
        cursors.drop_dead(start.plus(CURSOR_LIFETIME + 1));
        assert!(!cursors.contains(id(2)));
    }

    #[test]
    fn those_that_hold_nothing_back_go_when_there_is_no_room_and_not_before() {
        let mut cursors = Cursors::default();
        let start = Timestamp(1_800_000_000_000);
        let later = start.plus(CURSOR_LIFETIME);
        for number in 0..MAX_CURSORS - 1 {
            cursors.insert(id(number), Seq(1), start);
        }
        cursors.insert(id(5_000), Seq(1), later);
        assert_eq!(cursors.0.len(), MAX_CURSORS, "there was room");
        cursors.insert(id(5_001), Seq(1), later);
        assert_eq!(cursors.0.len(), 2);
        assert!(cursors.contains(id(5_000)) && cursors.contains(id(5_001)));
        assert_eq!(cursors.weight(), 2 * 48);
    }
}
