//! A case as a whole: where it stands, and what of ours is under way.

use std::fmt;

use kring_protocol::ids::{Epoch, GroupId, Seq, Timestamp};

use super::ids::{CaseId, ItemId};
use super::item::Position;
use super::member::Role;

/// Where a case stands, as one line.
#[derive(Clone, PartialEq, Eq)]
pub struct CaseView {
    /// The case.
    pub case: CaseId,
    /// What its members call it.
    pub title: String,
    /// What this device can do in it.
    pub status: CaseStatus,
    /// The role of this device's professional.
    pub role: Role,
    /// Devices in it.
    pub members: usize,
    /// Items of it on this device.
    pub items: u64,
    /// Its newest item.
    pub last: Position,
    /// Intents that have not reached the log.
    pub queued: usize,
    /// The group that carries it now.
    pub group: GroupId,
    /// That group's epoch.
    pub epoch: Epoch,
    /// The last record of that group that this device has stored.
    pub seq: Seq,
    /// The relay that carries it.
    pub relay: String,
}

/// What this device can do in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaseStatus {
    /// Made here, not yet accepted by the relay.
    Opening,
    /// Reads and writes.
    Open,
    /// This device has asked to leave and waits for another member to carry it out.
    Leaving,
    /// This device has left or was removed: what it had is kept, nothing new comes.
    Left,
    /// Records that this device needs have expired, or do not fit its state: it must be added again.
    OutOfStep,
    /// It is closed: read only.
    Closed,
    /// It is being erased: nothing of what was said is left on this device.
    Erasing,
    /// A Commit was refused: the case waits for its successor group.
    Broken,
}

/// Something of ours that is under way.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The item, if it is one; otherwise a change of the case.
    pub item: Option<ItemId>,
    /// When the user wanted it.
    pub since: Timestamp,
    /// How far it is.
    pub delivery: Delivery,
}

/// How far something of ours is. Accepted by the relay is not delivered: nobody need have read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// On this device only.
    Queued,
    /// Encrypted and stored, sent or about to be sent; no answer yet.
    Submitted,
    /// Durable at the relay.
    Relayed {
        /// Its record.
        seq: Seq,
    },
}

/// SHA-256 over the items of a case from a position on: order, authors, texts. Equal on two devices that hold the
/// same items in the same order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl fmt::Debug for CaseView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaseView({:?}, epoch {}, {} members, {} items)", self.status, self.epoch, self.members, self.items)
    }
}

impl fmt::Debug for OutboxEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboxEntry({:?})", self.delivery)
    }
}
