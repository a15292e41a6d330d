//! One bad Commit must never strand a case: who refuses a Commit closes its group, and the case goes on in a
//! **successor group** without whoever made it.
//!
//! It is started by the coordinator, else a deputy, else after a minute by the lowest leaf; it names its predecessor,
//! that group's last good epoch authenticator and the refused Commit, and is accepted only by clients that refused
//! that Commit too, **and not before its starter's turn has come on their own clock**. Its roles are the predecessor's
//! without the offender's; whoever starts it coordinates it until the coordinator has its role back, and may until then
//! bring in those who were in the case, and nobody else. Of two, the one started by the lower rank wins. What waits in
//! the outbox moves over.

use kring_protocol::ids::{GroupId, MessageHash, Timestamp};
use openmls::prelude::LeafNodeIndex;
use serde_bytes::ByteBuf;

use super::event::{CommitRefused, Event};
use super::io::Action;
use super::lost::lacking;
use super::outbox::without;
use super::state::{CaseRecord, GroupRecord, Phase, RefusedCommit, StoredItem, Want};
use super::step::Step;
use crate::case::{CaseId, Position, Role};
use crate::mls::context::{CaseContext, Lent, Predecessor};
use crate::mls::group::{Group, Seat};
use crate::mls::join::Invitation;
use crate::store::StoreError;

/// How long the coordinator waits for a successor that has been started already: as long as reading the inbox takes.
const COORDINATOR_DELAY: u64 = 3 * Timestamp::SECOND;
/// How long a deputy gives the coordinator to start the successor.
const DEPUTY_DELAY: u64 = 10 * Timestamp::SECOND;
/// How long everybody else gives coordinator and deputies.
const MEMBER_DELAY: u64 = 60 * Timestamp::SECOND;
/// How long each gives the one of the rank before.
const RANK_DELAY: u64 = 5 * Timestamp::SECOND;
/// In a rank: its starter had not read more of the group before than this device, so that the rank among members counts.
const READ_AS_MUCH: u64 = 1 << 48;
/// Days after which a device gives itself fresh keys in a case: so much of what a stolen device can read has an end.
const FRESH_DAYS: u64 = 7;

/// A successor that may be followed.
pub(super) struct Successor {
    /// Its starter's.
    pub(super) rank: u64,
    /// When its starter's turn comes.
    pub(super) turn: Timestamp,
    /// This device had not read as much as its starter.
    pub(super) behind: bool,
}

impl Step<'_> {
    /// Closes a group whose Commit this device refuses.
    pub(super) fn refuse_commit(
        &mut self,
        id: GroupId,
        state: GroupRecord,
        group: &mut Group,
        (hash, at): (MessageHash, Timestamp),
        offender: Option<LeafNodeIndex>,
        reason: CommitRefused,
    ) -> Result<(), StoreError> {
        let case = state.case;
        let seats = group.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let offender = offender.and_then(|index| seats.iter().find(|seat| seat.index == index));
        // A false key beside one's own Commit is not one's own doing.
        let offender = offender.filter(|seat| seat.device.address() != self.party.address());
        let by = offender.map(|seat| seat.device.address().clone());
        // Who was up to date has it fresh. Others may have refused it before: at most since this device last was.
        let since = if self.session.live.contains_key(&id) { self.now } else { at.max(state.heard_at).min(self.now) };
        let refused = RefusedCommit { hash, at: self.now, since, offender: by.as_ref().map(Into::into) };
        self.tell(Event::CommitRefused { case, by, reason });
        self.close_group(id, state, group, refused)
    }

    /// Closes a group: the case goes on in a successor.
    pub(super) fn close_group(
        &mut self,
        id: GroupId,
        mut state: GroupRecord,
        group: &mut Group,
        refused: RefusedCommit,
    ) -> Result<(), StoreError> {
        let case = state.case;
        group.discard(self.party, self.tx)?;
        state.phase = Phase::Broken;
        state.refused = Some(refused);
        self.save(id, &state)?;
        self.requeue(case, id)?;
        self.session.live.remove(&id);
        self.session.forget_sweep(case);
        self.session.moved.remove(&id);
        self.actions.push(Action::Unfollow { group: id });
        if let Some(delay) = self.turn(group, &state)? {
            self.session.successor_at.insert(case, self.now.plus(delay));
        }
        // The group is in use here; a Welcome that waits may need it.
        let kept = Group::load(&self.tx.rows(), id)?.ok_or(StoreError::Corrupt)?;
        self.put(id, kept);
        self.replay_notes(case)
    }

    /// How long this device waits before it starts the successor; `None`: never, it is the offender, or knows nothing of
    /// the group but a Welcome.
    fn turn(&self, group: &Group, state: &GroupRecord) -> Result<Option<u64>, StoreError> {
        let Some(refused) = &state.refused else { return Ok(None) };
        if refused.is_lack() && state.reached.is_none() {
            return Ok(None);
        }
        let seats = self.remaining(group, state)?;
        let Some(own) = seats.iter().find(|seat| seat.device.address() == self.party.address()) else {
            return Ok(None);
        };
        Ok(Some(delay(group, &seats, own) + refused.waits()))
    }

    /// Everybody but the offender.
    fn remaining(&self, group: &Group, state: &GroupRecord) -> Result<Vec<Seat>, StoreError> {
        let offender = state.refused.as_ref().and_then(|refused| refused.offender.clone());
        let offender = offender.map(kring_protocol::address::DeviceAddress::from);
        let seats = group.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let offends = |seat: &Seat| {
            offender.as_ref().is_some_and(|gone| gone.professional == seat.device.address().professional)
        };
        Ok(seats.into_iter().filter(|seat| !offends(seat)).collect())
    }

    /// Takes up what was waited for before a restart.
    pub(super) fn resume_successors(&mut self) -> Result<(), StoreError> {
        for case in self.tx.rows().cases()? {
            let Some(record) = self.case(case)? else { continue };
            self.session.notes_at.insert(case, self.now);
            let state = self.group_record(record.group)?.ok_or(StoreError::Corrupt)?;
            let Some(refused) = state.refused.as_ref().filter(|_| state.phase == Phase::Broken) else { continue };
            let group = self.take(record.group)?;
            let turn = self.turn(&group, &state);
            let at = refused.at;
            self.put(record.group, group);
            if let Some(delay) = turn? {
                self.session.successor_at.insert(case, at.plus(delay));
            }
        }
        Ok(())
    }

    /// Starts the successor.
    pub(super) fn start_successor(&mut self, case: CaseId) -> Result<(), StoreError> {
        let Some(record) = self.case(case)? else { return Ok(()) };
        let mut state = self.group_record(record.group)?.ok_or(StoreError::Corrupt)?;
        let (Phase::Broken, Some(refused)) = (state.phase, state.refused.clone()) else { return Ok(()) };
        let group = self.take(record.group)?;
        let seats = self.remaining(&group, &state)?;
        let context = group.context().ok_or(StoreError::Corrupt)?;
        let authenticator = ByteBuf::from(group.authenticator());
        let own = seats.iter().find(|seat| seat.device.address() == self.party.address()).cloned();
        let rank = own.as_ref().map(|own| rank(&group, own) | READ_AS_MUCH);
        self.put(record.group, group);
        let (Some(own), Some(rank)) = (own, rank) else { return Ok(()) };

        let me = own.device.address().professional.clone();
        let mut kept = context.clone();
        if let Some(offender) = refused.offender.clone().map(kring_protocol::address::DeviceAddress::from) {
            kept = without(&kept, &offender.professional);
        }
        let named = Predecessor { group: record.group, authenticator, refused: refused.hash, lent: None };
        let next = successor_context(&kept, &me, &named);
        let id = self.start_group(case, &next, Some((record.group, rank)))?;
        state.phase = Phase::Replaced;
        self.save(record.group, &state)?;
        self.tx.write_case(case, &CaseRecord { title: record.title, group: id })?;

        let waiting = self.intents(case)?;
        self.queue(case, Want::Open { group: id })?;
        for seat in seats.iter().filter(|seat| seat.index != own.index) {
            let address = seat.device.address();
            let role = next.role(&address.professional).unwrap_or(Role::Member);
            self.queue(
                case,
                Want::Add {
                    professional: address.professional.clone(),
                    device: Some(address.device),
                    role,
                    claimed: None,
                    along: Some(id),
                },
            )?;
        }
        if let Some(lent) = next.lent() {
            let professional = lent.coordinator.clone();
            self.queue(case, Want::SetRole { professional, role: Role::Coordinator, along: Some(id) })?;
        }
        for intent in waiting {
            // Behind the additions, so that everybody gets it.
            self.delete_intent(case, intent.id, &intent.value.want)?;
            self.append_intent(case, &intent.value)?;
        }
        self.session.dirty.insert(case);
        Ok(())
    }

    /// The successor as this device may follow it; `None`: it may not.
    pub(super) fn successor(
        &self,
        group: &Group,
        before: &GroupRecord,
        named: &Predecessor,
        invitation: &Invitation,
    ) -> Result<Option<Successor>, StoreError> {
        let Some(context) = group.context() else { return Ok(None) };
        let seats = self.remaining(group, before)?;
        let by = seats.iter().find(|seat| seat.device.address() == invitation.by.address());
        let identity = invitation.context.case == context.case && invitation.context.title == context.title;
        let (Some(by), true) = (by, identity) else { return Ok(None) };
        let rank = rank(group, by);
        let rank_among_equals = rank | READ_AS_MUCH;
        let present = named.authenticator.as_slice() == group.authenticator();
        // The relay lacked an epoch of this group that this device has not come to.
        let beyond = named.refused == lacking()
            && !self.tx.rows().has_epoch(named.group, &named.authenticator)?
            && match before.phase {
                Phase::Broken | Phase::Replaced => before.refused.as_ref().is_some_and(RefusedCommit::is_lack),
                phase => phase == Phase::Live && before.lately_replaced(self.now).is_some(),
            };
        // A device that is out of step, has left, or has read less cannot have refused the same; it follows whom it knew
        // to manage.
        if beyond || matches!(before.phase, Phase::OutOfStep | Phase::Left) {
            // Who has read more comes before everybody whom this device could tell by rank.
            let rank = if beyond { rank } else { rank_among_equals };
            return Ok((role_order(group, by) < 2).then_some(Successor { rank, turn: self.now, behind: true }));
        }
        // The relay's new database has this device's epoch, but not all that others have read in it.
        let read_less = before.lately_replaced(self.now).filter(|_| before.phase == Phase::Live);
        let read_less = read_less.filter(|_| named.refused == lacking());
        let (offender, since) = match (&before.refused, read_less) {
            (Some(refused), _) if refused.hash == named.refused => (refused.offender.clone(), refused.since),
            (None, Some(at)) => (None, at.min(before.heard_at)),
            _ => return Ok(None),
        };
        let offender = offender.map(kring_protocol::address::DeviceAddress::from);
        let kept = match &offender {
            Some(offender) => without(&context, &offender.professional),
            None => context,
        };
        let starter = &by.device.address().professional;
        let roles = invitation.context.roles();
        let begun = successor_context(&kept, starter, named);
        let as_begun = roles == begun.roles() && invitation.context.lent() == begun.lent();
        let as_before = roles == kept.roles() && invitation.context.lent().is_none();
        if !present || !(as_begun || as_before) {
            return Ok(None);
        }
        let turn = since.plus(delay(group, &seats, by));
        Ok(Some(Successor { rank: rank_among_equals, turn, behind: read_less.is_some() }))
    }

    /// A coordinator who joins a successor that somebody else has started takes the role back.
    pub(super) fn take_back_role(&mut self, case: CaseId, id: GroupId, group: &Group) -> Result<(), StoreError> {
        let own = &self.party.address().professional;
        let lent = group.context().and_then(|context| context.lent().cloned());
        if lent.is_some_and(|lent| lent.coordinator == *own) {
            let professional = own.clone();
            self.queue(case, Want::SetRole { professional, role: Role::Coordinator, along: Some(id) })?;
        }
        Ok(())
    }

    /// Lets go of the group that carried a case so far, in favour of another one.
    pub(super) fn leave_behind(&mut self, case: CaseId, old: GroupId, new: GroupId) -> Result<(), StoreError> {
        self.session.successor_at.remove(&case);
        self.session.forget_sweep(case);
        self.session.live.remove(&old);
        self.requeue(case, old)?;
        for intent in self.intents(case)? {
            let obsolete = intent.value.want.along().is_some_and(|along| along != new);
            if obsolete {
                self.delete_intent(case, intent.id, &intent.value.want)?;
                self.session.busy.remove(&intent.id);
                self.session.retry_at.remove(&intent.id);
            }
        }
        if old != new
            && let Some(mut state) = self.group_record(old)?
        {
            if state.follows.is_some() {
                self.say_again(case, &[old], Timestamp(0))?;
            }
            if state.phase == Phase::Live {
                self.actions.push(Action::Unfollow { group: old });
                if state.lately_replaced(self.now).is_some() {
                    // The relay has it, but not as others had read it.
                    state.refused = Some(RefusedCommit::lack(&state, self.now));
                }
            }
            state.phase = Phase::Replaced;
            self.save(old, &state)?;
        }
        Ok(())
    }

    /// What this device said in a group that the relay lacks, or in a successor that nobody goes on with, is said again; who
    /// has it drops the repetition.
    pub(super) fn say_again(&mut self, case: CaseId, groups: &[GroupId], since: Timestamp) -> Result<(), StoreError> {
        for (_, item) in self.tx.rows().items::<StoredItem>(case, Position(0), usize::MAX)? {
            // What was taken back or has expired is not said again.
            let gone = item.forgotten || item.deleted && item.replaces.is_none();
            let waits = self.outgoing(case)?.has_item(item.id);
            if item.own && groups.contains(&item.group) && item.relayed_at >= since && !gone && !waits {
                let draft = item.draft();
                self.queue(case, Want::Item { id: item.id, draft, sent_at: item.sent_at })?;
            }
        }
        Ok(())
    }

    /// Gives this device fresh keys where it has not for long.
    pub(super) fn refresh_keys(&mut self) -> Result<(), StoreError> {
        for id in self.tx.rows().groups()? {
            let Some(state) = self.group_record(id)? else { continue };
            let old = self.now.since(state.fresh_at) >= FRESH_DAYS * Timestamp::DAY;
            let wanted = |want: &Want| matches!(want, Want::UpdateKeys);
            if state.phase == Phase::Live
                && old
                && !self.intents(state.case)?.iter().any(|intent| wanted(&intent.value.want))
            {
                self.queue(state.case, Want::UpdateKeys)?;
            }
        }
        Ok(())
    }
}

/// The context of a successor as it begins. A group begins with its starter alone, and has a coordinator from the
/// first: the starter, to whom the coordinator's role is lent.
fn successor_context(
    kept: &CaseContext,
    starter: &kring_protocol::address::ProfessionalAddress,
    named: &Predecessor,
) -> CaseContext {
    let mut next = kept.clone();
    let coordinator = kept.coordinator().filter(|coordinator| *coordinator != starter);
    let lent = coordinator.zip(kept.role(starter));
    let lent =
        lent.map(|(coordinator, role)| Lent { coordinator: coordinator.clone(), starter: starter.clone(), role });
    next.set_role(starter, Role::Coordinator);
    next.predecessor = Some(Predecessor { lent, ..named.clone() });
    next
}

/// How long somebody waits before starting the successor.
fn delay(group: &Group, seats: &[Seat], seat: &Seat) -> u64 {
    let order = role_order(group, seat);
    let before = seats.iter().filter(|other| role_order(group, other) == order && other.index < seat.index).count();
    let first = match order {
        0 => COORDINATOR_DELAY,
        1 => DEPUTY_DELAY,
        _ => MEMBER_DELAY,
    };
    first + RANK_DELAY * before as u64
}

/// 0 for the coordinator, 1 for a deputy, 2 for everybody else.
fn role_order(group: &Group, seat: &Seat) -> u64 {
    match group.context().and_then(|context| context.role(&seat.device.address().professional)) {
        Some(Role::Coordinator) => 0,
        Some(Role::Deputy) => 1,
        _ => 2,
    }
}

/// Coordinator before deputies before the others; among equals the lower leaf.
fn rank(group: &Group, seat: &Seat) -> u64 {
    role_order(group, seat) << 32 | u64::from(seat.index.u32())
}
