//! The inbox: Welcomes, processed within a step and acknowledged only after it; and KeyPackages kept filled, so that
//! there is something to be added with.
//!
//! A Welcome for a case that this device is still in waits: its log may not have been read to the removal, or to the
//! refused Commit, that makes it right. CDDL in `docs/items.md`.

use kring_protocol::ids::{CursorId, Epoch, GroupId, InboxSeq, MessageHash, Timestamp};
use kring_protocol::limits::MAX_KEY_PACKAGES;
use kring_protocol::message::{AcknowledgeInbox, Note, PublishKeyPackages, Request};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::event::Event;
use super::io::Action;
use super::session::Asked;
use super::state::{CaseRecord, GroupRecord, Phase};
use super::step::Step;
use crate::case::CaseId;
use crate::mls::context::Predecessor;
use crate::mls::group::MlsFailure;
use crate::mls::join::{Invitation, invitation};
use crate::mls::key_package;
use crate::mls::seal::open;
use crate::store::{Numbered, StoreError, decode};

/// Version of the envelope's form.
const VERSION: u64 = 1;
/// An envelope that carries a Welcome.
const WELCOME: u64 = 1;
/// Most notes that wait for one case: more are somebody's fault, and the oldest are kept.
const MAX_HELD: usize = 16;
/// Name of the last note's number in the store.
const READ: &str = "inbox read";

/// What is sealed to a device. All of it but the Welcome is the sender's word, to be checked.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Envelope(u64, u64, GroupId, String, CursorId, Epoch, CaseId, Option<Follows>, ByteBuf);

/// The group that a successor goes on from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Follows(pub(crate) GroupId, ByteBuf, MessageHash);

impl From<&Predecessor> for Follows {
    fn from(before: &Predecessor) -> Self {
        Self(before.group, before.authenticator.clone(), before.refused)
    }
}

impl Envelope {
    pub(crate) fn welcome(
        group: GroupId,
        relay: &str,
        cursor: CursorId,
        epoch: Epoch,
        case: CaseId,
        follows: Option<Follows>,
        welcome: &[u8],
    ) -> Self {
        Self(VERSION, WELCOME, group, relay.to_owned(), cursor, epoch, case, follows, ByteBuf::from(welcome))
    }

    fn group(&self) -> GroupId {
        self.2
    }

    fn case(&self) -> CaseId {
        self.6
    }
}

/// What to do with a Welcome.
enum Verdict {
    Join,
    Hold,
    Drop,
}

impl Step<'_> {
    pub(super) fn read_inbox(&mut self) -> Result<(), StoreError> {
        let after = self.inbox_read()?;
        self.actions.push(Action::ReadInbox { after });
        Ok(())
    }

    fn inbox_read(&self) -> Result<InboxSeq, StoreError> {
        self.tx.rows().meta(READ)?.map_or(Ok(InboxSeq(0)), |bytes| decode(&bytes))
    }

    /// Says again what has been stored, in case that an acknowledgement was lost.
    pub(super) fn acknowledge_inbox(&mut self) -> Result<(), StoreError> {
        let through = self.inbox_read()?;
        if through > InboxSeq(0) {
            self.ask(Asked::Nothing, Request::AcknowledgeInbox(AcknowledgeInbox { through }));
        }
        Ok(())
    }

    pub(super) fn note(&mut self, note: &Note) -> Result<(), StoreError> {
        if note.seq <= self.inbox_read()? {
            return Ok(());
        }
        self.tx.write_meta(READ, &crate::store::encode(&note.seq)?)?;
        // Anybody can send a note; what cannot be opened or read is nothing to anyone.
        let envelope = open(self.party, &note.sealed).and_then(|bytes| decode::<Envelope>(&bytes).ok());
        if let Some(envelope) = envelope.filter(|envelope| envelope.0 == VERSION && envelope.1 == WELCOME) {
            self.welcome(note.seq, envelope)?;
        }
        self.ask(Asked::Nothing, Request::AcknowledgeInbox(AcknowledgeInbox { through: note.seq }));
        Ok(())
    }

    fn welcome(&mut self, seq: InboxSeq, envelope: Envelope) -> Result<(), StoreError> {
        match self.weigh(&envelope)? {
            Verdict::Drop => Ok(()),
            Verdict::Hold => {
                let held = self.tx.rows().notes::<Envelope>(envelope.case())?;
                if held.len() < MAX_HELD {
                    self.tx.hold_note(seq, envelope.case(), &envelope)?;
                }
                Ok(())
            }
            Verdict::Join => self.join(&envelope),
        }
    }

    /// Looks at the waiting Welcomes of a case again.
    pub(super) fn replay_notes(&mut self, case: CaseId) -> Result<(), StoreError> {
        for Numbered { id, value } in self.tx.rows().notes::<Envelope>(case)? {
            match self.weigh(&value)? {
                Verdict::Hold => {}
                Verdict::Drop => self.tx.delete_note(id)?,
                Verdict::Join => {
                    self.tx.delete_note(id)?;
                    self.join(&value)?;
                }
            }
        }
        Ok(())
    }

    /// Decides by what the envelope claims whether the Welcome can be used now.
    fn weigh(&self, envelope: &Envelope) -> Result<Verdict, StoreError> {
        let Some(case) = self.case(envelope.case())? else { return Ok(Verdict::Join) };
        let present = self.group_record(case.group)?.ok_or(StoreError::Corrupt)?;
        if let Some(follows) = &envelope.7
            && let Some(before) = self.group_record(follows.0)?
        {
            return Ok(match (&before.refused, before.phase) {
                (Some(refused), Phase::Broken | Phase::Replaced) if refused.hash == follows.2 => Verdict::Join,
                (_, Phase::Live | Phase::Opening) => Verdict::Hold,
                (_, Phase::Left | Phase::OutOfStep) => Verdict::Join,
                (_, Phase::Broken | Phase::Replaced) => Verdict::Drop,
            });
        }
        Ok(match present.phase {
            Phase::Left | Phase::OutOfStep => Verdict::Join,
            Phase::Live if envelope.group() == case.group => Verdict::Hold,
            Phase::Live | Phase::Opening | Phase::Broken | Phase::Replaced => Verdict::Drop,
        })
    }

    fn join(&mut self, envelope: &Envelope) -> Result<(), StoreError> {
        let invitation = match invitation(self.party, self.tx, &envelope.8) {
            Ok(invitation) => invitation,
            Err(MlsFailure::Store(error)) => return Err(error),
            Err(MlsFailure::Refused) => return Ok(()),
        };
        let true_to_its_word = invitation.group == envelope.group()
            && invitation.epoch == envelope.5
            && invitation.context.case == envelope.case()
            && invitation.context.predecessor.as_ref().map(Follows::from) == envelope.7;
        if !true_to_its_word {
            return Ok(());
        }
        let case = envelope.case();
        let before = self.case(case)?;
        let follows = match &before {
            None => None,
            Some(record) => match self.may_replace(record, &invitation)? {
                None => return Ok(()),
                Some(rank) => invitation.context.predecessor.as_ref().map(|before| (before.group, rank)),
            },
        };
        let by = invitation.by.address().clone();
        let (group, title) = (invitation.group, invitation.context.title.clone());
        if let Some(record) = &before {
            self.leave_behind(case, record.group, group)?;
        }
        self.groups.remove(&group);
        let mls = invitation.accept(self.party, self.tx)?;
        self.tx.write_access(group, mls.epoch(), mls.access(self.party)?.bytes())?;
        self.tx.delete_views(group, None)?;
        let state = GroupRecord {
            case,
            relay: envelope.3.clone(),
            phase: Phase::Live,
            cursor: envelope.4,
            at: None,
            gap_to: kring_protocol::ids::Seq(0),
            told: kring_protocol::ids::Seq(0),
            hash: ByteBuf::from([0; 32]),
            fresh_at: self.now,
            refused: None,
            follows,
        };
        self.save(group, &state)?;
        self.tx.write_case(case, &CaseRecord { title, group })?;
        let epoch = mls.epoch();
        self.put(group, mls);
        self.follow(group, epoch, &state);
        self.session.dirty.insert(case);
        self.tell(if before.is_some_and(|record| record.group != group) {
            Event::Continued { case, by }
        } else {
            Event::Joined { case }
        });
        Ok(())
    }

    /// Whether an invitation may take the place of the group that this device has for the case; if so, the rank of
    /// the one who started it.
    fn may_replace(&mut self, record: &CaseRecord, invitation: &Invitation) -> Result<Option<u64>, StoreError> {
        let present = self.group_record(record.group)?.ok_or(StoreError::Corrupt)?;
        let Some(predecessor) = &invitation.context.predecessor else {
            // Added again to the same group.
            let again = record.group == invitation.group && matches!(present.phase, Phase::Left | Phase::OutOfStep);
            return Ok(again.then_some(0));
        };
        if record.group == invitation.group {
            return Ok(matches!(present.phase, Phase::Left | Phase::OutOfStep).then_some(0));
        }
        let Some(before) = self.group_record(predecessor.group)? else { return Ok(None) };
        let mls = self.take(predecessor.group)?;
        let rank = self.successor_rank(&mls, &before, predecessor, invitation);
        self.put(predecessor.group, mls);
        let Some(rank) = rank? else { return Ok(None) };
        // Of two successors the one of lower rank wins.
        let better = match present.follows {
            Some((from, other)) if from == predecessor.group && record.group != predecessor.group => rank < other,
            _ => record.group == predecessor.group,
        };
        Ok(better.then_some(rank))
    }

    /// Publishes KeyPackages up to the number that the device keeps at the relay, if there are few.
    pub(super) fn fill_key_packages(&mut self, left: u64, last_resort: bool) -> Result<(), StoreError> {
        let target = self.settings.key_packages.min(MAX_KEY_PACKAGES);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let missing = if left <= target / 2 { target.saturating_sub(left) } else { 0 };
        if self.session.publishing || !self.session.connected || (missing == 0 && last_resort) {
            return Ok(());
        }
        let mut single_use = Vec::with_capacity(missing);
        for _ in 0..missing {
            single_use.push(key_package::make(self.party, self.tx, false, self.now)?);
        }
        let last_resort =
            if last_resort { None } else { Some(key_package::make(self.party, self.tx, true, self.now)?) };
        self.session.publishing = true;
        self.session.publish_at = None;
        let request = PublishKeyPackages { single_use, last_resort, replace: false };
        self.ask(Asked::Publish, Request::PublishKeyPackages(request));
        Ok(())
    }

    /// Timers that have come due.
    pub(super) fn due(&mut self) -> Result<(), StoreError> {
        let now = self.now;
        if self.session.connected {
            let ready: Vec<i64> =
                self.session.retry_at.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
            for id in ready {
                self.session.retry_at.remove(&id);
                if let Some((case, _)) = self.tx.rows().intent::<super::state::Intent>(id)? {
                    self.session.dirty.insert(case);
                }
            }
            for (case, at) in self.session.sweep_at.clone() {
                if at <= now {
                    self.session.dirty.insert(case);
                }
            }
            if self.session.cursors_at.is_some_and(|at| at <= now) {
                self.session.cursors_at = None;
                self.tell_cursors()?;
            }
            if self.session.keys_at.is_some_and(|at| at <= now) {
                self.session.keys_at = Some(now.plus(Timestamp::DAY));
                self.refresh_keys()?;
            }
            if self.session.publish_at.is_some_and(|at| at <= now) {
                self.session.publish_at = None;
                self.fill_key_packages(0, true)?;
            }
        }
        for (case, at) in self.session.successor_at.clone() {
            if at <= now {
                self.session.successor_at.remove(&case);
                self.start_successor(case)?;
            }
        }
        Ok(())
    }
}
