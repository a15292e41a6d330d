//! What the engine answers.

use std::fmt;

use kring_protocol::ids::{CrlDigest, Epoch, Incarnation, Seq, Timestamp};
use kring_protocol::message as wire;
use kring_protocol::payload::Payload;

use super::access::AccessCheck;
use crate::rules::revocation::ListAt;

/// The answer to an accepted command.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Done, nothing more to say.
    Done,
    /// To a connection that has come.
    Hello(HelloFacts),
    /// To a question for access.
    Access(AccessCheck),
    /// To a submission.
    Receipt(wire::Receipt),
    /// To a read.
    Stretch(Stretch),
    /// To a follow.
    Followed(Followed),
    /// To a publication.
    KeyPackageCount(wire::KeyPackageCount),
    /// To a claim.
    Claimed(wire::Claimed),
    /// To a read of the inbox.
    Inbox(InboxPart),
    /// To a question for lists of revoked certificates.
    NewerLists(NewerLists),
    /// To a read of one of them.
    Crl(Option<wire::Crl>),
    /// To a read of tickets.
    Tickets(Vec<wire::TicketRequest>),
    /// To a read of renewals.
    Renewals(Letters<wire::Renewal>),
    /// To a question for an answer.
    Letter(Payload),
    /// To a search.
    Found(wire::Found),
}

/// Lists of revoked certificates that a client does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerLists {
    /// Where they stand.
    pub lists: Vec<ListAt>,
    /// Which lists there are.
    pub digest: CrlDigest,
}

/// A part of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters<T> {
    /// In order.
    pub letters: Vec<T>,
    /// There are more.
    pub more: bool,
}

/// What a hello's answer tells of the relay and the connection's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelloFacts {
    /// Which life of the database this is.
    pub incarnation: Incarnation,
    /// The relay's clock.
    pub now: Timestamp,
    /// Single-use KeyPackages of the device.
    pub key_packages: u64,
    /// There is a last-resort KeyPackage.
    pub last_resort: bool,
    /// Notes waiting in the device's inbox.
    pub inbox: u64,
    /// Which lists of revoked certificates there are.
    pub crls: CrlDigest,
}

/// One part of the answer to a read or a follow.
#[derive(Clone, PartialEq, Eq)]
pub enum Backlog {
    /// A record, CBOR of a [`wire::Record`].
    Record(bytes::Bytes),
    /// Records that expired unread.
    Gap(wire::Gap),
}

impl Backlog {
    /// How many bytes of records it has.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Record(record) => record.len() as u64,
            Self::Gap(_) => 0,
        }
    }
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(record) => write!(f, "Record({} bytes)", record.len()),
            Self::Gap(gap) => gap.fmt(f),
        }
    }
}

/// A stretch of a log, read for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Records and gaps in order.
    pub backlog: Vec<Backlog>,
    /// The record up to which the stretch goes.
    pub through: Seq,
    /// The newest record that the proof opens.
    pub head: Seq,
    /// The epoch that follows the proof's, if that has ended; else the proof's own.
    pub epoch: Epoch,
}

/// A stretch of the backlog of a follow, and what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Records and gaps in order.
    pub stretch: Stretch,
    /// How it goes on.
    pub next: Next,
}

/// What follows a stretch of backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is more: follow again after `stretch.through`. Nothing is subscribed yet.
    More,
    /// Every record after `stretch.through` is pushed, from this very moment on.
    Live,
    /// The stretch ends with the Commit that ends the proof's epoch.
    Paused(Seq),
}

/// A part of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPart {
    /// Notes in order.
    pub notes: Vec<wire::Note>,
    /// The newest note of the inbox.
    pub newest: wire::InboxEnd,
    /// There are notes after those given: read again after the last of them.
    pub more: bool,
}
