//! Joining by a Welcome that was sealed to this device: into a new case, back into a group that this device was taken
//! out of, or into the successor of a broken one.
//!
//! Anybody can send a Welcome, so **nothing of a group that this device is in is touched before it is known that the
//! Welcome may take its place**, and what does not come to a join leaves nothing behind. Refused: a Welcome into a group
//! that this device is in; a readmission by somebody who had no right to add when this device last knew the group; a
//! successor that `successor.rs` does not follow, or that is no better than the one that this device has.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{Epoch, GroupId, Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::event::Event;
use super::folding::Cause;
use super::inbox::{Envelope, Follows};
use super::state::{CaseRecord, GroupRecord, Phase};
use super::step::Step;
use super::successor::Successor;
use crate::case::{CaseId, Role};
use crate::mls::group::{Group, MlsFailure};
use crate::mls::join::{Invitation, Replaces, invitation};
use crate::store::StoreError;

/// Most successors that are followed back to a common group: more than a case ever has.
const MOST_SUCCESSORS: usize = 64;

/// What this device knew of a group when it was last sure of it: by this a readmission is judged.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LastKnown {
    epoch: Epoch,
    title: String,
    /// Coordinator and deputies.
    managers: Vec<ProfessionalAddress>,
}

impl LastKnown {
    fn of(group: &Group) -> Option<Self> {
        let context = group.context()?;
        let manages = |role: &Role| matches!(role, Role::Coordinator | Role::Deputy);
        let managers = context.roles().iter().filter(|(_, role)| manages(role)).map(|(who, _)| who.clone()).collect();
        Some(Self { epoch: group.epoch(), title: context.title, managers })
    }

    /// `own`: this device's professional, whose other devices can take it back as well.
    fn allows(&self, invitation: &Invitation, own: &ProfessionalAddress) -> bool {
        let by = &invitation.by.address().professional;
        invitation.epoch > self.epoch
            && invitation.context.title == self.title
            && (self.managers.contains(by) || by == own)
    }
}

/// What came of a Welcome.
pub(super) enum Outcome {
    /// This device has joined.
    Joined,
    /// It may join at this time, not before.
    NotYet(Timestamp),
    /// It may not.
    Refused,
}

/// Whether a successor is followed.
enum Following {
    /// `behind`: this device had not read as much as its starter.
    Yes {
        rank: u64,
        behind: bool,
    },
    NotYet(Timestamp),
    No,
}

impl Step<'_> {
    /// Tries to join. Whatever is wrong with the Welcome is no fault of the store: the step goes on without it.
    pub(super) fn try_join(&mut self, envelope: &Envelope) -> Result<Outcome, StoreError> {
        let (session, told) = (self.session.clone(), self.actions.len());
        self.tx.mark()?;
        let outcome = match self.join(envelope) {
            Ok(outcome) => outcome,
            Err(MlsFailure::Refused | MlsFailure::Store(StoreError::Internal | StoreError::Corrupt)) => {
                Outcome::Refused
            }
            Err(MlsFailure::Store(error)) => return Err(error),
        };
        if matches!(outcome, Outcome::Joined) {
            self.tx.keep()?;
            return Ok(outcome);
        }
        self.tx.probe()?;
        self.tx.undo()?;
        *self.session = session;
        self.actions.truncate(told);
        self.groups.remove(&envelope.group());
        self.states.remove(&envelope.case());
        Ok(outcome)
    }

    fn join(&mut self, envelope: &Envelope) -> Result<Outcome, MlsFailure> {
        let (case, group) = (envelope.case(), envelope.group());
        let known = self.group_record(group)?;
        let again = match &known {
            None => None,
            Some(state) => match self.readmission(case, group, state)? {
                None => return Ok(Outcome::Refused),
                last => last,
            },
        };
        let replaces = if again.is_some() { Replaces::Group } else { Replaces::Nothing };
        let invitation = invitation(self.party, self.tx, envelope.sealed_welcome(), replaces)?;
        if !envelope.fits(&invitation) {
            return Ok(Outcome::Refused);
        }
        let before = self.case(case)?;
        let mut was_away = again.is_some();
        let follows = match (&again, &known, &before) {
            (Some(last), Some(state), _) => {
                if !last.allows(&invitation, &self.party.address().professional) {
                    return Ok(Outcome::Refused);
                }
                state.follows
            }
            (_, _, None) => None,
            (_, _, Some(record)) => match self.may_follow(record, &invitation)? {
                Following::No => return Ok(Outcome::Refused),
                Following::NotYet(at) => return Ok(Outcome::NotYet(at)),
                Following::Yes { rank, behind } => {
                    was_away |= behind;
                    invitation.context.predecessor.as_ref().map(|from| (from.group, rank))
                }
            },
        };
        let by = invitation.by.address().clone();
        let title = invitation.context.title.clone();
        let before_phase = match &before {
            Some(record) => self.group_record(record.group)?.map(|state| state.phase),
            None => None,
        };
        if let Some(record) = &before {
            self.leave_behind(case, record.group, group)?;
        }
        self.groups.remove(&group);
        let mls = invitation.accept(self.party, self.tx)?;
        self.tx.write_access(group, mls.epoch(), mls.access(self.party)?.bytes())?;
        self.remember_epoch(group, mls.epoch(), mls.authenticator())?;
        self.tx.delete_views(group, None)?;
        let state = GroupRecord {
            case,
            relay: envelope.relay().to_owned(),
            phase: Phase::Live,
            cursor: envelope.cursor(),
            at: None,
            gap_to: Seq(0),
            told: Seq(0),
            hash: ByteBuf::from([0; 32]),
            fresh_at: self.now,
            refused: None,
            follows,
            rejoined: again.clone(),
            unreachable: false,
            heard_at: Timestamp(0),
            coordinator_heard: self.now,
            used_up: None,
            reached: None,
            replaced: None,
            says_again_at: None,
            built_at: None,
        };
        self.save(group, &state)?;
        self.tx.write_case(case, &CaseRecord { title, group })?;
        let epoch = mls.epoch();
        // Who comes from the group before has the state; who joins anew, or was away, is sent it.
        let away = |phase| matches!(phase, Phase::Left | Phase::OutOfStep);
        let told = was_away || before_phase.is_none_or(away);
        let joined_by = told.then(|| by.professional.clone());
        let nothing_until = envelope.nothing_until();
        let cause = Cause { joined_by, nothing_until, ..Cause::default() };
        self.fold_change(case, (group, &mls), Seq(0), cause)?;
        self.take_back_role(case, group, &mls)?;
        self.say_again_later(group)?;
        self.put(group, mls);
        self.follow(group, epoch, &state);
        self.session.dirty.insert(case);
        self.tell(if before.is_some_and(|record| record.group != group) {
            Event::Continued { case, by }
        } else {
            Event::Joined { case }
        });
        Ok(Outcome::Joined)
    }

    /// What this device last knew of a group into which it can be added again; `None`: it cannot.
    fn readmission(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
    ) -> Result<Option<LastKnown>, StoreError> {
        let current = state.case == case && self.case(case)?.is_some_and(|record| record.group == group);
        let taken_back = current && state.takes_back() || state.case == case && self.went_on_from(group, state)?;
        if !taken_back {
            return Ok(None);
        }
        if state.rejoined.is_some() {
            // What came of the last readmission has not been borne out by the log.
            return Ok(state.rejoined.clone());
        }
        let mls = self.take(group)?;
        let last = LastKnown::of(&mls);
        self.put(group, mls);
        Ok(last)
    }

    /// Whether a case goes on in another group than the one that this device has for it.
    fn may_follow(&mut self, record: &CaseRecord, invitation: &Invitation) -> Result<Following, StoreError> {
        let Some(predecessor) = &invitation.context.predecessor else { return Ok(Following::No) };
        let before = self.group_record(predecessor.group)?;
        let Some(before) = before.filter(|before| before.case == invitation.context.case) else {
            return Ok(Following::No);
        };
        let mls = self.take(predecessor.group)?;
        let successor = self.successor(&mls, &before, predecessor, invitation);
        self.put(predecessor.group, mls);
        let Some(Successor { rank, turn, behind }) = successor? else { return Ok(Following::No) };
        if !self.is_better(record.group, predecessor.group, rank)? {
            return Ok(Following::No);
        }
        Ok(if turn > self.now { Following::NotYet(turn) } else { Following::Yes { rank, behind } })
    }

    /// Of two lines of successors the one wins that left their last common group under the lower rank.
    fn is_better(&self, present: GroupId, from: GroupId, rank: u64) -> Result<bool, StoreError> {
        let mut line = vec![(from, rank)];
        line.extend(self.ancestors(from)?);
        if line.iter().any(|(group, _)| *group == present) {
            return Ok(true);
        }
        let common = self.ancestors(present)?.into_iter().find_map(|(group, present_rank)| {
            line.iter().find(|(other, _)| *other == group).map(|(_, rank)| *rank < present_rank)
        });
        Ok(common.unwrap_or(false))
    }

    /// The groups that a group goes on from, each with the rank of whoever started what followed it; nearest first.
    fn ancestors(&self, group: GroupId) -> Result<Vec<(GroupId, u64)>, StoreError> {
        let mut line = Vec::new();
        let mut at = group;
        while let Some((from, rank)) = self.group_record(at)?.and_then(|state| state.follows) {
            line.push((from, rank));
            if line.len() == MOST_SUCCESSORS {
                break;
            }
            at = from;
        }
        Ok(line)
    }
}

impl Envelope {
    /// Whether what the envelope says of a Welcome is so.
    pub(super) fn fits(&self, invitation: &Invitation) -> bool {
        invitation.group == self.group()
            && invitation.epoch == self.epoch()
            && invitation.context.case == self.case()
            && invitation.context.predecessor.as_ref().map(Follows::from).as_ref() == self.follows()
    }
}
