//! What the relay answers.

use kring_protocol::ids::{GroupId, OperationId, Seq, Timestamp};
use kring_protocol::message::Reply;
use kring_protocol::refusal::{Refusal, RefusedRecipient, Retry};

use super::event::{Dropped, Event, NotAdded};
use super::io::{Connected, Ticket};
use super::lost::AWAITED;
use super::session::Asked;
use super::state::{Intent, Phase, Stage, Submission, Want};
use super::step::Step;
use crate::case::{CLOCK_TOLERANCE, CaseId};
use crate::store::StoreError;

/// How often KeyPackages are claimed anew for one addition: a claim lapses after days, and this device can be away
/// for as long again.
const CLAIMS: u64 = 3;
/// How often it is looked whether they are back.
const RETURN_PAUSE: u64 = 60 * Timestamp::SECOND;

impl Step<'_> {
    pub(super) fn connected(&mut self, connected: &Connected) -> Result<(), StoreError> {
        self.disconnected()?;
        self.session.connected = true;
        self.session.stale = false;
        let apart = self.now.since(connected.relay_now).max(connected.relay_now.since(self.now));
        self.session.clock_off = apart > CLOCK_TOLERANCE;
        if self.session.clock_off {
            let seconds = i64::try_from(apart / Timestamp::SECOND).unwrap_or(i64::MAX);
            let ahead_seconds = if self.now > connected.relay_now { seconds } else { -seconds };
            self.tell(Event::ClockOff { ahead_seconds });
        }
        let known = self.tx.rows().meta("incarnation")?;
        if known.as_deref() != Some(connected.incarnation.as_bytes().as_slice()) {
            if known.is_some() {
                self.relay_replaced()?;
            }
            self.tx.write_meta("incarnation", connected.incarnation.as_bytes())?;
        }
        self.look_at_lists(connected.crls);
        for id in self.tx.rows().groups()? {
            let Some(state) = self.group_record(id)? else { continue };
            match state.phase {
                Phase::Live => {
                    let group = self.take(id)?;
                    let epoch = group.epoch();
                    self.put(id, group);
                    self.follow(id, epoch, &state);
                    self.session.dirty.insert(state.case);
                    self.session.says_again_at.extend(state.says_again_at.map(|at| (id, at)));
                }
                Phase::Opening => {
                    self.session.dirty.insert(state.case);
                }
                Phase::Left | Phase::OutOfStep | Phase::Broken | Phase::Replaced => {}
            }
        }
        self.resume_erasing()?;
        for case in self.tx.rows().cases()? {
            // What an earlier connection has claimed counts.
            self.outgoing(case)?;
        }
        self.session.keys_at = Some(self.now);
        self.fill_key_packages(connected.key_packages, connected.last_resort)?;
        if connected.inbox > 0 {
            self.acknowledge_inbox()?;
            self.read_inbox()?;
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, ticket: Ticket, answer: Result<Vec<Reply>, Refusal>) -> Result<(), StoreError> {
        let Some(asked) = self.session.asked.remove(&ticket) else { return Ok(()) };
        match asked {
            Asked::Submission(id, operation) => self.submission_answered(id, operation, answer),
            Asked::Claim(id) => self.claimed(id, answer),
            Asked::Publish => self.published(answer),
            Asked::Lists => self.lists_answered(answer),
            Asked::Cursors(moves) => self.cursors_answered(moves, answer),
            Asked::Cursor(group, at) => self.cursor_registered(group, at, answer),
            Asked::Erase(case) => self.erase_answered(case, &answer),
            Asked::Nothing => Ok(()),
        }
    }

    /// Says that something of ours is durable at the relay.
    pub(super) fn relayed(&mut self, case: CaseId, want: &Want, seq: Seq) {
        if let Some(item) = want.item() {
            self.tell(Event::Relayed { case, item, seq });
        }
    }

    fn submission_answered(
        &mut self,
        id: i64,
        operation: OperationId,
        answer: Result<Vec<Reply>, Refusal>,
    ) -> Result<(), StoreError> {
        let Some((case, mut intent)) = self.tx.rows().intent::<Intent>(id)? else { return Ok(()) };
        let Stage::Submitted(submission) = &mut intent.stage else { return Ok(()) };
        if submission.operation != operation {
            // Late: what it is about was left behind, and built anew.
            return Ok(());
        }
        self.session.busy.remove(&id);
        self.session.dirty.insert(case);
        match answer.map(|replies| replies.into_iter().next()) {
            Ok(Some(Reply::Receipt(receipt))) => {
                if let Want::Open { group } = intent.want {
                    self.delete_intent(case, id, &intent.want)?;
                    return self.opened(case, group);
                }
                submission.accepted = Some(receipt.seq);
                let group = submission.group;
                self.write_intent(case, id, &intent)?;
                self.relayed(case, &intent.want, receipt.seq);
                if self.is_being_erased(case)? {
                    // Durable in the log: this device need not see it come back.
                    let (own, said) = (self.party.address().clone(), intent.want.statement());
                    self.attested(case, &own, said.as_ref(), receipt.at)?;
                }
                let Some(state) = self.group_record(group)? else { return Ok(()) };
                // What has been read, or is known to be gone, does not come again.
                self.finish_missed(group, state.gap_to.max(state.at.unwrap_or_default()))
            }
            Ok(_) => self.pause(id, Timestamp::SECOND),
            Err(refusal) => {
                let submission = (**submission).clone();
                self.submission_refused(case, id, intent, &submission, refusal)
            }
        }
    }

    /// The group's log exists: the case is open.
    fn opened(&mut self, case: CaseId, group: GroupId) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(group)? else { return Ok(()) };
        if state.phase != Phase::Opening {
            return Ok(());
        }
        state.phase = Phase::Live;
        self.save(group, &state)?;
        let mls = self.take(group)?;
        let epoch = mls.epoch();
        self.put(group, mls);
        self.follow(group, epoch, &state);
        self.tell(match state.follows {
            None => Event::CaseOpened { case },
            Some(_) => Event::Continued { case, by: self.party.address().clone() },
        });
        Ok(())
    }

    fn pause(&mut self, id: i64, milliseconds: u64) -> Result<(), StoreError> {
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::ForgetRetry) {
            self.session.busy.insert(id);
            return Ok(());
        }
        self.session.retry_at.insert(id, self.now.plus(milliseconds));
        Ok(())
    }

    fn submission_refused(
        &mut self,
        case: CaseId,
        id: i64,
        mut intent: Intent,
        submission: &Submission,
        refusal: Refusal,
    ) -> Result<(), StoreError> {
        if let Refusal::Recipients(recipients) = &refusal {
            return self.leave_out(case, id, intent, submission, recipients);
        }
        match refusal.retry() {
            // The log tells: the Commit that ended the epoch is on its way, and what was lost is built anew after it.
            Retry::AfterReading => {
                self.session.busy.insert(id);
                Ok(())
            }
            Retry::After(milliseconds) => self.pause(id, milliseconds),
            Retry::Reconnect => {
                self.session.busy.insert(id);
                Ok(())
            }
            Retry::Never if refusal == Refusal::Forbidden && !matches!(intent.want, Want::Open { .. }) => {
                // The epoch has ended, or this device is out: either way the log's subscription says so.
                self.pause(id, 5 * Timestamp::SECOND)
            }
            Retry::Never => {
                if intent.want.is_commit() {
                    let mut group = self.take(submission.group)?;
                    group.discard(self.party, self.tx)?;
                    self.put(submission.group, group);
                }
                if matches!(intent.want, Want::Leave) {
                    let mut group = self.take(submission.group)?;
                    group.forget_proposals(self.party, self.tx)?;
                    self.put(submission.group, group);
                }
                intent.stage = Stage::Queued;
                self.drop_intent(case, id, &intent, Dropped::Relay(refusal))
            }
        }
    }

    /// Builds an addition anew without those whose Welcome cannot be stored.
    fn leave_out(
        &mut self,
        case: CaseId,
        id: i64,
        mut intent: Intent,
        submission: &Submission,
        recipients: &[RefusedRecipient],
    ) -> Result<(), StoreError> {
        let mut group = self.take(submission.group)?;
        group.discard(self.party, self.tx)?;
        self.put(submission.group, group);
        let Want::Add { professional, claimed: Some(claimed), .. } = &mut intent.want else {
            return self.drop_intent(case, id, &intent, Dropped::NothingToDo);
        };
        let professional = professional.clone();
        let expired = |refused: &RefusedRecipient| refused.reason == RefusedRecipient::NO_CLAIM;
        let again = recipients.iter().any(expired) && intent.claims < CLAIMS;
        let before = claimed.len();
        claimed.retain(|device| !recipients.iter().any(|refused| refused.device == device.device));
        let progress = claimed.len() < before;
        let empty = claimed.is_empty();
        if again {
            // What was claimed has lapsed while it waited: once more.
            if let Want::Add { claimed, .. } = &mut intent.want {
                *claimed = None;
            }
            intent.claims += 1;
            intent.stage = Stage::Queued;
            return self.write_intent(case, id, &intent);
        }
        for refused in recipients {
            self.not_added(case, &professional, Some(refused.device), reason(refused));
        }
        if empty || !progress {
            return self.delete_intent(case, id, &intent.want);
        }
        intent.stage = Stage::Queued;
        self.write_intent(case, id, &intent)
    }

    /// Whether somebody who cannot be claimed for comes back by themselves: the relay has lost what it had of all devices,
    /// and they publish KeyPackages anew with their next connection.
    fn is_awaited(&self, intent: &Intent) -> Result<bool, StoreError> {
        let Some(group) = intent.want.along() else { return Ok(false) };
        Ok(self.now.since(intent.since) < AWAITED && self.follows_lost(group)?)
    }

    /// Tries an addition again later, behind the others.
    fn await_return(&mut self, case: CaseId, id: i64, intent: &Intent) -> Result<(), StoreError> {
        self.delete_intent(case, id, &intent.want)?;
        let again = self.append_intent(case, intent)?;
        self.pause(again, RETURN_PAUSE)
    }

    fn claimed(&mut self, id: i64, answer: Result<Vec<Reply>, Refusal>) -> Result<(), StoreError> {
        self.session.busy.remove(&id);
        self.session.claiming.remove(&id);
        let Some((case, mut intent)) = self.tx.rows().intent::<Intent>(id)? else { return Ok(()) };
        self.session.dirty.insert(case);
        let awaited = self.is_awaited(&intent)?;
        let original = intent.clone();
        let Want::Add { professional, claimed, device, .. } = &mut intent.want else { return Ok(()) };
        let (professional, device) = (professional.clone(), *device);
        match answer.map(|replies| replies.into_iter().next()) {
            Ok(Some(Reply::Claimed(answer))) if awaited && answer.devices.is_empty() => {
                self.await_return(case, id, &original)
            }
            Err(Refusal::UnknownProfessional) if awaited => self.await_return(case, id, &original),
            Ok(Some(Reply::Claimed(answer))) => {
                let (later, refused): (Vec<_>, Vec<_>) =
                    answer.refused.iter().partition(|refused| refused.reason == RefusedRecipient::OPEN_CLAIMS);
                for refused in &refused {
                    let reason = match refused.reason {
                        // The claim names no one else's reason: there was nothing to claim.
                        RefusedRecipient::NO_CLAIM => NotAdded::NoKeyPackage,
                        _ => reason(refused),
                    };
                    self.not_added(case, &professional, Some(refused.device), reason);
                }
                if answer.devices.is_empty() {
                    if answer.refused.is_empty() {
                        self.not_added(case, &professional, device, NotAdded::Unknown);
                    }
                    self.delete_intent(case, id, &intent.want)?;
                } else {
                    *claimed = Some(answer.devices);
                    self.write_intent(case, id, &intent)?;
                }
                self.add_later(case, &original, later.iter().map(|refused| refused.device))
            }
            Ok(_) => self.pause(id, Timestamp::SECOND),
            Err(Refusal::UnknownProfessional) => {
                self.not_added(case, &professional, device, NotAdded::Unknown);
                self.delete_intent(case, id, &intent.want)
            }
            Err(refusal) => match refusal.retry() {
                Retry::After(milliseconds) => {
                    // It would say the same to the other cases.
                    self.session.claim_after.insert(professional, self.now.plus(milliseconds));
                    self.pause(id, milliseconds)
                }
                Retry::Reconnect => {
                    // Asked again on the next connection.
                    self.session.busy.insert(id);
                    Ok(())
                }
                Retry::AfterReading => self.pause(id, Timestamp::SECOND),
                Retry::Never => self.drop_intent(case, id, &intent, Dropped::Relay(refusal)),
            },
        }
    }
}

fn reason(refused: &RefusedRecipient) -> NotAdded {
    match refused.reason {
        RefusedRecipient::INBOX_FULL => NotAdded::InboxFull,
        RefusedRecipient::REVOKED => NotAdded::Revoked,
        _ => NotAdded::NoKeyPackage,
    }
}
