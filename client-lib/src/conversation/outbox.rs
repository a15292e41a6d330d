//! The outbox: one intent of a case after another becomes a submission, once this device is online, has read the whole
//! log, and is sure of who is in the group.
//!
//! A submission is stored before it is sent and sent again, under the same operation id, until the relay has answered
//! or its epoch has ended without it. One submission of a case is under way at a time, so that what one says arrives
//! in order.

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

impl Step<'_> {
    /// Does the next thing that a case waits for.
    pub(super) fn advance(&mut self, case: CaseId) -> Result<(), StoreError> {
        if !self.session.connected {
            return Ok(());
        }
        let Some(group) = self.case(case)?.map(|record| record.group) else { return Ok(()) };
        let state = self.group_record(group)?.ok_or(StoreError::Corrupt)?;
        let mut intents = self.intents(case)?;
        // What is under way comes first, and alone; a change that the relay has put off for long lets messages pass.
        let mut passing = false;
        for intent in &mut intents {
            let Stage::Submitted(submission) = &intent.value.stage else { continue };
            if intent.value.want.is_commit() && self.is_put_off(intent.id) {
                passing = true;
                continue;
            }
            if submission.accepted.is_some() || !self.is_ready(intent.id) {
                return Ok(());
            }
            if intent.value.want.is_held() && submission.group == group {
                if !self.session.lists.done {
                    return Ok(());
                }
                if self.has_revoked(group)? {
                    if !self.session.live.contains_key(&group) {
                        return Ok(());
                    }
                    // It does not stand in the log, and was encrypted to somebody who is revoked: it is built anew. Should
                    // it come late all the same, whoever reads it drops the repetition.
                    intent.value.stage = Stage::Queued;
                    self.tx.write_intent(intent.id, &intent.value)?;
                    continue;
                }
            }
            self.send(intent.id, submission);
            return Ok(());
        }
        if state.phase == Phase::Opening {
            let opening =
                |intent: &&Numbered<Intent>| matches!(intent.value.want, Want::Open { group: id } if id == group);
            let Some(open) = intents.iter().find(opening) else { return Ok(()) };
            let submission = self.open(group, &state)?;
            return self.submit(open.id, &open.value, submission);
        }
        // Before the relay's revocation lists are read nobody knows who must not be written to.
        if state.phase != Phase::Live || !self.session.live.contains_key(&group) || !self.session.lists.done {
            return Ok(());
        }
        let mut mls = self.take(group)?;
        let outcome = self.next(case, group, &state, &mut mls, intents, passing);
        self.put(group, mls);
        outcome
    }

    /// Whether the relay has put an intent off for so long that what is behind it does not wait.
    fn is_put_off(&self, id: i64) -> bool {
        self.session.retry_at.get(&id).is_some_and(|at| at.since(self.now) > PATIENCE)
    }

    /// `passing`: a Commit waits in the group, so nothing but messages can go on.
    fn next(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
        mls: &mut Group,
        intents: Vec<Numbered<Intent>>,
        passing: bool,
    ) -> Result<(), StoreError> {
        // Nobody who is revoked is written to, nor anybody whose certificate has ended: they are taken out first.
        let unfit = mls.unfit(self.party, self.now);
        let leaving = mls.leaving();
        if leaving.contains(&mls.own_index()) {
            if unfit.any_revoked() {
                // Who goes makes no Commit; others take the revoked out.
                return Ok(());
            }
            // This device has said that it goes; another one carries it out, unless nobody could hear it.
            let again = |intent: &Numbered<Intent>| {
                intent.value.stage.is_queued() && matches!(intent.value.want, Want::Leave)
            };
            let Some(again) = intents.into_iter().find(again) else { return Ok(()) };
            return self.attempt(case, group, state, mls, again.id, Want::Leave);
        }
        let mut intents: Vec<_> = intents.into_iter().filter(|intent| intent.value.stage.is_queued()).collect();
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::NewestFirst) {
            intents.reverse();
        }
        let put_off = |step: &Self| intents.first().is_some_and(|first| step.is_put_off(first.id));
        if passing || put_off(self) {
            // Changes stay in their order, and messages in theirs.
            intents.retain(|intent| matches!(intent.value.want, Want::Item { .. }));
        }
        if state.used_up == Some(mls.epoch()) {
            // No key is used twice: fresh ones first.
            if passing || self.session.stuck.insert(group, mls.epoch()) == Some(mls.epoch()) {
                return Ok(());
            }
            let id = self.queue(case, Want::UpdateKeys)?;
            return self.attempt(case, group, state, mls, id, Want::UpdateKeys);
        }
        let out = mls.may_go(self.party, unfit.removable(self.may_remove(mls)), false)?;
        let stuck = passing || self.session.stuck.get(&group) == Some(&mls.epoch());
        if stuck && !leaving.is_empty() {
            // MLS says nothing while a proposal waits; another member's Commit, or the next epoch, goes on.
            return Ok(());
        }
        let somebody_goes = !leaving.is_empty() || !out.is_empty();
        if somebody_goes && !stuck {
            let waits =
                if out.is_empty() { intents.first() } else { intents.iter().find(|intent| self.is_ready(intent.id)) };
            let wanted = waits.is_some_and(|first| !out.is_empty() || !first.value.want.is_commit());
            if self.is_turn(case, mls, &out)? || wanted {
                self.session.forget_sweep(case);
                let id = self.queue(case, Want::Sweep)?;
                return self.attempt(case, group, state, mls, id, Want::Sweep);
            }
        }
        #[cfg(feature = "planted-faults")]
        let careless = crate::planted::is(crate::planted::Fault::EncryptToRevoked);
        #[cfg(not(feature = "planted-faults"))]
        let careless = false;
        if !intents.is_empty() && unfit.any_revoked() && !careless {
            // Somebody else's turn comes first; or nobody's but that of those who need no evidence.
            return if stuck || out.is_empty() { self.hold_back(case, mls.epoch(), Held::Revoked) } else { Ok(()) };
        }
        let why = match self.list_age(case, mls) {
            _ if !unfit.is_empty() => Some(Held::Ended),
            Age::Stale => Some(Held::StaleList),
            Age::Fresh | Age::Overdue => None,
        };
        if let Some(why) = why {
            let waits = |intent: &Numbered<Intent>| intent.value.want.is_held() && !intent.value.anyway;
            if intents.iter().any(waits) {
                self.hold_back(case, mls.epoch(), why)?;
            }
            intents.retain(|intent| !waits(intent));
        }
        // Somebody is in danger; everything else can wait. Messages of the same haste stay in their order.
        intents.sort_by_key(|intent| !intent.value.want.is_urgent());
        let Some(first) = intents.into_iter().next() else { return Ok(()) };
        if !self.is_ready(first.id) {
            return Ok(());
        }
        self.attempt(case, group, state, mls, first.id, first.value.want)
    }

    fn attempt(
        &mut self,
        case: CaseId,
        group: GroupId,
        state: &GroupRecord,
        mls: &mut Group,
        id: i64,
        want: Want,
    ) -> Result<(), StoreError> {
        let Some((_, intent)) = self.tx.rows().intent::<Intent>(id)? else { return Ok(()) };
        match self.build(case, group, state, mls, id, want)? {
            Built::Submission(submission) => {
                #[cfg(feature = "planted-faults")]
                if crate::planted::is(crate::planted::Fault::MergeBeforeReceipt) {
                    if let Request::SubmitCommit(commit) = &submission.request {
                        let _ = mls.merge_own(self.party, self.tx, Some(commit.next_access_key), false)?;
                    }
                }
                self.submit(id, &intent, *submission)
            }
            Built::Waiting => Ok(()),
            Built::Done => {
                self.tx.delete_intent(id)?;
                self.session.dirty.insert(case);
                Ok(())
            }
            Built::Dropped(_) if matches!(intent.want, Want::Sweep) => {
                // Tried again it would be the same: not before the next epoch.
                self.session.stuck.insert(group, mls.epoch());
                self.tx.delete_intent(id)
            }
            Built::Dropped(why) => {
                self.session.dirty.insert(case);
                if matches!(intent.want, Want::UpdateKeys) {
                    return self.tx.delete_intent(id);
                }
                self.drop_intent(case, id, &intent, why)
            }
        }
    }

    /// Stores a submission, then sends it.
    fn submit(&mut self, id: i64, intent: &Intent, submission: Submission) -> Result<(), StoreError> {
        let mut intent = intent.clone();
        intent.stage = Stage::Submitted(Box::new(submission.clone()));
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::SendBeforeStoring) {
            self.send(id, &submission);
            return Ok(());
        }
        self.tx.write_intent(id, &intent)?;
        self.send(id, &submission);
        Ok(())
    }

    fn send(&mut self, id: i64, submission: &Submission) {
        self.session.busy.insert(id);
        self.ask(Asked::Submission(id, submission.operation), submission.request.clone());
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
            Want::Add { professional, device, role, claimed: None, .. } => {
                self.session.busy.insert(id);
                let request = Request::ClaimKeyPackages(ClaimKeyPackages { professional, device });
                self.ask(Asked::Claim(id), request);
                let _ = role;
                Ok(Built::Waiting)
            }
            Want::Add { professional, device: _, role, claimed: Some(claimed), along } => {
                let number = self.tx.rows().intent::<Intent>(id)?.and_then(|(_, intent)| intent.number);
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
                Err(reason) => self.not_added(case, professional, Some(device.device), reason),
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
    }
}

/// A context without somebody.
pub(super) fn without(context: &CaseContext, who: &kring_protocol::address::ProfessionalAddress) -> CaseContext {
    let mut context = context.clone();
    context.forget(who);
    context
}
