//! The inbox: Welcomes, processed within a step and acknowledged only after it.
//!
//! A Welcome for a case that this device is still in waits: its log may not have been read to the removal, or to the
//! refused Commit, that makes it right. **A note that cannot be used is acknowledged and dropped**; none holds up those
//! behind it. CDDL in `docs/items.md`.

use kring_pki::verify::VerifiedDevice;
use kring_protocol::ids::{CursorId, Epoch, GroupId, InboxSeq, MessageHash, Seq, Timestamp};
use kring_protocol::message::{AcknowledgeInbox, Note, Request};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::event::{Suspicion, Unbelieved};
use super::io::Action;
use super::joining::Outcome;
use super::lost::lacking;
use super::session::Asked;
use super::state::{Device, Phase};
use super::step::Step;
use crate::case::CaseId;
use crate::mls::context::Predecessor;
use crate::mls::group::MlsFailure;
use crate::mls::join::{Replaces, company, invitation};
use crate::mls::seal::open;
use crate::store::{Numbered, StoreError, decode};

/// Version of the envelope's form.
const VERSION: u64 = 1;
/// An envelope that carries a Welcome.
const WELCOME: u64 = 1;
/// Most notes that wait for one case: more are somebody's fault, and the oldest are kept.
const MAX_HELD: usize = 16;
/// Most of them by one device, the newest: whoever adds twice means the second.
const MAX_HELD_BY_ONE: usize = 2;
/// How long a note waits: as long as relays keep the Commits that could make it right.
const MAX_HELD_AGE: u64 = 180 * Timestamp::DAY;
/// How long a Welcome waits for the record that would make it right, before the user hears of it: a device that was away
/// reads its inbox and its logs at the same time.
const DOUBT: u64 = 60 * Timestamp::SECOND;
/// Name of the last note's number in the store.
const READ: &str = "inbox read";

/// What is sealed to a device. All of it but the Welcome is the sender's word, to be checked.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Envelope(
    u64,
    u64,
    GroupId,
    String,
    CursorId,
    Epoch,
    CaseId,
    Option<Follows>,
    ByteBuf,
    #[serde(default)] Option<Seq>,
);

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
        let welcome = ByteBuf::from(welcome);
        Self(VERSION, WELCOME, group, relay.to_owned(), cursor, epoch, case, follows, welcome, None)
    }

    /// Says until which record there is nothing to tell of the case.
    pub(crate) fn with_nothing_until(self, record: Option<Seq>) -> Self {
        Self(self.0, self.1, self.2, self.3, self.4, self.5, self.6, self.7, self.8, record)
    }

    pub(super) fn nothing_until(&self) -> Option<Seq> {
        self.9
    }

    pub(super) fn group(&self) -> GroupId {
        self.2
    }

    pub(super) fn relay(&self) -> &str {
        &self.3
    }

    pub(super) fn cursor(&self) -> CursorId {
        self.4
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.5
    }

    pub(super) fn case(&self) -> CaseId {
        self.6
    }

    pub(super) fn follows(&self) -> Option<&Follows> {
        self.7.as_ref()
    }

    pub(super) fn sealed_welcome(&self) -> &[u8] {
        &self.8
    }
}

/// A Welcome that waits.
#[derive(Serialize, Deserialize)]
struct Held {
    since: Timestamp,
    by: Device,
    envelope: Envelope,
    /// The user has heard that nothing speaks for it.
    #[serde(default)]
    told: bool,
}

/// What to do with a Welcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Join,
    Hold,
    /// Nothing that this device has read speaks for it: it waits, and the user is told if that stays so.
    Doubt,
    Drop,
    /// It claims what it has no right to.
    Refuse,
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

    /// Another life of the relay's database numbers its notes from the first again.
    pub(super) fn restart_inbox(&mut self) -> Result<(), StoreError> {
        self.tx.write_meta(READ, &crate::store::encode(&InboxSeq(0))?)
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
        if note.seq <= self.inbox_read()? || note.seq > InboxSeq::MAX {
            return Ok(());
        }
        self.tx.write_meta(READ, &crate::store::encode(&note.seq)?)?;
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::NoteBeforeWelcome) {
            self.tx.split()?;
        }
        // Anybody can send a note; what cannot be opened or read is nothing to anyone.
        let envelope = open(self.party, &note.sealed).and_then(|bytes| decode::<Envelope>(&bytes).ok());
        if let Some(envelope) = envelope.filter(|envelope| envelope.0 == VERSION && envelope.1 == WELCOME) {
            self.welcome(envelope)?;
        }
        self.ask(Asked::Nothing, Request::AcknowledgeInbox(AcknowledgeInbox { through: note.seq }));
        Ok(())
    }

    fn welcome(&mut self, envelope: Envelope) -> Result<(), StoreError> {
        match self.weigh(&envelope)? {
            Verdict::Drop => Ok(()),
            Verdict::Refuse => self.tell_refused(&envelope),
            Verdict::Hold => self.hold(envelope),
            Verdict::Doubt => {
                self.look_again(envelope.case(), self.now.plus(DOUBT));
                self.hold(envelope)
            }
            Verdict::Join => match self.try_join(&envelope)? {
                Outcome::Joined => Ok(()),
                Outcome::NotYet(at) => {
                    self.look_again(envelope.case(), at);
                    self.hold(envelope)
                }
                // Into a new case nobody needs a right that this device could know of.
                Outcome::Refused if self.case(envelope.case())?.is_none() => self.tell_company(&envelope),
                Outcome::Refused => self.tell_refused(&envelope),
            },
        }
    }

    /// Tells of a Welcome that is refused: who made it, or who is in its company. What is none is nothing to anyone.
    fn tell_refused(&mut self, envelope: &Envelope) -> Result<(), StoreError> {
        let Some(by) = self.inviter(envelope)? else { return self.tell_company(envelope) };
        self.suspect(envelope.case(), Some(&by), Suspicion::Invitation);
        Ok(())
    }

    /// Tells why somebody in the company of a Welcome is not believed, if that is so.
    fn tell_company(&mut self, envelope: &Envelope) -> Result<(), StoreError> {
        if let Some(why) = self.company(envelope)? {
            self.suspect(envelope.case(), None, Suspicion::Company(why));
        }
        Ok(())
    }

    /// Keeps a Welcome for later, if it is one.
    fn hold(&mut self, envelope: Envelope) -> Result<(), StoreError> {
        let case = envelope.case();
        let Some(by) = self.inviter(&envelope)? else { return self.tell_company(&envelope) };
        let by = Device::from(by.address());
        let mut held = self.held(case)?;
        let same: Vec<i64> = held.iter().filter(|note| note.value.by == by).map(|note| note.id).collect();
        for id in same.iter().take((same.len() + 1).saturating_sub(MAX_HELD_BY_ONE)) {
            self.tx.delete_note(*id)?;
            held.retain(|note| note.id != *id);
        }
        if held.len() < MAX_HELD {
            self.tx.hold_note(case, &Held { since: self.now, by, envelope, told: false })?;
        }
        Ok(())
    }

    /// The Welcomes that wait for a case, without those that have waited for too long.
    fn held(&mut self, case: CaseId) -> Result<Vec<Numbered<Held>>, StoreError> {
        let mut held = self.tx.rows().notes::<Held>(case)?;
        for old in held.extract_if(.., |note| self.now.since(note.value.since) > MAX_HELD_AGE) {
            self.tx.delete_note(old.id)?;
        }
        Ok(held)
    }

    /// Who made a Welcome; `None`: it is none for this device. Leaves everything as it was.
    fn inviter(&mut self, envelope: &Envelope) -> Result<Option<VerifiedDevice>, StoreError> {
        self.tx.mark()?;
        let invitation = invitation(self.party, self.tx, envelope.sealed_welcome(), Replaces::Group);
        self.tx.probe()?;
        self.tx.undo()?;
        match invitation {
            Ok(invitation) => Ok(envelope.fits(&invitation).then_some(invitation.by)),
            Err(MlsFailure::Refused) => Ok(None),
            Err(MlsFailure::Store(error)) => Err(error),
        }
    }

    /// Why somebody in the group of a Welcome is not believed. Leaves everything as it was.
    fn company(&mut self, envelope: &Envelope) -> Result<Option<Unbelieved>, StoreError> {
        self.tx.mark()?;
        let company = company(self.party, self.tx, envelope.sealed_welcome());
        self.tx.probe()?;
        self.tx.undo()?;
        match company {
            Ok(company) => Ok(company),
            Err(MlsFailure::Refused) => Ok(None),
            Err(MlsFailure::Store(error)) => Err(error),
        }
    }

    /// Looks at the waiting Welcomes of a case again.
    pub(super) fn replay_notes(&mut self, case: CaseId) -> Result<(), StoreError> {
        for Numbered { id, value: held } in self.held(case)? {
            let envelope = &held.envelope;
            match self.weigh(envelope)? {
                Verdict::Hold => {}
                Verdict::Doubt => self.doubt(case, id, held)?,
                Verdict::Drop | Verdict::Refuse => self.tx.delete_note(id)?,
                Verdict::Join => match self.try_join(envelope)? {
                    Outcome::NotYet(at) => self.look_again(case, at),
                    Outcome::Joined | Outcome::Refused => self.tx.delete_note(id)?,
                },
            }
        }
        Ok(())
    }

    /// Tells of a Welcome for which nothing speaks although the log has been read.
    fn doubt(&mut self, case: CaseId, id: i64, held: Held) -> Result<(), StoreError> {
        let due = held.since.plus(DOUBT);
        if held.told {
            return Ok(());
        }
        if self.now < due || !self.session.live.contains_key(&held.envelope.group()) {
            self.look_again(case, due.max(self.now.plus(DOUBT)));
            return Ok(());
        }
        let by = Some(held.by.clone().into());
        self.tx.rewrite_note(id, &Held { told: true, ..held })?;
        self.tell(super::event::Event::Suspicion { case, by, what: Suspicion::Invitation });
        Ok(())
    }

    fn look_again(&mut self, case: CaseId, at: Timestamp) {
        let first = self.session.notes_at.entry(case).or_insert(at);
        *first = at.min(*first);
    }

    /// Decides by what the envelope claims whether the Welcome can be used now.
    fn weigh(&self, envelope: &Envelope) -> Result<Verdict, StoreError> {
        let record = self.case(envelope.case())?;
        if let Some(state) = self.group_record(envelope.group())? {
            let current = state.case == envelope.case() && record.is_some_and(|case| case.group == envelope.group());
            return Ok(match state.phase {
                _ if current && state.takes_back() => Verdict::Join,
                _ if self.went_on_from(envelope.group(), &state)? => Verdict::Join,
                // The removal that makes it right may not have been read yet.
                Phase::Live if current => Verdict::Doubt,
                _ => Verdict::Refuse,
            });
        }
        if record.is_none() {
            return Ok(Verdict::Join);
        }
        let Some(follows) = envelope.follows() else { return Ok(Verdict::Refuse) };
        let before = self.group_record(follows.0)?.filter(|before| before.case == envelope.case());
        let Some(before) = before else { return Ok(Verdict::Refuse) };
        Ok(match (&before.refused, before.phase) {
            (Some(refused), Phase::Broken | Phase::Replaced) if refused.hash == follows.2 => Verdict::Join,
            (_, Phase::Live) if follows.2 == lacking() && before.lately_replaced(self.now).is_some() => Verdict::Join,
            (_, Phase::Live | Phase::Opening) => Verdict::Hold,
            (_, Phase::Left | Phase::OutOfStep) => Verdict::Join,
            (_, Phase::Broken | Phase::Replaced) => Verdict::Drop,
        })
    }
}
