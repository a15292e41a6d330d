//! Reading a group's log, record by record.
//!
//! The running hash is what this device has seen of the log: `SHA-256("kring log 1" ‖ epoch authenticator)` at each
//! Commit, then `SHA-256(hash ‖ SHA-256(message))` with each record. Every item carries its sender's; where both
//! have one for the same record and they differ, the relay has shown them different logs.

use kring_pki::verify::VerifiedDevice;
use kring_protocol::ids::{Epoch, GroupId, MessageHash, Seq};
use kring_protocol::message::{Gap, Record};
use kring_protocol::mls::{ContentType, Header, private_message};
use kring_protocol::refusal::Refusal;
use serde_bytes::ByteBuf;

use super::event::{Dropped, Event, Suspicion};
use super::state::{GroupRecord, Intent, Phase, Stage, StoredItem, Submission, Want};
use super::step::Step;
use crate::case::CaseId;
use crate::conversation::CommitRefused;
use crate::item::{self, Seen, sha256};
use crate::mls::gate::judge_staged;
use crate::mls::group::{Group, MlsFailure, Received};
use crate::store::{Numbered, StoreError};

/// First bytes of the running hash.
const LABEL: &[u8] = b"kring log 1";
/// Running hashes that are kept: a sender who is further behind cannot be compared.
const VIEWS: u64 = 1_024;

/// An item as it was decrypted, or kept.
#[derive(Clone, Copy)]
pub(super) enum Spoken<'b> {
    /// Its signature is still to be checked.
    ByAnother(&'b [u8]),
    /// This device has signed it, and has had it in its sealed store since.
    ByThisDevice(&'b [u8]),
}

impl<'b> Spoken<'b> {
    fn bytes(self) -> &'b [u8] {
        match self {
            Self::ByAnother(bytes) | Self::ByThisDevice(bytes) => bytes,
        }
    }

    /// Whether it is its author's own word for this case.
    fn is_signed(self, read: &item::Read, key: &[u8; 32], case: CaseId) -> bool {
        match self {
            Self::ByAnother(_) => read.signed_by(key, case),
            Self::ByThisDevice(_) => {
                debug_assert!(read.signed_by(key, case), "this device signs what others believe");
                true
            }
        }
    }
}

/// The running hash where an epoch begins.
pub(super) fn first_hash(authenticator: &[u8]) -> [u8; 32] {
    sha256(&[LABEL, authenticator].concat())
}

impl Step<'_> {
    pub(super) fn record(&mut self, id: GroupId, record: &Record) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(id)? else { return Ok(()) };
        if state.phase != Phase::Live || state.at.is_some_and(|at| record.seq <= at) {
            return Ok(());
        }
        // Records are counted from 1.
        if record.seq == Seq(0) || record.seq > Seq::MAX {
            return self.distrust(id, &state);
        }
        if state.at.is_some_and(|at| record.seq.0 > at.0.max(state.gap_to.0).saturating_add(1)) {
            self.suspect(state.case, None, Suspicion::Order);
        }
        let Some(header) = private_message(&record.message).ok().filter(|header| header.group == id) else {
            if state.at.is_none() {
                return self.distrust(id, &state);
            }
            self.suspect(state.case, None, Suspicion::Unreadable);
            return self.pass(id, state, record, None);
        };
        let mut group = self.take(id)?;
        let outcome = self.read(id, &mut state, &mut group, record, header);
        // A Welcome that waited for this record may have put a new state of the group in its place.
        self.groups.entry(id).or_insert(group);
        outcome
    }

    fn read(
        &mut self,
        id: GroupId,
        state: &mut GroupRecord,
        group: &mut Group,
        record: &Record,
        header: Header,
    ) -> Result<(), StoreError> {
        let epoch = group.epoch();
        if header.epoch > epoch {
            return self.out_of_step(id, state.clone());
        }
        // The Commit that added this device opens the first epoch that it knows, and is what it is given first.
        let opens = header.content == ContentType::Commit && header.epoch.next() == epoch;
        if state.at.is_none() && !opens {
            return if header.epoch < epoch { Ok(()) } else { self.distrust(id, state) };
        }
        if header.epoch < epoch {
            if opens {
                let refused = if record.closes == Some(true) {
                    Some(CommitRefused::Closes)
                } else {
                    let same = record.next_access_key == Some(group.access(self.party)?.public()?);
                    (!same).then_some(CommitRefused::AccessKey)
                };
                if let Some(reason) = refused {
                    let what = (MessageHash(sha256(&record.message)), record.at);
                    return self.refuse_commit(id, state.clone(), group, what, None, reason);
                }
                self.joined_at(state.case, id, record.seq)?;
                return self.pass(id, state.clone(), record, Some(first_hash(group.authenticator())));
            }
            return self.pass(id, state.clone(), record, None);
        }
        let hash = MessageHash(sha256(&record.message));
        if let Some((own, submission)) = self.own(state.case, record, hash)? {
            return self.own_record(id, state.clone(), group, record, own, submission);
        }
        let own_leave_stands = header.content == ContentType::Proposal && self.outgoing(state.case)?.has_proposed();
        match group.receive(self.party, self.tx, &record.message, own_leave_stands) {
            Err(MlsFailure::Store(error)) => return Err(error),
            Err(MlsFailure::Refused) if header.content == ContentType::Commit => {
                let what = (hash, record.at);
                return self.refuse_commit(id, state.clone(), group, what, None, CommitRefused::Unreadable);
            }
            Err(MlsFailure::Refused) => self.suspect(state.case, None, Suspicion::Unreadable),
            Ok(Received::Application { sender, bytes }) => {
                let coordinator = group.context().and_then(|context| context.coordinator().cloned());
                if coordinator.as_ref() == Some(&sender.address().professional) {
                    state.coordinator_heard = record.at;
                }
                self.said(id, state, &sender, Spoken::ByAnother(&bytes), record, epoch)?;
            }
            Ok(Received::Leave { proposal, device }) => {
                group.keep_proposal(self.party, self.tx, *proposal)?;
                self.tell(Event::Leaving { case: state.case, device: device.address().clone() });
                self.session.dirty.insert(state.case);
            }
            Ok(Received::Bound) => {}
            Ok(Received::Own) if self.is_under_way(state.case, record)? => {
                // This device's own, and not as it was sent.
                if header.content == ContentType::Commit {
                    let what = (hash, record.at);
                    return self.refuse_commit(id, state.clone(), group, what, None, CommitRefused::Unreadable);
                }
                self.suspect(state.case, None, Suspicion::Unreadable);
            }
            Ok(Received::Own) => {
                // Nothing of it is stored: the store was set back to an older state.
                self.suspect(state.case, None, Suspicion::SetBack);
                self.renew_key_packages()?;
                if header.content != ContentType::Application {
                    return self.out_of_step(id, state.clone());
                }
                state.used_up = Some(epoch);
                self.holed(state.case)?;
            }
            Ok(Received::BadProposal { device }) => {
                self.suspect(state.case, Some(&device), Suspicion::Unreadable);
            }
            Ok(Received::Commit { staged, committer }) => {
                match judge_staged(
                    self.party,
                    group,
                    staged,
                    committer,
                    record.next_access_key,
                    record.closes == Some(true),
                ) {
                    Err(reason) => {
                        let what = (hash, record.at);
                        return self.refuse_commit(id, state.clone(), group, what, Some(committer), reason);
                    }
                    Ok(judged) => {
                        let by = group.seats(self.party).map_err(|_| StoreError::Corrupt)?;
                        let by = by.into_iter().find(|seat| seat.index == committer);
                        let by = by.ok_or(StoreError::Internal)?.device;
                        self.tx.mark()?;
                        let outcome = match group.merge(self.party, self.tx, judged) {
                            Ok(outcome) => outcome,
                            Err(MlsFailure::Store(error)) => return Err(error),
                            Err(MlsFailure::Refused) => {
                                self.tx.undo()?;
                                *group = Group::load(&self.tx.rows(), id)?.ok_or(StoreError::Corrupt)?;
                                let (what, reason) = ((hash, record.at), CommitRefused::Unreadable);
                                return self.refuse_commit(id, state.clone(), group, what, Some(committer), reason);
                            }
                        };
                        self.tx.keep()?;
                        return self.new_epoch(id, state.clone(), group, record, by.address(), outcome);
                    }
                }
            }
        }
        self.pass(id, state.clone(), record, None)
    }

    /// The own submission that a record is, recognised by operation id and hash.
    fn own(
        &mut self,
        case: CaseId,
        record: &Record,
        hash: MessageHash,
    ) -> Result<Option<(Numbered<Intent>, Submission)>, StoreError> {
        let sent = self.outgoing(case)?.sent(record.operation);
        let Some(sent) = sent.filter(|sent| sent.hash == hash) else { return Ok(None) };
        let value = self.intent(sent.id)?.ok_or(StoreError::Internal)?;
        let Stage::Submitted(submission) = &value.stage else { return Err(StoreError::Internal) };
        let submission = (**submission).clone();
        Ok(Some((Numbered { id: sent.id, value }, submission)))
    }

    /// Whether this device has sent something under a record's operation id.
    fn is_under_way(&mut self, case: CaseId, record: &Record) -> Result<bool, StoreError> {
        Ok(self.outgoing(case)?.sent(record.operation).is_some())
    }

    fn own_record(
        &mut self,
        id: GroupId,
        state: GroupRecord,
        group: &mut Group,
        record: &Record,
        mut intent: Numbered<Intent>,
        submission: Submission,
    ) -> Result<(), StoreError> {
        self.session.busy.remove(&intent.id);
        self.session.retry_at.remove(&intent.id);
        self.session.dirty.insert(state.case);
        if submission.accepted.is_none() {
            self.relayed(state.case, &intent.value.want, record.seq);
        }
        match &intent.value.want {
            Want::Item { .. } => {
                let plaintext = submission.item.as_ref().ok_or(StoreError::Corrupt)?;
                let own = self.party.verified().clone();
                self.delete_intent(state.case, intent.id, &intent.value.want)?;
                self.said(id, &state, &own, Spoken::ByThisDevice(plaintext), record, group.epoch())?;
            }
            Want::Leave => {
                if group.own_leave_counts(self.party, self.tx)? {
                    intent.value.stage = Stage::Proposed;
                    self.write_intent(state.case, intent.id, &intent.value)?;
                } else {
                    self.drop_intent(state.case, intent.id, &intent.value, Dropped::LastOfCoordinator)?;
                }
            }
            Want::Open { .. } => {}
            Want::Add { .. }
            | Want::Remove { .. }
            | Want::SetRole { .. }
            | Want::Claim { .. }
            | Want::Duty { .. }
            | Want::UpdateKeys
            | Want::Sweep => {
                let closes = record.closes == Some(true);
                match group.merge_own(self.party, self.tx, record.next_access_key, closes)? {
                    Err(reason) => {
                        let own = group.own_index();
                        let what = (submission.hash, record.at);
                        return self.refuse_commit(id, state, group, what, Some(own), reason);
                    }
                    Ok(outcome) => {
                        self.delete_intent(state.case, intent.id, &intent.value.want)?;
                        let by = self.party.address().clone();
                        return self.new_epoch(id, state, group, record, &by, outcome);
                    }
                }
            }
        }
        self.pass(id, state, record, None)
    }

    /// Somebody said something.
    pub(super) fn said(
        &mut self,
        group: GroupId,
        state: &GroupRecord,
        sender: &VerifiedDevice,
        spoken: Spoken<'_>,
        record: &Record,
        epoch: Epoch,
    ) -> Result<(), StoreError> {
        let case = state.case;
        let bytes = spoken.bytes();
        let Some(read) = item::read(bytes) else {
            self.suspect(case, Some(sender), Suspicion::Unreadable);
            return Ok(());
        };
        if !spoken.is_signed(&read, sender.public_key(), case) {
            self.suspect(case, Some(sender), Suspicion::Signature);
            return Ok(());
        }
        if let Some(seen) = read.seen {
            self.compare(group, state, sender, seen, record.seq)?;
        }
        if self.is_being_erased(case)? {
            let statement = read.said.statement();
            return self.attested(case, sender.address(), statement.as_ref(), record.at);
        }
        let author = sender.address();
        let (media_type, text, content, deleted) = match read.said {
            item::Said::Markdown(text) => (None, Some(text), Vec::new(), false),
            item::Said::Deleted => (None, None, Vec::new(), true),
            item::Said::Part { media_type, content } => (media_type, None, content, false),
        };
        let stored = StoredItem {
            group,
            seq: record.seq,
            epoch,
            id: read.id,
            author: author.into(),
            author_name: sender.name().as_str().to_owned(),
            author_organisation: sender.organisation().as_str().to_owned(),
            author_function: sender.function().as_str().to_owned(),
            own: author == self.party.address(),
            sent_at: read.sent_at,
            relayed_at: record.at,
            in_reply_to: read.in_reply_to,
            replaces: read.replaces,
            about: read.about,
            purpose: read.purpose,
            sensitivity: read.sensitivity,
            media_type,
            text,
            content: ByteBuf::from(content),
            deleted,
            expires: read.expires,
            signed: ByteBuf::from(bytes),
            replaced_by: None,
            forgotten: false,
        };
        if self.is_receipt(case, &stored)? {
            return Ok(());
        }
        if let Some(mut before) = self.tx.rows().item::<StoredItem>(case, author, read.id)? {
            // Sent again by a device that did not learn of the first: the first counts.
            let forgotten = before.forgotten || before.deleted && before.replaces.is_none();
            let same = before.media_type == stored.media_type
                && before.sent_at == stored.sent_at
                && (forgotten || before.text == stored.text && before.content == stored.content);
            if !same {
                self.suspect(case, Some(sender), Suspicion::ItemReused);
            } else if before.group != group {
                // Said again after the group that carried it was left behind.
                before.group = group;
                self.tx.rewrite_item(case, author, before.id, &before)?;
            }
            return Ok(());
        }
        let position = self.tx.append_item(case, author, read.id, &stored)?;
        let verdict = self.fold_item(case, position, &stored)?;
        self.replace(case, &stored)?;
        self.plan_expiry(case, position, &stored)?;
        if !stored.own {
            self.plan_receipts(case)?;
        }
        self.tell(Event::Item(Box::new(stored.show(case, position, verdict))));
        Ok(())
    }

    fn compare(
        &mut self,
        group: GroupId,
        state: &GroupRecord,
        sender: &VerifiedDevice,
        seen: Seen,
        at: Seq,
    ) -> Result<(), StoreError> {
        let fork = if seen.seq >= at {
            true
        } else {
            let own = self.tx.rows().view(group, seen.seq)?;
            own.is_some_and(|own| own != seen.hash) && state.gap_to < at
        };
        if fork {
            self.suspect(state.case, Some(sender), Suspicion::Fork);
        }
        Ok(())
    }

    pub(super) fn suspect(&mut self, case: CaseId, by: Option<&VerifiedDevice>, what: Suspicion) {
        let by = by.map(|device| device.address().clone());
        self.tell(Event::Suspicion { case, by, what });
    }

    /// A record is done: this device's place in the log moves past it.
    pub(super) fn pass(
        &mut self,
        id: GroupId,
        mut state: GroupRecord,
        record: &Record,
        restart: Option<[u8; 32]>,
    ) -> Result<(), StoreError> {
        let hash = match restart {
            Some(hash) => {
                self.tx.delete_views(id, None)?;
                hash
            }
            None => sha256(&[state.hash.as_slice(), &sha256(&record.message)].concat()),
        };
        state.hash = ByteBuf::from(hash);
        state.at = Some(record.seq);
        if self.session.live.contains_key(&id) {
            state.heard_at = self.now;
        }
        self.tx.write_view(id, record.seq, &hash)?;
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::ForgetCursor) {
            self.tx.split()?;
        }
        if record.seq.0.is_multiple_of(VIEWS) {
            self.tx.delete_views(id, Some(Seq(record.seq.0 - VIEWS)))?;
        }
        self.save(id, &state)?;
        self.move_cursor(id, &state);
        Ok(())
    }

    pub(super) fn gap(&mut self, id: GroupId, gap: &Gap) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(id)? else { return Ok(()) };
        if state.phase != Phase::Live || state.at.is_some_and(|at| gap.to <= at) {
            return Ok(());
        }
        if !is_possible(&state, gap) {
            return self.distrust(id, &state);
        }
        if gap.commits > 0 {
            return self.out_of_step(id, state);
        }
        let known = gap.to <= state.gap_to;
        state.gap_to = state.gap_to.max(gap.to);
        self.save(id, &state)?;
        if !known {
            self.holed(state.case)?;
            self.tell(Event::Gap { case: state.case, records: gap.records });
        }
        self.finish_missed(id, gap.to)
    }

    /// The relay says what cannot be: nothing more is taken from it for this group on this connection.
    fn distrust(&mut self, id: GroupId, state: &GroupRecord) -> Result<(), StoreError> {
        self.session.live.remove(&id);
        self.actions.push(super::io::Action::Unfollow { group: id });
        self.suspect(state.case, None, Suspicion::Order);
        Ok(())
    }

    /// A Commit is missing: this device can read nothing more until it is added again.
    fn out_of_step(&mut self, id: GroupId, mut state: GroupRecord) -> Result<(), StoreError> {
        state.phase = Phase::OutOfStep;
        self.save(id, &state)?;
        self.session.live.remove(&id);
        self.actions.push(super::io::Action::Unfollow { group: id });
        self.tell(Event::OutOfStep { case: state.case });
        self.replay_notes(state.case)
    }

    pub(super) fn caught_up(&mut self, id: GroupId, epoch: Epoch, after: Seq) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(id)? else { return Ok(()) };
        let group = self.take(id)?;
        let present = group.epoch() == epoch;
        self.put(id, group);
        if state.phase != Phase::Live || !present {
            return Ok(());
        }
        // What has expired at the end of the backlog has been told; beyond it nothing is believed to be there.
        if let Some(at) = state.at
            && at < state.gap_to
            && state.gap_to <= after
        {
            state.at = Some(state.gap_to);
        }
        if state.at.is_none_or(|at| at < after) {
            // The backlog ended without records that it should have had: who has just joined is given a Commit at least.
            self.save(id, &state)?;
            return self.distrust(id, &state);
        }
        if state.at.is_some_and(|at| at > after) {
            // It has less than this device has had from it already.
            return self.unreachable(id, state);
        }
        state.unreachable = false;
        state.rejoined = None;
        state.reached = Some(epoch);
        state.heard_at = self.now;
        self.save(id, &state)?;
        self.session.live.insert(id, epoch);
        self.session.unplanned.insert(state.case);
        self.plan_receipts(state.case)?;
        self.session.dirty.insert(state.case);
        self.move_cursor(id, &state);
        Ok(())
    }

    pub(super) fn unfollowed(&mut self, id: GroupId, epoch: Epoch, reason: &Refusal) -> Result<(), StoreError> {
        let Some(state) = self.group_record(id)? else { return Ok(()) };
        self.session.live.remove(&id);
        let group = self.take(id)?;
        let present = group.epoch() == epoch;
        self.put(id, group);
        if present && *reason == Refusal::Forbidden && self.is_being_erased(state.case)? {
            return self.log_is_gone(state.case);
        }
        if present && state.phase == Phase::Live && *reason == Refusal::Forbidden {
            return self.unreachable(id, state);
        }
        Ok(())
    }

    /// The connection is gone.
    pub(super) fn disconnected(&mut self) -> Result<(), StoreError> {
        for id in self.session.live.keys().copied().collect::<Vec<_>>() {
            if let Some(mut state) = self.group_record(id)? {
                state.heard_at = self.now;
                self.save(id, &state)?;
            }
        }
        self.session.disconnect();
        self.tell_unsent()
    }
}

/// Whether a gap can be where this device has read to, and holds no more than fits into it.
fn is_possible(state: &GroupRecord, gap: &Gap) -> bool {
    let next = |seq: Seq| seq.0.saturating_add(1);
    let joins = state.at.is_none_or(|at| (next(at)..=next(at.max(state.gap_to))).contains(&gap.from.0));
    let room = gap.to.0.checked_sub(gap.from.0).map(|room| room.saturating_add(1));
    joins && gap.to <= Seq::MAX && room.is_some_and(|room| gap.records <= room && gap.commits <= room)
}
