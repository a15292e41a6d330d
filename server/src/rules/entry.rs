//! What is written to the journal: one entry for each accepted request, holding all that it changes.
//!
//! Names on disk are single letters, and are never used again for something else; the store encrypts the whole.

use std::fmt;

use bytes::Bytes;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::frame;
use kring_protocol::ids::{
    AccessKey, ClaimId, CursorId, DeviceId, Epoch, GroupId, InboxSeq, MessageHash, OperationId, Seq, Timestamp,
};
use kring_protocol::payload::Payload;
use serde::{Deserialize, Serialize};

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
    Erased(Erasing),
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
    /// A device was revoked.
    #[serde(rename = "v")]
    Revoked(Revoked),
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

/// See [`Entry::Erasing`] and [`Entry::Erased`].
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

/// See [`Entry::Revoked`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    #[serde(rename = "d")]
    pub(crate) device: DeviceId,
}

impl Entry {
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
            Self::Revoked(_) => "Revoked",
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
