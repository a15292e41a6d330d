//! What is written to the journal: one entry for each accepted request, holding all that it changes.
//!
//! Names on disk are single letters, and are never used again for something else (`v` was); the store encrypts the whole.

use std::fmt;

use bytes::Bytes;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::frame;
use kring_protocol::ids::{
    AccessKey, ClaimId, CrlNumber, CursorId, DeviceId, Epoch, GroupId, InboxSeq, IssuerId, MessageHash, OperationId,
    Seq, Timestamp,
};
use kring_protocol::payload::Payload;
use serde::{Deserialize, Serialize};

use super::directory::Listing;
use super::enrolment::{Organisation, TicketHash};
use crate::store::StoreError;

/// One accepted request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A group's log was opened.
    #[serde(rename = "c")]
    Created(Created),
    /// A record was appended, with all that belongs to a Commit.
    #[serde(rename = "r")]
    Appended(Appended),
    /// A cursor was registered.
    #[serde(rename = "u")]
    CursorRegistered(CursorRegistered),
    /// Records went by age.
    #[serde(rename = "x")]
    Expired(Expired),
    /// A closed group is to be erased.
    #[serde(rename = "e")]
    Erasing(Erasing),
    /// A group was erased.
    #[serde(rename = "z")]
    Erased(Erased),
    /// KeyPackages were published.
    #[serde(rename = "p")]
    Published(Published),
    /// KeyPackages were claimed.
    #[serde(rename = "k")]
    Claimed(Claimed),
    /// A note was sent.
    #[serde(rename = "n")]
    Noted(Noted),
    /// Notes were stored by their device, or expired.
    #[serde(rename = "a")]
    Acknowledged(Acknowledged),
    /// A list of revoked certificates was taken.
    #[serde(rename = "l")]
    CrlTaken(TakenCrl),
    /// Something in an organisation's mailbox for certificates.
    #[serde(rename = "m")]
    Enrolment(Enrolment),
}

/// See [`Entry::Created`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    #[serde(rename = "g")]
    pub(crate) group: GroupId,
    #[serde(rename = "e")]
    pub(crate) epoch: Epoch,
    #[serde(rename = "k")]
    pub(crate) key: AccessKey,
    #[serde(rename = "o")]
    pub(crate) operation: OperationId,
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
    #[serde(rename = "u")]
    pub(crate) cursor: Option<CursorId>,
}

/// See [`Entry::Appended`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    #[serde(rename = "g")]
    pub(crate) group: GroupId,
    #[serde(rename = "s")]
    pub(crate) seq: Seq,
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
    #[serde(rename = "o")]
    pub(crate) operation: OperationId,
    /// CBOR of the wire's record, as it is delivered.
    #[serde(rename = "r")]
    pub(crate) record: Payload,
    #[serde(rename = "c")]
    pub(crate) commit: Option<CommitPart>,
}

/// What a Commit changes beside its record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitPart {
    #[serde(rename = "e")]
    pub(crate) opens: Epoch,
    #[serde(rename = "k")]
    pub(crate) key: AccessKey,
    #[serde(rename = "f")]
    pub(crate) closes: bool,
    #[serde(rename = "w")]
    pub(crate) welcomes: Vec<WelcomePart>,
}

/// One Welcome of a bundle.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomePart {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
    #[serde(rename = "c")]
    pub(crate) claim: ClaimId,
    #[serde(rename = "u")]
    pub(crate) cursor: CursorId,
    #[serde(rename = "s")]
    pub(crate) sealed: Payload,
}

/// See [`Entry::CursorRegistered`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRegistered {
    #[serde(rename = "g")]
    pub(crate) group: GroupId,
    #[serde(rename = "u")]
    pub(crate) cursor: CursorId,
    #[serde(rename = "s")]
    pub(crate) seq: Seq,
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
}

/// See [`Entry::Expired`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    #[serde(rename = "g")]
    pub(crate) group: GroupId,
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
    /// The records that go.
    #[serde(rename = "s")]
    pub(crate) seqs: Vec<Seq>,
    /// Those of them that are Commits.
    #[serde(rename = "c")]
    pub(crate) commits: Vec<Seq>,
    /// Blocks before this one hold nothing any more.
    #[serde(rename = "b")]
    pub(crate) first_block: u64,
    /// Bytes of the records that go.
    #[serde(rename = "m", default)]
    pub(crate) bytes: u64,
}

/// See [`Entry::Erased`]. It names the blocks itself: when it is replayed, the head may have forgotten them already.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    #[serde(rename = "g")]
    pub(crate) group: GroupId,
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
    /// First block that may still be there.
    #[serde(rename = "b")]
    pub(crate) first_block: u64,
    /// The newest record.
    #[serde(rename = "s")]
    pub(crate) newest: Seq,
}

/// See [`Entry::Erasing`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasing {
    #[serde(rename = "g")]
    pub(crate) group: GroupId,
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
}

/// See [`Entry::Published`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
    #[serde(rename = "p")]
    pub(crate) professional: ProfessionalAddress,
    #[serde(rename = "s")]
    pub(crate) single_use: Vec<Payload>,
    #[serde(rename = "l")]
    pub(crate) last_resort: Option<Payload>,
    #[serde(rename = "r")]
    pub(crate) replace: bool,
    /// What the directory has of the device from now on.
    #[serde(rename = "i", default)]
    pub(crate) listing: Option<Box<Listing>>,
}

/// See [`Entry::Claimed`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    #[serde(rename = "t")]
    pub(crate) at: Timestamp,
    #[serde(rename = "u")]
    pub(crate) until: Timestamp,
    #[serde(rename = "c")]
    pub(crate) claims: Vec<ClaimPart>,
}

/// One claim.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimPart {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
    #[serde(rename = "c")]
    pub(crate) claim: ClaimId,
    /// The single-use KeyPackage that went; none: the last resort was given.
    #[serde(rename = "h")]
    pub(crate) spent: Option<MessageHash>,
}

/// See [`Entry::Noted`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
    #[serde(rename = "o")]
    pub(crate) operation: OperationId,
    /// Hash of the sealed note.
    #[serde(rename = "h")]
    pub(crate) hash: MessageHash,
    #[serde(rename = "t")]
    pub(crate) day: Timestamp,
    #[serde(rename = "s")]
    pub(crate) sealed: Payload,
}

/// See [`Entry::Acknowledged`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
    #[serde(rename = "s")]
    pub(crate) through: InboxSeq,
}

/// See [`Entry::CrlTaken`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenCrl {
    #[serde(rename = "i")]
    pub(crate) issuer: IssuerId,
    #[serde(rename = "n")]
    pub(crate) number: CrlNumber,
    /// Hash of the list.
    #[serde(rename = "h")]
    pub(crate) hash: MessageHash,
    #[serde(rename = "c")]
    pub(crate) crl: Payload,
    /// Certificate of the authority that signed it; none: a region root.
    #[serde(rename = "a")]
    pub(crate) authority: Option<Payload>,
    /// Devices that lose their KeyPackages and inbox.
    #[serde(rename = "d")]
    pub(crate) devices: Vec<DeviceId>,
}

/// See [`Entry::Enrolment`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enrolment {
    /// A ticket was opened.
    #[serde(rename = "o")]
    Opened {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which.
        #[serde(rename = "i")]
        ticket: TicketHash,
        /// Until when its request must have come.
        #[serde(rename = "e")]
        expires: Timestamp,
    },
    /// A ticket's request came.
    #[serde(rename = "p")]
    Put {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which.
        #[serde(rename = "i")]
        ticket: TicketHash,
        /// The request.
        #[serde(rename = "s")]
        sealed: Payload,
    },
    /// A ticket's request was answered.
    #[serde(rename = "a")]
    Answered {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which.
        #[serde(rename = "i")]
        ticket: TicketHash,
        /// The answer.
        #[serde(rename = "s")]
        sealed: Payload,
    },
    /// A ticket is over.
    #[serde(rename = "c")]
    Closed {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which.
        #[serde(rename = "i")]
        ticket: TicketHash,
    },
    /// A device asked for a new certificate.
    #[serde(rename = "q")]
    RenewalAsked {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which device.
        #[serde(rename = "d")]
        device: DeviceId,
        /// The request.
        #[serde(rename = "s")]
        request: Payload,
        /// The certificates with which it came.
        #[serde(rename = "c")]
        chain: Vec<Payload>,
        /// When.
        #[serde(rename = "t")]
        at: Timestamp,
    },
    /// A request for renewal was answered.
    #[serde(rename = "r")]
    RenewalAnswered {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which device.
        #[serde(rename = "d")]
        device: DeviceId,
        /// The answer.
        #[serde(rename = "s")]
        answer: Payload,
    },
    /// A request for renewal is over.
    #[serde(rename = "x")]
    RenewalOver {
        /// Whose.
        #[serde(rename = "o")]
        organisation: Organisation,
        /// Which device.
        #[serde(rename = "d")]
        device: DeviceId,
    },
}

impl Enrolment {
    /// In whose mailbox.
    pub(crate) fn organisation(&self) -> &Organisation {
        match self {
            Self::Opened { organisation, .. }
            | Self::Put { organisation, .. }
            | Self::Answered { organisation, .. }
            | Self::Closed { organisation, .. }
            | Self::RenewalAsked { organisation, .. }
            | Self::RenewalAnswered { organisation, .. }
            | Self::RenewalOver { organisation, .. } => organisation,
        }
    }
}

impl Entry {
    /// When it was written, if it says so.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Created(entry) => Some(entry.at),
            Self::Appended(entry) => Some(entry.at),
            Self::CursorRegistered(entry) => Some(entry.at),
            Self::Expired(entry) => Some(entry.at),
            Self::Erasing(entry) => Some(entry.at),
            Self::Erased(entry) => Some(entry.at),
            Self::Claimed(entry) => Some(entry.at),
            Self::Noted(entry) => Some(entry.day),
            Self::Enrolment(Enrolment::RenewalAsked { at, .. }) => Some(*at),
            Self::Published(_) | Self::Acknowledged(_) | Self::CrlTaken(_) | Self::Enrolment(_) => None,
        }
    }

    /// The bytes in the journal.
    pub fn encode(&self) -> Bytes {
        frame::encode_body(self).into()
    }

    /// Reads the bytes of the journal.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        frame::decode(bytes).map_err(|_| StoreError::Corrupt)
    }

    /// What kind it is, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created(_) => "Created",
            Self::Appended(_) => "Appended",
            Self::CursorRegistered(_) => "CursorRegistered",
            Self::Expired(_) => "Expired",
            Self::Erasing(_) => "Erasing",
            Self::Erased(_) => "Erased",
            Self::Published(_) => "Published",
            Self::Claimed(_) => "Claimed",
            Self::Noted(_) => "Noted",
            Self::Acknowledged(_) => "Acknowledged",
            Self::CrlTaken(_) => "CrlTaken",
            Self::Enrolment(_) => "Enrolment",
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
