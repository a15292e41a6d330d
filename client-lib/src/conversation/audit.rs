//! What of a conversation the audit log records: which commands and which events, and as what.
//!
//! Entries are written in the transaction of the step that they record. A command that is refused rolls its step back; its
//! entry gets a step of its own. Both tables below name every command and every event, so a new one cannot be forgotten.

use std::fmt;

use kring_protocol::ids::Timestamp;

use super::event::Event;
use super::io::{Action, Command, Input};
use super::state::CaseRecord;
use super::{CommandError, Conversation, StepError};
use crate::audit::{self, Activity, Broken, Chain, Entry, Keys, Note};
use crate::case::{CaseId, DraftBody, DutyStep, ItemDraft, ItemId};
use crate::mls::group::Group;
use crate::store::StoreError;

/// Entries that a check reads at a time.
const PAGE: usize = 512;

/// What an input is recorded as, if the user is behind it.
pub(super) fn of_input(input: &Input) -> Vec<Note> {
    if let Input::Command(command) = input { of_command(command) } else { Vec::new() }
}

/// What a command is recorded as: first what it is refused as, then what else it writes.
fn of_command(command: &Command) -> Vec<Note> {
    vec![match command {
        Command::NewCase { case, .. } => Note::done(Activity::CaseOpened).in_case(*case),
        Command::Send { case, item, draft } | Command::SendAnyway { case, item, draft } => {
            of_item(*case, *item, draft)
        }
        Command::AddOwnDevice { .. } => Note::done(Activity::MemberAdded).of("asked: another own device"),
        Command::DropOwnDevice { .. } => Note::done(Activity::MemberRemoved).of("asked: another own device"),
        Command::Claim { case } => Note::done(Activity::RoleChanged).in_case(*case).of("asked: claim"),
        Command::ConfirmClaim { case } => {
            Note::done(Activity::RoleChanged).in_case(*case).of("asked: confirm a claim")
        }
        Command::WithdrawClaim { case } => {
            Note::done(Activity::RoleChanged).in_case(*case).of("asked: take a claim back")
        }
        Command::Add { case, professional, .. } => concerning(Activity::MemberAdded, *case, professional).of("asked"),
        Command::Remove { case, professional, .. } => {
            concerning(Activity::MemberRemoved, *case, professional).of("asked")
        }
        Command::SetRole { case, professional, role } => {
            concerning(Activity::RoleChanged, *case, professional).of(format!("asked: {role:?}"))
        }
        Command::FinishErasing { case } => Note::done(Activity::CaseErased).in_case(*case).of("not waited for"),
        Command::Leave { case } => Note::done(Activity::LeaveAsked).in_case(*case),
        Command::UpdateKeys { case } => Note::done(Activity::KeysRenewed).in_case(*case),
        Command::Duty { case, before, step, after } => {
            let written = before.iter().chain(after).map(|(item, draft)| of_item(*case, *item, draft));
            return [of_duty(*case, step)].into_iter().chain(written).collect();
        }
        Command::MarkRead { case, .. } => Note::done(Activity::Viewed).in_case(*case).of("read"),
        Command::Acknowledge { case, item } => {
            Note { item: Some(*item), ..Note::done(Activity::Viewed) }.in_case(*case).of("acknowledged")
        }
        Command::Record(note) => note.as_ref().clone(),
    }]
}

/// What a step of the case's duties is recorded as.
fn of_duty(case: CaseId, step: &DutyStep) -> Note {
    let (activity, kind) = match step {
        DutyStep::Offer(_) => (Activity::CaseChanged, "handover offered"),
        DutyStep::Confirm { .. } => (Activity::CaseChanged, "handover understood"),
        DutyStep::Ready { .. } => (Activity::CaseChanged, "handover ready"),
        DutyStep::Complete { .. } => (Activity::CaseChanged, "handover completed"),
        DutyStep::End { .. } => (Activity::CaseChanged, "handover ended"),
        DutyStep::Hold { .. } => (Activity::LegalHold, "set"),
        DutyStep::Lift { .. } => (Activity::LegalHold, "lifted"),
        DutyStep::ProposeClosing { .. } => (Activity::CaseChanged, "closing proposed"),
        DutyStep::WithdrawClosing => (Activity::CaseChanged, "closing withdrawn"),
        DutyStep::State { .. } => (Activity::CaseChanged, "own file stated"),
        DutyStep::Close => (Activity::CaseClosed, "closed"),
        DutyStep::Erase => (Activity::CaseErased, "erased"),
    };
    Note::done(activity).in_case(case).of(kind)
}

fn of_item(case: CaseId, item: ItemId, draft: &ItemDraft) -> Note {
    Note { item: Some(item), ..of_draft(draft) }.in_case(case)
}

/// What something that is written into a case is recorded as.
fn of_draft(draft: &ItemDraft) -> Note {
    let kind = match &draft.body {
        DraftBody::Markdown(_) => "text/markdown",
        DraftBody::Deleted => "deletion",
        DraftBody::Part { media_type, .. } => media_type,
    };
    let note = Note::done(Activity::ItemWritten).of(kind);
    Note { about: draft.about.clone(), purpose: draft.purpose.clone(), ..note }
}

/// What an event is recorded as.
fn of_event(event: &Event) -> Vec<Note> {
    match event {
        // What others said is in the case; that it was looked at, the application records.
        Event::Item(_) | Event::Relayed { .. } => Vec::new(),
        // What follows from items that are in the case, or from nothing that anybody did.
        Event::State { .. }
        | Event::Receipt { .. }
        | Event::AlertNotSent { .. }
        | Event::AlertExhausted { .. }
        | Event::CaughtUpWithCase { .. } => Vec::new(),
        // Its opening is recorded as the user's wish already.
        Event::CaseOpened { .. } => Vec::new(),
        // Known again at the next look; nobody did anything.
        Event::Unreachable { .. } | Event::ClockOff { .. } | Event::RelayReplaced => Vec::new(),
        Event::Held { .. } | Event::RevocationListOverdue { .. } | Event::OldRevocationLists => Vec::new(),
        // Beside the change of the members.
        Event::TakenOut { case, by, devices, .. } => {
            let note = |device: &kring_protocol::address::DeviceAddress| Note {
                by: Some(by.clone()),
                concerns: Some(device.to_uri()),
                ..Note::done(Activity::MemberRemoved).in_case(*case).of("revoked or ended")
            };
            devices.iter().map(note).collect()
        }
        Event::WithoutCoordinator { case } => {
            vec![Note::done(Activity::RoleChanged).in_case(*case).of("nobody coordinates")]
        }
        Event::CoordinatorClaimed { case, by, claimant } => {
            let claimed = claimant.as_ref().map_or_else(
                || Note::done(Activity::RoleChanged).in_case(*case).of("no claim any more"),
                |who| concerning(Activity::RoleChanged, *case, who).of("claims"),
            );
            vec![Note { by: Some(by.clone()), ..claimed }]
        }
        Event::CertificateRenewed { case, device } => {
            vec![Note { by: Some(device.clone()), ..Note::done(Activity::KeysRenewed).in_case(*case) }]
        }
        Event::Joined { case } => vec![Note::done(Activity::CaseJoined).in_case(*case)],
        Event::MembersChanged { case, by, added, removed } => {
            let note = |activity, member: &crate::case::Member| Note {
                by: Some(by.clone()),
                concerns: Some(member.address.to_uri()),
                ..Note::done(activity).in_case(*case)
            };
            let added = added.iter().map(|member| note(Activity::MemberAdded, member));
            added.chain(removed.iter().map(|member| note(Activity::MemberRemoved, member))).collect()
        }
        Event::RoleChanged { case, by, professional, role } => vec![Note {
            by: Some(by.clone()),
            ..concerning(Activity::RoleChanged, *case, professional).of(format!("{role:?}"))
        }],
        Event::Duties { case, by, step } => {
            let gone = || Note::done(Activity::CaseChanged).in_case(*case).of("somebody is gone");
            let note = step.as_ref().map_or_else(gone, |step| of_duty(*case, step));
            vec![Note { by: Some(by.clone()), ..note }]
        }
        Event::Erasing { case, by } => {
            vec![Note { by: Some(by.clone()), ..Note::done(Activity::CaseErased).in_case(*case).of("destroyed") }]
        }
        // Nothing that names the case is written once it is gone.
        Event::Attested { .. } | Event::Erased { .. } | Event::Gone { .. } => Vec::new(),
        Event::Leaving { case, device } => {
            vec![Note { by: Some(device.clone()), ..Note::done(Activity::LeaveAsked).in_case(*case) }]
        }
        Event::NotAdded { case, professional, reason, .. } => {
            vec![concerning(Activity::MemberAdded, *case, professional).failed(variant(reason))]
        }
        Event::Dropped { case, item, reason } => {
            vec![Note { item: *item, ..Note::done(Activity::Dropped).in_case(*case).failed(variant(reason)) }]
        }
        Event::Left { case, by } => {
            vec![Note { by: Some(by.clone()), ..Note::done(Activity::CaseLeft).in_case(*case) }]
        }
        Event::Gap { case, records } => {
            vec![Note::done(Activity::Gap).in_case(*case).counting(*records).failed("Expired")]
        }
        Event::OutOfStep { case } => vec![Note::done(Activity::Gap).in_case(*case).failed("OutOfStep")],
        Event::CommitRefused { case, by, reason } => vec![Note {
            by: by.clone(),
            ..Note::done(Activity::ChangeRefused).in_case(*case).refused(variant(reason))
        }],
        Event::Continued { case, by } => {
            vec![Note { by: Some(by.clone()), ..Note::done(Activity::CaseContinued).in_case(*case) }]
        }
        Event::Suspicion { case, by, what } => {
            vec![Note { by: by.clone(), ..Note::done(Activity::Suspicion).in_case(*case).failed(variant(what)) }]
        }
    }
}

fn concerning(activity: Activity, case: CaseId, professional: &kring_protocol::address::ProfessionalAddress) -> Note {
    Note { concerns: Some(professional.to_string()), ..Note::done(activity).in_case(case) }
}

/// The name of a variant from its `Debug` form, without what is in it.
fn variant(of: &dyn fmt::Debug) -> String {
    let debug = format!("{of:?}");
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

impl Conversation {
    /// Records that a command was refused; a step of its own, since the command's was rolled back. A store that cannot
    /// be written is told in the refusal's place: whoever hears of a refusal alone would stay on a connection of which
    /// nothing is taken any more.
    pub(super) fn audit_refusal(
        &mut self,
        note: Note,
        error: &CommandError,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let note = note.refused(variant(error));
        self.step(now, |step| step.note_down(note)).map(drop)
    }

    /// Records attempts to open the store that failed, and that it is open now.
    pub fn note_opening(&mut self, failed: &[Timestamp], now: Timestamp) -> Result<(), StoreError> {
        for at in failed {
            self.record(Note::done(Activity::OpeningFailed).failed("WrongKey"), *at)?;
        }
        self.record(Note::done(Activity::StoreOpened), now)
    }

    fn record(&mut self, note: Note, at: Timestamp) -> Result<(), StoreError> {
        match self.step(at, |step| step.note_down(note)) {
            Ok(_) => Ok(()),
            Err(StepError::Store(error)) => Err(error),
            Err(StepError::Command(_)) => Err(StoreError::Internal),
        }
    }

    /// Entries of the audit log after a number (0: from the first), in order, at most `limit`.
    pub fn audit(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.read().audit(after, limit)?.into_iter().map(Entry::of).collect()
    }

    /// Checks the whole audit log: how far it holds, or its first broken link.
    pub fn verify_audit(&self) -> Result<Result<Chain, Broken>, StoreError> {
        let rows = self.store.read();
        let Keys { keys, last } = Keys::load(&rows)?;
        let mut chain = Chain::new(keys);
        loop {
            let page = rows.audit(chain.entries(), PAGE)?;
            let short = page.len() < PAGE;
            for row in page {
                let Ok(entry) = Entry::of(row) else {
                    return Ok(Err(chain.broken_here(audit::Fault::Unreadable)));
                };
                if let Err(broken) = chain.next(&entry) {
                    return Ok(Err(broken));
                }
            }
            if short {
                return Ok(chain.end(last));
            }
        }
    }
}

impl super::Step<'_> {
    /// Writes something into the log, and does nothing else.
    fn note_down(&mut self, note: Note) -> Result<Vec<Action>, StepError> {
        self.audit_since(vec![note], self.actions.len())?;
        Ok(std::mem::take(&mut self.actions))
    }

    /// Writes what was done since so many actions were there into the log.
    pub(super) fn audit_since(&mut self, command: Vec<Note>, before: usize) -> Result<(), StoreError> {
        let actions = std::mem::take(&mut self.actions);
        let written = self.audit(command, actions.get(before..).unwrap_or_default());
        self.actions = actions;
        written
    }

    /// Writes what was done into the log.
    fn audit(&mut self, command: Vec<Note>, actions: &[Action]) -> Result<(), StoreError> {
        let told = actions.iter().filter_map(|action| match action {
            Action::Tell(event) => Some(event),
            _ => None,
        });
        for note in command.into_iter().chain(told.flat_map(of_event)) {
            let role = match note.case {
                Some(case) => self.role_in(case, note.by.as_ref())?,
                None => None,
            };
            audit::write(self.tx, self.party, self.now, &note, role)?;
        }
        Ok(())
    }

    /// Number of a professional's role in a case, as this device knows it; `by`: not this device's own.
    fn role_in(
        &mut self,
        case: CaseId,
        by: Option<&kring_protocol::address::DeviceAddress>,
    ) -> Result<Option<u8>, StoreError> {
        let Some(CaseRecord { group, .. }) = self.case(case)? else { return Ok(None) };
        let who = &by.unwrap_or(self.party.address()).professional;
        let known =
            |group: &Group| group.context().and_then(|context| context.role(who)).map(crate::case::Role::number);
        if let Some(group) = self.groups.get(&group) {
            return Ok(known(group));
        }
        Ok(Group::load(&self.tx.rows(), group)?.as_ref().and_then(known))
    }
}
