//! What time brings: each timer is looked at in every step.

use kring_protocol::ids::Timestamp;

use super::state::Intent;
use super::step::Step;
use crate::mls::key_package;
use crate::store::StoreError;

impl Step<'_> {
    /// Timers that have come due.
    pub(super) fn due(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        if self.session.connected {
            let ready: Vec<i64> =
                self.session.retry_at.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
            for id in ready {
                self.session.retry_at.remove(&id);
                if let Some((case, _)) = self.tx.rows().intent::<Intent>(id)? {
                    self.session.dirty.insert(case);
                }
            }
            for (case, at) in self.session.sweep_at.clone() {
                if at <= now {
                    self.session.sweep_at.remove(&case);
                    self.session.sweep_due.insert(case);
                    self.session.dirty.insert(case);
                }
            }
            if self.session.lists.at.is_some_and(|at| at <= now) {
                self.read_lists();
            }
            if self.session.aged_at.is_some_and(|at| at <= now) {
                self.session.aged_at = None;
                self.session.dirty.extend(self.tx.rows().cases()?);
            }
            for (case, at) in self.session.deadlines_at.clone() {
                if at <= now {
                    self.session.deadlines_at.remove(&case);
                    self.pass_deadlines(case)?;
                }
            }
            for (case, at) in self.session.telling_at.clone() {
                if at <= now {
                    self.session.telling_at.remove(&case);
                    self.tell_untold(case)?;
                }
            }
            for (case, at) in self.session.receipts_at.clone() {
                if at <= now {
                    self.session.receipts_at.remove(&case);
                    self.send_receipts(case)?;
                }
            }
            for (group, at) in self.session.says_again_at.clone() {
                if at <= now {
                    self.session.says_again_at.remove(&group);
                    self.say_again_now(group)?;
                }
            }
            if self.session.cursors_at.is_some_and(|at| at <= now) {
                self.session.cursors_at = None;
                self.tell_cursors()?;
            }
            if self.session.keys_at.is_some_and(|at| at <= now) {
                self.session.keys_at = Some(now.plus(Timestamp::DAY));
                self.refresh_keys()?;
                self.renew_leaves()?;
                key_package::forget_ended(self.party, self.tx, now)?;
                self.publish()?;
                self.announce_cursors()?;
            }
            if self.session.publish_at.is_some_and(|at| at <= now) {
                self.session.publish_at = None;
                self.publish()?;
            }
        }
        if self.session.expiry_at.is_some_and(|at| at <= now) {
            self.forget_expired()?;
        }
        if self.session.unsent_at.is_some_and(|at| at <= now) {
            self.tell_unsent()?;
        }
        // Before a successor is started: one that waits may be as good.
        for (case, at) in self.session.notes_at.clone() {
            if at <= now {
                self.session.notes_at.remove(&case);
                self.replay_notes(case)?;
            }
        }
        for (case, at) in self.session.successor_at.clone() {
            if at <= now {
                self.session.successor_at.remove(&case);
                self.start_successor(case)?;
            }
        }
        Ok(())
    }
}
