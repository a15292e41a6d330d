//! What waits for somebody in a case: what only they, or those of their function or role, can do next.
//!
//! A pure function of the state and of who asks; a list of it over all cases is a professional's inbox.

use kring_protocol::address::ProfessionalAddress;

use super::alert::AlertPhase;
use super::fold::CaseState;
use super::handover::HandoverWaits;
use super::ids::ItemId;
use super::member::Role;
use super::plan::PlanPhase;
use super::task::TaskPhase;

/// Something that waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiting {
    /// Nobody takes action on the alert that they raised, and its ladder is at its end: they have to call.
    AlertExhausted(ItemId),
    /// An alert asks their function, nobody takes action, and they have not said that they have seen it.
    AlertToAcknowledge(ItemId),
    /// They take action on an alert, and owe an update.
    AlertToUpdate(ItemId),
    /// A version of the plan needs their function's approval.
    PlanToApprove(ItemId),
    /// An approved version of the plan stands beside the one in force: those who manage the case, and its author, merge it.
    PlanToMerge(ItemId),
    /// A task is offered to them.
    TaskToAccept(ItemId),
    /// They have accepted a task.
    TaskToDo(ItemId),
    /// They made a task that is done, or manage the case: somebody has to see that it is.
    TaskToVerify(ItemId),
    /// A task is nobody's: those who manage the case give it to somebody.
    TaskToAssign(ItemId),
    /// A task was not done in time: its owner, its maker and those who manage the case see to it.
    TaskOverdue(ItemId),
    /// A handover waits for a step of theirs.
    Handover(ItemId, HandoverWaits),
    /// A member disputes what a joiner was told of the case: those who manage the case clear it up.
    Disputed(ItemId),
}

impl CaseState {
    /// What waits for a professional, alerts first.
    pub fn waiting_for(&self, who: &ProfessionalAddress) -> Vec<Waiting> {
        let Some(person) = self.members().person(who) else { return Vec::new() };
        let function = person.present.as_ref().map_or("", |present| present.function.as_str());
        let manages = matches!(person.role, Role::Coordinator | Role::Deputy);
        let mut found = Vec::new();
        for (id, alert) in self.open_alerts() {
            let asked = alert.raise.functions.iter().any(|code| code == function)
                || alert.raise.ladder.iter().take(step(alert.step)).any(|rung| rung.function == function);
            match alert.phase {
                AlertPhase::Exhausted if alert.by == *who => found.push(Waiting::AlertExhausted(id)),
                AlertPhase::Raised | AlertPhase::Exhausted
                    if asked && !alert.acknowledgements.iter().any(|ack| ack.by == *who) =>
                {
                    found.push(Waiting::AlertToAcknowledge(id));
                }
                AlertPhase::Acknowledged | AlertPhase::InAction if alert.is_taken_by(who) => {
                    found.push(Waiting::AlertToUpdate(id));
                }
                _ => {}
            }
        }
        if person.role == Role::Observer {
            return found;
        }
        for (id, plan) in self.open_plans() {
            match plan.phase {
                PlanPhase::Proposed if plan.missing().any(|code| code == function) => {
                    found.push(Waiting::PlanToApprove(id));
                }
                PlanPhase::Approved if manages || plan.by == *who => found.push(Waiting::PlanToMerge(id)),
                _ => {}
            }
        }
        for (id, task) in self.open_tasks() {
            let owns = task.owner.as_ref() == Some(who);
            let steers = manages || task.is_made_by(who);
            if task.overdue && (owns || steers) && task.is_pending() {
                found.push(Waiting::TaskOverdue(id));
            }
            match task.phase {
                TaskPhase::Open if owns => found.push(Waiting::TaskToAccept(id)),
                TaskPhase::Accepted if owns => found.push(Waiting::TaskToDo(id)),
                TaskPhase::Open | TaskPhase::Declined { .. } if task.owner.is_none() && manages => {
                    found.push(Waiting::TaskToAssign(id));
                }
                TaskPhase::Done { .. } if steers && !owns => found.push(Waiting::TaskToVerify(id)),
                _ => {}
            }
        }
        for (id, handover) in self.open_handovers() {
            found.extend(handover.waits_for(who).into_iter().map(|wait| Waiting::Handover(id, wait)));
        }
        if manages {
            found.extend(self.disputes().iter().map(|dispute| Waiting::Disputed(dispute.snapshot)));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn step(step: u64) -> usize {
    usize::try_from(step).unwrap_or(usize::MAX)
}
