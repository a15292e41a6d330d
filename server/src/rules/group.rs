//! A group's log: who may append and read, in which order, in which epoch.
//!
//! Decides: the first Commit of an epoch wins and ends it (RFC 9750 §5.2.1); an operation id stands for one message.
//! Refused: a proof whose key is not the one of its epoch; anything but a PrivateMessage of this group, epoch and kind
//! (RFC 9420 §6.3); an ended epoch; an operation id with other contents; a log, or Commits, at their bound.
//!
//! The order of the checks is part of the contract: access, form, operation id, epoch, bounds. So a submission sent
//! again after its epoch has ended finds its receipt, and a refusal stores nothing.

use std::collections::VecDeque;

use kring_protocol::frame;
use kring_protocol::ids::{AccessKey, CursorId, Epoch, MessageHash, OperationId, Seq, Timestamp};
use kring_protocol::limits::MAX_WELCOMES;
use kring_protocol::message as wire;
use kring_protocol::mls::{self, ContentType};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};
use serde::{Deserialize, Serialize};

use super::cursors::Cursors;
use super::entry::{Appended, CommitPart, Created, CursorRegistered, Entry, Erasing, Expired, WelcomePart};
use super::limits::{
    COMMIT_BURST, COMMIT_INTERVAL, MAX_DROPPED_COMMITS, MAX_EPOCH, MAX_EPOCHS, MAX_LOG, MAX_LOG_BYTES,
};
use super::retention::KEY_RETENTION;
use crate::engine::ProvenAccess;
use crate::store::Position;

/// The head of a log: everything about a group but its records and where they stand.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "o")]
    creation: (OperationId, Timestamp, AccessKey),
    #[serde(rename = "e")]
    epochs: VecDeque<EpochKey>,
    #[serde(rename = "h")]
    head: Seq,
    #[serde(rename = "f")]
    is_final: bool,
    #[serde(rename = "u")]
    cursors: Cursors,
    #[serde(rename = "n")]
    live: u64,
    /// Bytes of the records that are there.
    #[serde(rename = "m", default)]
    bytes: u64,
    #[serde(rename = "b")]
    first_block: u64,
    #[serde(rename = "d")]
    dropped_commits: VecDeque<Seq>,
    #[serde(rename = "c")]
    commits_booked: Timestamp,
    #[serde(rename = "s")]
    state: State,
}

/// An epoch, from the Commit that opened it to the one that ended it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochKey {
    #[serde(rename = "e")]
    epoch: Epoch,
    #[serde(rename = "k")]
    key: AccessKey,
    #[serde(rename = "o")]
    opened: Seq,
    #[serde(rename = "x")]
    ended: Option<(Seq, Timestamp)>,
}

impl EpochKey {
    /// The Commit that opened it; 0 for the first.
    pub fn opened(&self) -> Seq {
        self.opened
    }

    /// The Commit that ended it.
    pub fn ended(&self) -> Option<Seq> {
        self.ended.map(|(seq, _)| seq)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[serde(rename = "o")]
    Open,
    #[serde(rename = "e")]
    Erasing(Timestamp),
    #[serde(rename = "z")]
    Erased,
}

/// A submission that was accepted before, under the operation id of the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its receipt.
    pub receipt: wire::Receipt,
    /// Hash of its message.
    pub hash: MessageHash,
}

/// What is to be done with an accepted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was accepted before.
    Again(wire::Receipt),
    /// This is to be written.
    Write(Entry),
}

/// Opens a log. `existing` is the head under this id, if there ever was one.
pub fn create(
    existing: Option<&Head>,
    access: ProvenAccess,
    request: &wire::CreateGroup,
    now: Timestamp,
) -> Result<Verdict, Refusal> {
    if access.key != request.access_key {
        return Err(Refusal::Forbidden);
    }
    if access.epoch.0 >= MAX_EPOCH {
        return Err(Refusal::Malformed);
    }
    let Some(head) = existing else {
        return Ok(Verdict::Write(Entry::Created(Created {
            group: access.group,
            epoch: access.epoch,
            key: access.key,
            operation: request.operation,
            at: now,
            cursor: request.cursor,
        })));
    };
    match head.creation {
        (operation, at, key) if operation == request.operation && key == access.key && head.state == State::Open => {
            Ok(Verdict::Again(wire::Receipt { seq: Seq(0), at }))
        }
        _ => Err(Refusal::GroupExists),
    }
}

/// Refuses a bundle of too many Welcomes, before anything is done for each of them.
pub fn bounded(request: &wire::SubmitCommit) -> Result<(), Refusal> {
    if request.welcomes.len() > MAX_WELCOMES {
        return Err(Refusal::TooMany { limit: MAX_WELCOMES as u64 });
    }
    Ok(())
}

/// The message of a submission, checked for its form: a PrivateMessage of the proven group and epoch.
pub struct Formed<'a> {
    message: &'a Payload,
    content: ContentType,
}

/// Checks a message's size and clear header.
pub fn form<'a>(access: ProvenAccess, message: &'a Payload, most: usize) -> Result<Formed<'a>, Refusal> {
    if message.len() > most {
        return Err(Refusal::TooLarge { limit: most as u64 });
    }
    let header = mls::private_message(message).map_err(|_| Refusal::NotPrivateMessage)?;
    if header.group != access.group || header.epoch != access.epoch {
        return Err(Refusal::NotPrivateMessage);
    }
    Ok(Formed { message, content: header.content })
}

impl Head {
    /// The epoch that a proof opens, if its key is the epoch's.
    pub fn admit(&self, access: ProvenAccess) -> Result<&EpochKey, Refusal> {
        let known = self.epoch(access.epoch).filter(|known| known.key == access.key);
        known.filter(|_| self.state != State::Erased).ok_or(Refusal::Forbidden)
    }

    /// An epoch whose key is kept.
    pub fn epoch(&self, epoch: Epoch) -> Option<&EpochKey> {
        let first = self.epochs.front()?.epoch;
        let index = usize::try_from(epoch.0.checked_sub(first.0)?).ok()?;
        self.epochs.get(index)
    }

    /// The key that decides proofs of an epoch.
    pub fn key(&self, epoch: Epoch) -> Option<AccessKey> {
        self.epoch(epoch).filter(|_| self.state != State::Erased).map(|known| known.key)
    }

    /// The epoch that the log is in.
    pub fn current(&self) -> Epoch {
        self.epochs.back().map(|known| known.epoch).unwrap_or_default()
    }

    /// The epoch that a holder of this one is told of: the one that its Commit opened, and none of those that came after a
    /// removal.
    pub fn told(&self, epoch: &EpochKey) -> Epoch {
        if epoch.ended.is_some() { epoch.epoch.next() } else { self.current() }
    }

    /// The newest record.
    pub fn newest(&self) -> Seq {
        self.head
    }

    /// The first block that is kept.
    pub fn first_block(&self) -> u64 {
        self.first_block
    }

    /// Commits up to `through` and after `after` that went with whole blocks.
    pub fn dropped_commits(&self, after: Seq, through: Seq) -> u64 {
        self.dropped_commits.iter().filter(|seq| **seq > after && **seq <= through).count() as u64
    }

    /// Appends an application message or a proposal.
    pub fn submit(
        &self,
        access: ProvenAccess,
        request: &wire::Submit,
        formed: &Formed<'_>,
        earlier: Option<Earlier>,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        if formed.content == ContentType::Commit {
            return Err(Refusal::NotPrivateMessage);
        }
        if let Some(receipt) = self.repeated(access, formed, earlier)? {
            return Ok(Verdict::Again(receipt));
        }
        self.append(access, request.operation, formed, None, now)
    }

    /// Appends a Commit with all that belongs to it. `refused` are its recipients that stand in the way. Never refused
    /// because of cursors: a joiner's takes the place of the one that has not moved for longest.
    pub fn commit(
        &self,
        access: ProvenAccess,
        request: &wire::SubmitCommit,
        formed: &Formed<'_>,
        earlier: Option<Earlier>,
        refused: Vec<RefusedRecipient>,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        if formed.content != ContentType::Commit {
            return Err(Refusal::NotPrivateMessage);
        }
        if let Some(receipt) = self.repeated(access, formed, earlier)? {
            return Ok(Verdict::Again(receipt));
        }
        if !refused.is_empty() {
            return Err(Refusal::Recipients(refused));
        }
        let spent = self.booked(now).since(now);
        if spent > (COMMIT_BURST - 1) * COMMIT_INTERVAL {
            return Err(Refusal::RateLimited { after_ms: spent - (COMMIT_BURST - 1) * COMMIT_INTERVAL });
        }
        let welcome = |welcome: &wire::SealedWelcome| WelcomePart {
            device: welcome.device,
            claim: welcome.claim,
            cursor: welcome.cursor,
            sealed: welcome.sealed.clone(),
        };
        let part = CommitPart {
            #[cfg(feature = "planted-faults")]
            welcomes: match crate::planted::is(crate::planted::Fault::LoseWelcome) {
                true => Vec::new(),
                false => request.welcomes.iter().map(welcome).collect(),
            },
            #[cfg(not(feature = "planted-faults"))]
            welcomes: request.welcomes.iter().map(welcome).collect(),
            opens: following(access.epoch)?,
            key: request.next_access_key,
            closes: request.closes == Some(true),
        };
        self.append(access, request.operation, formed, Some(part), now)
    }

    /// Up to when Commits are booked. A booking that lies further ahead than any can is from before the clock was put
    /// back, and counts no longer.
    fn booked(&self, now: Timestamp) -> Timestamp {
        if self.commits_booked.since(now) > COMMIT_BURST * COMMIT_INTERVAL { now } else { self.commits_booked }
    }

    /// Access, then the operation id, then the epoch.
    fn repeated(
        &self,
        access: ProvenAccess,
        formed: &Formed<'_>,
        earlier: Option<Earlier>,
    ) -> Result<Option<wire::Receipt>, Refusal> {
        let epoch = self.admit(access)?;
        if let Some(earlier) = earlier {
            let same = earlier.hash == hash_of(formed.message);
            return if same { Ok(Some(earlier.receipt)) } else { Err(Refusal::OperationReused) };
        }
        match epoch.ended {
            #[cfg(feature = "planted-faults")]
            Some(_) if crate::planted::is(crate::planted::Fault::SkipEpochCheck) => Ok(None),
            Some((winner, _)) => Err(Refusal::StaleEpoch { epoch: self.told(epoch), winner }),
            None if self.state != State::Open => Err(Refusal::Forbidden),
            None => Ok(None),
        }
    }

    fn append(
        &self,
        access: ProvenAccess,
        operation: OperationId,
        formed: &Formed<'_>,
        commit: Option<CommitPart>,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        if self.live >= MAX_LOG || self.bytes >= MAX_LOG_BYTES {
            return Err(Refusal::Full);
        }
        let seq = self.head.next();
        let record = wire::Record {
            seq,
            at: now,
            operation,
            message: formed.message.clone(),
            next_access_key: commit.as_ref().map(|part| part.key),
            closes: commit.as_ref().and_then(|part| part.closes.then_some(true)),
        };
        let record = frame::encode_body(&record).into();
        Ok(Verdict::Write(Entry::Appended(Appended { group: access.group, seq, at: now, operation, record, commit })))
    }

    /// Whether an operation was accepted.
    pub fn receipt(
        &self,
        access: ProvenAccess,
        request: &wire::FindReceipt,
        earlier: Option<Earlier>,
    ) -> Result<wire::Receipt, Refusal> {
        self.admit(access)?;
        let (created_by, at, _) = self.creation;
        match earlier {
            Some(earlier) if earlier.hash == request.hash => Ok(earlier.receipt),
            Some(_) => Err(Refusal::OperationReused),
            None if created_by == request.operation => Ok(wire::Receipt { seq: Seq(0), at }),
            None => Err(Refusal::NoReceipt),
        }
    }

    /// Registers a cursor; one that is there already stays as it is. Refused in an ended epoch: who was removed holds
    /// nothing back.
    pub fn register(
        &self,
        access: ProvenAccess,
        request: &wire::RegisterCursor,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        let epoch = self.admit(access)?;
        if self.cursors.contains(request.cursor) {
            return Ok(None);
        }
        if let Some((winner, _)) = epoch.ended {
            return Err(Refusal::StaleEpoch { epoch: self.told(epoch), winner });
        }
        self.cursors.admit(now)?;
        let seq = request.seq.min(self.head);
        Ok(Some(Entry::CursorRegistered(CursorRegistered {
            group: access.group,
            cursor: request.cursor,
            seq,
            at: now,
        })))
    }

    /// Whether the log has this cursor.
    pub fn has_cursor(&self, cursor: CursorId) -> bool {
        self.state != State::Erased && self.cursors.contains(cursor)
    }

    /// Moves a cursor forward, or removes it. Not journaled: a move that is lost only delivers again.
    pub fn move_cursor(&mut self, request: &wire::CursorMove, now: Timestamp) {
        match request.seq {
            None => self.cursors.remove(request.cursor),
            Some(seq) => self.cursors.advance(request.cursor, seq.min(self.head), now),
        }
    }

    /// The record that every live cursor has passed: the newest one if there is no live cursor.
    pub fn passed_by_all(&self, now: Timestamp) -> Seq {
        self.cursors.passed_by_all(now).unwrap_or(self.head)
    }

    /// Asks for the erasure of a closed group.
    pub fn erase(&self, access: ProvenAccess, now: Timestamp) -> Result<Option<Entry>, Refusal> {
        let epoch = self.admit(access)?;
        match self.state {
            _ if !self.is_final || epoch.ended.is_some() => Err(Refusal::NotFinal),
            State::Open => Ok(Some(Entry::Erasing(Erasing { group: access.group, at: now }))),
            State::Erasing(_) | State::Erased => Ok(None),
        }
    }

    /// When its erasure was asked for, if it waits for it.
    pub fn erasing_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Erasing(since) => Some(since),
            State::Open | State::Erased => None,
        }
    }

    /// Whether nothing but the id's hash is left.
    pub fn is_erased(&self) -> bool {
        self.state == State::Erased
    }

    pub(crate) fn from_created(position: Position, entry: &Created) -> Self {
        let first = EpochKey { epoch: entry.epoch, key: entry.key, opened: Seq(0), ended: None };
        let mut cursors = Cursors::default();
        if let Some(cursor) = entry.cursor {
            cursors.insert(cursor, Seq(0), entry.at);
        }
        Self {
            through: position,
            creation: (entry.operation, entry.at, entry.key),
            epochs: [first].into(),
            head: Seq(0),
            is_final: false,
            cursors,
            live: 0,
            bytes: 0,
            first_block: 0,
            dropped_commits: VecDeque::new(),
            commits_booked: Timestamp(0),
            state: State::Open,
        }
    }

    pub(crate) fn apply_appended(&mut self, entry: &Appended) {
        self.head = entry.seq;
        self.live += 1;
        self.bytes += entry.record.len() as u64;
        let Some(part) = &entry.commit else { return };
        if let Some(current) = self.epochs.back_mut() {
            current.ended = Some((entry.seq, entry.at));
        }
        self.epochs.push_back(EpochKey { epoch: part.opens, key: part.key, opened: entry.seq, ended: None });
        if self.epochs.len() > MAX_EPOCHS {
            self.epochs.pop_front();
        }
        self.is_final = part.closes;
        self.commits_booked = self.booked(entry.at).max(entry.at).plus(COMMIT_INTERVAL);
        for welcome in &part.welcomes {
            // The joiner begins with the Commit itself.
            let before = Seq(entry.seq.0.saturating_sub(1));
            self.cursors.insert(welcome.cursor, before, entry.at);
        }
    }

    pub(crate) fn apply_cursor(&mut self, entry: &CursorRegistered) {
        self.cursors.insert(entry.cursor, entry.seq, entry.at);
    }

    pub(crate) fn apply_expired(&mut self, entry: &Expired) {
        self.live = self.live.saturating_sub(entry.seqs.len() as u64);
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.first_block = self.first_block.max(entry.first_block);
        for seq in &entry.commits {
            self.dropped_commits.push_back(*seq);
            if self.dropped_commits.len() > MAX_DROPPED_COMMITS {
                self.dropped_commits.pop_front();
            }
        }
        let old = |known: &EpochKey| known.ended.is_some_and(|(_, at)| entry.at.since(at) >= KEY_RETENTION);
        while self.epochs.front().is_some_and(old) {
            self.epochs.pop_front();
        }
        self.cursors.drop_dead(entry.at);
    }

    pub(crate) fn apply_erasing(&mut self, entry: &Erasing) {
        self.state = State::Erasing(entry.at);
    }

    /// Leaves nothing but the fact that the id was used.
    pub(crate) fn apply_erased(&mut self) {
        *self = Self {
            through: self.through,
            creation: (OperationId([0; 16]), Timestamp(0), AccessKey([0; 32])),
            epochs: VecDeque::new(),
            head: self.head,
            is_final: false,
            cursors: Cursors::default(),
            live: 0,
            bytes: 0,
            first_block: super::block::block_of(self.head) + 1,
            dropped_commits: VecDeque::new(),
            commits_booked: Timestamp(0),
            state: State::Erased,
        };
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        256 + self.epochs.len() * size_of::<EpochKey>() + self.cursors.weight() + self.dropped_commits.len() * 8
    }
}

/// The epoch that a Commit of this one opens.
fn following(epoch: Epoch) -> Result<Epoch, Refusal> {
    epoch.0.checked_add(1).filter(|next| *next < MAX_EPOCH).map(Epoch).ok_or(Refusal::Full)
}

/// SHA-256 of a message, by which a submission is recognised.
pub fn hash_of(message: &[u8]) -> MessageHash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message);
    MessageHash::from_slice(digest.as_ref()).expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests;
