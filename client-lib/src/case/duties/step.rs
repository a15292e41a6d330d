//! One step of the duties, and whether it may be taken.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Closing, ClosingStage, Duties, FileStatement, MAX_HANDOVERS, MAX_RECEIVERS, OpenHandover, Receiver, Seated,
};
use crate::case::hash::ContentHash;
use crate::case::ids::ItemId;
use crate::case::member::Role;

/// What a Commit does to the duties: one thing at a time, so that a person can be told what it was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DutyStep {
    /// Somebody responsible offers a handover.
    Offer(OpenHandover),
    /// The sender confirms a receiver's synthesis.
    Confirm {
        /// The handover, by its offer.
        offer: ItemId,
        /// Whose synthesis.
        receiver: ProfessionalAddress,
        /// Hash of its body.
        synthesis: ContentHash,
    },
    /// A receiver can start.
    Ready {
        /// The handover, by its offer.
        offer: ItemId,
        /// Who.
        receiver: ProfessionalAddress,
        /// When they start.
        start: Timestamp,
    },
    /// Responsibility moves to all receivers, and the coordinator's role with it where that is handed over.
    Complete {
        /// The handover, by its offer.
        offer: ItemId,
    },
    /// A handover ends without moving anything: withdrawn by its sender, declined by a receiver, or cleared away by
    /// somebody else who may, after it has expired.
    End {
        /// The handover, by its offer.
        offer: ItemId,
    },
    /// An organisation holds the case back from being erased.
    Hold {
        /// Its domain.
        organisation: String,
    },
    /// It does so no longer.
    Lift {
        /// Its domain.
        organisation: String,
    },
    /// The case is to be closed: each organisation is asked about its own file.
    ProposeClosing {
        /// Days from the closing after which it is to be erased.
        keep_days: u64,
    },
    /// It is not to be closed yet.
    WithdrawClosing,
    /// An organisation's statement.
    State {
        /// Its domain.
        organisation: String,
        /// What it states.
        statement: FileStatement,
    },
    /// The case is closed: read only.
    Close,
    /// The case is erased, on every device and at the relay.
    Erase,
}

/// Why a step cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DutyRefused {
    /// Only who is responsible for the family hands it over.
    #[error("only who is responsible for the family can hand it over")]
    NotResponsible,
    /// Only the coordinator hands the coordinator's role over.
    #[error("only the coordinator can hand the coordinator's role over")]
    NotCoordinator,
    /// The receivers are none, too many, repeated, not in the case, observers, or the sender.
    #[error("a handover goes to one to eight others who take part in the case")]
    Receivers,
    /// Too many handovers stand open.
    #[error("too many handovers stand open; complete or withdraw one first")]
    TooMany,
    /// There is no such handover, or it has ended.
    #[error("there is no such handover, or it has ended")]
    NoHandover,
    /// Only the sender confirms, and only a required receiver can be ready.
    #[error("this step of a handover belongs to somebody else")]
    NotYours,
    /// The sender has not confirmed the receiver's synthesis.
    #[error("the sender has not confirmed yet that the receiver has understood")]
    NotUnderstood,
    /// Not every required receiver is ready, or one is gone.
    #[error("not every receiver is ready and in the case")]
    NotReady,
    /// It is so already.
    #[error("it is so already")]
    Already,
    /// The role does not allow it.
    #[error("your role in this case does not allow this")]
    Role,
    /// It is about another organisation.
    #[error("an organisation speaks only for itself")]
    OtherOrganisation,
    /// Handovers stand open.
    #[error("handovers stand open; complete, decline or withdraw them first")]
    HandoversOpen,
    /// An organisation has made no statement about its own file.
    #[error("not every organisation has stated what becomes of its own file")]
    Statements,
    /// The case is not at this stage of closing.
    #[error("the case is not at that stage of closing")]
    Stage,
    /// An organisation holds the case.
    #[error("an organisation holds the case: it may not be erased")]
    Held,
}

impl Duties {
    /// The duties after a step by somebody.
    pub(crate) fn after(
        &self,
        step: &DutyStep,
        by: &ProfessionalAddress,
        seated: &Seated<'_>,
    ) -> Result<Self, DutyRefused> {
        let role = seated.role(by).ok_or(DutyRefused::Role)?;
        if self.stage() == Some(ClosingStage::Erasing) {
            return Err(DutyRefused::Stage);
        }
        let mut next = self.clone();
        match step {
            DutyStep::Offer(handover) => next.offer(handover, by, seated)?,
            DutyStep::Confirm { offer, receiver, synthesis } => {
                let handover = next.open(*offer)?;
                if handover.from != *by {
                    return Err(DutyRefused::NotYours);
                }
                let receiver = handover.required(receiver)?;
                if receiver.understood.is_some() {
                    return Err(DutyRefused::Already);
                }
                receiver.understood = Some(*synthesis);
            }
            DutyStep::Ready { offer, receiver, start } => {
                if receiver != by {
                    return Err(DutyRefused::NotYours);
                }
                let receiver = next.open(*offer)?.required(receiver)?;
                if receiver.understood.is_none() {
                    return Err(DutyRefused::NotUnderstood);
                }
                if receiver.ready.is_some() {
                    return Err(DutyRefused::Already);
                }
                receiver.ready = Some(*start);
            }
            DutyStep::Complete { offer } => next.complete(*offer, by, seated)?,
            DutyStep::End { offer } => {
                let handover = next.open(*offer)?;
                let theirs = handover.from == *by || handover.receiver(by).is_some();
                if !theirs && !matches!(role, Role::Coordinator | Role::Deputy) {
                    return Err(DutyRefused::NotYours);
                }
                next.handovers.retain(|other| other.offer != *offer);
            }
            DutyStep::Hold { organisation } => {
                speaks_for(by, role, organisation)?;
                let place = next.holds.binary_search(organisation).err().ok_or(DutyRefused::Already)?;
                next.holds.insert(place, organisation.clone());
            }
            DutyStep::Lift { organisation } => {
                // The coordinator lifts the hold of an organisation that nobody in the case speaks for any more.
                let orphaned = !seated.organisations().contains(&organisation.as_str());
                if !(orphaned && role == Role::Coordinator) {
                    speaks_for(by, role, organisation)?;
                }
                let place = next.holds.binary_search(organisation).map_err(|_| DutyRefused::Already)?;
                next.holds.remove(place);
            }
            DutyStep::ProposeClosing { keep_days } => {
                coordinates(role)?;
                if next.closing.is_some() {
                    return Err(DutyRefused::Stage);
                }
                if !next.handovers.is_empty() {
                    return Err(DutyRefused::HandoversOpen);
                }
                let stage = ClosingStage::Proposed;
                next.closing = Some(Closing { stage, keep_days: *keep_days, statements: Vec::new() });
            }
            DutyStep::WithdrawClosing => {
                coordinates(role)?;
                next.closing_at(ClosingStage::Proposed)?;
                next.closing = None;
            }
            DutyStep::State { organisation, statement } => {
                speaks_for(by, role, organisation)?;
                let statements = &mut next.closing_at(ClosingStage::Proposed)?.statements;
                match statements.binary_search_by(|(domain, _)| domain.cmp(organisation)) {
                    Ok(place) if statements[place].1 == *statement => return Err(DutyRefused::Already),
                    Ok(place) => statements[place].1 = *statement,
                    Err(place) => statements.insert(place, (organisation.clone(), *statement)),
                }
            }
            DutyStep::Close => {
                coordinates(role)?;
                if !next.handovers.is_empty() {
                    return Err(DutyRefused::HandoversOpen);
                }
                let closing = next.closing_at(ClosingStage::Proposed)?;
                if seated.organisations().iter().any(|domain| closing.statement(domain).is_none()) {
                    return Err(DutyRefused::Statements);
                }
                closing.stage = ClosingStage::Closed;
            }
            DutyStep::Erase => {
                coordinates(role)?;
                if !next.holds.is_empty() {
                    return Err(DutyRefused::Held);
                }
                next.closing_at(ClosingStage::Closed)?.stage = ClosingStage::Erasing;
            }
        }
        Ok(next)
    }

    fn offer(
        &mut self,
        handover: &OpenHandover,
        by: &ProfessionalAddress,
        seated: &Seated<'_>,
    ) -> Result<(), DutyRefused> {
        if handover.from != *by || !self.responsible(seated.coordinator()).contains(&by) {
            return Err(DutyRefused::NotResponsible);
        }
        if handover.coordinator.is_some() && seated.coordinator() != Some(by) {
            return Err(DutyRefused::NotCoordinator);
        }
        if self.closing.is_some() {
            return Err(DutyRefused::Stage);
        }
        let can = |receiver: &Receiver| {
            let takes_part = seated.role(&receiver.who).is_some_and(|role| role != Role::Observer);
            let fresh = receiver.understood.is_none() && receiver.ready.is_none();
            takes_part && fresh && (seated.present)(&receiver.who) && receiver.who != *by
        };
        let rising = handover.to.windows(2).all(|pair| pair[0].who < pair[1].who);
        let coordinator = handover.coordinator.as_ref().is_none_or(|who| handover.receiver(who).is_some());
        if !(1..=MAX_RECEIVERS).contains(&handover.to.len())
            || !rising
            || !coordinator
            || !handover.to.iter().all(can)
        {
            return Err(DutyRefused::Receivers);
        }
        if self.handover(handover.offer).is_some() {
            return Err(DutyRefused::Already);
        }
        if self.handovers.len() >= MAX_HANDOVERS {
            return Err(DutyRefused::TooMany);
        }
        self.handovers.push(handover.clone());
        Ok(())
    }

    /// Moves responsibility. The sender's other handovers, if it is responsible no longer, end with it.
    fn complete(&mut self, offer: ItemId, by: &ProfessionalAddress, seated: &Seated<'_>) -> Result<(), DutyRefused> {
        let handover = self.open(offer)?.clone();
        if handover.from != *by && handover.receiver(by).is_none() {
            return Err(DutyRefused::NotYours);
        }
        if !handover.is_ready() || !handover.to.iter().all(|receiver| (seated.present)(&receiver.who)) {
            return Err(DutyRefused::NotReady);
        }
        if handover.coordinator.is_some() && seated.coordinator() != Some(&handover.from) {
            return Err(DutyRefused::NotCoordinator);
        }
        let mut responsible: Vec<_> = self.responsible(seated.coordinator()).into_iter().cloned().collect();
        responsible.retain(|who| *who != handover.from);
        responsible.extend(handover.to.into_iter().map(|receiver| receiver.who));
        responsible.sort_unstable();
        responsible.dedup();
        self.responsible = responsible;
        self.handovers.retain(|other| other.from != handover.from);
        Ok(())
    }

    fn open(&mut self, offer: ItemId) -> Result<&mut OpenHandover, DutyRefused> {
        self.handovers.iter_mut().find(|handover| handover.offer == offer).ok_or(DutyRefused::NoHandover)
    }

    fn closing_at(&mut self, stage: ClosingStage) -> Result<&mut Closing, DutyRefused> {
        self.closing.as_mut().filter(|closing| closing.stage == stage).ok_or(DutyRefused::Stage)
    }
}

impl OpenHandover {
    fn required(&mut self, who: &ProfessionalAddress) -> Result<&mut Receiver, DutyRefused> {
        self.to.iter_mut().find(|receiver| receiver.who == *who).ok_or(DutyRefused::NotYours)
    }
}

fn coordinates(role: Role) -> Result<(), DutyRefused> {
    if role == Role::Coordinator { Ok(()) } else { Err(DutyRefused::Role) }
}

/// Whoever takes part speaks for their own organisation, and for no other.
fn speaks_for(by: &ProfessionalAddress, role: Role, organisation: &str) -> Result<(), DutyRefused> {
    if role == Role::Observer {
        return Err(DutyRefused::Role);
    }
    if by.domain() == organisation { Ok(()) } else { Err(DutyRefused::OtherOrganisation) }
}

impl DutyStep {
    /// The steps that may have led from one state to another, to be tried; at most one of them fits, unless two
    /// handovers would have moved the same.
    pub(crate) fn between(now: &Duties, next: &Duties) -> Vec<Self> {
        if now.closing != next.closing {
            return closing_step(now.closing.as_ref(), next.closing.as_ref()).into_iter().collect();
        }
        if now.holds != next.holds {
            let new = next.holds.iter().filter(|domain| !now.holds.contains(domain));
            let old = now.holds.iter().filter(|domain| !next.holds.contains(domain));
            let hold = |organisation: &String| Self::Hold { organisation: organisation.clone() };
            let lift = |organisation: &String| Self::Lift { organisation: organisation.clone() };
            return new.map(hold).chain(old.map(lift)).collect();
        }
        let new: Vec<_> = next.handovers.iter().filter(|handover| now.handover(handover.offer).is_none()).collect();
        if !new.is_empty() {
            return new.into_iter().map(|handover| Self::Offer(handover.clone())).collect();
        }
        let gone: Vec<_> =
            now.handovers.iter().map(|old| old.offer).filter(|offer| next.handover(*offer).is_none()).collect();
        if now.responsible != next.responsible {
            return gone.into_iter().map(|offer| Self::Complete { offer }).collect();
        }
        if !gone.is_empty() {
            return gone.into_iter().map(|offer| Self::End { offer }).collect();
        }
        let pairs = next.handovers.iter().filter_map(|new| Some((new, now.handover(new.offer)?)));
        pairs.flat_map(|(new, old)| receiver_steps(old, new)).collect()
    }
}

fn receiver_steps(old: &OpenHandover, new: &OpenHandover) -> Vec<DutyStep> {
    let offer = new.offer;
    let changed = |receiver: &Receiver| {
        let before = old.receiver(&receiver.who)?;
        let who = receiver.who.clone();
        match (before.understood, receiver.understood, before.ready, receiver.ready) {
            (None, Some(synthesis), ..) => Some(DutyStep::Confirm { offer, receiver: who, synthesis }),
            (_, _, None, Some(start)) => Some(DutyStep::Ready { offer, receiver: who, start }),
            _ => None,
        }
    };
    new.to.iter().filter_map(changed).collect()
}

fn closing_step(now: Option<&Closing>, next: Option<&Closing>) -> Option<DutyStep> {
    match (now, next) {
        (None, Some(next)) => Some(DutyStep::ProposeClosing { keep_days: next.keep_days }),
        (Some(_), None) => Some(DutyStep::WithdrawClosing),
        (Some(now), Some(next)) if now.stage == next.stage => {
            let changed = next.statements.iter().find(|(domain, said)| now.statement(domain) != Some(*said))?;
            Some(DutyStep::State { organisation: changed.0.clone(), statement: changed.1 })
        }
        (Some(_), Some(next)) => match next.stage {
            ClosingStage::Proposed => None,
            ClosingStage::Closed => Some(DutyStep::Close),
            ClosingStage::Erasing => Some(DutyStep::Erase),
        },
        (None, None) => None,
    }
}
