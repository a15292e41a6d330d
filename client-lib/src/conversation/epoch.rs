//! What follows from a merged Commit: a new access key, submissions of the old epoch rebuilt, people told.

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::GroupId;
use kring_protocol::message::{CursorMove, MoveCursors, Record, Request};

use super::event::{Dropped, Event};
use super::io::Action;
use super::log::first_hash;
use super::session::Asked;
use super::state::{GroupRecord, Phase, Stage, Want};
use super::step::Step;
use crate::case::CaseId;
use crate::mls::gate::Outcome;
use crate::mls::group::Group;
use crate::store::StoreError;

/// Between members who could all commit the same, each waits its rank times this long.
const RANK_DELAY: u64 = 300;

impl Step<'_> {
    pub(super) fn new_epoch(
        &mut self,
        id: GroupId,
        mut state: GroupRecord,
        group: &mut Group,
        record: &Record,
        by: &DeviceAddress,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let case = state.case;
        let own = self.party.address().clone();
        if outcome.self_removed {
            return self.gone(id, state, record, by);
        }
        if *by == own {
            state.fresh_at = self.now;
        }
        let access = group.access(self.party)?;
        self.tx.write_access(id, group.epoch(), access.bytes())?;
        group.forget_proposals(self.party, self.tx)?;
        self.session.sweep_at.remove(&case);
        self.requeue(case, id)?;
        self.pass(id, state, record, Some(first_hash(group.authenticator())))?;
        self.announce(case, group, by, &outcome);
        let state = self.group_record(id)?.ok_or(StoreError::Internal)?;
        self.follow(id, group.epoch(), &state);
        Ok(())
    }

    /// What was encrypted for an epoch that has ended and does not stand in its log never will: it is built anew.
    pub(super) fn requeue(&mut self, case: CaseId, group: GroupId) -> Result<(), StoreError> {
        for mut intent in self.intents(case)? {
            let old = match &intent.value.stage {
                Stage::Queued => false,
                Stage::Submitted(submission) => submission.group == group,
                Stage::Proposed => true,
            };
            if old {
                self.session.busy.remove(&intent.id);
                self.session.retry_at.remove(&intent.id);
                if matches!(intent.value.want, Want::Sweep) {
                    self.tx.delete_intent(intent.id)?;
                    continue;
                }
                intent.value.stage = Stage::Queued;
                self.tx.write_intent(intent.id, &intent.value)?;
            }
        }
        self.session.dirty.insert(case);
        Ok(())
    }

    fn announce(&mut self, case: CaseId, group: &Group, by: &DeviceAddress, outcome: &Outcome) {
        if !outcome.added.is_empty() || !outcome.removed.is_empty() {
            let added = outcome.added.iter().map(|device| self.member(device, group, false)).collect();
            let removed = outcome.removed.iter().map(|device| self.member(device, group, false)).collect();
            self.tell(Event::MembersChanged { case, by: by.clone(), added, removed });
        }
        let (Some(before), Some(after)) = (&outcome.context_before, group.context()) else { return };
        if before.duties != after.duties {
            let step = outcome.step(before, &by.professional, &after);
            self.tell(Event::Duties { case, by: by.clone(), step });
        }
        for (professional, role) in after.roles() {
            if before.role(professional).is_some_and(|old| old != *role) {
                let professional = professional.clone();
                self.tell(Event::RoleChanged { case, by: by.clone(), professional, role: *role });
            }
        }
    }

    /// This device has been taken out.
    fn gone(
        &mut self,
        id: GroupId,
        mut state: GroupRecord,
        record: &Record,
        by: &DeviceAddress,
    ) -> Result<(), StoreError> {
        let case = state.case;
        state.phase = Phase::Left;
        state.at = Some(record.seq);
        self.save(id, &state)?;
        self.tx.delete_views(id, None)?;
        self.session.live.remove(&id);
        self.session.sweep_at.remove(&case);
        self.session.moved.remove(&id);
        for intent in self.intents(case)? {
            if matches!(intent.value.want, Want::Leave | Want::Sweep | Want::UpdateKeys) {
                self.tx.delete_intent(intent.id)?;
                self.session.busy.remove(&intent.id);
            } else {
                self.drop_intent(case, intent.id, &intent.value, Dropped::Left)?;
            }
        }
        self.actions.push(Action::Unfollow { group: id });
        if self.session.connected {
            let moves = vec![CursorMove { group: id, cursor: state.cursor, seq: None }];
            self.ask(Asked::Nothing, Request::MoveCursors(MoveCursors { moves }));
        }
        self.tell(Event::Left { case, by: by.clone() });
        self.replay_notes(case)
    }

    /// Sets the moment at which this device commits others' wish to leave, unless somebody else has.
    pub(super) fn plan_sweep(&mut self, case: CaseId, group: &Group) -> Result<(), StoreError> {
        let leaving = group.leaving();
        let own = group.own_index();
        if leaving.is_empty() || leaving.contains(&own) {
            return Ok(());
        }
        let seats = group.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let rank = seats.iter().filter(|seat| !leaving.contains(&seat.index) && seat.index < own).count();
        let at = self.now.plus(RANK_DELAY.saturating_mul(rank as u64));
        self.session.sweep_at.entry(case).or_insert(at);
        self.session.dirty.insert(case);
        Ok(())
    }
}
