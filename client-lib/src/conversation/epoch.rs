//! What follows from a merged Commit: a new access key, submissions of the old epoch rebuilt, people told.

use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::GroupId;
use kring_protocol::message::{CursorMove, MoveCursors, Record, Request};
use openmls::prelude::LeafNodeIndex;

use super::event::{Dropped, Event};
use super::folding::Cause;
use super::io::Action;
use super::log::first_hash;
use super::session::Asked;
use super::state::{GroupRecord, Phase, Stage, Want};
use super::step::Step;
use crate::case::CaseId;
use crate::mls::gate::Outcome;
use crate::mls::group::Group;
use crate::store::{Numbered, StoreError};

/// Between members who could all commit the same, each waits its rank times this long.
const RANK_DELAY: u64 = 300;
/// Ranks that wait: 10 × 300 ms. Whoever comes after them waits no longer, so that a case in which only the last is online
/// has taken a leaver out within five seconds; of several who then commit at once the first counts.
const LAST_RANK: usize = 10;

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
        let unheard = state.built_at.is_none_or(|at| at.next() != record.seq);
        if outcome.self_removed {
            return self.gone(id, state, record, by);
        }
        if *by == own {
            state.fresh_at = self.now;
        }
        let before = outcome.context_before.as_ref().and_then(|context| context.coordinator());
        let coordinator = group.context().and_then(|context| context.coordinator().cloned());
        if coordinator.as_ref() == Some(&by.professional) || (before.is_some() && before != coordinator.as_ref()) {
            state.coordinator_heard = record.at;
        }
        let access = group.access(self.party)?;
        self.tx.write_access(id, group.epoch(), access.bytes())?;
        self.remember_epoch(id, group.epoch(), group.authenticator())?;
        group.forget_proposals(self.party, self.tx)?;
        self.session.forget_sweep(case);
        self.requeue(case, id)?;
        self.pass(id, state, record, Some(first_hash(group.authenticator())))?;
        self.announce(case, group, by, &outcome);
        if outcome.erases {
            let state = self.group_record(id)?.ok_or(StoreError::Internal)?;
            self.begin_erasing(id, &state, group, by)?;
            self.follow(id, group.epoch(), &state);
            return Ok(());
        }
        self.answer_claim(case, group)?;
        let added = !outcome.added.is_empty();
        if added {
            self.say_again_later(id)?;
        }
        let made_by = Some(by.professional.clone());
        let shown = outcome.shown;
        let cause = Cause { by: made_by, added, at: Some(record.at), shown, ..Cause::default() };
        self.fold_change(case, (id, group), record.seq, cause)?;
        if added && *by == own {
            self.tell_joiners(case, id, record.seq, unheard)?;
        }
        let state = self.group_record(id)?.ok_or(StoreError::Internal)?;
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::ForgetToFollow) {
            return Ok(());
        }
        self.follow(id, group.epoch(), &state);
        Ok(())
    }

    /// What was encrypted for an epoch that has ended and does not stand in its log never will: it is built anew.
    pub(super) fn requeue(&mut self, case: CaseId, group: GroupId) -> Result<(), StoreError> {
        for id in self.outgoing(case)?.begun() {
            let Some(value) = self.intent(id)? else { continue };
            let mut intent = Numbered { id, value };
            let old = match &intent.value.stage {
                Stage::Queued => false,
                Stage::Submitted(submission) => submission.group == group,
                Stage::Proposed => true,
            };
            #[cfg(feature = "planted-faults")]
            let old = old
                && !match intent.value.stage {
                    Stage::Proposed => crate::planted::is(crate::planted::Fault::LeaveOnce),
                    _ => crate::planted::is(crate::planted::Fault::KeepOldSubmission),
                };
            if old {
                self.session.busy.remove(&intent.id);
                self.session.retry_at.remove(&intent.id);
                if matches!(intent.value.want, Want::Sweep) {
                    self.delete_intent(case, intent.id, &intent.value.want)?;
                    continue;
                }
                #[cfg(feature = "planted-faults")]
                if crate::planted::is(crate::planted::Fault::DropOldSubmission) {
                    self.delete_intent(case, intent.id, &intent.value.want)?;
                    continue;
                }
                intent.value.stage = Stage::Queued;
                self.write_intent(case, intent.id, &intent.value)?;
            }
        }
        self.session.dirty.insert(case);
        Ok(())
    }

    fn announce(&mut self, case: CaseId, group: &Group, by: &DeviceAddress, outcome: &Outcome) {
        if !outcome.added.is_empty() || !outcome.removed.is_empty() {
            let added = outcome.added.iter().map(|device| self.member(device, group, false)).collect();
            let shown = |device: &VerifiedDevice| outcome.shown.contains(device.address());
            let removed = outcome.removed.iter().map(|device| self.member(device, group, shown(device))).collect();
            self.tell(Event::MembersChanged { case, by: by.clone(), added, removed });
        }
        if !outcome.shown.is_empty() {
            let seats = group.seats(self.party).unwrap_or_default();
            let stays =
                |who: &ProfessionalAddress| seats.iter().any(|seat| seat.device.address().professional == *who);
            let mut staying: Vec<_> = outcome.shown.iter().map(|device| device.professional.clone()).collect();
            staying.sort_unstable();
            staying.dedup();
            staying.retain(stays);
            self.tell(Event::TakenOut { case, by: by.clone(), devices: outcome.shown.clone(), staying });
        }
        if let Some(device) = &outcome.renewed {
            self.tell(Event::CertificateRenewed { case, device: device.address().clone() });
        }
        let (Some(before), Some(after)) = (&outcome.context_before, group.context()) else { return };
        if before.coordinator().is_some() && after.coordinator().is_none() {
            self.tell(Event::WithoutCoordinator { case });
        }
        if before.claim != after.claim {
            self.tell(Event::CoordinatorClaimed { case, by: by.clone(), claimant: after.claim.clone() });
        }
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
        self.session.forget_sweep(case);
        self.session.moved.remove(&id);
        for intent in self.intents(case)? {
            let want = &intent.value.want;
            if want.is_automatic() || matches!(want, Want::Leave | Want::Sweep | Want::UpdateKeys) {
                self.delete_intent(case, intent.id, &intent.value.want)?;
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

    /// Whether it is this device's turn to take out those who wish to leave and those in `out`; if not, it looks again
    /// when it is, unless somebody else has done it by then.
    pub(super) fn is_turn(&mut self, case: CaseId, group: &Group, out: &[LeafNodeIndex]) -> Result<bool, StoreError> {
        if self.session.sweep_due.contains(&case) {
            return Ok(true);
        }
        if self.session.sweep_at.contains_key(&case) {
            return Ok(false);
        }
        let leaving = group.leaving();
        let own = group.own_index();
        let goes = |index| leaving.contains(&index) || out.contains(&index);
        let seats = group.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let rank = seats.iter().filter(|seat| !goes(seat.index) && seat.index < own).count();
        let wait = RANK_DELAY.saturating_mul(rank.min(LAST_RANK) as u64);
        if wait == 0 {
            return Ok(true);
        }
        self.session.sweep_at.insert(case, self.now.plus(wait));
        Ok(false)
    }
}
