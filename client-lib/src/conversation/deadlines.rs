//! Deadlines that pass, and alerts that have not left.
//!
//! A deadline that passes becomes an item of whichever device notices it first: each waits its rank, so that usually one
//! does. A device says so only while it has read the whole log, and only if its clock agrees with the relay's. What was
//! open before a restart, or while the device was away, is open afterwards: it follows from the state alone.
//!
//! An alert that is still on this device is told again and again until the relay has it.

use kring_protocol::ids::Timestamp;

use super::Conversation;
use super::event::Event;
use super::state::{Intent, Stage, Want};
use super::step::Step;
use crate::case::{
    CaseId, CaseState, ClosingStage, Deadline, DraftBody, Due, ItemId, RANK_DELAY, Statement, receipt,
};
use crate::store::StoreError;

/// An alert that the relay has not taken by then is told.
const UNSENT: u64 = 10 * Timestamp::SECOND;
/// How often it is told again.
const UNSENT_AGAIN: u64 = 30 * Timestamp::SECOND;

impl Step<'_> {
    /// Sets the moment at which this device next has to say that a deadline of a case has passed.
    pub(super) fn plan_deadlines(&mut self, case: CaseId) -> Result<(), StoreError> {
        let due = self.own_deadlines(case)?;
        match due.iter().map(|due| due.at).min() {
            Some(at) => self.session.deadlines_at.insert(case, at),
            None => self.session.deadlines_at.remove(&case),
        };
        Ok(())
    }

    /// Says which deadlines of a case have passed.
    pub(super) fn pass_deadlines(&mut self, case: CaseId) -> Result<(), StoreError> {
        for due in self.own_deadlines(case)? {
            if due.at <= self.now {
                self.state_item(case, &Statement::Deadline(due.deadline))?;
            }
        }
        self.session.unplanned.insert(case);
        Ok(())
    }

    /// The open deadlines of a case, each at this device's turn; none while this device may not speak of them, and none
    /// of which it has spoken already.
    fn own_deadlines(&mut self, case: CaseId) -> Result<Vec<Due>, StoreError> {
        let live = match self.case(case)? {
            Some(record) => self.session.live.contains_key(&record.group),
            None => false,
        };
        if !live || self.session.clock_off || self.is_closed(case)? {
            return Ok(Vec::new());
        }
        let folded = self.take_folded(case, None)?;
        let (mut due, rank) = (folded.state.deadlines(), self.rank(&folded.state));
        self.put_folded(case, folded)?;
        let Some(rank) = rank.filter(|_| !due.is_empty()) else { return Ok(Vec::new()) };
        let said = self.said_deadlines(case)?;
        due.retain(|due| !said.contains(&due.deadline));
        for due in &mut due {
            due.at = due.at.plus(rank.saturating_mul(RANK_DELAY));
        }
        Ok(due)
    }

    /// Whether a case is closed: nothing is said in it any more.
    pub(super) fn is_closed(&mut self, case: CaseId) -> Result<bool, StoreError> {
        let Some(record) = self.case(case)? else { return Ok(true) };
        let mls = self.take(record.group)?;
        let stage = mls.context().and_then(|context| context.duties.stage());
        self.put(record.group, mls);
        Ok(stage >= Some(ClosingStage::Closed))
    }

    /// This device's rank: its professional's place among those who are there. Two devices of one professional may both
    /// speak; the second changes nothing.
    pub(super) fn rank(&self, state: &CaseState) -> Option<u64> {
        let own = &self.party.address().professional;
        let mut there = state.members().people().iter().filter(|person| person.present.is_some());
        there.position(|person| person.professional == *own).and_then(|rank| u64::try_from(rank).ok())
    }

    /// Deadlines of which this device has spoken, on their way into the log.
    fn said_deadlines(&mut self, case: CaseId) -> Result<Vec<Deadline>, StoreError> {
        let mut said = Vec::new();
        for waiting in self.outgoing(case)?.parts() {
            let statement = self.intent(waiting)?.and_then(|intent| intent.want.statement());
            if let Some(Statement::Deadline(deadline)) = statement {
                said.push(deadline);
            }
        }
        Ok(said)
    }

    /// Looks after an alert that the user has just raised.
    pub(super) fn watch_alert(&mut self, case: CaseId) -> Result<(), StoreError> {
        let group = self.case(case)?.map(|record| record.group);
        let live = group.is_some_and(|group| self.session.live.contains_key(&group));
        let at = if live { self.now.plus(UNSENT) } else { self.now };
        let before = self.session.unsent_at.unwrap_or(at);
        self.session.unsent_at = Some(before.min(at));
        Ok(())
    }

    /// Tells which alerts are still on this device.
    pub(super) fn tell_unsent(&mut self) -> Result<(), StoreError> {
        self.session.unsent_at = None;
        for case in self.tx.rows().cases()? {
            for intent in self.intents(case)? {
                let Some(item) = intent.value.unsent_alert() else { continue };
                self.tell(Event::AlertNotSent { case, item, since: intent.value.since });
                self.session.unsent_at = Some(self.now.plus(UNSENT_AGAIN));
            }
        }
        Ok(())
    }
}

impl Intent {
    /// What is said of an alert, if it is that and has not reached the relay.
    fn unsent_alert(&self) -> Option<ItemId> {
        let left = matches!(&self.stage, Stage::Submitted(submission) if submission.accepted.is_some());
        self.want.item().filter(|_| !left && self.want.is_alert())
    }
}

impl Conversation {
    /// Cases of which something said of an alert is still on this device: nobody else knows of it.
    pub fn unsent_alerts(&self) -> Result<Vec<CaseId>, StoreError> {
        let rows = self.store.read();
        let mut found = Vec::new();
        for case in rows.cases()? {
            if rows.intents::<Intent>(case)?.iter().any(|intent| intent.value.unsent_alert().is_some()) {
                found.push(case);
            }
        }
        Ok(found)
    }
}

impl Want {
    /// What it states, if it is an item of one of our own kinds.
    pub(super) fn statement(&self) -> Option<Statement> {
        match self {
            Self::Item { draft, .. } => draft.as_read().statement().cloned(),
            _ => None,
        }
    }

    /// Whether it leaves the outbox before everything else.
    pub(super) fn is_urgent(&self) -> bool {
        self.statement().is_some_and(|statement| statement.is_urgent())
    }

    /// Whether this device says it of its own accord: its user need not hear that it came to nothing.
    pub(super) fn is_automatic(&self) -> bool {
        let Self::Item { draft, .. } = self else { return false };
        let receipt = matches!(&draft.body, DraftBody::Part { media_type, .. } if media_type == receipt::MEDIA_TYPE);
        let statement = self.statement();
        receipt || matches!(statement, Some(Statement::Deadline(_) | Statement::Snapshot(_) | Statement::Dispute(_)))
    }

    /// Whether it is what a user says of an alert.
    fn is_alert(&self) -> bool {
        matches!(self.statement(), Some(Statement::Alert(_)))
    }
}
