//! What the user wants becomes an intent in the outbox, after everything that can be refused at once has been.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{CursorId, GroupId, Seq, Timestamp};
use serde_bytes::ByteBuf;

use super::claim::ClaimStep;
use super::folding::Cause;
use super::io::Command;
use super::log::first_hash;
use super::state::{CaseRecord, GroupRecord, Intent, Phase, Want};
use super::step::Step;
use super::{CommandError, StepError};
use crate::case::{
    Author, CaseId, ClosingStage, DraftBody, DutyStep, ItemDraft, ItemId, LogEntry, Role, Said, Verdict,
};
use crate::mls::context::CaseContext;
use crate::mls::group::Group;
use crate::mls::policy::is_bound;
use crate::store::StoreError;

/// Longest title in bytes.
const MAX_TITLE: usize = 255;

impl Step<'_> {
    pub(super) fn command(&mut self, command: Command) -> Result<(), StepError> {
        match command {
            Command::NewCase { case, title } => self.new_case(case, title),
            Command::Send { case, item, draft } => {
                self.open_case(case)?;
                self.would_count(case, item, &draft)?;
                self.say(case, item, draft)
            }
            Command::Duty { case, before, step, after } => {
                let group = self.open_case(case)?;
                if matches!(step, DutyStep::ProposeClosing { .. } | DutyStep::Close) {
                    let state = self.state_of(case)?;
                    let open = state.open_alerts().next().is_some()
                        || state.open_tasks().next().is_some()
                        || state.open_handovers().next().is_some();
                    if open {
                        return Err(CommandError::Unfinished.into());
                    }
                }
                let mls = self.take(group)?;
                let verdict = self.can_take(case, &mls, &step);
                self.put(group, mls);
                verdict?;
                for (item, draft) in before {
                    self.would_count(case, item, &draft)?;
                    self.say(case, item, draft)?;
                }
                self.queue(case, Want::Duty { step })?;
                for (item, draft) in after {
                    self.say(case, item, draft)?;
                }
                Ok(())
            }
            Command::SendAnyway { case, item, draft } => {
                self.command(Command::Send { case, item, draft })?;
                for mut intent in self.intents(case)? {
                    if intent.value.want.item() == Some(item) {
                        intent.value.anyway = true;
                        self.write_intent(case, intent.id, &intent.value)?;
                    }
                }
                Ok(())
            }
            Command::AddOwnDevice { device, number } => self.add_own_device(device, number),
            Command::DropOwnDevice { device } => self.drop_own_device(device),
            Command::Claim { case } => self.claim(case, ClaimStep::Claim),
            Command::ConfirmClaim { case } => self.claim(case, ClaimStep::Confirm),
            Command::WithdrawClaim { case } => self.claim(case, ClaimStep::Withdraw),
            Command::MarkRead { case, position } => {
                self.case(case)?.ok_or(CommandError::UnknownCase)?;
                self.mark_read(case, position)
            }
            Command::Acknowledge { case, item } => {
                self.open_case(case)?;
                self.acknowledge(case, item)
            }
            Command::Add { case, professional, device, role } => {
                let own = self.manager(case)?;
                let by_deputy = own != Role::Coordinator;
                if role == Role::Coordinator || (by_deputy && !matches!(role, Role::Member | Role::Observer)) {
                    return Err(CommandError::Role.into());
                }
                self.queue(case, Want::Add { professional, device, role, claimed: None, along: None })?;
                Ok(())
            }
            Command::Remove { case, professional, device } => {
                if professional != self.party.address().professional {
                    self.manager(case)?;
                }
                let group = self.open_case(case)?;
                let mls = self.take(group)?;
                let verdict = self.removable(&mls, &professional, device);
                self.put(group, mls);
                verdict?;
                self.queue(case, Want::Remove { professional, device })?;
                Ok(())
            }
            Command::SetRole { case, professional, role } => {
                if self.manager(case)? != Role::Coordinator {
                    return Err(CommandError::Role.into());
                }
                let own = professional == self.party.address().professional;
                if own && role != Role::Coordinator {
                    return Err(CommandError::SoleCoordinator.into());
                }
                let group = self.open_case(case)?;
                let mls = self.take(group)?;
                let known = mls.context().is_some_and(|context| context.role(&professional).is_some());
                self.put(group, mls);
                // Somebody whose addition still waits in the outbox is a member by then.
                let coming = self.intents(case)?.iter().any(
                    |intent| matches!(&intent.value.want, Want::Add { professional: who, .. } if *who == professional),
                );
                if !known && !coming {
                    return Err(CommandError::NotAMember.into());
                }
                self.queue(case, Want::SetRole { professional, role, along: None })?;
                Ok(())
            }
            Command::FinishErasing { case } => {
                let ordered = self.erase_without_waiting(case)?;
                if ordered { Ok(()) } else { Err(CommandError::NotErasing.into()) }
            }
            Command::Leave { case } => {
                let group = self.open_case(case)?;
                let mls = self.take(group)?;
                let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
                let context = mls.context().ok_or(StoreError::Corrupt)?;
                self.put(group, mls);
                if is_bound(&context, self.party.verified(), &seats) {
                    let coordinates = context.coordinator() == Some(&self.party.address().professional);
                    let why = if coordinates { CommandError::SoleCoordinator } else { CommandError::SoleResponsible };
                    return Err(why.into());
                }
                if !self.intents(case)?.iter().any(|intent| matches!(intent.value.want, Want::Leave)) {
                    self.queue(case, Want::Leave)?;
                }
                Ok(())
            }
            Command::UpdateKeys { case } => {
                self.open_case(case)?;
                self.queue(case, Want::UpdateKeys)?;
                Ok(())
            }
            // It is recorded like every command, and nothing else is to be done.
            Command::Record(_) => Ok(()),
        }
    }

    /// Queues something to be said.
    fn say(&mut self, case: CaseId, item: ItemId, draft: ItemDraft) -> Result<(), StepError> {
        draft.check().map_err(CommandError::Draft)?;
        let group = self.open_case(case)?;
        let mls = self.take(group)?;
        let stage = mls.context().and_then(|context| context.duties.stage());
        self.put(group, mls);
        if stage >= Some(ClosingStage::Closed) {
            return Err(CommandError::Closed.into());
        }
        let known = self.tx.rows().item::<serde::de::IgnoredAny>(case, self.party.address(), item)?.is_some();
        if known || self.outgoing(case)?.has_item(item) {
            return Err(CommandError::ItemExists.into());
        }
        let sent_at = self.now;
        let want = Want::Item { id: item, draft, sent_at };
        if want.is_urgent() {
            self.watch_alert(case)?;
        }
        self.queue(case, want)?;
        Ok(())
    }

    /// Whether a step of the duties can be taken as they stand, or once those of this device that wait have been.
    fn can_take(&self, case: CaseId, mls: &Group, step: &DutyStep) -> Result<(), StepError> {
        let mut context = mls.context().ok_or(StoreError::Corrupt)?;
        let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let present = |who: &ProfessionalAddress| seats.iter().any(|seat| seat.device.address().professional == *who);
        let own = &self.party.address().professional;
        for intent in self.intents(case)? {
            let Want::Duty { step } = &intent.value.want else { continue };
            // What has become impossible is dropped when its turn comes.
            context = context.after(step, own, &present).unwrap_or(context);
        }
        context.after(step, own, &present).map_err(CommandError::Duty)?;
        Ok(())
    }

    /// Refuses what would not count in the state of the case, what waits in the outbox taken together with it.
    fn would_count(&mut self, case: CaseId, item: ItemId, draft: &ItemDraft) -> Result<(), StepError> {
        if !matches!(draft.body, DraftBody::Part { .. }) {
            return Ok(());
        }
        let mut state = self.state_of(case)?;
        let now = self.now;
        for waiting in self.outgoing(case)?.parts() {
            if let Some(Intent { want: Want::Item { id, draft, sent_at }, .. }) = &self.intent(waiting)? {
                state.apply(&LogEntry::Said(self.as_said(*id, draft, *sent_at)));
            }
        }
        match state.apply(&LogEntry::Said(self.as_said(item, draft, now))).verdict {
            Verdict::Refused(reason) => Err(CommandError::Refused(reason).into()),
            Verdict::Legal | Verdict::Repeated | Verdict::Unknown => Ok(()),
        }
    }

    /// A draft of this device as it will stand in the log.
    fn as_said(&self, item: ItemId, draft: &ItemDraft, sent_at: Timestamp) -> Said {
        let own = self.party.verified();
        Said {
            item,
            author: Author {
                professional: own.address().professional.clone(),
                device: own.address().device,
                name: own.name().as_str().to_owned(),
                organisation: own.organisation().as_str().to_owned(),
                function: own.function().as_str().to_owned(),
            },
            sent_at,
            replaces: draft.replaces,
            body: draft.as_read(),
            hash: draft.body.hash(),
        }
    }

    fn new_case(&mut self, case: CaseId, title: String) -> Result<(), StepError> {
        if title.is_empty() || title.len() > MAX_TITLE {
            return Err(CommandError::Title.into());
        }
        if self.case(case)?.is_some() {
            return Err(CommandError::CaseExists.into());
        }
        let own = self.party.address().professional.clone();
        let context = CaseContext::new(case, title.clone(), own);
        let group = self.start_group(case, &context, None)?;
        self.tx.write_case(case, &CaseRecord { title, group })?;
        self.queue(case, Want::Open { group })?;
        Ok(())
    }

    /// Makes a group with this device alone in it, in the store only.
    pub(super) fn start_group(
        &mut self,
        case: CaseId,
        context: &CaseContext,
        follows: Option<(GroupId, u64)>,
    ) -> Result<GroupId, StoreError> {
        let id = GroupId(crate::random::identifier());
        let mls = Group::create(self.party, self.tx, id, context)?;
        self.tx.write_access(id, mls.epoch(), mls.access(self.party)?.bytes())?;
        self.remember_epoch(id, mls.epoch(), mls.authenticator())?;
        let hash = first_hash(mls.authenticator());
        self.tx.write_view(id, Seq(0), &hash)?;
        let record = GroupRecord {
            case,
            relay: self.settings.relay.clone(),
            phase: Phase::Opening,
            cursor: CursorId(crate::random::identifier()),
            at: Some(Seq(0)),
            gap_to: Seq(0),
            told: Seq(0),
            hash: ByteBuf::from(hash),
            fresh_at: self.now,
            refused: None,
            follows,
            rejoined: None,
            unreachable: false,
            heard_at: self.now,
            coordinator_heard: self.now,
            used_up: None,
            reached: None,
            replaced: None,
            says_again_at: None,
            built_at: None,
        };
        self.save(id, &record)?;
        let by = self.party.address().professional.clone();
        self.fold_change(case, (id, &mls), Seq(0), Cause { by: Some(by), ..Cause::default() })?;
        self.put(id, mls);
        Ok(id)
    }

    /// The case's group, if the case takes something from this device.
    pub(super) fn open_case(&self, case: CaseId) -> Result<GroupId, StepError> {
        let record = self.case(case)?.ok_or(CommandError::UnknownCase)?;
        let group = self.group_record(record.group)?.ok_or(StoreError::Corrupt)?;
        match group.phase {
            // What is said while a case waits for its successor moves over.
            Phase::Opening | Phase::Live | Phase::Broken => Ok(record.group),
            Phase::Left | Phase::OutOfStep | Phase::Replaced => Err(CommandError::NotOpen.into()),
        }
    }

    /// The own role, if it is one that may add and remove.
    fn manager(&mut self, case: CaseId) -> Result<Role, StepError> {
        let group = self.open_case(case)?;
        let mls = self.take(group)?;
        let role = mls.context().and_then(|context| context.role(&self.party.address().professional));
        self.put(group, mls);
        match role {
            Some(role @ (Role::Coordinator | Role::Deputy)) => Ok(role),
            _ => Err(CommandError::Role.into()),
        }
    }

    fn removable(
        &self,
        mls: &Group,
        professional: &kring_protocol::address::ProfessionalAddress,
        device: Option<kring_protocol::ids::DeviceId>,
    ) -> Result<(), StepError> {
        let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let context = mls.context().ok_or(StoreError::Corrupt)?;
        let concerned: Vec<_> = seats
            .iter()
            .map(|seat| seat.device.address())
            .filter(|address| address.professional == *professional && device.is_none_or(|id| id == address.device))
            .collect();
        if concerned.is_empty() {
            return Err(CommandError::NotAMember.into());
        }
        if concerned.contains(&self.party.address()) {
            return Err(CommandError::Oneself.into());
        }
        let all = seats.iter().filter(|seat| seat.device.address().professional == *professional).count();
        if context.coordinator() == Some(professional) && concerned.len() == all {
            return Err(CommandError::SoleCoordinator.into());
        }
        if concerned.len() == all && context.responsible() == [professional] {
            return Err(CommandError::SoleResponsible.into());
        }
        Ok(())
    }
}
