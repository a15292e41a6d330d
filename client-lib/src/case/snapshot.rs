//! What a joiner is told of the case: a joiner has no history, so whoever adds it sends the state as it was when the Commit
//! was merged. Members who were there before compare it with their own and dispute it where it differs, for everybody to
//! see.
//!
//! A state that is larger than an item goes in parts; the hash is over the whole. Refused: parts that do not add up to it.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{GroupId, Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::fold::{CaseState, Refused, STATE_VERSION};
use super::hash::ContentHash;
use super::ids::ItemId;
use super::log::says_nothing;

/// Most bytes of a state in one item.
pub(crate) const PART: usize = 128 * 1024;
/// Most parts: 8 MiB, more than a full state has.
const MAX_PARTS: u64 = 64;
/// Most disputes that the state keeps.
pub(super) const MAX_DISPUTES: usize = 64;

/// The state of a case, or a part of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSays {
    /// The group.
    pub group: GroupId,
    /// The Commit after which it is the state.
    pub seq: Seq,
    /// Version of the state's form.
    pub version: u64,
    /// SHA-256 of the whole state's bytes.
    pub hash: ContentHash,
    /// Which part this is, from 0.
    pub part: u64,
    /// How many there are.
    pub parts: u64,
    /// The part's bytes.
    pub bytes: ByteBuf,
}

/// A snapshot is not what a member has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeSays {
    /// The last part of the snapshot.
    pub snapshot: ItemId,
    /// SHA-256 of the state that the member has at that record.
    pub hash: ContentHash,
}

/// A disputed snapshot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The last part of the snapshot.
    pub snapshot: ItemId,
    /// Who disputes it.
    pub by: ProfessionalAddress,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the state that they have.
    pub hash: ContentHash,
}

impl Dispute {
    pub(super) fn new(by: ProfessionalAddress, at: Timestamp, says: &DisputeSays) -> Self {
        Self { snapshot: says.snapshot, by, at, hash: says.hash }
    }

    /// Whether somebody disputes the same snapshot again.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.snapshot == other.snapshot && self.by == other.by
    }
}

impl SnapshotSays {
    /// A state, cut into as many statements as it needs.
    pub(crate) fn of(state: &CaseState, group: GroupId, seq: Seq) -> Vec<Self> {
        let bytes = kring_protocol::frame::encode_body(state);
        let hash = ContentHash::of(&bytes);
        let parts = bytes.chunks(PART);
        let count = parts.len() as u64;
        let version = STATE_VERSION;
        parts
            .enumerate()
            .map(|(part, bytes)| Self {
                group,
                seq,
                version,
                hash,
                part: part as u64,
                parts: count,
                bytes: ByteBuf::from(bytes),
            })
            .collect()
    }

    /// Whether two are parts of one state.
    pub(crate) fn belongs_to(&self, other: &Self) -> bool {
        self.group == other.group
            && self.seq == other.seq
            && self.hash == other.hash
            && self.version == other.version
            && self.parts == other.parts
    }

    pub(super) fn check(&self) -> Result<(), Refused> {
        let fits = self.part < self.parts && self.parts <= MAX_PARTS && self.bytes.len() <= PART;
        if fits { Ok(()) } else { Err(Refused::Bounds) }
    }
}

/// Puts a state together from its parts, in any order; `None`: they are not all there, are of another version, or do not
/// add up to what they say.
pub(crate) fn assemble(parts: &[SnapshotSays]) -> Option<CaseState> {
    let first = parts.first().filter(|first| first.version == STATE_VERSION)?;
    let mut bytes = Vec::new();
    for number in 0..first.parts {
        let part = parts.iter().find(|part| part.part == number && part.belongs_to(first))?;
        bytes.extend_from_slice(&part.bytes);
    }
    if ContentHash::of(&bytes) != first.hash {
        return None;
    }
    let state: CaseState = kring_protocol::frame::decode(&bytes).ok()?;
    // What this program would write differently is not a state of this program.
    (kring_protocol::frame::encode_body(&state) == bytes).then_some(state)
}

impl CaseState {
    /// SHA-256 of the state's bytes: equal on devices that have the same state.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&kring_protocol::frame::encode_body(self))
    }
}

says_nothing!(SnapshotSays, DisputeSays, Dispute);
