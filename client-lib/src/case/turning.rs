//! What a Commit meant for the case: the steps that lead from one change of its group to the next, for a person who reads
//! its course. They stand in the log as Commits and not as items, and everybody finds the same ones.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;

use super::duties::{ClosingStage, FileStatement, OpenHandover};
use super::ids::ItemId;
use super::log::{Change, Person};
use super::member::Role;

/// One step.
#[derive(Clone, PartialEq, Eq)]
pub enum CaseStep {
    /// Somebody has a device in the case now.
    Came(ProfessionalAddress),
    /// Somebody has none any more.
    Went(ProfessionalAddress),
    /// Somebody has another role.
    Role(ProfessionalAddress, Role),
    /// The members have agreed that a handover stands.
    Stands(ItemId),
    /// Its sender has confirmed what a receiver has understood.
    Confirmed(ItemId, ProfessionalAddress),
    /// A receiver can start: when.
    Ready(ItemId, ProfessionalAddress, Timestamp),
    /// A receiver is gone, and begins again if they come back.
    Reopened(ItemId, ProfessionalAddress),
    /// Responsibility has moved.
    Completed(ItemId),
    /// A receiver does not take it.
    Declined(ItemId),
    /// The sender has taken it back.
    Withdrawn(ItemId),
    /// Somebody who manages the case has cleared it away.
    Cleared(ItemId),
    /// It has ended because its sender is gone.
    SenderGone(ItemId),
    /// Who answers for the family from here on.
    Responsible(Vec<ProfessionalAddress>),
    /// An organisation holds the case back from being erased.
    Held(String),
    /// It does so no longer.
    Lifted(String),
    /// The case is to be closed, and erased so many days later.
    ClosingProposed(u64),
    /// It is not to be closed yet.
    ClosingWithdrawn,
    /// What an organisation states about its own file.
    Stated(String, FileStatement),
    /// The case is closed.
    Closed,
    /// The case is erased.
    Erasing,
}

super::log::says_nothing!(CaseStep);

fn present<'c>(change: &'c Change, who: &ProfessionalAddress) -> Option<&'c Person> {
    change.people.iter().find(|person| person.professional == *who && person.present.is_some())
}

impl Change {
    /// What has come about since another change, the one before this one.
    pub fn since(&self, before: &Self) -> Vec<CaseStep> {
        let mut steps = Vec::new();
        for person in self.people.iter().filter(|person| person.present.is_some()) {
            let who = &person.professional;
            match present(before, who) {
                None => steps.push(CaseStep::Came(who.clone())),
                Some(known) if known.role != person.role => steps.push(CaseStep::Role(who.clone(), person.role)),
                Some(_) => {}
            }
        }
        let gone = |who: &ProfessionalAddress| present(before, who).is_some() && present(self, who).is_none();
        let went = before.people.iter().map(|person| &person.professional).filter(|who| gone(who));
        steps.extend(went.cloned().map(CaseStep::Went));
        self.handovers_since(before, &gone, &mut steps);
        let coordinator = |change: &Self| {
            change.people.iter().find(|person| person.role == Role::Coordinator).map(|it| it.professional.clone())
        };
        let (was, is) = (coordinator(before), coordinator(self));
        let responsible: Vec<_> = self.duties.responsible(is.as_ref()).into_iter().cloned().collect();
        if before.duties.responsible(was.as_ref()) != responsible.iter().collect::<Vec<_>>() {
            steps.push(CaseStep::Responsible(responsible));
        }
        let (held, holds) = (&before.duties.holds, &self.duties.holds);
        steps.extend(holds.iter().filter(|it| !held.contains(it)).cloned().map(CaseStep::Held));
        steps.extend(held.iter().filter(|it| !holds.contains(it)).cloned().map(CaseStep::Lifted));
        self.closing_since(before, &mut steps);
        steps
    }

    fn handovers_since(&self, before: &Self, gone: &dyn Fn(&ProfessionalAddress) -> bool, steps: &mut Vec<CaseStep>) {
        for open in self.duties.handovers() {
            let Some(was) = before.duties.handover(open.offer) else {
                steps.push(CaseStep::Stands(open.offer));
                continue;
            };
            for receiver in &open.to {
                let who = receiver.who.clone();
                let Some(known) = was.receiver(&who) else { continue };
                match (known.understood, receiver.understood, known.ready, receiver.ready) {
                    (Some(_), None, ..) | (_, _, Some(_), None) => steps.push(CaseStep::Reopened(open.offer, who)),
                    (None, Some(_), ..) => steps.push(CaseStep::Confirmed(open.offer, who)),
                    (_, _, None, Some(start)) => steps.push(CaseStep::Ready(open.offer, who, start)),
                    _ => {}
                }
            }
        }
        let ended = before.duties.handovers().iter().filter(|was| self.duties.handover(was.offer).is_none());
        steps.extend(ended.map(|was| self.end_of(was, before, gone)));
    }

    fn end_of(&self, was: &OpenHandover, before: &Self, gone: &dyn Fn(&ProfessionalAddress) -> bool) -> CaseStep {
        let offer = was.offer;
        let takes = |who: &ProfessionalAddress| self.duties.responsible.contains(who);
        let moved = self.duties.responsible != before.duties.responsible;
        if gone(&was.from) {
            CaseStep::SenderGone(offer)
        } else if moved && was.is_ready() && was.to.iter().all(|receiver| takes(&receiver.who)) {
            CaseStep::Completed(offer)
        } else {
            match &self.by {
                Some(by) if *by == was.from => CaseStep::Withdrawn(offer),
                Some(by) if was.receiver(by).is_some() => CaseStep::Declined(offer),
                _ => CaseStep::Cleared(offer),
            }
        }
    }

    fn closing_since(&self, before: &Self, steps: &mut Vec<CaseStep>) {
        let (was, is) = (before.duties.closing(), self.duties.closing());
        match (was, is) {
            (None, Some(is)) => steps.push(CaseStep::ClosingProposed(is.keep_days)),
            (Some(_), None) => steps.push(CaseStep::ClosingWithdrawn),
            (Some(was), Some(is)) => {
                let new = is.statements.iter().filter(|(domain, said)| was.statement(domain) != Some(*said));
                steps.extend(new.map(|(domain, said)| CaseStep::Stated(domain.clone(), *said)));
                match is.stage {
                    stage if stage == was.stage => {}
                    ClosingStage::Proposed => {}
                    ClosingStage::Closed => steps.push(CaseStep::Closed),
                    ClosingStage::Erasing => steps.push(CaseStep::Erasing),
                }
            }
            (None, None) => {}
        }
    }
}
