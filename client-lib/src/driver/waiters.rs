//! Who waits for what: callers that want to know when their item is relayed, or their change is made.
//!
//! The answer comes from the conversation's events. A change has no name of its own in them; so it counts as made when
//! an event says so, and as over when nothing of this device is under way in its case any more.

use std::collections::HashMap;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Seq};
use tokio::sync::oneshot;

use crate::api::{Added, Changed, NotDone};
use crate::case::{CaseId, ItemId, Member, Role};
use crate::conversation::{Command, Dropped, Event, NotAdded};

/// Most callers that wait for items; forgotten ones are cleared away when it is reached, and at twice as many no more
/// are taken.
const CLEAR_AT: usize = 4_096;

/// Where an outcome goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, NotDone>>;

/// Somebody who waits.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// Nobody.
    Nobody,
    /// For an item's record.
    Item(Answer<Seq>),
    /// For an addition.
    Added(Answer<Added>),
    /// For another change.
    Changed(Answer<Changed>),
}

/// What a change is to bring about.
#[derive(Debug)]
enum Goal {
    Add {
        professional: ProfessionalAddress,
        device: Option<DeviceId>,
        answer: Answer<Added>,
    },
    Remove {
        professional: ProfessionalAddress,
        device: Option<DeviceId>,
        answer: Answer<Changed>,
    },
    SetRole {
        professional: ProfessionalAddress,
        role: Role,
        answer: Answer<Changed>,
    },
    Leave(Answer<Changed>),
    Duty(Answer<Changed>),
    /// That a Commit is made.
    Commit(Answer<Changed>),
}

#[derive(Debug)]
struct Change {
    case: CaseId,
    goal: Goal,
    added: Vec<Member>,
    not_added: Vec<(Option<DeviceId>, NotAdded)>,
    dropped: Option<Dropped>,
    done: bool,
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    items: HashMap<(CaseId, ItemId), Answer<Seq>>,
    changes: Vec<Change>,
}

impl Waiters {
    /// Has somebody wait for what a command that was taken brings about, before its events are seen.
    pub(super) fn wait(&mut self, wait: Wait) {
        match wait.0 {
            Awaited::Nothing => {}
            Awaited::Item(case, item, answer) => {
                if self.items.len() >= CLEAR_AT {
                    self.items.retain(|_, answer| !answer.is_closed());
                }
                if self.items.len() < 2 * CLEAR_AT {
                    self.items.insert((case, item), answer);
                }
            }
            Awaited::Change(change) => {
                self.changes.retain(|change| !change.goal.is_forgotten());
                self.changes.push(*change);
            }
        }
    }

    /// Something was told.
    pub(super) fn see(&mut self, event: &Event) {
        match event {
            Event::Relayed { case, item, seq } => {
                if let Some(answer) = self.items.remove(&(*case, *item)) {
                    let _ = answer.send(Ok(*seq));
                }
            }
            Event::Dropped { case, item: Some(item), reason } => {
                if let Some(answer) = self.items.remove(&(*case, *item)) {
                    let _ = answer.send(Err(NotDone::Dropped(reason.clone())));
                }
            }
            Event::Dropped { case, item: None, reason } => {
                for change in self.of(*case) {
                    change.dropped = Some(reason.clone());
                }
            }
            Event::MembersChanged { case, added, removed, .. } => {
                for change in self.of(*case) {
                    change.members_changed(added, removed);
                }
            }
            Event::RoleChanged { case, professional, role, .. } => {
                for change in self.of(*case) {
                    if let Goal::SetRole { professional: whose, role: wanted, .. } = &change.goal {
                        change.done |= whose == professional && wanted == role;
                    }
                }
            }
            Event::NotAdded { case, professional, device, reason } => {
                for change in self.of(*case) {
                    if matches!(&change.goal, Goal::Add { professional: whose, .. } if whose == professional) {
                        change.not_added.push((*device, *reason));
                        change.done |= device.is_none();
                    }
                }
            }
            Event::Left { case, .. } => {
                for change in self.of(*case) {
                    match change.goal {
                        Goal::Leave(_) => change.done = true,
                        _ => change.dropped = Some(Dropped::Left),
                    }
                    change.done = true;
                }
            }
            Event::CaseOpened { .. }
            | Event::Erasing { .. }
            | Event::Attested { .. }
            | Event::Erased { .. }
            | Event::Gone { .. }
            | Event::Joined { .. }
            | Event::Item(_)
            | Event::Leaving { .. }
            | Event::Duties { .. }
            | Event::Gap { .. }
            | Event::OutOfStep { .. }
            | Event::Unreachable { .. }
            | Event::CommitRefused { .. }
            | Event::Continued { .. }
            | Event::Suspicion { .. }
            | Event::ClockOff { .. }
            | Event::Held { .. }
            | Event::RevocationListOverdue { .. }
            | Event::OldRevocationLists
            | Event::WithoutCoordinator { .. }
            | Event::CoordinatorClaimed { .. }
            | Event::TakenOut { .. }
            | Event::CertificateRenewed { .. }
            | Event::State { .. }
            | Event::AlertNotSent { .. }
            | Event::Receipt { .. }
            | Event::AlertExhausted { .. }
            | Event::CaughtUpWithCase { .. }
            | Event::RelayReplaced => {}
        }
    }

    /// After a step: answers those whose change is made, or over. `under_way` says whether a change of this device is
    /// still under way in a case.
    pub(super) fn settle(&mut self, mut under_way: impl FnMut(CaseId) -> bool) {
        let changes = std::mem::take(&mut self.changes);
        for change in changes {
            let leaves = matches!(change.goal, Goal::Leave(_)) && change.dropped.is_none();
            if change.done || (!leaves && !under_way(change.case)) {
                change.answer();
            } else {
                self.changes.push(change);
            }
        }
    }

    /// Whether anybody waits for a change.
    pub(super) fn expect_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    fn of(&mut self, case: CaseId) -> impl Iterator<Item = &mut Change> {
        self.changes.iter_mut().filter(move |change| change.case == case)
    }
}

/// Somebody who will wait, once a command has been taken.
#[derive(Debug)]
pub(super) struct Wait(Awaited);

#[derive(Debug)]
enum Awaited {
    Nothing,
    Item(CaseId, ItemId, Answer<Seq>),
    Change(Box<Change>),
}

impl Wait {
    /// What `waiter` will wait for.
    pub(super) fn of(command: &Command, waiter: Waiter) -> Self {
        let (case, goal) = match (command, waiter) {
            (_, Waiter::Nobody) => return Self(Awaited::Nothing),
            (Command::Send { case, item, .. } | Command::SendAnyway { case, item, .. }, Waiter::Item(answer)) => {
                return Self(Awaited::Item(*case, *item, answer));
            }
            (Command::Add { case, professional, device, .. }, Waiter::Added(answer)) => {
                (case, Goal::Add { professional: professional.clone(), device: *device, answer })
            }
            (Command::Remove { case, professional, device }, Waiter::Changed(answer)) => {
                (case, Goal::Remove { professional: professional.clone(), device: *device, answer })
            }
            (Command::SetRole { case, professional, role }, Waiter::Changed(answer)) => {
                (case, Goal::SetRole { professional: professional.clone(), role: *role, answer })
            }
            (Command::Leave { case }, Waiter::Changed(answer)) => (case, Goal::Leave(answer)),
            (Command::Duty { case, .. }, Waiter::Changed(answer)) => (case, Goal::Duty(answer)),
            (
                Command::UpdateKeys { case }
                | Command::Claim { case }
                | Command::ConfirmClaim { case }
                | Command::WithdrawClaim { case },
                Waiter::Changed(answer),
            ) => (case, Goal::Commit(answer)),
            // A waiter of another kind than the command's: its sender is dropped, and the caller sees `Closed`.
            _ => return Self(Awaited::Nothing),
        };
        Self(Awaited::Change(Box::new(Change {
            case: *case,
            goal,
            added: Vec::new(),
            not_added: Vec::new(),
            dropped: None,
            done: false,
        })))
    }
}

impl Goal {
    fn is_forgotten(&self) -> bool {
        match self {
            Self::Add { answer, .. } => answer.is_closed(),
            Self::Remove { answer, .. }
            | Self::SetRole { answer, .. }
            | Self::Leave(answer)
            | Self::Duty(answer)
            | Self::Commit(answer) => answer.is_closed(),
        }
    }
}

impl Change {
    fn members_changed(&mut self, added: &[Member], removed: &[Member]) {
        let is = |member: &Member, professional: &ProfessionalAddress, device: Option<DeviceId>| {
            member.address.professional == *professional
                && device.is_none_or(|device| device == member.address.device)
        };
        match &self.goal {
            Goal::Add { professional, device, .. } => {
                let ours: Vec<_> = added.iter().filter(|member| is(member, professional, *device)).cloned().collect();
                self.done |= !ours.is_empty();
                self.added.extend(ours);
            }
            Goal::Remove { professional, device, .. } => {
                self.done |= removed.iter().any(|member| is(member, professional, *device));
            }
            Goal::SetRole { .. } | Goal::Leave(_) | Goal::Duty(_) | Goal::Commit(_) => {}
        }
    }

    fn answer(self) {
        let dropped = self.dropped.map(NotDone::Dropped);
        // A caller that no longer listens misses nothing.
        match self.goal {
            Goal::Add { answer, .. } => {
                let added = Added { added: self.added, not_added: self.not_added };
                let nothing = added.added.is_empty() && added.not_added.is_empty();
                let _ = answer.send(match dropped {
                    Some(reason) if nothing => Err(reason),
                    _ => Ok(added),
                });
            }
            Goal::Remove { answer, .. }
            | Goal::SetRole { answer, .. }
            | Goal::Leave(answer)
            | Goal::Duty(answer)
            | Goal::Commit(answer) => {
                let _ = answer.send(match dropped {
                    Some(reason) if !self.done || reason == NotDone::Dropped(Dropped::Left) => Err(reason),
                    _ => Ok(Changed),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kring_protocol::address::DeviceAddress;

    const CASE: CaseId = CaseId([1; 16]);

    fn who(name: &str) -> ProfessionalAddress {
        ProfessionalAddress::new(name, "politie.example").expect("valid")
    }

    fn member(name: &str) -> Member {
        Member {
            address: DeviceAddress { professional: who(name), device: DeviceId([1; 16]) },
            name: String::new(),
            organisation: String::new(),
            function: String::new(),
            role: Role::Member,
            own: false,
            leaving: false,
            revoked: false,
        }
    }

    fn change(added: &[&str], removed: &[&str]) -> Event {
        Event::MembersChanged {
            case: CASE,
            by: member("a").address,
            added: added.iter().map(|name| member(name)).collect(),
            removed: removed.iter().map(|name| member(name)).collect(),
        }
    }

    fn add(waiters: &mut Waiters, name: &str) -> oneshot::Receiver<Result<Added, NotDone>> {
        let (answer, outcome) = oneshot::channel();
        let command = Command::Add { case: CASE, professional: who(name), device: None, role: Role::Member };
        waiters.wait(Wait::of(&command, Waiter::Added(answer)));
        outcome
    }

    #[test]
    fn an_addition_is_told_with_the_devices_that_were_left_out() {
        let mut waiters = Waiters::default();
        let mut outcome = add(&mut waiters, "b");
        let device = Some(DeviceId([9; 16]));
        waiters.see(&change(&["c"], &[]));
        waiters.settle(|_| true);
        assert!(outcome.try_recv().is_err(), "somebody else was added");
        let reason = NotAdded::InboxFull;
        waiters.see(&Event::NotAdded { case: CASE, professional: who("b"), device, reason });
        waiters.see(&change(&["b"], &[]));
        waiters.settle(|_| true);
        let added = outcome.try_recv().expect("told").expect("added");
        assert_eq!(added, Added { added: vec![member("b")], not_added: vec![(device, reason)] });
        assert!(!waiters.expect_changes());
    }

    #[test]
    fn nobody_waits_for_what_is_not_under_way() {
        let mut waiters = Waiters::default();
        let mut outcome = add(&mut waiters, "b");
        waiters.see(&Event::Dropped { case: CASE, item: None, reason: Dropped::Role });
        waiters.settle(|_| true);
        assert!(outcome.try_recv().is_err());
        waiters.settle(|_| false);
        assert_eq!(outcome.try_recv(), Ok(Err(NotDone::Dropped(Dropped::Role))));
    }

    #[test]
    fn leaving_is_done_when_somebody_has_carried_it_out() {
        let mut waiters = Waiters::default();
        let (answer, mut outcome) = oneshot::channel();
        waiters.wait(Wait::of(&Command::Leave { case: CASE }, Waiter::Changed(answer)));
        waiters.settle(|_| false);
        assert!(outcome.try_recv().is_err(), "the proposal alone is not enough");
        waiters.see(&Event::Left { case: CASE, by: member("a").address });
        waiters.settle(|_| true);
        assert_eq!(outcome.try_recv(), Ok(Ok(Changed)));
    }

    #[test]
    fn an_item_is_told_once_it_is_relayed() {
        let mut waiters = Waiters::default();
        let item = ItemId([2; 16]);
        let (answer, mut outcome) = oneshot::channel();
        let draft = crate::case::ItemDraft::markdown("x");
        waiters.wait(Wait::of(&Command::Send { case: CASE, item, draft }, Waiter::Item(answer)));
        waiters.see(&Event::Relayed { case: CASE, item, seq: Seq(4) });
        assert_eq!(outcome.try_recv(), Ok(Ok(Seq(4))));
    }
}
