//! One step: an input, handled within one transaction.

use std::collections::HashMap;

use kring_protocol::ids::{Epoch, GroupId, Timestamp};
use kring_protocol::message::{Access, Request};

use super::audit;
use super::event::{Dropped, Event};
use super::folding::Folded;
use super::io::{Action, Input};
use super::outgoing::Outgoing;
use super::session::{Asked, Session};
use super::state::{CaseRecord, GroupRecord, Intent, Phase};
use super::{Settings, StepError};
use crate::case::{CaseId, Member};
use crate::mls::group::Group;
use crate::mls::party::Party;
use crate::store::{Numbered, StoreError, Transaction};
use kring_pki::verify::VerifiedDevice;

/// Everything that a step works with.
pub(super) struct Step<'s> {
    pub(super) party: &'s Party,
    pub(super) tx: &'s Transaction<'s>,
    pub(super) groups: &'s mut HashMap<GroupId, Group>,
    pub(super) states: &'s mut HashMap<CaseId, Folded>,
    pub(super) outgoing: &'s mut HashMap<CaseId, Outgoing>,
    pub(super) session: &'s mut Session,
    pub(super) settings: &'s Settings,
    pub(super) now: Timestamp,
    pub(super) actions: Vec<Action>,
}

impl Step<'_> {
    /// Handles inputs in their order, then whatever has become possible.
    pub(super) fn run(&mut self, inputs: impl IntoIterator<Item = Input>) -> Result<Vec<Action>, StepError> {
        self.session.look_at_clock(self.now);
        for input in inputs {
            let (notes, before) = (audit::of_input(&input), self.actions.len());
            self.take_in(input)?;
            self.audit_since(notes, before)?;
        }
        let before = self.actions.len();
        self.due()?;
        self.go_on_erasing()?;
        while let Some(case) = self.session.dirty.pop_first().or_else(|| self.next_addition()) {
            self.advance(case)?;
        }
        self.plan_additions();
        while let Some(case) = self.session.unplanned.pop_first() {
            self.plan_deadlines(case)?;
            self.plan_telling(case)?;
        }
        if let Some(at) = self.session.next_due() {
            self.actions.push(Action::WakeAt(at));
        }
        self.audit_since(Vec::new(), before)?;
        Ok(std::mem::take(&mut self.actions))
    }

    fn take_in(&mut self, input: Input) -> Result<(), StepError> {
        match input {
            Input::Command(command) => self.command(command)?,
            Input::Connected(connected) => self.connected(&connected)?,
            Input::Disconnected => self.disconnected()?,
            Input::Answered { ticket, answer } => self.answered(ticket, answer)?,
            Input::Record { group, record } => self.record(group, &record)?,
            Input::Gap { group, gap } => self.gap(group, &gap)?,
            Input::CaughtUp { group, epoch, after } => self.caught_up(group, epoch, after)?,
            Input::Unfollowed { group, epoch, reason } => self.unfollowed(group, epoch, &reason)?,
            Input::Note(note) => self.note(&note)?,
            Input::InboxWaiting => self.read_inbox()?,
            Input::KeyPackagesLow { left } => self.fill_key_packages(left, self.session.key_packages.1)?,
            Input::CrlsChanged => self.read_lists(),
            Input::Tick => {}
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.actions.push(Action::Tell(event));
    }

    pub(super) fn ask(&mut self, asked: Asked, request: Request) {
        let ticket = self.session.ticket(asked);
        self.actions.push(Action::Request { ticket, request });
    }

    pub(super) fn case(&self, case: CaseId) -> Result<Option<CaseRecord>, StoreError> {
        self.tx.rows().case(case)
    }

    pub(super) fn group_record(&self, group: GroupId) -> Result<Option<GroupRecord>, StoreError> {
        self.tx.rows().group(group)
    }

    pub(super) fn save(&self, group: GroupId, record: &GroupRecord) -> Result<(), StoreError> {
        self.tx.write_group(group, record.case, record)
    }

    pub(super) fn intents(&self, case: CaseId) -> Result<Vec<Numbered<Intent>>, StoreError> {
        self.tx.rows().intents(case)
    }

    /// Takes a group into use; it goes back with [`Self::put`], or is loaded anew after a failed step.
    pub(super) fn take(&mut self, id: GroupId) -> Result<Group, StoreError> {
        match self.groups.remove(&id) {
            Some(group) => Ok(group),
            None => Group::load(&self.tx.rows(), id)?.ok_or(StoreError::Corrupt),
        }
    }

    pub(super) fn put(&mut self, id: GroupId, group: Group) {
        self.groups.insert(id, group);
    }

    pub(super) fn queue(&mut self, case: CaseId, want: super::state::Want) -> Result<i64, StoreError> {
        self.session.dirty.insert(case);
        self.append_intent(case, &Intent::new(self.now, want))
    }

    /// Lets go of an intent, and says why.
    pub(super) fn drop_intent(
        &mut self,
        case: CaseId,
        id: i64,
        intent: &Intent,
        why: Dropped,
    ) -> Result<(), StoreError> {
        self.delete_intent(case, id, &intent.want)?;
        self.session.busy.remove(&id);
        self.session.retry_at.remove(&id);
        self.tell(Event::Dropped { case, item: intent.want.item(), reason: why });
        Ok(())
    }

    pub(super) fn follow(&mut self, group: GroupId, epoch: Epoch, record: &GroupRecord) {
        if self.session.connected && record.phase == Phase::Live {
            self.session.live.remove(&group);
            self.actions.push(Action::Follow { group, epoch, after: record.at });
        }
    }

    /// A verified device as a member who comes or goes.
    pub(super) fn member(&self, device: &VerifiedDevice, group: &Group, revoked: bool) -> Member {
        let professional = &device.address().professional;
        let role = group.context().and_then(|context| context.role(professional));
        Member {
            address: device.address().clone(),
            name: device.name().as_str().to_owned(),
            organisation: device.organisation().as_str().to_owned(),
            function: device.function().as_str().to_owned(),
            role: role.unwrap_or(crate::case::Role::Observer),
            own: device.address() == self.party.address(),
            leaving: false,
            revoked,
        }
    }
}

/// An access without its proof, which the driver adds.
pub(super) fn access(group: GroupId, epoch: Epoch) -> Access {
    Access { group, epoch, proof: None }
}
