//! The outbox: one intent of a case after another becomes a submission, once this device is online, has read the whole
//! log, and is sure of who is in the group.
//!
//! A submission is stored before it is sent and sent again, under the same operation id, until the relay has answered
//! or its epoch has ended without it. Up to [`WINDOW`] messages of a case are under way at a time, in the order in which
//! they were encrypted: the driver sends them one behind another on one stream, and of what stands there behind a refused
//! one the relay takes nothing (docs/protocol.md, "Framing"). So what has been accepted is always the beginning of
//! what was sent, and what one says arrives in order, whatever is lost on the way. What changes the group goes alone,
//! when all messages have been read back.

use std::collections::BTreeSet;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{CursorId, Epoch, GroupId, MessageHash, OperationId, Seq, Timestamp};
use kring_protocol::message::{
    ClaimKeyPackages, ClaimedDevice, CreateGroup, Request, SealedWelcome, Submit, SubmitCommit,
};
use kring_protocol::payload::Payload;
use serde_bytes::ByteBuf;

use super::claim::{ClaimStep, claimed};
use super::event::{Dropped, Event, Held, NotAdded};
use super::inbox::{Envelope, Follows};
use super::outgoing::{LARGE, Waiting};
use super::revocation::Age;
use super::session::Asked;
use super::state::{GroupRecord, Intent, Phase, Stage, Submission, Want};
use super::step::{Step, access};
use crate::case::{CaseId, ClosingStage, DutyStep, ItemDraft, Role, Statement};
use crate::identity::SafetyNumber;
use crate::item::{self, Seen, sha256};
use crate::mls::context::CaseContext;
use crate::mls::group::{Group, MlsFailure, Plan, Prepared};
use crate::mls::key_package::{self, Checked};
use crate::mls::policy::is_bound;
use crate::mls::seal::seal;
use crate::store::{Numbered, StoreError, encode};

/// Milliseconds for which messages wait behind a change that the relay has put off.
const PATIENCE: u64 = Timestamp::SECOND;

/// What became of trying to build a submission.
enum Built {
    /// Ready.
    Submission(Box<Submission>),
    /// Something was asked first.
    Waiting,
    /// Nothing left to do.
    Done,
    /// It cannot be done.
    Dropped(Dropped),
}

/// What became of trying to do what is wanted next.
enum Attempt {
    /// A message is stored, and can be sent.
    Encrypted { operation: OperationId, request: Box<Request>, is_large: bool },
    /// Something else has been sent, or asked first.
    Begun,
    /// It is not wanted any more.
    Over,
}

/// Messages of a case that are under way at once: what a relay takes on one stream before it has answered the first. A
/// busy relay a tenth of a second away still takes 640 messages a second of one case.
const WINDOW: usize = 64;

/// Who is added.
struct Newcomers {
    professional: ProfessionalAddress,
    role: Role,
    claimed: Vec<ClaimedDevice>,
    /// Of an own device: the number that it shows.
    number: Option<SafetyNumber>,
    /// They were in the group before this one.
    along: bool,
}

/// A joiner's KeyPackage and where its Welcome goes.
struct Joiner {
    checked: Checked,
    claim: kring_protocol::ids::ClaimId,
}

/// What of a case is on its way.
#[derive(Default)]
struct Way {
    /// Messages that were sent and have no answer.
    messages: usize,
    /// One of them is too large to go with others.
    large: bool,
    /// The relay has some that this device has not read back.
    accepted: bool,
    /// One waits before it is sent again: nothing overtakes it.
    stopped: bool,
    /// A Commit waits in the group, so nothing but messages can go on.
    passing: bool,
}

impl Way {
    /// Whether anything is on it. What changes the group does not begin before everything has arrived.
    fn is_taken(&self) -> bool {
        self.messages > 0 || self.accepted || self.stopped
    }

    /// Whether a message can go.
    fn has_room(&self, is_large: bool) -> bool {
        !self.stopped && !self.large && self.messages < if is_large { 1 } else { WINDOW }
    }
}

impl Step<'_> {
    /// Does the next thing that a case waits for.
    pub(super) fn advance(&mut self, case: CaseId) -> Result<(), StoreError> {
        if !self.session.connected {
            return Ok(());
        }
        let Some(group) = self.case(case)?.map(|record| record.group) else { return Ok(()) };
        let state = self.group_record(group)?.ok_or(StoreError::Corrupt)?;
        let Some(way) = self.go_on(case, group)? else { return Ok(()) };
        if state.phase == Phase::Opening {
            if way.is_taken() {
                return Ok(());
            }
            let opening =
                |intent: &Numbered<Intent>| matches!(intent.value.want, Want::Open { group: id } if id == group);
            let Some(open) = self.intents(case)?.into_iter().find(opening) else { return Ok(()) };
            let submission = self.open(group, &state)?;
            self.submit(case, open.id, open.value, submission)?;
            return Ok(());
        }
        // Before the relay's revocation lists are read nobody knows who must not be written to.
        if state.phase != Phase::Live || !self.session.live.contains_key(&group) || !self.session.lists.done {
            return Ok(());
        }
        let mut mls = self.take(group)?;
        let outcome = self.next(case, group, &state, &mut mls, way);
        self.put(group, mls);
        outcome
    }

    /// Sends again what is under way and not on this connection, in the order in which it was encrypted. `None`: nothing
    /// else can be begun.
    fn go_on(&mut self, case: CaseId, group: GroupId) -> Result<Option<Way>, StoreError> {
        let mut way = Way::default();
        for one in self.outgoing(case)?.under_way() {
            if !one.is_message {
                // Alone; a change that the relay has put off for long lets messages pass.
                if one.is_commit && self.is_put_off(one.id) {
                    way.passing = true;
                    continue;
                }
                if one.accepted.is_none() && self.is_ready(one.id) {
                    self.send_again(one.id)?;
                }
                return Ok(None);
            }
            if one.accepted.is_some() {
                way.accepted = true;
            } else if self.session.busy.contains(&one.id) {
                way.messages += 1;
                way.large |= one.is_large;
            } else if self.session.retry_at.contains_key(&one.id) || !way.has_room(one.is_large) {
                way.stopped = true;
            } else if one.group == group && !self.may_be_heard(case, group, one.id, &mut way)? {
                continue;
            } else {
                way.messages += 1;
                way.large |= one.is_large;
                self.send_again(one.id)?;
            }
        }
        Ok(Some(way))
    }

    /// Whether a message that was encrypted can still be sent. It does not stand in the log: if it was encrypted to
    /// somebody who is revoked, it is built anew. Should it come late all the same, whoever reads it drops the repetition.
    fn may_be_heard(&mut self, case: CaseId, group: GroupId, id: i64, way: &mut Way) -> Result<bool, StoreError> {
        if !self.session.lists.done {
            way.stopped = true;
            return Ok(false);
        }
        if !self.has_revoked(group)? {
            return Ok(true);
        }
        if !self.session.live.contains_key(&group) {
            way.stopped = true;
        } else if let Some(mut intent) = self.intent(id)? {
            intent.stage = Stage::Queued;
            self.write_intent(case, id, &intent)?;
        }
        Ok(false)
    }

    /// Whether the relay has put an intent off for so long that what is behind it does not wait.
    fn is_put_off(&self, id: i64) -> bool {
        self.session.retry_at.get(&id).is_some_and(|at| at.since(self.now) > PATIENCE)
    }

    /// Begins what comes next: as many messages as have room on the way, or one change of the group once that is free.
    fn next(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
        mls: &mut Group,
        mut way: Way,
    ) -> Result<(), StoreError> {
        // Nobody who is revoked is written to, nor anybody whose certificate has ended: they are taken out first.
        let unfit = mls.unfit(self.party, self.now);
        let leaving = mls.leaving();
        if leaving.contains(&mls.own_index()) {
            self.session.forget_sweep(case);
            if unfit.any_revoked() || way.is_taken() {
                // Who goes makes no Commit; others take the revoked out.
                return Ok(());
            }
            // This device has said that it goes; another one carries it out, unless nobody could hear it.
            let Some(again) = self.outgoing(case)?.leave() else { return Ok(()) };
            self.attempt(case, group, state, mls, again)?;
            return Ok(());
        }
        // Nobody waits for those who were in a case that the relay has lost and are not back yet.
        let put_off: BTreeSet<_> = self.session.retry_at.keys().copied().filter(|id| self.is_put_off(*id)).collect();
        let away = |id: i64, waiting: &Waiting| waiting.is_along && put_off.contains(&id);
        let oldest = self.outgoing(case)?.oldest(|id, waiting| !away(id, waiting));
        // Changes stay in their order, and messages in theirs.
        let only_messages = way.passing || oldest.is_some_and(|first| put_off.contains(&first));
        let passes = |id: i64, waiting: &Waiting| (waiting.is_message || !only_messages) && !away(id, waiting);
        if state.used_up == Some(mls.epoch()) {
            // No key is used twice: fresh ones first.
            if way.passing || way.is_taken() {
                return Ok(());
            }
            if self.session.stuck.insert(group, mls.epoch()) == Some(mls.epoch()) {
                return Ok(());
            }
            let id = self.queue(case, Want::UpdateKeys)?;
            self.attempt(case, group, state, mls, id)?;
            return Ok(());
        }
        #[cfg(feature = "planted-faults")]
        let careless = crate::planted::is(crate::planted::Fault::EncryptToRevoked);
        #[cfg(not(feature = "planted-faults"))]
        let careless = false;
        let removable = if careless { Vec::new() } else { unfit.removable(self.may_remove(mls)) };
        let out = mls.may_go(self.party, removable, false)?;
        let stuck = way.passing || self.session.stuck.get(&group) == Some(&mls.epoch());
        if stuck && !leaving.is_empty() {
            // MLS says nothing while a proposal waits; another member's Commit, or the next epoch, goes on.
            return Ok(());
        }
        let somebody_goes = !leaving.is_empty() || !out.is_empty();
        if !somebody_goes {
            self.session.forget_sweep(case);
        } else if !stuck {
            let waits = self.outgoing(case)?.next(WINDOW, passes);
            let waits = if out.is_empty() {
                waits.iter().min_by_key(|(id, _)| *id)
            } else {
                waits.iter().find(|(id, _)| self.is_ready(*id))
            };
            let wanted = waits.is_some_and(|(_, first)| !out.is_empty() || first.is_message);
            if self.is_turn(case, mls, &out)? || wanted {
                if way.is_taken() {
                    return Ok(());
                }
                self.session.forget_sweep(case);
                let id = self.queue(case, Want::Sweep)?;
                self.attempt(case, group, state, mls, id)?;
                return Ok(());
            }
        }
        if unfit.any_revoked() && !careless && self.outgoing(case)?.any(passes) {
            // Somebody else's turn comes first; or nobody's but that of those who need no evidence.
            return if stuck || out.is_empty() { self.hold_back(case, mls.epoch(), Held::Revoked) } else { Ok(()) };
        }
        let why = match self.list_age(case, mls) {
            _ if !unfit.is_empty() && !careless => Some(Held::Ended),
            Age::Stale => Some(Held::StaleList),
            Age::Fresh | Age::Overdue => None,
        };
        let held = |_, waiting: &Waiting| waiting.is_message && !waiting.anyway;
        if let Some(why) = why
            && self.outgoing(case)?.any(held)
        {
            self.hold_back(case, mls.epoch(), why)?;
        }
        // Somebody is in danger; everything else can wait. Messages of the same haste stay in their order.
        let goes = |id, waiting: &Waiting| passes(id, waiting) && !(why.is_some() && held(id, waiting));
        let queue = self.outgoing(case)?.next(WINDOW, goes);
        #[cfg(feature = "planted-faults")]
        let queue = if crate::planted::is(crate::planted::Fault::NewestFirst) {
            queue.into_iter().rev().collect()
        } else {
            queue
        };
        for (id, waiting) in queue {
            let room = if waiting.is_message { way.has_room(false) } else { !way.is_taken() };
            if !room || !self.is_ready(id) {
                return Ok(());
            }
            match self.attempt(case, group, state, mls, id)? {
                Attempt::Encrypted { operation, request, is_large } if way.has_room(is_large) => {
                    way.messages += 1;
                    way.large |= is_large;
                    self.send(id, operation, *request);
                }
                // It goes once the way is free.
                Attempt::Encrypted { .. } => way.stopped = true,
                Attempt::Begun => return Ok(()),
                Attempt::Over => {}
            }
        }
        Ok(())
    }

    /// Builds what is wanted next and stores it; then a change of the group is sent, and a message is sent by whoever
    /// knows whether there is room for it.
    fn attempt(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
        mls: &mut Group,
        id: i64,
    ) -> Result<Attempt, StoreError> {
        let Some(intent) = self.intent(id)? else { return Ok(Attempt::Over) };
        let want = intent.want.clone();
        match self.build(case, group, state, mls, id, want)? {
            Built::Submission(submission) => {
                #[cfg(feature = "planted-faults")]
                if crate::planted::is(crate::planted::Fault::MergeBeforeReceipt) {
                    if let Request::SubmitCommit(commit) = &submission.request {
                        let _ = mls.merge_own(self.party, self.tx, Some(commit.next_access_key), false)?;
                    }
                }
                if !intent.want.is_held() {
                    self.submit(case, id, intent, *submission)?;
                    return Ok(Attempt::Begun);
                }
                let (operation, request) = (submission.operation, Box::new(submission.request.clone()));
                let is_large = self.store(case, id, intent, *submission)?;
                Ok(Attempt::Encrypted { operation, request, is_large })
            }
            Built::Waiting => Ok(Attempt::Begun),
            Built::Done => {
                self.delete_intent(case, id, &intent.want)?;
                self.session.dirty.insert(case);
                Ok(Attempt::Over)
            }
            Built::Dropped(_) if matches!(intent.want, Want::Sweep) => {
                // Tried again it would be the same: not before the next epoch.
                self.session.stuck.insert(group, mls.epoch());
                self.delete_intent(case, id, &intent.want)?;
                Ok(Attempt::Over)
            }
            Built::Dropped(why) => {
                self.session.dirty.insert(case);
                if matches!(intent.want, Want::UpdateKeys) {
                    self.delete_intent(case, id, &intent.want)?;
                } else {
                    self.drop_intent(case, id, &intent, why)?;
                }
                Ok(Attempt::Over)
            }
        }
    }

    /// Stores a submission, then sends it.
    fn submit(&mut self, case: CaseId, id: i64, intent: Intent, submission: Submission) -> Result<(), StoreError> {
        let (operation, request) = (submission.operation, submission.request.clone());
        self.store(case, id, intent, submission)?;
        self.send(id, operation, request);
        Ok(())
    }

    /// Stores a submission behind all that is under way. Whether it is too large to go with others.
    fn store(
        &mut self,
        case: CaseId,
        id: i64,
        mut intent: Intent,
        mut submission: Submission,
    ) -> Result<bool, StoreError> {
        let is_large = matches!(&submission.request, Request::Submit(submit) if submit.message.len() > LARGE);
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::SendBeforeStoring) {
            return Ok(is_large);
        }
        submission.turn = self.outgoing(case)?.next_turn();
        intent.stage = Stage::Submitted(Box::new(submission));
        self.write_intent(case, id, &intent)?;
        Ok(is_large)
    }

    fn send_again(&mut self, id: i64) -> Result<(), StoreError> {
        if let Some(Intent { stage: Stage::Submitted(submission), .. }) = self.intent(id)? {
            self.send(id, submission.operation, submission.request);
        }
        Ok(())
    }

    fn send(&mut self, id: i64, operation: OperationId, request: Request) {
        self.session.busy.insert(id);
        self.ask(Asked::Submission(id, operation), request);
    }

    fn open(&mut self, id: GroupId, state: &GroupRecord) -> Result<Submission, StoreError> {
        let mls = self.take(id)?;
        let epoch = mls.epoch();
        let key = mls.access(self.party)?.public()?;
        self.put(id, mls);
        let operation = OperationId(crate::random::identifier());
        Ok(Submission {
            operation,
            hash: MessageHash([0; 32]),
            group: id,
            epoch,
            request: Request::CreateGroup(CreateGroup {
                access: access(id, epoch),
                operation,
                access_key: key,
                cursor: Some(state.cursor),
            }),
            item: None,
            accepted: None,
            turn: 0,
        })
    }

    fn build(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
        mls: &mut Group,
        id: i64,
        want: Want,
    ) -> Result<Built, StoreError> {
        match want {
            Want::Open { .. } => Ok(Built::Done),
            Want::Item { ref draft, .. } if is_read_only(mls, draft) => Ok(Built::Dropped(Dropped::Closed)),
            Want::Item { id, draft, sent_at } => {
                let hash = state.hash.as_slice().try_into().map_err(|_| StoreError::Corrupt)?;
                let seen = Seen { seq: state.at.unwrap_or(Seq(0)), hash };
                let content = item::encode(self.party.signer(), case, id, &draft, sent_at, seen)?;
                let message = mls.encrypt(self.party, self.tx, &content)?;
                Ok(Built::Submission(Box::new(message_submission(group, mls, message, Some(content)))))
            }
            Want::Leave => {
                let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
                if mls.context().is_none_or(|context| is_bound(&context, self.party.verified(), &seats)) {
                    return Ok(Built::Dropped(Dropped::LastOfCoordinator));
                }
                let message = mls.propose_leave(self.party, self.tx)?;
                Ok(Built::Submission(Box::new(message_submission(group, mls, message, None))))
            }
            Want::Add { professional, device, claimed: None, along: None, .. }
                if self.list_age(case, mls) == Age::Stale =>
            {
                self.not_added(case, &professional, device, NotAdded::StaleList);
                Ok(Built::Done)
            }
            Want::Add { professional, device: Some(device), claimed: None, along, .. }
                if mls.has_device(self.party, &professional, device) =>
            {
                // Nothing need be claimed to know it.
                if along.is_none() {
                    self.not_added(case, &professional, Some(device), NotAdded::Already);
                }
                Ok(Built::Done)
            }
            Want::Add { professional, device, claimed: None, .. } => {
                if self.may_claim(case, id, &professional) {
                    self.session.busy.insert(id);
                    self.session.claiming.insert(id, professional.clone());
                    let request = Request::ClaimKeyPackages(ClaimKeyPackages { professional, device });
                    self.ask(Asked::Claim(id), request);
                }
                Ok(Built::Waiting)
            }
            Want::Add { professional, device: _, role, claimed: Some(claimed), along } => {
                let number = self.intent(id)?.and_then(|intent| intent.number);
                let whom = Newcomers { professional, role, claimed, number, along: along.is_some() };
                self.build_add(case, group, state, mls, &whom)
            }
            Want::Remove { professional, device } => {
                let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
                let remove: Vec<_> = seats
                    .iter()
                    .filter(|seat| {
                        let address = seat.device.address();
                        address.professional == professional && device.is_none_or(|id| id == address.device)
                    })
                    .map(|seat| seat.index)
                    .collect();
                if remove.is_empty() || remove.contains(&mls.own_index()) {
                    return Ok(Built::Dropped(Dropped::NothingToDo));
                }
                self.build_commit(group, mls, Plan { remove, ..Plan::default() })
            }
            Want::SetRole { professional, role: Role::Coordinator, along: Some(_) } => {
                let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
                let there = seats.iter().any(|seat| seat.device.address().professional == professional);
                let back = mls.context().and_then(|context| context.given_back()).filter(|_| there);
                // It may have gone back already, or there is nobody yet to whom it could.
                let Some(context) = back else { return Ok(Built::Done) };
                self.build_commit(group, mls, Plan { context: Some(context), ..Plan::default() })
            }
            Want::SetRole { professional, role, .. } => {
                let mut context = mls.context().ok_or(StoreError::Corrupt)?;
                let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
                let there = seats.iter().any(|seat| seat.device.address().professional == professional);
                if !there || context.role(&professional) == Some(role) {
                    return Ok(Built::Dropped(Dropped::NothingToDo));
                }
                context.set_role(&professional, role);
                self.build_commit(group, mls, Plan { context: Some(context), ..Plan::default() })
            }
            Want::Duty { step } => self.build_duty(group, mls, step),
            Want::Claim { step } => {
                let context = mls.context().ok_or(StoreError::Corrupt)?;
                match claimed(&context, &self.party.address().professional, step) {
                    Some(context) => {
                        self.build_commit(group, mls, Plan { context: Some(context), ..Plan::default() })
                    }
                    None if step == ClaimStep::Withdraw => Ok(Built::Done),
                    None => Ok(Built::Dropped(Dropped::NothingToDo)),
                }
            }
            Want::UpdateKeys => self.build_commit(group, mls, Plan::default()),
            Want::Sweep => {
                let unfit = mls.unfit(self.party, self.now);
                let remove = mls.may_go(self.party, unfit.removable(self.may_remove(mls)), false)?;
                if remove.is_empty() && !mls.has_pending_proposals() {
                    return Ok(Built::Done);
                }
                self.build_commit(group, mls, Plan { remove, ..Plan::default() })
            }
        }
    }

    fn may_remove(&self, mls: &Group) -> bool {
        let role = mls.context().and_then(|context| context.role(&self.party.address().professional));
        matches!(role, Some(Role::Coordinator | Role::Deputy))
    }

    /// Whether an intent can be tried now.
    fn is_ready(&self, id: i64) -> bool {
        !self.session.busy.contains(&id) && !self.session.retry_at.contains_key(&id)
    }

    /// Whether somebody in a group is revoked, as far as this device knows.
    fn has_revoked(&mut self, group: GroupId) -> Result<bool, StoreError> {
        let mls = self.take(group)?;
        let revoked = mls.unfit(self.party, self.now).any_revoked();
        self.put(group, mls);
        Ok(revoked)
    }

    /// Says, once in an epoch, that something is not sent, and why.
    fn hold_back(&mut self, case: CaseId, epoch: Epoch, why: Held) -> Result<(), StoreError> {
        if self.session.held.insert((case, why), epoch) != Some(epoch) {
            self.tell(Event::Held { case, why });
        }
        Ok(())
    }

    fn build_add(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
        mls: &mut Group,
        whom: &Newcomers,
    ) -> Result<Built, StoreError> {
        let Newcomers { professional, role, claimed, number, along } = whom;
        let (role, number, along) = (*role, *number, *along);
        let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let mut joiners = Vec::new();
        for device in claimed.iter().take(kring_protocol::limits::MAX_WELCOMES) {
            let there = |seat: &crate::mls::group::Seat| {
                seat.device.address().professional == *professional && seat.device.address().device == device.device
            };
            let checked = if seats.iter().any(there) {
                Err(NotAdded::Already)
            } else {
                key_package::check(self.party, &device.key_package, professional, device.device, self.now)
            };
            let checked = checked.and_then(|checked| {
                let seen = checked.list_seen(self.party);
                let stale = seen.is_some_and(|seen| Age::of(seen, self.now) == Age::Stale);
                if number.is_some_and(|number| number != SafetyNumber::of_device(&checked.device)) {
                    Err(NotAdded::OtherNumber)
                } else if stale && !along {
                    Err(NotAdded::StaleList)
                } else {
                    Ok(checked)
                }
            });
            match checked {
                Ok(checked) => joiners.push(Joiner { checked, claim: device.claim }),
                Err(NotAdded::Already) if along => {}
                Err(reason) => {
                    self.not_added(case, professional, Some(device.device), reason);
                    if let Some(number) = number.filter(|_| reason == NotAdded::OtherNumber) {
                        self.forget_number(device.device, number)?;
                    }
                }
            }
        }
        if joiners.is_empty() {
            return Ok(Built::Done);
        }
        let mut context = mls.context().ok_or(StoreError::Corrupt)?;
        let own = context.role(&self.party.address().professional);
        let change = match context.role(professional) {
            Some(present) => present != role && own == Some(Role::Coordinator) && present != Role::Coordinator,
            None => true,
        };
        if change {
            context.set_role(professional, role);
        }
        let add = joiners.iter().map(|joiner| joiner.checked.key_package.clone()).collect();
        let coming = context.coordinator() == Some(professional);
        let unfit = mls.unfit(self.party, self.now);
        let remove = mls.may_go(self.party, unfit.removable(self.may_remove(mls)), coming)?;
        let plan = Plan { add, remove, context: change.then_some(context), step: None };
        let prepared = match mls.commit(self.party, self.tx, plan) {
            Ok(prepared) => prepared,
            Err(MlsFailure::Store(error)) => return Err(error),
            Err(MlsFailure::Refused) => return Ok(Built::Dropped(Dropped::Role)),
        };
        let welcome = prepared.welcome.as_deref().ok_or(StoreError::Internal)?;
        let next = mls.epoch().next();
        let follows = mls.context().and_then(|context| context.predecessor).map(|before| Follows::from(&before));
        let nothing_until = self.nothing_to_tell(case, state)?;
        self.save(group, &GroupRecord { built_at: Some(state.at.unwrap_or_default()), ..state.clone() })?;
        let mut welcomes = Vec::with_capacity(joiners.len());
        for joiner in &joiners {
            let cursor = CursorId(crate::random::identifier());
            let envelope = Envelope::welcome(group, &state.relay, cursor, next, case, follows.clone(), welcome)
                .with_nothing_until(nothing_until);
            let key = crate::mls::inbox_key(&joiner.checked.key_package).ok_or(StoreError::Internal)?;
            let sealed = seal(self.party, key, &encode(&envelope)?).ok_or(StoreError::Internal)?;
            welcomes.push(SealedWelcome {
                claim: joiner.claim,
                device: joiner.checked.device.address().device,
                sealed: sealed.into(),
                cursor,
            });
        }
        Ok(Built::Submission(Box::new(commit_submission(group, mls, prepared, welcomes))))
    }

    pub(super) fn not_added(
        &mut self,
        case: CaseId,
        professional: &kring_protocol::address::ProfessionalAddress,
        device: Option<kring_protocol::ids::DeviceId>,
        reason: NotAdded,
    ) {
        self.tell(Event::NotAdded { case, professional: professional.clone(), device, reason });
    }

    /// A step of the duties, as they stand now: somebody else may have been first.
    fn build_duty(&mut self, group: GroupId, mls: &mut Group, step: DutyStep) -> Result<Built, StoreError> {
        let context = mls.context().ok_or(StoreError::Corrupt)?;
        let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let present = |who: &ProfessionalAddress| seats.iter().any(|seat| seat.device.address().professional == *who);
        if let Err(refused) = context.after(&step, &self.party.address().professional, &present) {
            return Ok(Built::Dropped(Dropped::Duty(refused)));
        }
        self.build_commit(group, mls, Plan { step: Some(step), ..Plan::default() })
    }

    fn build_commit(&mut self, group: GroupId, mls: &mut Group, plan: Plan) -> Result<Built, StoreError> {
        match mls.commit(self.party, self.tx, plan) {
            Ok(prepared) => Ok(Built::Submission(Box::new(commit_submission(group, mls, prepared, Vec::new())))),
            Err(MlsFailure::Store(error)) => Err(error),
            Err(MlsFailure::Refused) => Ok(Built::Dropped(Dropped::Role)),
        }
    }
}

/// Whether nothing is said any more: the case is closed.
fn is_read_only(mls: &Group, draft: &ItemDraft) -> bool {
    match mls.context().and_then(|context| context.duties.stage()) {
        None | Some(ClosingStage::Proposed) => false,
        Some(ClosingStage::Closed) => true,
        // But that this device has destroyed what it had.
        Some(ClosingStage::Erasing) => !matches!(draft.as_read().statement(), Some(Statement::Attestation(_))),
    }
}

fn message_submission(group: GroupId, mls: &Group, message: Vec<u8>, item: Option<Vec<u8>>) -> Submission {
    let operation = OperationId(crate::random::identifier());
    let epoch = mls.epoch();
    Submission {
        operation,
        hash: MessageHash(sha256(&message)),
        group,
        epoch,
        request: Request::Submit(Submit { access: access(group, epoch), operation, message: Payload::from(message) }),
        item: item.map(ByteBuf::from),
        accepted: None,
        turn: 0,
    }
}

fn commit_submission(group: GroupId, mls: &Group, prepared: Prepared, welcomes: Vec<SealedWelcome>) -> Submission {
    let operation = OperationId(crate::random::identifier());
    let epoch = mls.epoch();
    Submission {
        operation,
        hash: MessageHash(sha256(&prepared.message)),
        group,
        epoch,
        request: Request::SubmitCommit(SubmitCommit {
            access: access(group, epoch),
            operation,
            message: Payload::from(prepared.message),
            next_access_key: prepared.next_access_key,
            welcomes,
            closes: prepared.closes.then_some(true),
        }),
        item: None,
        accepted: None,
        turn: 0,
    }
}

/// A context without somebody.
pub(super) fn without(context: &CaseContext, who: &kring_protocol::address::ProfessionalAddress) -> CaseContext {
    let mut context = context.clone();
    context.forget(who);
    context
}
