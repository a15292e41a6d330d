//! Cursors: where this device reads each log, told to the relay so that it keeps what has not been read.
//!
//! A relay forgets a cursor of which it has heard nothing for long; so every one is told again on each connection and
//! once a day, whether it has moved or not. What counts as told is what the relay has confirmed.

use kring_protocol::ids::{GroupId, Seq, Timestamp};
use kring_protocol::limits::MAX_CURSOR_MOVES;
use kring_protocol::message::{CursorMove, MoveCursors, RegisterCursor, Reply, Request};
use kring_protocol::refusal::{Refusal, Retry};

use super::session::Asked;
use super::state::{GroupRecord, Phase};
use super::step::{Step, access};
use crate::store::StoreError;

/// A cursor is told to the relay this long after it has moved.
const DELAY: u64 = 5 * Timestamp::SECOND;
/// Shortest wait after the relay did not take it.
const PAUSE: u64 = 60 * Timestamp::SECOND;

impl Step<'_> {
    /// Notes that a cursor has moved, if it has.
    pub(super) fn move_cursor(&mut self, id: GroupId, state: &GroupRecord) {
        if state.at.is_some_and(|at| at > state.told) {
            self.announce_cursor(id);
        }
    }

    fn announce_cursor(&mut self, id: GroupId) {
        self.session.moved.insert(id);
        self.session.cursors_at.get_or_insert(self.now.plus(DELAY));
    }

    /// Has all cursors told again, so that the relay keeps them.
    pub(super) fn announce_cursors(&mut self) -> Result<(), StoreError> {
        for id in self.tx.rows().groups()? {
            if self.group_record(id)?.is_some_and(|state| state.phase == Phase::Live) {
                self.announce_cursor(id);
            }
        }
        Ok(())
    }

    /// Tells the relay how far this device has read.
    pub(super) fn tell_cursors(&mut self) -> Result<(), StoreError> {
        let mut moves = Vec::new();
        for id in std::mem::take(&mut self.session.moved) {
            let Some(state) = self.group_record(id)?.filter(|state| state.phase == Phase::Live) else { continue };
            if let Some(at) = state.at {
                moves.push((id, state.cursor, at));
            }
        }
        for moves in moves.chunks(MAX_CURSOR_MOVES) {
            let asked = moves.iter().map(|(group, _, at)| (*group, *at)).collect();
            let moves =
                moves.iter().map(|(group, cursor, at)| CursorMove { group: *group, cursor: *cursor, seq: Some(*at) });
            self.ask(Asked::Cursors(asked), Request::MoveCursors(MoveCursors { moves: moves.collect() }));
        }
        Ok(())
    }

    /// The relay has moved cursors, or has not.
    pub(super) fn cursors_answered(
        &mut self,
        moves: Vec<(GroupId, Seq)>,
        answer: Result<Vec<Reply>, Refusal>,
    ) -> Result<(), StoreError> {
        match answer {
            Ok(_) => moves.into_iter().try_for_each(|(group, at)| self.cursor_told(group, at)),
            Err(Refusal::UnknownCursor) => match moves.as_slice() {
                [(group, at)] => self.register_cursor(*group, *at),
                // One that the relay does not know stands in the way of all: each by itself.
                _ => moves.into_iter().try_for_each(|(group, at)| self.tell_cursor(group, at)),
            },
            Err(refusal) => {
                for (group, _) in moves {
                    self.tell_cursor_later(group, &refusal);
                }
                Ok(())
            }
        }
    }

    /// The relay has registered a cursor, or has not.
    pub(super) fn cursor_registered(
        &mut self,
        group: GroupId,
        at: Seq,
        answer: Result<Vec<Reply>, Refusal>,
    ) -> Result<(), StoreError> {
        match answer {
            Ok(_) => self.cursor_told(group, at),
            Err(refusal) => {
                self.tell_cursor_later(group, &refusal);
                Ok(())
            }
        }
    }

    fn tell_cursor(&mut self, group: GroupId, at: Seq) -> Result<(), StoreError> {
        let Some(state) = self.group_record(group)?.filter(|state| state.phase == Phase::Live) else { return Ok(()) };
        let moves = vec![CursorMove { group, cursor: state.cursor, seq: Some(at) }];
        self.ask(Asked::Cursors(vec![(group, at)]), Request::MoveCursors(MoveCursors { moves }));
        Ok(())
    }

    fn register_cursor(&mut self, group: GroupId, at: Seq) -> Result<(), StoreError> {
        let Some(state) = self.group_record(group)?.filter(|state| state.phase == Phase::Live) else { return Ok(()) };
        let mls = self.take(group)?;
        let access = access(group, mls.epoch());
        self.put(group, mls);
        let request = RegisterCursor { access, cursor: state.cursor, seq: at };
        self.ask(Asked::Cursor(group, at), Request::RegisterCursor(request));
        Ok(())
    }

    fn cursor_told(&mut self, group: GroupId, at: Seq) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(group)?.filter(|state| at > state.told) else { return Ok(()) };
        state.told = at;
        self.save(group, &state)
    }

    /// What is refused for good is tried again with the next connection or day.
    fn tell_cursor_later(&mut self, group: GroupId, refusal: &Refusal) {
        if let Retry::After(milliseconds) = refusal.retry() {
            self.session.moved.insert(group);
            let at = self.now.plus(milliseconds.max(PAUSE));
            self.session.cursors_at = Some(self.session.cursors_at.map_or(at, |before| before.max(at)));
        }
    }
}
